"""The last bars and the model's word on them, as a live session sees them: bit for bit what a backtest is told."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crypto_kedro.errors import BundleError, DataError
from crypto_kedro.exchange.port import MarketData, MarketStatus, Ticker, UnusablePublicAnswerError
from crypto_kedro.features.batch import compute_features
from crypto_kedro.features.catalogue import FeatureSet
from crypto_kedro.features.kernels import atr_dependency
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS, Bars, FloatArray
from crypto_kedro.market.gaps import Candles, fill_halts
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample
from crypto_kedro.serving.bundle import ModelBundle
from crypto_kedro.session.facts import ModelWord, signal_facts
from crypto_kedro.session.status import BarSeen
from crypto_kedro.trading.money import LOTS_PER_BTC
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.quotes import BarRow
from crypto_kedro.trading.signal import SignalFacts

_BARS_SHOWN = 192
_LONGEST_HALT_MINUTES = 7 * DAY_MS // MINUTE_MS


@dataclass(frozen=True, slots=True, eq=False)
class LiveModel:
    """What turns bars into the model's word.

    Args:
        bundle: the served model.
        feature_set: of the catalogue in use.
        max_gap_minutes: longest halt that a feature's window may contain, as in training.
        atr_period: bars of the average true range that scales the barriers.

    Raises:
        BundleError: the bundle was made for other features.
    """

    bundle: ModelBundle
    feature_set: FeatureSet
    max_gap_minutes: int
    atr_period: int

    def __post_init__(self) -> None:
        if self.bundle.feature_set_hash != self.feature_set.hash:
            raise BundleError(
                f"bundle {self.bundle.path}: it was made for features {self.bundle.feature_set_hash[:12]}, the "
                f"catalogue in use is {self.feature_set.hash[:12]}; train again or restore that catalogue"
            )

    @property
    def history_ms(self) -> int:
        """How far back the bars must reach that one decision needs."""
        decision = max(self.feature_set.decision_window_bars, atr_dependency(self.atr_period).lookback) + 1
        # A context bar more on either side, since neither end lies on its grid.
        context = self.feature_set.context_window_bars + 2
        return max(decision * DECISION_MS, context * CONTEXT_MS)

    def word(self, decision: Bars, context: Bars) -> ModelWord:
        """Return what the model says to the last decision bar, NaN when one of its features is absent."""
        features = compute_features(self.feature_set, decision, context, self.max_gap_minutes)
        names = [model.name for model in self.bundle.models]
        if not features.valid[-1]:
            unknown = np.full((1, 3), np.nan)
            return ModelWord(unknown, tuple(unknown for _ in names))
        row = features.values[-1:]
        votes = self.bundle.predict_by_model(row)
        return ModelWord(self.bundle.predict_proba(row), tuple(_double(votes[name]) for name in names))

    def facts(self, minutes: Bars, spread: float) -> SignalFacts[FloatArray] | None:
        """Return the facts of the last decision bar that the minutes complete, as at its close; shapes (1,).

        None when they complete none.

        Args:
            minutes: bars of one minute.
            spread: best ask less best bid, as a fraction of the price.
        """
        decision = resample(minutes, DECISION_MS)
        if len(decision) < 2:
            return None
        return signal_facts(decision, self.word(decision, resample(minutes, CONTEXT_MS)), self.atr_period, spread)


class MinuteHistory:
    """The exchange's minutes of the last days, asked for once each.

    Args:
        market: gives candles.
        span_ms: how far back they are kept.
    """

    def __init__(self, market: MarketData, span_ms: int) -> None:
        self._market = market
        self._span_ms = -(-span_ms // CONTEXT_MS) * CONTEXT_MS
        self._rows: list[BarRow] = []

    async def until(self, close_ms: int) -> Bars | None:
        """Return all minutes up to a moment; None when the exchange has not published the last of them.

        A minute that is absent between two others was a halt, see `fill_halts`.

        Args:
            close_ms: close of a minute, Unix milliseconds UTC.

        Raises:
            ExchangeError: the exchange does not answer, or its minutes cannot be true and are asked for again.
        """
        first_ms = close_ms // CONTEXT_MS * CONTEXT_MS - self._span_ms
        known_ms = self._rows[-1].close_time_ms if self._rows else first_ms
        if known_ms < close_ms:
            self._rows += await self._market.candles(MINUTE_MS, max(known_ms, first_ms), close_ms)
        self._rows = [row for row in self._rows if first_ms <= row.open_time_ms < close_ms]
        if not self._rows or self._rows[-1].close_time_ms != close_ms:
            return None
        try:
            return minute_bars(self._rows)
        except DataError as error:
            self._rows = []
            raise UnusablePublicAnswerError(f"{error} (a session asks for all of them again)") from error


def minute_bars(rows: list[BarRow]) -> Bars:
    """Return the exchange's minutes as bars, those of a halt filled in."""
    columns = np.array(
        [(r.open_time_ms, r.open_ticks, r.high_ticks, r.low_ticks, r.close_ticks, r.volume_lots) for r in rows],
        dtype=np.int64,
    ).T
    prices = [np.ascontiguousarray(column, dtype=np.float64) for column in columns[1:5]]
    opened, high, low, close = prices
    candles = Candles(np.ascontiguousarray(columns[0]), opened, high, low, close, columns[5] / LOTS_PER_BTC)
    bars = fill_halts(candles, _LONGEST_HALT_MINUTES, "the exchange's candles")
    # A source that lists the minutes of a halt marks them itself.
    marked = np.array([row.gap_minutes for row in rows], dtype=np.int64)
    if marked.any():
        at = (columns[0] - columns[0][0]) // MINUTE_MS
        bars.gap_minutes[at] = np.maximum(bars.gap_minutes[at], marked)
    return bars


class LiveFacts:
    """What the core is told at a moment: the last closed decision bar, the model's word, the book and the status.

    Args:
        market: the exchange's public side.
        model: makes the word of the bars.
        now_ms: the session's clock, Unix milliseconds UTC.
    """

    def __init__(self, market: MarketData, model: LiveModel, now_ms: Callable[[], int]) -> None:
        self._market = market
        self._model = model
        self._now_ms = now_ms
        self._history = MinuteHistory(market, model.history_ms)
        self._latest: SignalFacts[FloatArray] | None = None
        self._shown: tuple[BarSeen, ...] = ()

    def bars(self) -> tuple[BarSeen, ...]:
        """Return the latest decision bars, oldest first, to be shown."""
        return self._shown

    async def latest(self) -> SignalFacts[float] | None:
        """Return the facts as of now; None while the last closed decision bar is not published.

        Raises:
            ExchangeError: the exchange does not answer.
        """
        close_ms = self._now_ms() // DECISION_MS * DECISION_MS
        if self._latest is None or self._latest.bar_close_ms[0] != close_ms:
            minutes = await self._history.until(close_ms)
            if minutes is None:
                return None
            self._latest = self._model.facts(minutes, 0.0)
            self._shown = _bars_shown(minutes)
        if self._latest is None:
            return None
        ticker, status = await self._market.ticker(), await self._market.status()
        return as_of_now(self._latest, self._now_ms(), ticker, status)


def as_of_now(facts: SignalFacts[FloatArray], now_ms: int, ticker: Ticker, status: MarketStatus) -> SignalFacts[float]:
    """Return the facts of one bar as plain floats, with what holds at the moment of the decision.

    An exchange that is closed to the likelier side counts as halted: what is opened there might not be protected.

    Args:
        facts: of shape (1,), as at the close of the bar.
        now_ms: Unix milliseconds UTC, not before the close.
        ticker: best prices now.
        status: of the exchange now.
    """
    *numbers, models = facts
    plain = SignalFacts._make([*(float(column[0]) for column in numbers), _plain(models)])
    side = PositionSide.LONG if plain.long > plain.short else PositionSide.SHORT
    condition = max(status.status, ExchangeStatus.HALT) if side in status.closed_to else status.status
    return plain._replace(
        age_ms=float(now_ms) - plain.bar_close_ms, spread=spread_of(ticker), status=float(condition.value)
    )


def spread_of(ticker: Ticker) -> float:
    """Return best ask less best bid as a fraction of the last price; NaN for an empty or crossed book."""
    if ticker.bid is None or ticker.ask is None or ticker.ask < ticker.bid:
        return float("nan")
    return (ticker.ask.ticks - ticker.bid.ticks) / ticker.last.ticks


def _bars_shown(minutes: Bars) -> tuple[BarSeen, ...]:
    decision = resample(minutes, DECISION_MS)[slice(-_BARS_SHOWN, None)]
    columns = (decision.open_time, decision.open, decision.high, decision.low, decision.close)
    return tuple(
        BarSeen(int(at), float(o), float(h), float(low), float(c)) for at, o, h, low, c in zip(*columns, strict=True)
    )


def _plain(
    models: tuple[tuple[FloatArray, FloatArray, FloatArray], ...],
) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(short[0]), float(flat[0]), float(long[0])) for short, flat, long in models)


def _double(votes: FloatArray) -> FloatArray:
    return np.asarray(votes, dtype=np.float64)
