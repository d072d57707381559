"""When the account keeps the trader out: values of the account's gates, and when time alone can change a verdict."""

import math
from collections.abc import Sequence

from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.trading.account import AccountState, MarginState
from crypto_kedro.trading.ledger import (
    TradeLedger,
    fall_from,
    jst_day,
    jst_day_start_ms,
    jst_week,
    next_week_start_ms,
)
from crypto_kedro.trading.money import PRODUCT_UNITS
from crypto_kedro.trading.settings import FundingStage, GuardRule, TradingSettings

_MARGIN_SEVERITY = {state: severity for severity, state in enumerate(MarginState)}


def equity_units(account: AccountState) -> int:
    """Return `AccountState.equity` in units of 10**-10 JPY, without building the sums between."""
    mark = account.mark.ticks
    worth = account.cash.units - account.payable.units + mark * account.btc.lots * PRODUCT_UNITS
    for position in (account.long, account.short):
        lots = position.amount.lots
        if lots:
            gain = mark * lots * PRODUCT_UNITS - position.product.units
            worth += gain if position.side.is_long else -gain
            worth -= position.unrealized_fee.units + position.unrealized_interest.units
    return worth


def history_values(ledger: TradeLedger, equity: int, now_ms: int, guards: GuardRule) -> tuple[float, ...]:
    """Return the values of the gates from ``drawdown`` to ``trades_today``.

    Args:
        ledger: folded up to now.
        equity: in units of 10**-10 JPY, open positions included.
        now_ms: Unix milliseconds UTC.
        guards: streak and length of the pause.
    """
    day = jst_day(now_ms)
    day_net = ledger.day_net.units if day <= ledger.day else 0
    week_net = ledger.week_net.units if jst_week(day) <= ledger.week else 0
    balance = ledger.balance.units
    return (
        max(ledger.deepest_drawdown, fall_from(ledger.peak.units, equity)),
        _loss(balance, week_net),
        _loss(balance, day_net),
        _pause_left(ledger, now_ms, guards),
        ledger.day_trades if day <= ledger.day else 0,
    )


def unexplained_lots(account: AccountState, ledger: TradeLedger) -> int:
    """Return by how many lots the account's positions differ from those that the ledger's fills add up to."""
    long_lots = ledger.long.amount.lots if ledger.long else 0
    short_lots = ledger.short.amount.lots if ledger.short else 0
    return abs(account.long.amount.lots - long_lots) + abs(account.short.amount.lots - short_lots)


def pending_entries(account: AccountState) -> int:
    """Return how many open orders would open or enlarge a position."""
    return sum(1 for order in account.open_orders if order.request.opens) if account.open_orders else 0


def margin_severity(state: MarginState) -> int:
    """Return how bad the margin account's state is; 0 is normal."""
    return _MARGIN_SEVERITY[state]


def margin_ratio_with(account: AccountState, order_units: int) -> float:
    """Return the margin ratio that an order of that notional would leave; infinite when there is nothing to cover."""
    margin = account.margin
    covered = margin.position_product.units + margin.open_order_product.units + order_units
    return margin.balance.units / covered if covered else math.inf


def earned_stage(stages: Sequence[FundingStage], ledger: TradeLedger, now_ms: int) -> int:
    """Return the number, from 1, of the highest stage whose evidence the history gives."""
    days = (now_ms - ledger.started_at_ms) / DAY_MS
    for number in range(len(stages), 1, -1):
        stage = stages[number - 1]
        if (
            ledger.closed_trades >= stage.min_trades
            and days >= stage.min_days
            and ledger.deepest_drawdown < stage.max_drawdown
        ):
            return number
    return 1


def next_wake(settings: TradingSettings, ledger: TradeLedger, now_ms: int, funding_stage: int) -> int | None:
    """Return the first later moment at which a guard that refuses now may let entries pass, by time alone.

    Guards that pass do not begin to refuse by time alone, and a drawdown waits for a human. Between now and that moment
    only a new event of the ledger can change a verdict of the guards on history.

    Args:
        settings: as for `decide`.
        ledger: folded up to now.
        now_ms: Unix milliseconds UTC.
        funding_stage: the stage that a human allowed.

    Returns:
        Unix milliseconds UTC, or None when no refusal ends by time.
    """
    guards = settings.guards
    day = jst_day(now_ms)
    moments = []
    if _loss(ledger.balance.units, ledger.week_net_at(now_ms).units) >= guards.max_weekly_loss:
        moments.append(next_week_start_ms(max(day, ledger.day)))
    daily_loss = _loss(ledger.balance.units, ledger.day_net_at(now_ms).units)
    if daily_loss >= guards.max_daily_loss or ledger.trades_at(now_ms) >= guards.max_trades_a_day:
        moments.append(jst_day_start_ms(max(day, ledger.day) + 1))
    if pause := _pause_left(ledger, now_ms, guards):
        moments.append(now_ms + pause)
    if earned_stage(settings.stages, ledger, now_ms) < funding_stage <= len(settings.stages):
        ripe = (ledger.started_at_ms + stage.min_days * DAY_MS for stage in settings.stages)
        moments.extend(moment for moment in ripe if moment > now_ms)
    return min(moments, default=None)


def _loss(balance_units: int, net_units: int) -> float:
    """Return a period's loss as a fraction of the capital before it; infinite when there was none."""
    if net_units >= 0:
        return 0.0
    before = balance_units - net_units
    return -net_units / before if before > 0 else math.inf


def _pause_left(ledger: TradeLedger, now_ms: int, guards: GuardRule) -> int:
    """Return the milliseconds left of the pause that follows a streak of losses."""
    if ledger.loss_streak < guards.max_losses_in_a_row:
        return 0
    return max(ledger.last_loss_ms + guards.loss_pause_ms - now_ms, 0)
