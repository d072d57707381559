"""What holds for every exchange behind the protocol; each story runs on all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import pytest
from paper_venues import paper_venue
from venues import CASH, QUIET, SCHEDULE, START_PRICE, Venue, ask, bitbank_venue, engine_venue, opened, placed

from crypto_kedro.exchange.port import NotPlaced, RefusedError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.trading.account import MarginState
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.orders import Liquidity, OrderRequest, OrderStatus

Story = Callable[[Venue], Awaitable[None]]
Opening = Callable[[Sequence[int]], AbstractAsyncContextManager[Venue]]

AMOUNT = Btc.of("0.1")
NONE = Btc(0)


@pytest.fixture(params=[engine_venue, bitbank_venue, paper_venue], ids=["engine", "bitbank", "paper"])
def play(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Play a story at a venue whose minutes end at the given closes."""
    opening: Opening = request.param

    def play_story(story: Story, closes: Sequence[int] = QUIET) -> None:
        async def whole() -> None:
            async with opening(closes) as venue:
                await story(venue)

        asyncio.run(whole())

    return play_story


Play = Callable[..., None]


def test_given_a_market_when_its_rules_are_read_then_they_are_those_in_force(play: Play) -> None:
    async def story(venue: Venue) -> None:
        assert await venue.exchange.rules() == SCHEDULE.at(venue.now_ms)

    play(story)


def test_given_a_quiet_market_when_its_status_is_read_then_it_is_normal(play: Play) -> None:
    async def story(venue: Venue) -> None:
        status = await venue.exchange.status()
        assert status.status is ExchangeStatus.NORMAL
        assert status.min_amount == Btc(1)
        assert not status.suspended

    play(story)


def test_given_passing_minutes_when_candles_are_read_then_only_closed_ones_of_the_span_come(play: Play) -> None:
    async def story(venue: Venue) -> None:
        await venue.minute()
        await venue.minute()
        first = venue.now_ms - 4 * MINUTE_MS

        bars = await venue.exchange.candles(MINUTE_MS, first, venue.now_ms + 3 * MINUTE_MS)

        assert [bar.open_time_ms for bar in bars] == [first + k * MINUTE_MS for k in range(4)]
        assert [bar.close_ticks for bar in bars] == [START_PRICE, START_PRICE, START_PRICE + 100, START_PRICE + 300]
        assert all(bar.close_time_ms == bar.open_time_ms + MINUTE_MS for bar in bars)
        assert bars[-1].close_time_ms == venue.now_ms

    play(story, [START_PRICE + 100, START_PRICE + 300, START_PRICE + 500])


def test_given_a_market_when_ticker_and_book_are_read_then_they_tell_the_same_prices(play: Play) -> None:
    async def story(venue: Venue) -> None:
        ticker, book = await venue.exchange.ticker(), await venue.exchange.book()

        assert ticker.last == Price(START_PRICE)
        assert ticker.bid is not None
        assert ticker.ask is not None
        assert ticker.bid <= ticker.last <= ticker.ask
        assert book.top is not None
        assert (book.top.bid_ticks, book.top.ask_ticks) == (ticker.bid.ticks, ticker.ask.ticks)
        assert list(book.bids) == sorted(book.bids, reverse=True)
        assert list(book.asks) == sorted(book.asks)

    play(story)


def test_given_a_new_account_when_it_is_read_then_it_holds_its_cash_and_nothing_else(play: Play) -> None:
    async def story(venue: Venue) -> None:
        account = await venue.exchange.account()

        assert (account.cash, account.btc, account.payable) == (CASH, NONE, Jpy(0))
        assert (account.long.amount, account.short.amount, account.open_orders) == (NONE, NONE, ())
        assert account.margin.state is MarginState.NORMAL
        assert account.margin.balance == CASH
        assert account.margin.available == Jpy.of(2_000_000)
        assert account.equity == CASH

    play(story)


def test_given_a_resting_order_when_read_anywhere_then_it_is_the_same_and_a_cancel_ends_it_once(play: Play) -> None:
    async def story(venue: Venue) -> None:
        exchange = venue.exchange
        order = await placed(venue, ask("buy long 0.1 limit", price=4_900_000))

        assert await exchange.open_orders() == (order,)
        assert await exchange.order(order.order_id) == order
        assert (await exchange.account()).open_orders == (order,)
        assert (await exchange.margin_status()).open_order_product == Jpy.of(490_000)

        canceled = await exchange.cancel(order.order_id)

        assert canceled.status is OrderStatus.CANCELED_UNFILLED
        assert await exchange.cancel(order.order_id) == canceled
        assert await exchange.order(order.order_id) == canceled
        assert await exchange.open_orders() == ()

    play(story)


def test_given_a_market_order_when_a_minute_passes_then_order_position_and_fill_tell_the_same(play: Play) -> None:
    async def story(venue: Venue) -> None:
        sent_at_ms = venue.now_ms
        order = await placed(venue, ask("buy long 0.1 market"))
        await venue.minute()

        filled = await venue.exchange.order(order.order_id)
        fills = await venue.exchange.fills_since(sent_at_ms)
        positions = await venue.exchange.positions()

        assert filled.status is OrderStatus.FULLY_FILLED
        assert {fill.order_id for fill in fills} == {order.order_id}
        assert sum(fill.amount.lots for fill in fills) == AMOUNT.lots
        assert all(fill.is_opening and fill.liquidity is Liquidity.TAKER for fill in fills)
        assert sum((fill.product for fill in fills), Jpy(0)) == filled.executed_product == positions.long.product
        assert positions.long.amount == AMOUNT
        assert positions.long.unrealized_fee == sum((fill.fee_occurred for fill in fills), Jpy(0))
        assert (await venue.exchange.balances()).cash == CASH
        assert await venue.exchange.fills_since(venue.now_ms + 1) == ()

    play(story)


def test_given_a_protected_position_when_the_price_falls_then_the_stop_ends_it_and_its_net_result_is_booked(
    play: Play,
) -> None:
    async def story(venue: Venue) -> None:
        await opened(venue)
        stop = await placed(venue, ask("sell long 0.1 stop", trigger=4_900_000))
        assert stop.status is OrderStatus.INACTIVE
        assert (await venue.exchange.positions()).long.locked_amount == NONE

        await venue.minute()

        account = await venue.exchange.account()
        fills = await venue.exchange.fills_since(stop.ordered_at_ms)
        closing = [fill for fill in fills if fill.order_id == stop.order_id]
        fired = await venue.exchange.order(stop.order_id)
        assert fired.status is OrderStatus.FULLY_FILLED
        assert fired.triggered_at_ms is not None
        assert (account.long.amount, account.open_orders) == (NONE, ())
        assert sum((fill.profit_loss for fill in closing), Jpy(0)) < Jpy.of(-10_000)
        assert account.cash == CASH + sum((fill.profit_loss for fill in closing), Jpy(0))

    play(story, [START_PRICE, 4_800_000, 4_800_000])


def test_given_a_stop_for_the_whole_position_when_it_fires_then_all_of_it_is_closed(play: Play) -> None:
    async def story(venue: Venue) -> None:
        await opened(venue, "sell short 0.1 market")
        stop = await placed(venue, ask("buy short all stop_loss", trigger=5_100_000))
        assert (stop.start_amount, stop.request.amount) == (None, None)

        await venue.minute()

        assert (await venue.exchange.positions()).short.amount == NONE
        assert (await venue.exchange.order(stop.order_id)).executed_amount == AMOUNT

    play(story, [START_PRICE, 5_200_000])


def test_given_a_resting_close_when_positions_are_read_then_it_holds_its_part(play: Play) -> None:
    async def story(venue: Venue) -> None:
        await opened(venue)
        await placed(venue, ask("sell long 0.04 limit", price=6_000_000))

        assert (await venue.exchange.positions()).long.locked_amount == Btc.of("0.04")
        assert (await venue.exchange.account()).long.locked_amount == Btc.of("0.04")

    play(story)


def test_given_a_spot_buy_when_filled_then_cash_pays_product_and_fee(play: Play) -> None:
    async def story(venue: Venue) -> None:
        before_ms = venue.now_ms
        await placed(venue, ask("buy spot 0.1 market"))
        await venue.minute()

        (fill,) = await venue.exchange.fills_since(before_ms)
        balances = await venue.exchange.balances()
        assert fill.position_side is None
        assert fill.fee_charged == fill.fee_occurred > Jpy(0)
        assert balances.btc == AMOUNT
        assert balances.cash == CASH - fill.product - fill.fee_charged

    play(story)


def test_given_a_resting_spot_buy_when_balances_are_read_then_its_cost_is_locked(play: Play) -> None:
    async def story(venue: Venue) -> None:
        await placed(venue, ask("buy spot 0.1 limit", price=4_000_000))

        balances = await venue.exchange.balances()
        assert balances.cash == CASH
        assert balances.cash_locked == Jpy.of(400_400)

    play(story)


def test_given_a_post_only_order_that_would_take_when_placed_then_it_ends_without_a_fill(play: Play) -> None:
    async def story(venue: Venue) -> None:
        order = await placed(venue, ask("buy long 0.1 limit", price=5_100_000, post_only=True))
        await venue.minute()

        assert (await venue.exchange.order(order.order_id)).status is OrderStatus.CANCELED_UNFILLED
        assert (await venue.exchange.positions()).long.amount == NONE

    play(story)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (ask("buy long 20 market"), 60002),
        (ask("buy long 1 market"), 50061),
        (ask("sell long 0.1 market"), 50062),
        (ask("buy spot 1 market"), 60001),
        (ask("sell spot 0.1 limit", price=5_100_000), 60001),
        (ask("buy long 0.1 stop", trigger=5_100_000), 40200),
        (ask("buy spot 0.1 stop", trigger=4_900_000), 60018),
        (ask("buy long 0.1 limit"), 30012),
        (ask("buy long all market"), 30001),
        (ask("buy spot 0.1 stop"), 30101),
    ],
)
def test_given_a_request_that_cannot_be_when_placed_then_its_code_says_why_and_nothing_rests(
    play: Play, request_: OrderRequest, code: int
) -> None:
    async def story(venue: Venue) -> None:
        placement = await venue.exchange.place(request_)

        assert isinstance(placement, NotPlaced)
        assert isinstance(placement.error, RefusedError)
        assert placement.error.code == code
        assert await venue.exchange.open_orders() == ()

    play(story)


def test_given_an_order_that_never_was_when_read_or_cancelled_then_it_is_refused(play: Play) -> None:
    async def story(venue: Venue) -> None:
        for call in (venue.exchange.order, venue.exchange.cancel):
            with pytest.raises(RefusedError) as caught:
                await call(987_654)
            assert caught.value.code == 50009

    play(story)


def test_given_open_ended_and_unknown_orders_when_all_are_cancelled_then_the_known_ones_come_in_order(
    play: Play,
) -> None:
    async def story(venue: Venue) -> None:
        far, near, filled = [
            (await placed(venue, request)).order_id
            for request in (
                ask("buy long 0.01 limit", price=4_000_000),
                ask("buy long 0.01 limit", price=4_500_000),
                ask("buy long 0.01 market"),
            )
        ]
        await venue.minute()
        await venue.exchange.cancel(near)

        orders = await venue.exchange.cancel_many([filled, 987_654, near, far])

        assert [(order.order_id, order.status) for order in orders] == [
            (filled, OrderStatus.FULLY_FILLED),
            (near, OrderStatus.CANCELED_UNFILLED),
            (far, OrderStatus.CANCELED_UNFILLED),
        ]
        assert await venue.exchange.open_orders() == ()

    play(story)


def test_given_a_length_of_bars_that_is_not_there_when_candles_are_read_then_it_is_refused(play: Play) -> None:
    async def story(venue: Venue) -> None:
        with pytest.raises(RefusedError):
            await venue.exchange.candles(7 * MINUTE_MS, venue.now_ms - 60 * MINUTE_MS, venue.now_ms)

    play(story)
