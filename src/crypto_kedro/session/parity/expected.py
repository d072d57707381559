"""The backtest of a session's days: what the batch says of its bars, and what the backtest trades on that."""

from dataclasses import dataclass

import numpy as np

from crypto_kedro.errors import DataError
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.port import MarketData
from crypto_kedro.features.batch import compute_features
from crypto_kedro.market.bars import MINUTE_MS, Bars, FloatArray, IntArray
from crypto_kedro.market.moments import utc_text
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample
from crypto_kedro.session.backtest import run_backtest
from crypto_kedro.session.facts import ModelWord, signal_facts
from crypto_kedro.session.live_window import LiveModel, minute_bars
from crypto_kedro.session.parity.live import LivePeriod
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.session.records import BacktestResult
from crypto_kedro.trading.decision import Decision
from crypto_kedro.trading.quotes import BarRow
from crypto_kedro.trading.signal import SignalFacts

_REMEDY = "wait until the exchange has published them, or name files that hold them as monitoring.candles"


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time that a period is compared over, Unix milliseconds UTC.

    Args:
        first_close_ms, last_close_ms: the decision bars, both included.
        feed_from_ms, feed_until_ms: the execution bars, the end excluded.
    """

    first_close_ms: int
    last_close_ms: int
    feed_from_ms: int
    feed_until_ms: int


def stretch_of(period: LivePeriod, bar_ms: int = DECISION_MS) -> Stretch:
    """Return what to compare: every bar that the sessions decided or could have decided.

    A bar that closed in the last minute before the end need not have been decided any more.
    """
    closes = tuple(period.bars)
    started_ms, until_ms = period.first.started_at_ms, period.until_ms
    first = min(closes[0], -(-started_ms // bar_ms) * bar_ms)
    last = max(closes[-1], (until_ms - MINUTE_MS) // bar_ms * bar_ms)
    return Stretch(
        first,
        last,
        min(started_ms // MINUTE_MS * MINUTE_MS, first - MINUTE_MS),
        max(last, until_ms // MINUTE_MS * MINUTE_MS),
    )


async def published_minutes(market: MarketData, model: LiveModel, stretch: Stretch) -> Bars:
    """Ask for the minutes that a stretch needs, those before it that a decision looks back on included.

    Raises:
        ExchangeError: the exchange does not answer.
        DataError: it has not published all of them.
    """
    first_ms = history_from_ms(model, stretch)
    return covering(list(await market.candles(MINUTE_MS, first_ms, stretch.feed_until_ms)), stretch, "the exchange")


def history_from_ms(model: LiveModel, stretch: Stretch) -> int:
    """Return where a live window that decides the first bar begins, Unix milliseconds UTC."""
    span_ms = -(-model.history_ms // CONTEXT_MS) * CONTEXT_MS
    return stretch.first_close_ms // CONTEXT_MS * CONTEXT_MS - span_ms


def covering(rows: list[BarRow], stretch: Stretch, origin: str) -> Bars:
    """Return minutes as bars, halts filled in.

    Args:
        rows: oldest first.
        stretch: that they must reach over.
        origin: where they came from, for the error.

    Raises:
        DataError: they begin after the stretch or end before it.
    """
    wanted = f"from {utc_text(stretch.feed_from_ms)} to {utc_text(stretch.feed_until_ms)}"
    if not rows:
        raise DataError(f"monitoring: {origin} has no candles {wanted}; {_REMEDY}")
    bars = minute_bars(rows)
    if bars.open_time[0] > stretch.feed_from_ms or bars.close_time[-1] < stretch.feed_until_ms:
        raise DataError(
            f"monitoring: {origin} has candles from {utc_text(int(bars.open_time[0]))} to "
            f"{utc_text(int(bars.close_time[-1]))}, the session needs them {wanted}; {_REMEDY}"
        )
    return bars


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What the backtest does.

    Args:
        feed: the execution bars.
        facts: of the decision bars, float64 columns of shape (m,).
        kelly: leverage of full Kelly.
        plan: settings, rules, cash and how the exchange behaves.
        result: of the backtest, which decided every bar.
        code: commit of the code that compares, None when it is not known.
    """

    feed: BarFeed
    facts: SignalFacts[FloatArray]
    kelly: float
    plan: BacktestPlan
    result: BacktestResult
    code: str | None = None

    @property
    def bar_ms(self) -> int:
        """Length of a decision bar in milliseconds."""
        return self.plan.settings.barriers.bar_ms

    def row_at(self, close_ms: int) -> int | None:
        """Return the row of the bar that closed at a moment."""
        closes: IntArray = self.result.decided_at_ms
        row = int(np.searchsorted(closes, close_ms))
        return row if row < closes.size and closes[row] == close_ms else None

    def facts_at(self, row: int) -> SignalFacts[float]:
        """Return the facts of one row as plain floats."""
        *numbers, models = self.facts
        return SignalFacts._make(
            [
                *(float(column[row]) for column in numbers),
                tuple((float(s[row]), float(f[row]), float(long[row])) for s, f, long in models),
            ]
        )

    def decisions(self) -> dict[int, Decision]:
        """Return the decisions by the close of their bar."""
        return {decision.at_ms: decision for decision in self.result.decisions}

    def minute_at(self, moment_ms: int) -> BarRow | None:
        """Return the execution bar that was open at a moment; None outside of the feed."""
        row = (moment_ms - int(self.feed.bars.open_time[0])) // self.feed.interval_ms
        return self.feed.row(row) if 0 <= row < len(self.feed) else None


def replay_period(
    feed: BarFeed, facts: SignalFacts[FloatArray], kelly: float, plan: BacktestPlan, code: str | None = None
) -> Expected:
    """Trade the period as a backtest that decides every bar.

    Raises:
        DataError: facts and feed do not fit together.
    """
    return Expected(feed, facts, kelly, plan, run_backtest(feed, facts, kelly, plan, wake="every_bar"), code)


def expected_of(
    minutes: Bars, model: LiveModel, stretch: Stretch, kelly: float, plan: BacktestPlan, spread: float, code: str | None
) -> Expected:
    """Let the batch compute a period's facts from its candles, and trade them as a backtest.

    Args:
        minutes: bars of one minute that cover the stretch, and before it what the features look back on.
        model: what the session served.
        stretch: what is compared.
        kelly: leverage of full Kelly that the session traded by.
        plan: how the backtest trades.
        spread: best ask less best bid that the backtest takes for granted, as a fraction of the price.
        code: commit of the code that compares.
    """
    first, stop = (
        (at - int(minutes.open_time[0])) // MINUTE_MS for at in (stretch.feed_from_ms, stretch.feed_until_ms)
    )
    return replay_period(BarFeed(minutes[first:stop]), _facts(minutes, model, stretch, spread), kelly, plan, code)


def _facts(minutes: Bars, model: LiveModel, stretch: Stretch, spread: float) -> SignalFacts[FloatArray]:
    decision = resample(minutes, DECISION_MS)
    decision = decision[: int(np.searchsorted(decision.close_time, stretch.last_close_ms, side="right"))]
    features = compute_features(model.feature_set, decision, resample(minutes, CONTEXT_MS), model.max_gap_minutes)
    n = int((decision.close_time >= stretch.first_close_ms).sum())
    valid, values = features.valid[-n:], features.values[-n:]
    names = [member.name for member in model.bundle.models]
    calibrated, own = np.full((n, 3), np.nan), [np.full((n, 3), np.nan) for _ in names]
    if valid.any():
        calibrated[valid] = model.bundle.predict_proba(values[valid])
        votes = model.bundle.predict_by_model(values[valid])
        for column, name in zip(own, names, strict=True):
            column[valid] = votes[name]
    return signal_facts(decision, ModelWord(calibrated, tuple(own)), model.atr_period, spread)
