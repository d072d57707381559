"""What holds for every market and every trader."""

from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from random_markets import (
    BARS,
    FEEDS,
    SCHEDULE,
    SETTINGS,
    START_BTC,
    START_CASH,
    WISHES,
    Wish,
    final_orders,
    new_engine,
)
from sample_size import many

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.bars import DAY_MS, JST_OFFSET_MS
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.money import PPM, PRODUCT_UNITS
from crypto_kedro.trading.orders import Fill, Order, OrderStatus, PositionSide, Side
from crypto_kedro.trading.quotes import BarRow


@dataclass
class Bookkeeper:
    """An independent account: it sees fills and the calendar, and nothing of the engine's books."""

    cash: int = START_CASH.units
    lots: int = START_BTC.lots
    interest: int = 0
    night: int = JST_OFFSET_MS // DAY_MS

    def pass_midnights(self, before: AccountState, opened: int) -> None:
        """Charge each midnight until a bar's open on what was open before that bar."""
        night = (opened + JST_OFFSET_MS) // DAY_MS
        for day in range(self.night + 1, night + 1):
            rules = SCHEDULE.at(day * DAY_MS - JST_OFFSET_MS)
            for side in PositionSide:
                self.interest += before.position(side).product.units * rules.interest_per_day(side).ppm // PPM
        self.night = night

    def take(self, fill: Fill) -> None:
        """Move cash, BTC and the fee of one fill, as if everything were spot."""
        sign = 1 if fill.side is Side.BUY else -1
        self.cash -= sign * fill.price.ticks * fill.amount.lots * PRODUCT_UNITS + fill.fee_occurred.units
        self.lots += sign * fill.amount.lots

    def equity(self, mark: int) -> int:
        return self.cash + self.lots * mark * PRODUCT_UNITS - self.interest


@dataclass
class Run:
    """One random market traded by one random trader, checked bar by bar."""

    engine: MatchingEngine
    books: Bookkeeper = field(default_factory=Bookkeeper)
    ended: dict[int, Order] = field(default_factory=dict)

    def step(self, bar: BarRow, slip_ppm: int, slip_ticks: int) -> None:
        engine = self.engine
        if bar.open_time_ms:
            self.books.pass_midnights(engine.account(), bar.open_time_ms)
        for fill in engine.advance(bar):
            self.books.take(fill)
            slip = slip_ticks + -(-fill.price.ticks * 2 * slip_ppm // PPM)
            assert bar.low_ticks - slip <= fill.price.ticks <= bar.high_ticks + slip
            assert bar.open_time_ms <= fill.executed_at_ms < bar.close_time_ms
        account = engine.account()
        assert account.equity.units == self.books.equity(bar.close_ticks)
        assert_nothing_is_negative(account)
        self.assert_what_has_ended_stays()

    def assert_what_has_ended_stays(self) -> None:
        for order in final_orders(self.engine):
            assert self.ended.setdefault(order.order_id, order) == order


def assert_nothing_is_negative(account: AccountState) -> None:
    assert 0 <= account.cash_locked.units <= account.cash.units
    assert 0 <= account.btc_locked.lots <= account.btc.lots
    assert account.payable.units == 0 or (account.payable.units > 0 and account.cash.units == 0)
    for side in PositionSide:
        position = account.position(side)
        assert 0 <= position.locked_amount.lots <= position.amount.lots
        assert (position.amount.lots == 0) == (position.product.units == 0)


def assert_orders_agree_with_fills(engine: MatchingEngine) -> None:
    filled: dict[int, int] = defaultdict(int)
    for fill in engine.fills:
        filled[fill.order_id] += fill.amount.lots
    orders = engine.orders()
    assert [order.order_id for order in orders] == sorted({order.order_id for order in orders})
    assert [fill.trade_id for fill in engine.fills] == sorted({fill.trade_id for fill in engine.fills})
    for order in orders:
        assert not order.status.is_open
        assert order.executed_amount.lots == filled[order.order_id]
        assert (order.status is OrderStatus.FULLY_FILLED) == (order.executed_amount == order.start_amount)
        partly = order.status is OrderStatus.CANCELED_PARTIALLY_FILLED
        assert partly == (order.executed_amount.lots > 0 and order.status is not OrderStatus.FULLY_FILLED)


def check_conservation(feed: BarFeed, wishes: list[Wish], how: EngineSettings) -> None:
    run = Run(new_engine(how))
    for index in range(BARS):
        run.step(feed.row(index), how.slippage.ppm, how.slippage_ticks.ticks)
        for wish in wishes:
            if wish.at_bar == index:
                wish.act_on(run.engine)
    for order in run.engine.account().open_orders:
        run.engine.cancel(order.order_id)
    run.engine.advance(_one_hour_and_a_bit_later(feed))
    assert_orders_agree_with_fills(run.engine)


def _one_hour_and_a_bit_later(feed: BarFeed) -> BarRow:
    """A silent bar long after the last one, in which late cancels arrive."""
    last = feed.row(BARS - 1)
    opened = last.close_time_ms + 3 * feed.interval_ms
    price = last.close_ticks
    return BarRow(opened, opened + feed.interval_ms, price, price, price, price, 0, gap_minutes=60)


def check_skipping(feed: BarFeed, wishes: list[Wish], how: EngineSettings) -> None:
    patient, hasty = new_engine(how), new_engine(how)
    decisions = sorted({0, BARS - 1, *(wish.at_bar for wish in wishes)})
    done = 0
    for decision in decisions:
        for index in range(done, decision + 1):
            patient.advance(feed.row(index))
        while (done := hasty.next_event(feed, done, decision)) < decision:
            hasty.advance(feed.row(done))
            done += 1
        hasty.advance(feed.row(decision))
        done = decision + 1
        assert hasty.account() == patient.account()
        for wish in wishes:
            if wish.at_bar == decision:
                wish.act_on(patient)
                wish.act_on(hasty)
    assert hasty.fills == patient.fills
    assert hasty.orders() == patient.orders()


@given(FEEDS, WISHES, SETTINGS)
@settings(max_examples=200, deadline=None)
def test_equity_moves_only_by_prices_fees_and_interest(feed: BarFeed, wishes: list[Wish], how: EngineSettings) -> None:
    check_conservation(feed, wishes, how)


@pytest.mark.slow
@given(FEEDS, WISHES, SETTINGS)
@settings(max_examples=many(1000), deadline=None)
def test_equity_moves_only_by_prices_fees_and_interest_in_many_markets(
    feed: BarFeed, wishes: list[Wish], how: EngineSettings
) -> None:
    check_conservation(feed, wishes, how)


@given(FEEDS, WISHES, SETTINGS)
@settings(max_examples=200, deadline=None)
def test_skipping_to_the_next_event_changes_nothing(feed: BarFeed, wishes: list[Wish], how: EngineSettings) -> None:
    check_skipping(feed, wishes, how)


@pytest.mark.slow
@given(FEEDS, WISHES, SETTINGS)
@settings(max_examples=many(1000), deadline=None)
def test_skipping_to_the_next_event_changes_nothing_in_many_markets(
    feed: BarFeed, wishes: list[Wish], how: EngineSettings
) -> None:
    check_skipping(feed, wishes, how)
