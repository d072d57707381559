"""An order whose answer is lost is never sent again: the exchange is searched for it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW_MS, Clock
from rows import order_row, trade_row
from wire_server import CUT, HALF, Step, WireServer, data, error

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.exchange.port import (
    Attempt,
    BadCredentialsError,
    NotPlaced,
    Placed,
    RefusedError,
    RetryLaterError,
    StopTradingError,
    Unknown,
)
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, OrderStatus, OrderType, PositionSide, Side

Run = Callable[..., Any]

NEW = "POST /v1/user/spot/order"
OPEN = "GET /v1/user/spot/active_orders"
FILLS = "GET /v1/user/spot/trade_history"
READ = "GET /v1/user/spot/order"

LIMIT = OrderRequest(
    side=Side.BUY,
    type=OrderType.LIMIT,
    amount=Btc.of("0.01"),
    price=Price(15_000_000),
    position_side=PositionSide.LONG,
    post_only=True,
)
MARKET = OrderRequest(side=Side.BUY, type=OrderType.MARKET, amount=Btc.of("0.01"), position_side=PositionSide.LONG)
STOP = OrderRequest(
    side=Side.SELL,
    type=OrderType.STOP,
    amount=Btc.of("0.01"),
    trigger_price=Price(14_000_000),
    position_side=PositionSide.LONG,
)
LOST_ANSWERS = [
    CUT,
    HALF,
    (502, "<html>bad gateway</html>"),
    (200, "<html>maintenance</html>"),
    error(10001),
    error(10005, 500),
    error(10009, 429),
    error(70011),
    error(99999),
    (200, '{"success":1,"data":{"order_id":null}}'),
]


def market_row(**changes: Any) -> dict[str, Any]:
    filled = {"executed_amount": "0.0100", "remaining_amount": "0.0000", "average_price": "15000000"}
    market = {"type": "market", "price": ..., "post_only": ..., "status": "FULLY_FILLED"}
    return order_row(**(market | filled | changes))


def nothing_found(server: WireServer) -> None:
    server.on(OPEN, data(orders=[]))
    server.on(FILLS, data(trades=[]))


@pytest.mark.parametrize("lost", LOST_ANSWERS)
def test_given_a_lost_answer_when_the_order_rests_then_it_is_found_and_was_sent_once(
    bitbank: BitbankExchange, server: WireServer, run: Run, lost: Step
) -> None:
    server.on(NEW, lost)
    server.on(OPEN, data(orders=[order_row()]))
    server.on(FILLS, data(trades=[]))

    placement = run(bitbank.place(LIMIT))

    assert isinstance(placement, Placed)
    assert placement.order.order_id == 60_000_000_001
    assert server.targets().count(NEW) == 1


def test_given_a_warm_connection_that_is_cut_when_an_order_is_sent_then_it_is_sent_once(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    nothing_found(server)
    server.on(NEW, CUT)
    run(bitbank.open_orders())

    run(bitbank.place(LIMIT))

    assert server.targets().count(NEW) == 1


def test_given_a_lost_answer_when_the_order_was_filled_then_its_fill_leads_to_it(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, data(orders=[]))
    server.on(FILLS, data(trades=[trade_row()]))
    server.on(READ, data(**market_row()))

    placement = run(bitbank.place(MARKET))

    assert isinstance(placement, Placed)
    assert placement.order.status is OrderStatus.FULLY_FILLED
    assert placement.order.executed_product.decimal == 150_000


def test_given_a_lost_answer_when_the_order_shows_late_then_the_search_goes_on_until_it_does(
    bitbank: BitbankExchange, server: WireServer, clock: Clock, run: Run
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, data(orders=[]), data(orders=[]), data(orders=[order_row(ordered_at=NOW_MS + 1_500)]))
    server.on(FILLS, data(trades=[]))

    placement = run(bitbank.place(LIMIT))

    assert isinstance(placement, Placed)
    assert clock.waits == [1.0, 1.0]


def test_given_a_lost_answer_when_nothing_ever_shows_then_not_placed_is_said_only_after_the_time_window(
    bitbank: BitbankExchange, server: WireServer, clock: Clock, run: Run
) -> None:
    server.on(NEW, CUT)
    nothing_found(server)

    placement = run(bitbank.place(LIMIT))

    assert isinstance(placement, NotPlaced)
    assert clock.now_ms == NOW_MS + 5_000 + 1_000 + 2_000
    assert server.targets().count(NEW) == 1


def test_given_a_lost_answer_when_the_account_cannot_be_read_then_the_outcome_stays_unknown(
    bitbank: BitbankExchange, server: WireServer, clock: Clock, run: Run
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, error(10007))

    placement = run(bitbank.place(LIMIT))

    assert isinstance(placement, Unknown)
    assert placement.attempt.request == LIMIT
    assert "10007" in placement.reason
    assert clock.now_ms == NOW_MS + 8_000 + 10_000
    assert server.targets().count(NEW) == 1


@pytest.mark.parametrize(
    ("read", "code"), [(OPEN, 20001), (OPEN, 50005), (FILLS, 20005), (FILLS, 40022), (READ, 50003), (READ, 50009)]
)
def test_given_a_lost_answer_when_a_read_of_the_search_is_refused_then_that_says_nothing_about_the_order(
    bitbank: BitbankExchange, server: WireServer, run: Run, read: str, code: int
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, data(orders=[]))
    server.on(FILLS, data(trades=[trade_row()]))
    server.on(read, error(code))

    placement = run(bitbank.place(MARKET))

    assert isinstance(placement, Unknown)
    assert str(code) in placement.reason


def test_given_a_filled_order_that_cannot_be_read_yet_when_searching_then_it_is_found_once_it_can(
    bitbank: BitbankExchange, server: WireServer, clock: Clock, run: Run
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, data(orders=[]))
    server.on(FILLS, data(trades=[trade_row()]))
    server.on(READ, error(50009), data(**market_row()))

    assert isinstance(run(bitbank.place(MARKET)), Placed)
    assert clock.waits == [1.0]


def test_given_a_key_that_is_not_accepted_when_searching_then_it_is_not_tried_again_and_again(
    bitbank: BitbankExchange, server: WireServer, clock: Clock, run: Run
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, error(20001))

    run(bitbank.place(MARKET))

    assert clock.waits == []


def test_given_an_unknown_outcome_when_asked_again_later_then_the_order_is_found(
    bitbank: BitbankExchange, server: WireServer, clock: Clock, run: Run
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, error(10007))
    unknown = run(bitbank.place(LIMIT))
    clock.now_ms += 600_000
    server.on(OPEN, data(orders=[order_row()]))
    server.on(FILLS, data(trades=[]))

    placement = run(bitbank.outcome_of(unknown.attempt))

    assert isinstance(placement, Placed)
    assert server.targets().count(NEW) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"side": "sell", "position_side": "short"},
        {"position_side": "short"},
        {"position_side": ...},
        {"type": "stop_limit", "trigger_price": "15000000", "post_only": ...},
        {"price": "15000001"},
        {"start_amount": "0.0101", "remaining_amount": "0.0101"},
        {"ordered_at": NOW_MS - 1_001},
        {"ordered_at": NOW_MS + 6_001},
    ],
)
def test_given_an_order_that_differs_in_one_thing_when_searching_then_it_is_not_taken_for_the_lost_one(
    bitbank: BitbankExchange, server: WireServer, run: Run, other: dict[str, Any]
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, data(orders=[order_row(**other)]))
    server.on(FILLS, data(trades=[]))

    assert isinstance(run(bitbank.place(LIMIT)), NotPlaced)


@pytest.mark.parametrize("ordered_at", [NOW_MS - 1_000, NOW_MS + 6_000])
def test_given_an_order_accepted_at_the_edge_of_the_possible_time_when_searching_then_it_is_found(
    bitbank: BitbankExchange, server: WireServer, run: Run, ordered_at: int
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, data(orders=[order_row(ordered_at=ordered_at)]))
    server.on(FILLS, data(trades=[]))

    assert isinstance(run(bitbank.place(LIMIT)), Placed)


def test_given_a_circuit_break_that_dropped_post_only_when_searching_then_the_order_is_still_recognised(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, data(orders=[order_row(post_only=False)]))
    server.on(FILLS, data(trades=[]))

    assert isinstance(run(bitbank.place(LIMIT)), Placed)


def test_given_an_equal_order_placed_just_before_when_the_second_is_lost_then_the_first_is_not_taken_for_it(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on(NEW, data(**order_row()), CUT)
    server.on(OPEN, data(orders=[order_row()]))
    server.on(FILLS, data(trades=[]))
    run(bitbank.place(LIMIT))

    assert isinstance(run(bitbank.place(LIMIT)), NotPlaced)


def test_given_two_equal_candidates_when_searching_then_the_outcome_stays_unknown(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on(NEW, CUT)
    server.on(OPEN, data(orders=[order_row(), order_row(order_id=60_000_000_002)]))
    server.on(FILLS, data(trades=[]))

    placement = run(bitbank.place(LIMIT))

    assert isinstance(placement, Unknown)
    assert "60000000001, 60000000002" in placement.reason


def test_given_an_exchange_that_hides_sleeping_orders_when_a_stop_is_lost_then_its_absence_proves_nothing(
    server: WireServer, clock: Clock
) -> None:
    settings = BitbankSettings(
        public_url=server.url, private_url=server.url, lists_sleeping_orders=False, throttle=False
    )
    server.on(NEW, CUT)
    nothing_found(server)

    async def place(request: OrderRequest) -> object:
        async with BitbankExchange(settings, Credentials("k", "s"), now_ms=clock, sleep=clock.sleep) as exchange:
            return await exchange.place(request)

    assert isinstance(asyncio.run(place(STOP)), Unknown)
    assert isinstance(asyncio.run(place(LIMIT)), NotPlaced)


def test_given_a_refusal_when_placed_then_nothing_is_searched(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on(NEW, error(60001))

    placement = run(bitbank.place(LIMIT))

    assert isinstance(placement, NotPlaced)
    assert isinstance(placement.error, RefusedError)
    assert placement.error.code == 60001
    assert server.targets() == [NEW]


def test_given_a_pause_of_the_exchange_when_placed_then_it_says_to_try_later(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on(NEW, error(70018))

    placement = run(bitbank.place(LIMIT))

    assert isinstance(placement, NotPlaced)
    assert isinstance(placement.error, RetryLaterError)


@pytest.mark.parametrize(("code", "expected"), [(20003, BadCredentialsError), (50005, StopTradingError)])
def test_given_an_account_that_may_not_trade_when_placed_then_it_is_raised(
    bitbank: BitbankExchange, server: WireServer, run: Run, code: int, expected: type[Exception]
) -> None:
    server.on(NEW, error(code))

    with pytest.raises(expected):
        run(bitbank.place(LIMIT))


def test_given_an_order_turned_away_for_its_time_when_placed_then_it_is_sent_once_more(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on(NEW, error(20035), data(**order_row()))

    assert isinstance(run(bitbank.place(LIMIT)), Placed)
    assert server.targets() == [NEW, NEW]


@pytest.mark.parametrize("code", [50010, 50026, 50027, 70019, 10001])
def test_given_an_order_that_ended_or_may_have_when_cancelled_then_it_is_returned_as_it_stands(
    bitbank: BitbankExchange, server: WireServer, run: Run, code: int
) -> None:
    server.on("POST /v1/user/spot/cancel_order", error(code))
    server.on(READ, data(**market_row()))

    assert run(bitbank.cancel(60_000_000_001)).status is OrderStatus.FULLY_FILLED


@pytest.mark.parametrize("code", [50009, 40013])
def test_given_an_unknown_order_when_cancelled_then_it_is_refused(
    bitbank: BitbankExchange, server: WireServer, run: Run, code: int
) -> None:
    server.on("POST /v1/user/spot/cancel_order", error(code))

    with pytest.raises(RefusedError):
        run(bitbank.cancel(1))


def test_given_a_mixed_batch_that_fails_as_a_whole_when_cancelled_then_what_is_open_is_cancelled_singly(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    ended, resting = market_row(order_id=1), order_row(order_id=2)
    canceled = order_row(order_id=2, status="CANCELED_UNFILLED", canceled_at=NOW_MS)
    server.on("POST /v1/user/spot/cancel_orders", error(50027))
    server.on(OPEN, data(orders=[resting]))
    server.on("POST /v1/user/spot/cancel_order", data(**canceled))
    server.on("POST /v1/user/spot/orders_info", data(orders=[canceled, ended]))

    orders = run(bitbank.cancel_many([1, 2, 3]))

    assert [(order.order_id, order.status) for order in orders] == [
        (1, OrderStatus.FULLY_FILLED),
        (2, OrderStatus.CANCELED_UNFILLED),
    ]
    assert [json.loads(sent.body)["order_id"] for sent in server.sent if sent.path.endswith("cancel_order")] == [2]


def test_given_a_process_that_died_when_a_new_one_asks_then_the_attempt_alone_is_enough(
    bitbank: BitbankExchange, server: WireServer, run: Run
) -> None:
    server.on(OPEN, data(orders=[order_row()]))
    server.on(FILLS, data(trades=[]))

    assert isinstance(run(bitbank.outcome_of(Attempt(LIMIT, NOW_MS - 200, NOW_MS - 100))), Placed)
