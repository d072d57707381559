"""The gates on a bar and the model's word, in arithmetic that is the same for one bar and for columns of bars.

Every function here takes floats or float64 arrays and uses only operations that IEEE 754 rounds alike for both, so the
columns of a backtest equal the values of a live decision bit for bit. Selection by side is a multiplication by 0 or 1.
"""

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import DAY_MS, JST_OFFSET_MS, FloatArray, IntArray
from crypto_kedro.trading.gates import BAR_COMPARISONS, BAR_GATES
from crypto_kedro.trading.money import PPM
from crypto_kedro.trading.rules import MarketRules, RuleSchedule
from crypto_kedro.trading.settings import TradingSettings

N = TypeVar("N", float, FloatArray)
Columns = TypeVar("Columns", bound=tuple[Any, ...])

MAX_PRICE = 10**12
"""Closing prices are positive JPY below it, so that prices in ticks and floats hold each other exactly."""

_CHUNK = 1 << 15
"""Bars worked on at once, so that the temporaries stay in the processor's cache."""


class SignalFacts(NamedTuple, Generic[N]):
    """What is known when a bar has closed: floats for one bar, float64 arrays of shape (n,) for many; NaN is unknown.

    Args:
        bar_close_ms: moment at which the bar closed, Unix milliseconds UTC.
        age_ms: from that moment to the decision, not negative.
        close: closing price in JPY.
        atr: Wilder's average true range in JPY.
        spread: best ask less best bid, as a fraction of the price, not negative; NaN for a crossed book.
        last_return: close over the close before it, less 1.
        gap_minutes: length of the longest trading halt that touches the bar, 0 for none.
        status: a value of `ExchangeStatus`.
        short, flat, long: the model's calibrated probabilities.
        models: (short, flat, long) of each single model, before the vote and the calibration.
    """

    bar_close_ms: N
    age_ms: N
    close: N
    atr: N
    spread: N
    last_return: N
    gap_minutes: N
    status: N
    short: N
    flat: N
    long: N
    models: tuple[tuple[N, N, N], ...]


class SideCosts(NamedTuple, Generic[N]):
    """Rates in force: fees of a taker's entry and exit together, and interest a day, as fractions of the notional."""

    fees: N
    long_interest: N
    short_interest: N


class SignalReading(NamedTuple, Generic[N]):
    """What the model's word amounts to.

    Args:
        direction: 1 for long, -1 for short, 0 when neither is likelier than the other.
        cost: of a round trip that lasts to the time limit, as a fraction of the notional.
        values: of the gates in `BAR_GATES`.
    """

    direction: N
    cost: N
    values: tuple[N, ...]


def side_costs(rules: MarketRules) -> SideCosts[float]:
    """Return the rates of one set of rules."""
    return SideCosts(
        (rules.margin_open_taker_fee.ppm + rules.margin_close_taker_fee.ppm) / PPM,
        rules.long_interest_per_day.ppm / PPM,
        rules.short_interest_per_day.ppm / PPM,
    )


def side_cost_columns(schedule: RuleSchedule, decided_at_ms: IntArray) -> SideCosts[FloatArray]:
    """Return the rates in force at each moment (Unix milliseconds UTC), arrays of shape (n,)."""
    row = np.maximum(np.searchsorted(np.array(schedule.since_ms), decided_at_ms, side="right") - 1, 0)
    rates = np.array([side_costs(rules) for rules in schedule.rules], dtype=np.float64)
    return SideCosts(rates[row, 0], rates[row, 1], rates[row, 2])


def expected_value(win: N, lose: N, flat: N, volatility: N, cost: N, settings: TradingSettings) -> N:
    """Return the mean result of a trade as a fraction of its notional, after costs.

    ``(win * take_profit_atr - lose * stop_loss_atr + flat * flat_outcome_atr) * volatility - cost``. On a bar
    of the opposite class the trade is taken to end at its stop, which a stop no farther than the target always makes
    true; on a bar of class flat it ends at its stop or its time limit, and the mean of that is a setting.

    Args:
        win: probability of the trade's own class.
        lose: probability of the opposite class.
        flat: probability of class flat.
        volatility: average true range over price.
        cost: of the round trip, as a fraction of the notional.
        settings: distances and the outcome of class flat.
    """
    barriers = settings.barriers
    outcome_atr = (
        win * barriers.take_profit_atr - lose * barriers.stop_loss_atr + flat * settings.signal.flat_outcome_atr
    )
    return outcome_atr * volatility - cost


def read_signal(facts: SignalFacts[N], costs: SideCosts[N], settings: TradingSettings) -> SignalReading[N]:
    """Return the side that the model favours and the values of all gates on the bar and the model."""
    long, short = facts.long, facts.short
    is_long: N = _indicator(long > short)
    is_short: N = _indicator(short > long)
    win = is_long * long + is_short * short
    lose = is_long * short + is_short * long
    volatility = facts.atr / facts.close
    interest = is_long * costs.long_interest + is_short * costs.short_interest
    nights = _jst_midnights(facts.bar_close_ms, settings.barriers.max_bars * settings.barriers.bar_ms)
    cost = costs.fees + facts.spread + 2.0 * settings.signal.slippage + nights * interest
    values = (
        facts.age_ms,
        facts.status,
        facts.gap_minutes,
        win,
        _agreement(facts.models, is_long, is_short),
        expected_value(win, lose, facts.flat, volatility, cost, settings),
        facts.spread,
        abs(facts.last_return),
        volatility,
    )
    return SignalReading(is_long - is_short, cost, values)


def bar_thresholds(settings: TradingSettings) -> tuple[float, ...]:
    """Return the thresholds of `BAR_GATES`."""
    signal, guards = settings.signal, settings.guards
    return (
        guards.max_data_age_ms,
        guards.worst_status,
        guards.max_gap_minutes,
        signal.confidence_threshold,
        signal.min_agreement,
        signal.min_expected_value,
        guards.max_spread,
        guards.max_jump,
        guards.max_volatility,
    )


def _indicator(condition: Any) -> Any:
    """Return 1.0 where the condition holds and 0.0 elsewhere, of the kind of the condition."""
    return 1.0 * condition


def _jst_midnights(opened_at_ms: N, held_ms: int) -> N:
    """Return how many JST midnights a position crosses, each of which costs a day's interest."""
    local = opened_at_ms + JST_OFFSET_MS
    return _whole_days(local + held_ms) - _whole_days(local)


def _whole_days(moment_ms: N) -> N:
    """Return the days up to a whole number of milliseconds, rounded down."""
    if isinstance(moment_ms, np.ndarray):
        # NumPy divides and rounds down in a fiftieth of the time of its //, and whole milliseconds keep it exact.
        return np.floor(moment_ms / DAY_MS)
    return moment_ms // DAY_MS


def _agreement(models: tuple[tuple[N, N, N], ...], is_long: N, is_short: N) -> N:
    """Return the share of the models whose likeliest class is the side; without models none agrees."""
    votes: N = 0.0 * is_long
    for short, flat, long in models:
        side = is_long * long + is_short * short
        other = is_long * short + is_short * long
        votes = votes + _indicator((side > other) & (side > flat))
    share: N = votes / max(len(models), 1)
    return share


@dataclass(frozen=True, slots=True, eq=False)
class SignalColumns:
    """The gates on the bar and the model for many bars, as `decide` would judge each of them.

    Args:
        direction: int8, shape (n,): 1 for long, -1 for short, 0 for neither.
        first_failed: int8, shape (n,): row in `BAR_GATES` of the first gate that did not pass, -1 when all did.
    """

    direction: NDArray[np.int8]
    first_failed: NDArray[np.int8]

    @property
    def passed(self) -> NDArray[np.bool_]:
        """Which bars pass all of these gates, shape (n,): an entry for a flat account, an exit against the position."""
        return self.first_failed < 0

    @property
    def reasons(self) -> NDArray[np.object_]:
        """Name of the first gate that did not pass, shape (n,); None when all did."""
        names: NDArray[np.object_] = np.array([*(rule.name for rule in BAR_GATES), None], dtype=object)
        return names[self.first_failed]


def signal_columns(
    facts: SignalFacts[FloatArray], costs: SideCosts[FloatArray], settings: TradingSettings
) -> SignalColumns:
    """Judge the gates on the bar and the model for all bars at once.

    Args:
        facts: float64 columns of shape (n,); they hold milliseconds exactly.
        costs: see `side_cost_columns`.
        settings: the same as for `decide`.

    Raises:
        DataError: a closing price is not a positive number of JPY, or an age or a spread is negative.
    """
    if not np.all((facts.close > 0) & (facts.close < MAX_PRICE)):
        raise DataError("signal columns: a closing price is not a positive number of JPY; validate the bars first")
    if np.any(facts.age_ms < 0) or np.any(facts.spread < 0):
        raise DataError("signal columns: an age or a spread is negative; give the spread of a crossed book as NaN")
    n = facts.close.size
    direction, first_failed = np.empty(n, np.int8), np.full(n, -1, np.int8)
    thresholds = bar_thresholds(settings)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, n, _CHUNK):
            rows = slice(start, start + _CHUNK)
            reading = read_signal(_rows(facts, rows), _rows(costs, rows), settings)
            direction[rows] = reading.direction
            for gate in reversed(range(len(BAR_GATES))):
                passed = BAR_COMPARISONS[gate](reading.values[gate], thresholds[gate])
                first_failed[rows][~passed] = gate
    return SignalColumns(direction, first_failed)


def _rows(columns: Columns, rows: slice) -> Columns:
    """Return the same named tuple with every column, nested ones too, cut to the rows."""
    cut = [_rows(column, rows) if isinstance(column, tuple) else column[rows] for column in columns]
    if hasattr(columns, "_make"):
        return cast(Columns, columns._make(cut))
    return cast(Columns, tuple(cut))
