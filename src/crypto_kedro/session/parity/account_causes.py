"""Why an account differs from the backtest's: what happened to it before."""

from crypto_kedro.session.ownership import FOREIGN_FILL
from crypto_kedro.session.parity.difference import Cause, Findings, Why, follows
from crypto_kedro.session.parity.live import LivePeriod
from crypto_kedro.trading.guards import unexplained_lots
from crypto_kedro.trading.observation import Observation


def account_cause(live: LivePeriod, findings: Findings, at_ms: int, seen: Observation | None = None) -> Why:
    """Return why the account is another one than the backtest's.

    Args:
        live: what the session did.
        findings: the differences before.
        at_ms: of the difference, Unix milliseconds UTC.
        seen: what the session observed there, if it did.
    """
    why = None if seen is None else _strangers_now(live, seen)
    opened_ms = None if seen is None else _opened_ms(live, seen)
    earlier = (None if opened_ms is None else findings.first_since(opened_ms)) or findings.first()
    if why is None and earlier is not None:
        why = follows(earlier)
    return why or _stranger_before(live, at_ms) or _carried_over(live) or _moved(live, at_ms) or _unexplained()


def position_cause(
    live: LivePeriod, findings: Findings, opened_ms: int | None, at_ms: int, seen: Observation | None
) -> Why:
    """Return why the orders and executions of a position are others than the backtest's.

    Args:
        live: what the session did.
        findings: the differences before.
        opened_ms: from when on the position can have been opened, Unix milliseconds UTC; None before the period.
        at_ms: of the difference, Unix milliseconds UTC.
        seen: what the session observed there, if it did.
    """
    why = None if seen is None else _strangers_now(live, seen)
    earlier = None if opened_ms is None else findings.first_since(opened_ms)
    if why is None and earlier is not None:
        why = follows(earlier)
    return (
        why or _stranger_before(live, at_ms) or (_carried_over(live) if opened_ms is None else None) or _unexplained()
    )


def _opened_ms(live: LivePeriod, seen: Observation) -> int | None:
    """Return the decision bar in which the position that is held was opened; None without one."""
    bar_ms = live.first.start.settings.barriers.bar_ms
    moments = (trade.opened_at_ms for trade in (seen.ledger.long, seen.ledger.short) if trade is not None)
    newest = max(moments, default=None)
    return None if newest is None else newest // bar_ms * bar_ms


def _strangers_now(live: LivePeriod, seen: Observation) -> Why | None:
    lots = unexplained_lots(seen.account, seen.ledger)
    if lots:
        return Why(Cause.FOREIGN_ORDER, f"the account holds {lots} lots of 0.0001 BTC that the journal's fills do not.")
    strange = [order.order_id for order in seen.account.open_orders if order.order_id not in live.own_order_ids]
    if strange:
        return Why(Cause.FOREIGN_ORDER, f"order {strange[0]} rests on the account and is none of the journal's.")
    return None


def _stranger_before(live: LivePeriod, at_ms: int) -> Why | None:
    text = next((text for at, code, text in live.incidents if code == FOREIGN_FILL and at <= at_ms), None)
    return None if text is None else Why(Cause.FOREIGN_ORDER, text)


def _carried_over(live: LivePeriod) -> Why | None:
    first = next(iter(live.bars.values())).observation
    ledger, begun_ms = first.ledger, live.first.started_at_ms
    if ledger.long or ledger.short:
        return Why(Cause.CARRIED_OVER, "a position was open when the period began.")
    if ledger.started_at_ms < begun_ms and (ledger.closed_trades or ledger.deepest_drawdown):
        return Why(
            Cause.CARRIED_OVER, f"the guards remember {ledger.closed_trades} trades from before the period began."
        )
    return None


def _moved(live: LivePeriod, at_ms: int) -> Why | None:
    moved = next((transfer for transfer in live.moved if transfer.at_ms <= at_ms), None)
    return None if moved is None else Why(Cause.MONEY_MOVED, f"{moved.amount} JPY moved.")


def _unexplained() -> Why:
    return Why(Cause.UNEXPLAINED, "nothing that happened to the account tells why.")
