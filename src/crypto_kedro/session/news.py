"""What a cycle's report is news of."""

from collections.abc import Iterator, Sequence

from crypto_kedro.session.cycle import CycleReport
from crypto_kedro.session.journal import HaltInForce
from crypto_kedro.session.notice import (
    IncidentOver,
    IncidentSeen,
    News,
    PositionClosed,
    PositionOpened,
    ProtectionRepaired,
    Severity,
    TradingHalted,
    TradingResumed,
)
from crypto_kedro.session.records import Trade
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.money import Price
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.protection import resting_protection

BROKEN_OFF = "cycle_broken_off"


def news_of(
    report: CycleReport,
    last_error: str | None,
    before: AccountState | None,
    closed: Sequence[Trade],
    halted: HaltInForce | None,
    halt: HaltInForce | None,
) -> Iterator[News]:
    """Yield what is worth telling.

    Args:
        report: of the cycle.
        last_error: why the cycle before it was broken off, None when it was not.
        before: the account as it was known before, None for the first time.
        closed: trades that ended.
        halted: the halt in force before the cycle.
        halt: the one in force after it.
    """
    if report.error is not None:
        yield IncidentSeen(Severity.WARNING, BROKEN_OFF, report.error)
    elif last_error is not None:
        yield IncidentOver(BROKEN_OFF)
    if halt is not None and halt != halted:
        yield TradingHalted(halt.by, halt.reason, halt.flatten)
    elif halt is None and halted is not None:
        yield TradingResumed("human", "the halt was ended")
    for trade in closed:
        price = Price(round(trade.exit_product / (Price(1) * trade.amount)))
        yield PositionClosed(trade.side, trade.amount, price, trade.net, trade.exit_reason)
    if report.account is not None:
        yield from _position_news(report, report.account, before)


def _position_news(report: CycleReport, account: AccountState, before: AccountState | None) -> Iterator[News]:
    for side in PositionSide:
        position = account.position(side)
        average = position.average_price
        stop, target = resting_protection(account.open_orders, side)
        if average is None or stop is None:
            continue
        if before is not None and not before.position(side).amount:
            yield PositionOpened(side, position.amount, Price(round(average)), stop, target)
        if side in report.repaired:
            yield ProtectionRepaired(side, position.amount, stop, "missing")
