"""The trader: one pure function from an observation to a decision, the same in backtest, paper and live."""

from msgspec import Struct

from crypto_kedro.trading.account import AccountState, Position
from crypto_kedro.trading.decision import Action, Decision, Reason, Target
from crypto_kedro.trading.gates import GateReport
from crypto_kedro.trading.guards import (
    earned_stage,
    equity_units,
    history_values,
    margin_ratio_with,
    margin_severity,
    pending_entries,
    unexplained_lots,
)
from crypto_kedro.trading.money import PRODUCT_UNITS, Price
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.protection import (
    Barriers,
    Protection,
    barriers_of,
    entry_price,
    is_passed,
    protect,
    resting_protection,
    trailing_stop,
)
from crypto_kedro.trading.settings import TradingSettings
from crypto_kedro.trading.signal import SignalReading, bar_thresholds, read_signal, side_costs
from crypto_kedro.trading.sizing import NO_SIZE, EntryPrices, Size, entry_prices, size_entry


class _Entry(Struct, frozen=True):
    """The trade that would be entered if every gate passed."""

    barriers: Barriers | None
    prices: EntryPrices | None
    size: Size


def decide(settings: TradingSettings, observation: Observation) -> Decision:
    """Return the position to have now, with its protection, or why there is to be none.

    An account without a position enters when every gate passes. A position is held, with a stop that only moves towards
    profit, until its time limit, a signal against it, or a danger ends it; turning round takes two decisions, since the
    second entry needs an account that is flat. The function is total: every observation has a decision.

    Args:
        settings: how the trader decides.
        observation: what is known now.
    """
    reading = read_signal(observation.facts, side_costs(observation.rules), settings)
    equity = equity_units(observation.account)
    entry = _plan_entry(settings, observation, equity, reading.cost)
    gates = _judge(settings, observation, equity, reading, entry)
    position = _open_position(observation.account)
    if position is not None:
        return _manage(settings, observation, position, reading.direction, entry, gates)
    failed = gates.first_failed
    if failed is not None or entry.barriers is None:
        reason = failed or Reason.NO_PROTECTION
        return _decision(observation, Action.STAY_FLAT, reason, None, gates, entry)
    target = _target(settings, observation, reading.direction, entry.size, entry.barriers)
    return _decision(observation, Action.OPEN, Reason.SIGNAL, target, gates, entry)


def _open_position(account: AccountState) -> Position | None:
    """Return the position that is open; the long one when both are."""
    if account.long.amount.lots:
        return account.long
    return account.short if account.short.amount.lots else None


def _plan_entry(settings: TradingSettings, observation: Observation, equity: int, cost: float) -> _Entry:
    facts = observation.facts
    barriers = barriers_of(settings.barriers, facts.atr, facts.close, observation.rules.price_step)
    if barriers is None:
        return _Entry(None, None, NO_SIZE)
    prices = entry_prices(facts.close, facts.spread, settings.signal.slippage, cost, barriers)
    if prices is None:
        return _Entry(barriers, None, NO_SIZE)
    capital = min(equity, settings.stage_capital(observation.funding_stage).units)
    size = size_entry(
        settings.sizing, observation.kelly, capital, prices, observation.account.margin, observation.rules
    )
    return _Entry(barriers, prices, size)


def _judge(
    settings: TradingSettings, observation: Observation, equity: int, reading: SignalReading[float], entry: _Entry
) -> GateReport:
    account, ledger, rules, guards = observation.account, observation.ledger, observation.rules, settings.guards
    now_ms = observation.now_ms
    lots = entry.size.amount.lots
    order_units = lots * entry.prices.entry * PRODUCT_UNITS if entry.prices else 0
    values = (
        *reading.values,
        unexplained_lots(account, ledger),
        account.long.amount.lots + account.short.amount.lots,
        pending_entries(account),
        margin_severity(account.margin.state),
        observation.funding_stage,
        *history_values(ledger, equity, now_ms, guards),
        observation.kelly,
        lots,
        margin_ratio_with(account, order_units),
    )
    thresholds = (
        *bar_thresholds(settings),
        0,
        0,
        0,
        0,
        earned_stage(settings.stages, ledger, now_ms),
        guards.max_drawdown,
        guards.max_weekly_loss,
        guards.max_daily_loss,
        0,
        guards.max_trades_a_day,
        0.0,
        rules.min_amount.lots,
        settings.sizing.margin_floor.ppm / 10**6,
    )
    return GateReport.judge(values, thresholds)


def _target(
    settings: TradingSettings, observation: Observation, direction: float, size: Size, barriers: Barriers
) -> Target:
    side = PositionSide.LONG if direction > 0 else PositionSide.SHORT
    step = observation.rules.price_step
    close = observation.facts.close
    rounded = -int(-close // step.ticks) if side.is_long else int(close // step.ticks)
    expires_at_ms = settings.barriers.expires_at_ms(observation.now_ms)
    protection = protect(side, Price(rounded * step.ticks), barriers, expires_at_ms, step)
    return Target(side, size.amount, protection, barriers)


def _manage(
    settings: TradingSettings,
    observation: Observation,
    position: Position,
    direction: float,
    entry: _Entry,
    gates: GateReport,
) -> Decision:
    """Decide on an open position."""
    protection = _protection_now(settings, observation, position, entry.barriers)
    reason = _exit_reason(observation, position, direction, protection, gates)
    if reason is not None or protection is None:
        return _decision(observation, Action.CLOSE, reason or Reason.NO_PROTECTION, None, gates, entry)
    target = Target(position.side, position.amount, protection, None)
    return _decision(observation, Action.HOLD, Reason.WITHIN_BARRIERS, target, gates, entry)


def _protection_now(
    settings: TradingSettings, observation: Observation, position: Position, barriers: Barriers | None
) -> Protection | None:
    """Return the protection that rests at the exchange, repaired and trailed; None when it cannot be known.

    What is missing is reckoned anew from the average price and the present ATR. A position whose fills have not been
    seen yet gets a full time limit from now.
    """
    side, step, facts = position.side, observation.rules.price_step, observation.facts
    trade = observation.ledger.open_trade(side)
    expires_at_ms = settings.barriers.expires_at_ms(trade.opened_at_ms if trade else observation.now_ms)
    stop, target = resting_protection(observation.account.open_orders, side)
    if (stop is None or target is None) and barriers is not None:
        fresh = protect(side, entry_price(position, step), barriers, expires_at_ms, step)
        stop, target = stop or fresh.stop, target or fresh.take_profit
    if stop is None:
        return None
    return Protection(trailing_stop(side, stop, settings.barriers, facts.atr, facts.close, step), target, expires_at_ms)


def _exit_reason(
    observation: Observation, position: Position, direction: float, protection: Protection | None, gates: GateReport
) -> Reason | None:
    account, side = observation.account, position.side
    if account.long.amount and account.short.amount:
        return Reason.BOTH_SIDES_OPEN
    if margin_severity(account.margin.state):
        return Reason.MARGIN_CALL
    if protection is None:
        return Reason.NO_PROTECTION
    if observation.now_ms >= protection.expires_at_ms:
        return Reason.TIME_LIMIT
    if is_passed(side, protection.stop, observation.facts.close):
        return Reason.STOP_PASSED
    against = -1 if side.is_long else 1
    return Reason.OPPOSITE_SIGNAL if direction == against and gates.bar_passed else None


def _decision(
    observation: Observation, action: Action, reason: str, target: Target | None, gates: GateReport, entry: _Entry
) -> Decision:
    return Decision(observation.now_ms, action, reason, target, gates, entry.size.limited_by, observation.facts)
