"""Random markets and random traders for the properties of the exchange."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from scenarios import RULES, rules_with

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.settings import EngineSettings, StopConflict
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, Bars
from crypto_kedro.trading.money import Btc, Jpy, Price, Rate
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, PositionSide, Side
from crypto_kedro.trading.rules import RuleSchedule

BARS = 96
START_CASH = Jpy.of(120_000)
START_BTC = Btc.of("0.1")
SCHEDULE = RuleSchedule(
    (0, 2 * DAY_MS + 3 * HOUR_MS),
    (RULES, rules_with(margin_close_taker_fee=Rate(1000), spot_maker_fee=Rate(0), short_interest_per_day=Rate(555))),
)


@dataclass(frozen=True)
class Wish:
    """Something a trader tries at the close of a bar.

    Offsets are distances from the last price in ticks. A sensible wish closes a position that is there, with a
    trigger on the side where it sleeps; the others are mostly refused.
    """

    at_bar: int
    side: Side
    kind: OrderType
    position_side: PositionSide | None
    lots: int | None
    price_offset: int
    trigger_offset: int
    post_only: bool
    sensible: bool
    cancels: bool

    def act_on(self, engine: MatchingEngine) -> None:
        """Send the order, or cancel the oldest open one; refusals are part of life."""
        account = engine.account()
        if self.cancels:
            if account.open_orders:
                engine.cancel(account.open_orders[0].order_id)
            return
        side, lots = self.side, self.lots
        if self.sensible and self.kind.has_trigger and self.position_side is not None:
            side = self.position_side.closing_side
            lots = None if lots is None else min(lots, account.position(self.position_side).amount.lots)
        fires_up = (side is Side.BUY) is not (self.kind is OrderType.TAKE_PROFIT)
        trigger_offset = abs(self.trigger_offset) * (1 if fires_up else -1) if self.sensible else self.trigger_offset
        last = account.mark.ticks
        engine.place(
            OrderRequest(
                side=side,
                type=self.kind,
                amount=None if lots is None and self.kind in WHOLE_POSITION else Btc(lots or 500),
                price=Price(max(last + self.price_offset, 1)) if self.kind.has_price else None,
                trigger_price=Price(max(last + trigger_offset, 1)) if self.kind.has_trigger else None,
                position_side=self.position_side,
                post_only=self.post_only and self.kind is OrderType.LIMIT,
            )
        )


WHOLE_POSITION = (OrderType.TAKE_PROFIT, OrderType.STOP_LOSS)
SENT_BY_TRADERS = [kind for kind in OrderType if kind is not OrderType.LOSSCUT]

WISHES = st.lists(
    st.builds(
        Wish,
        at_bar=st.integers(0, BARS - 2),
        side=st.sampled_from(Side),
        kind=st.sampled_from([OrderType.MARKET] * 5 + SENT_BY_TRADERS),
        position_side=st.sampled_from([*PositionSide, *PositionSide, None]),
        lots=st.one_of(st.sampled_from([None, 1000, 2000, 2500]), st.integers(1, 3000)),
        price_offset=st.integers(-60_000, 60_000),
        trigger_offset=st.integers(-60_000, 60_000),
        post_only=st.booleans(),
        sensible=st.sampled_from([True, True, True, False]),
        cancels=st.sampled_from([False] * 5 + [True]),
    ),
    min_size=8,
    max_size=40,
)

SETTINGS = st.builds(
    EngineSettings,
    slippage=st.sampled_from([Rate(0), Rate(700)]),
    slippage_ticks=st.sampled_from([Price(0), Price(2)]),
    latency_ms=st.sampled_from([0, 1, HOUR_MS + 1]),
    volume_share=st.sampled_from([None, Rate.of("0.05")]),
    fill_at_touch=st.booleans(),
    stop_conflict=st.sampled_from(StopConflict),
    cancel_orphans=st.booleans(),
)


@st.composite
def feeds(draw: st.DrawFn) -> BarFeed:
    """Hourly bars of a jumpy market with halts and silent hours; trends are strong enough to liquidate."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.004, 0.02, 0.05]))
    close = np.rint(1_000_000 * np.exp(np.cumsum(random.standard_t(3, BARS) * scale)).clip(0.05, 20))
    opened = np.concatenate(([1_000_000.0], close[:-1]))
    gaps = random.random(BARS) < 0.1
    opened[gaps] = np.rint(opened[gaps] * np.exp(random.normal(0, 3 * scale, int(gaps.sum()))))
    reach = np.rint(np.abs(random.normal(0, scale, (2, BARS))) * close)
    high, low = np.maximum(opened, close) + reach[0], np.maximum(np.minimum(opened, close) - reach[1], 1)
    volume = np.round(random.exponential(3.0, BARS), 4) * (random.random(BARS) < 0.9)
    halted = random.random(BARS) < 0.05
    halted[0] = False
    for at in np.flatnonzero(halted):
        opened[at] = high[at] = low[at] = close[at] = close[at - 1]
        volume[at] = 0.0
    return BarFeed(Bars(HOUR_MS, np.arange(BARS) * HOUR_MS, opened, high, low, close, volume, np.where(halted, 60, 0)))


FEEDS = feeds()


def new_engine(settings: EngineSettings) -> MatchingEngine:
    """An account with some cash and some BTC."""
    return MatchingEngine(SCHEDULE, settings, cash=START_CASH, btc=START_BTC)


def final_orders(engine: MatchingEngine) -> list[Order]:
    """Every order that has ended."""
    return [order for order in engine.orders() if not order.status.is_open]
