"""Answers and requests that are lost between the connector and the simulator: nothing is ever sent twice."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from venues import QUIET, Venue, ask, bitbank_venue, opened

from crypto_kedro.exchange.port import NotPlaced, Placed, Placement
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import OrderRequest, OrderStatus

NEW_ORDER, CANCEL = "/v1/user/spot/order", "/v1/user/spot/cancel_order"


class Loses:
    """Loses POST requests of one path: on the way there, or on the way back."""

    def __init__(self, app: ASGIApp, path: str, after_arrival: bool) -> None:
        self._app = app
        self._path = path
        self._after_arrival = after_arrival

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if self._after_arrival:
            await self._app(scope, receive, _nowhere)
        await PlainTextResponse("gateway time-out", 504)(scope, receive, send)


async def _nowhere(_: Message) -> None:
    pass


def play(
    story: Callable[[Venue], Awaitable[None]], path: str, *, after_arrival: bool, closes: Sequence[int] = QUIET
) -> None:
    async def whole() -> None:
        lossy = Middleware(Loses, path=path, after_arrival=after_arrival)
        async with bitbank_venue(closes, [lossy]) as venue:
            await story(venue)

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (ask("buy long 0.1 limit", price=4_900_000), OrderStatus.UNFILLED),
        (ask("buy long 0.1 market"), OrderStatus.FULLY_FILLED),
        (ask("sell short 0.1 limit", price=4_900_000), OrderStatus.FULLY_FILLED),
        (ask("buy spot 0.1 stop", trigger=5_500_000), OrderStatus.INACTIVE),
    ],
)
def test_given_an_order_that_arrived_when_its_answer_is_lost_then_it_is_found_as_it_stands(
    request_: OrderRequest, status: OrderStatus
) -> None:
    async def story(venue: Venue) -> None:
        placement = await venue.exchange.place(request_)

        assert isinstance(placement, Placed)
        assert placement.order.status is status
        assert placement.order == await venue.exchange.order(placement.order.order_id)
        everything = {order.order_id for order in await venue.exchange.open_orders()}
        everything |= {fill.order_id for fill in await venue.exchange.fills_since(0)}
        assert everything == {placement.order.order_id}

    play(story, NEW_ORDER, after_arrival=True)


@pytest.mark.parametrize("after_arrival", [True, False])
def test_given_nothing_that_rests_or_traded_when_the_answer_is_lost_then_the_order_was_not_placed(
    after_arrival: bool,
) -> None:
    crossing = ask("buy long 0.1 limit", price=5_100_000, post_only=True)

    async def story(venue: Venue) -> None:
        assert isinstance(await venue.exchange.place(crossing), NotPlaced)
        assert await venue.exchange.open_orders() == ()
        assert await venue.exchange.fills_since(0) == ()

    play(story, NEW_ORDER, after_arrival=after_arrival)


def test_given_two_equal_orders_one_after_the_other_when_both_answers_are_lost_then_each_is_found_as_itself() -> None:
    request = ask("buy long 0.01 limit", price=4_900_000)

    async def story(venue: Venue) -> None:
        first, second = [await venue.exchange.place(request) for _ in range(2)]

        assert isinstance(first, Placed)
        assert isinstance(second, Placed)
        assert [order.order_id for order in await venue.exchange.open_orders()] == [
            first.order.order_id,
            second.order.order_id,
        ]

    play(story, NEW_ORDER, after_arrival=True)


def test_given_two_different_orders_at_once_when_both_answers_are_lost_then_each_finds_its_own() -> None:
    async def story(venue: Venue) -> None:
        requests = [ask("buy long 0.01 limit", price=price) for price in (4_900_000, 4_800_000)]

        found: list[Placement] = await asyncio.gather(*map(venue.exchange.place, requests))

        assert [placement.order.request for placement in found if isinstance(placement, Placed)] == requests

    play(story, NEW_ORDER, after_arrival=True)


@pytest.mark.parametrize(
    ("after_arrival", "status"), [(True, OrderStatus.CANCELED_UNFILLED), (False, OrderStatus.UNFILLED)]
)
def test_given_a_cancel_when_it_is_lost_then_the_order_is_returned_as_it_really_stands(
    after_arrival: bool, status: OrderStatus
) -> None:
    async def story(venue: Venue) -> None:
        placement = await venue.exchange.place(ask("buy long 0.1 limit", price=4_900_000))
        assert isinstance(placement, Placed)

        assert (await venue.exchange.cancel(placement.order.order_id)).status is status

    play(story, CANCEL, after_arrival=after_arrival)


def test_given_a_protective_stop_when_its_answer_is_lost_then_the_position_has_exactly_one_stop() -> None:
    class LosesSecond(Loses):
        count = 0

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == NEW_ORDER and scope["method"] == "POST":
                LosesSecond.count += 1
            handler = super().__call__ if LosesSecond.count == 2 else self._app
            await handler(scope, receive, send)

    async def whole() -> None:
        lossy = Middleware(LosesSecond, path=NEW_ORDER, after_arrival=True)
        async with bitbank_venue(QUIET, [lossy]) as venue:
            await opened(venue)
            placement = await venue.exchange.place(ask("sell long 0.1 stop", trigger=4_900_000))

            assert isinstance(placement, Placed)
            account = await venue.exchange.account()
            assert account.open_orders == (placement.order,)
            assert account.long.amount == Btc.of("0.1")

    asyncio.run(whole())
