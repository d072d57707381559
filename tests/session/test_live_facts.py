"""A live session sees the very facts that a backtest is told, whatever it has asked for before."""

import asyncio

import numpy as np
import pandas as pd
import pytest
from taught_market import CATALOGUE, small_ensemble

from crypto_kedro.errors import BundleError
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.in_process import RecordedMarket
from crypto_kedro.exchange.port import MarketStatus, Ticker, UnusablePublicAnswerError
from crypto_kedro.features import compute_features, load_feature_set
from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS, Bars, FloatArray
from crypto_kedro.market.frame import candles_from_frame
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample
from crypto_kedro.market.synthetic import synthetic_candles
from crypto_kedro.serving.bundle import load_bundle
from crypto_kedro.session.facts import ModelWord, signal_facts
from crypto_kedro.session.live_window import LiveFacts, LiveModel, MinuteHistory, as_of_now, spread_of
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.quotes import BarRow
from crypto_kedro.trading.signal import SignalFacts

MAX_GAP_MINUTES = 60
ATR_PERIOD = 14
SPREAD = 0.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LiveModel:
    path = tmp_path_factory.mktemp("model") / "bundle"
    write_bundle(path, BundleContent(small_ensemble(), 0.65, "synthetic", "2024-01-01", "2024-01-30", {}))
    return LiveModel(load_bundle(path), load_feature_set(CATALOGUE, "stationary12"), MAX_GAP_MINUTES, ATR_PERIOD)


@pytest.fixture(scope="module")
def minutes() -> Bars:
    """Twenty days with a halt of 20 and one of 95 minutes."""
    bars = fill_halts(candles_from_frame(synthetic_candles(20, 7, start="2024-03-01")), 10_000, "synthetic")
    keep = np.ones(len(bars), dtype=bool)
    keep[16_000:16_020] = keep[24_000:24_095] = False
    frame = pd.DataFrame({name: getattr(bars, name)[keep] for name in ("open", "high", "low", "close", "volume")})
    frame.insert(
        0, "timestamp", pd.to_datetime(bars.open_time[keep], unit="ms", utc=True).astype("datetime64[ms, UTC]")
    )
    return fill_halts(candles_from_frame(frame), 10_000, "synthetic")


def batch_facts(model: LiveModel, minutes: Bars) -> SignalFacts[FloatArray]:
    """What research computes over the whole history at once."""
    decision = resample(minutes, DECISION_MS)
    features = compute_features(model.feature_set, decision, resample(minutes, CONTEXT_MS), MAX_GAP_MINUTES)
    valid = features.valid
    names = [member.name for member in model.bundle.models]
    calibrated, own = np.full((len(decision), 3), np.nan), [np.full((len(decision), 3), np.nan) for _ in names]
    calibrated[valid] = model.bundle.predict_proba(features.values[valid])
    for column, name in zip(own, names, strict=True):
        column[valid] = model.bundle.predict_by_model(features.values[valid])[name]
    return signal_facts(decision, ModelWord(calibrated, tuple(own)), ATR_PERIOD, SPREAD)


def row_of(facts: SignalFacts[FloatArray], row: int) -> SignalFacts[float]:
    *numbers, models = facts
    return SignalFacts._make(
        [*(float(column[row]) for column in numbers), tuple(tuple(float(c[row]) for c in own) for own in models)]
    )


class Moment:
    """The recorded market, shown up to a moment, and the clock that stands there."""

    def __init__(self, minutes: Bars) -> None:
        self.feed = BarFeed(minutes)
        self.market = RecordedMarket(self.feed, bitbank_btc_jpy_schedule(), Price(0), Btc.of("0.5"))
        self.now_ms = 0

    def move_to(self, close_ms: int) -> None:
        while self.now_ms < close_ms:
            bar = self.market.next_bar()
            assert bar is not None
            self.now_ms = bar.close_time_ms


def test_given_recorded_bars_when_a_session_looks_at_each_then_its_facts_are_those_of_the_batch_bit_for_bit(
    model: LiveModel, minutes: Bars
) -> None:
    batch = batch_facts(model, minutes)
    moment = Moment(minutes)
    live = LiveFacts(moment.market, model, lambda: moment.now_ms)
    known = 0
    for row in range(700, len(batch.close), 7):
        moment.move_to(int(batch.bar_close_ms[row]))
        seen, expected = asyncio.run(live.latest()), row_of(batch, row)
        halted = batch.gap_minutes[row] > 0
        assert seen is not None
        assert repr(seen._replace(status=0.0)) == repr(expected)
        assert halted or seen.status == 0.0
        known += not np.isnan(seen.long)
    assert known > 50


def test_given_a_restart_at_any_bar_when_it_looks_then_it_sees_what_a_session_without_restart_sees(
    model: LiveModel, minutes: Bars
) -> None:
    batch = batch_facts(model, minutes)
    for row in np.random.default_rng(1).integers(650, len(batch.close), 12):
        moment = Moment(minutes)
        moment.move_to(int(batch.bar_close_ms[row]) + 3 * MINUTE_MS if row + 1 < len(batch.close) else moment.now_ms)
        moment.move_to(int(batch.bar_close_ms[row]))
        seen = asyncio.run(LiveFacts(moment.market, model, lambda at=moment: at.now_ms).latest())
        assert seen is not None
        assert repr(seen._replace(age_ms=0.0, status=0.0)) == repr(row_of(batch, row))


class SlowMarket(RecordedMarket):
    """Counts the minutes it is asked for, and keeps the newest back."""

    asked = 0
    late = True

    async def candles(self, interval_ms: int, first_ms: int, end_ms: int) -> tuple[BarRow, ...]:
        rows = await super().candles(interval_ms, first_ms, end_ms)
        self.asked += len(rows)
        return rows[:-1] if self.late else rows


def test_given_a_minute_that_is_not_published_yet_when_asked_then_there_are_no_facts_until_it_is(
    minutes: Bars,
) -> None:
    market = SlowMarket(BarFeed(minutes), bitbank_btc_jpy_schedule(), Price(0), Btc.of("0.5"))
    for _ in range(2 * 24 * 60):
        market.next_bar()
    close_ms = int(minutes.close_time[2 * 24 * 60 - 1])
    history = MinuteHistory(market, DAY_MS)
    assert asyncio.run(history.until(close_ms)) is None
    market.late = False
    before = market.asked
    bars = asyncio.run(history.until(close_ms))
    assert bars is not None
    assert bars.close_time[-1] == close_ms
    assert market.asked == before + 1


class HoledMarket(SlowMarket):
    """Leaves out ten days of minutes while it is late."""

    async def candles(self, interval_ms: int, first_ms: int, end_ms: int) -> tuple[BarRow, ...]:
        rows = await RecordedMarket.candles(self, interval_ms, first_ms, end_ms)
        return (*rows[:5], *rows[5 + 10 * 24 * 60 :]) if self.late else rows


def test_given_minutes_that_cannot_be_true_when_asked_then_they_are_unusable_and_asked_for_again(
    minutes: Bars,
) -> None:
    market = HoledMarket(BarFeed(minutes), bitbank_btc_jpy_schedule(), Price(0), Btc.of("0.5"))
    for _ in range(12 * 24 * 60):
        market.next_bar()
    close_ms = int(minutes.close_time[12 * 24 * 60 - 1])
    history = MinuteHistory(market, 11 * DAY_MS)
    with pytest.raises(UnusablePublicAnswerError, match="asks for all of them again"):
        asyncio.run(history.until(close_ms))

    market.late = False

    bars = asyncio.run(history.until(close_ms))
    assert bars is not None
    assert len(bars.close_time) >= 11 * 24 * 60


def test_given_a_bundle_of_other_features_when_it_is_to_be_served_then_it_is_refused(model: LiveModel) -> None:
    other = load_feature_set(CATALOGUE, "classic12")
    with pytest.raises(BundleError, match="the catalogue in use is"):
        LiveModel(model.bundle, other, MAX_GAP_MINUTES, ATR_PERIOD)


@pytest.mark.parametrize(("bid", "ask"), [(None, Price(2)), (Price(1), None), (Price(3), Price(2))])
def test_given_an_empty_or_crossed_book_when_its_spread_is_asked_then_it_is_unknown(
    bid: Price | None, ask: Price | None
) -> None:
    assert np.isnan(spread_of(Ticker(0, Price(2), bid, ask)))


@pytest.mark.parametrize(
    ("status", "closed_to", "long", "expected"),
    [
        (ExchangeStatus.NORMAL, (), 0.9, ExchangeStatus.NORMAL),
        (ExchangeStatus.NORMAL, (PositionSide.LONG, PositionSide.SHORT), 0.9, ExchangeStatus.HALT),
        (ExchangeStatus.NORMAL, (PositionSide.LONG,), 0.9, ExchangeStatus.HALT),
        (ExchangeStatus.NORMAL, (PositionSide.LONG,), 0.1, ExchangeStatus.NORMAL),
        (ExchangeStatus.BUSY, (PositionSide.SHORT,), 0.1, ExchangeStatus.HALT),
        (ExchangeStatus.UNKNOWN, (PositionSide.LONG,), 0.9, ExchangeStatus.UNKNOWN),
    ],
)
def test_given_an_exchange_that_is_closed_to_a_side_when_the_model_favours_it_then_it_counts_as_halted(
    status: ExchangeStatus, closed_to: tuple[PositionSide, ...], long: float, expected: ExchangeStatus
) -> None:
    one = np.ones(1)
    word = (one * (1.0 - long), one * 0.0, one * long)
    facts = SignalFacts(one, one, one, one, one, one, one, one * 0.0, *word, (word,))

    seen = as_of_now(
        facts,
        1,
        Ticker(0, Price(2), Price(1), Price(2)),
        MarketStatus(status, Btc(1), frozenset(), frozenset(closed_to)),
    )

    assert ExchangeStatus(int(seen.status)) is expected
