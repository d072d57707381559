"""Requests that the exchange does not accept, with bitbank's error codes; nothing changes by them."""

from collections.abc import Callable

import pytest
from scenarios import Story, rules_with

from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import Order, RefusalCode


def holding_long() -> Story:
    """An account that holds a long position of 0.1 BTC at a last price of 1,000,000."""
    story = Story()
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.flat(1_000_000)
    return story


REFUSALS: list[tuple[str, RefusalCode, Callable[[Story], int]]] = [
    ("amount missing", RefusalCode.AMOUNT_MISSING, lambda s: s.refused("buy long all market")),
    ("amount zero", RefusalCode.AMOUNT_INVALID, lambda s: s.refused("buy long 0 market")),
    ("price missing", RefusalCode.PRICE_MISSING, lambda s: s.refused("buy long 0.1 limit")),
    ("price zero", RefusalCode.PRICE_INVALID, lambda s: s.refused("buy long 0.1 limit", price=0)),
    ("price not taken", RefusalCode.PRICE_INVALID, lambda s: s.refused("buy long 0.1 market", price=9)),
    ("trigger missing", RefusalCode.TRIGGER_MISSING, lambda s: s.refused("sell long 0.1 stop")),
    ("trigger zero", RefusalCode.TRIGGER_INVALID, lambda s: s.refused("sell long 0.1 stop", trigger=0)),
    ("trigger not taken", RefusalCode.TRIGGER_INVALID, lambda s: s.refused("buy long 0.1 market", trigger=9)),
    ("post-only market", RefusalCode.POST_ONLY_INVALID, lambda s: s.refused("buy long 0.1 market", post_only=True)),
    ("loss-cut by a trader", RefusalCode.TYPE_INVALID, lambda s: s.refused("sell long 0.1 losscut")),
    ("stop that opens", RefusalCode.STOP_CANNOT_OPEN, lambda s: s.refused("buy long 0.1 stop", trigger=1_010_000)),
    (
        "stop-limit that opens",
        RefusalCode.STOP_CANNOT_OPEN,
        lambda s: s.refused("sell short 0.1 stop_limit", price=980_000, trigger=990_000),
    ),
    ("target that opens", RefusalCode.WRONG_SIDE, lambda s: s.refused("buy long 0.1 take_profit", trigger=990_000)),
    ("stop-loss on spot", RefusalCode.WRONG_SIDE, lambda s: s.refused("sell spot 0.1 stop_loss", trigger=990_000)),
    (
        "stop at the last price",
        RefusalCode.TRIGGER_WOULD_FIRE,
        lambda s: s.refused("sell long 0.1 stop", trigger=1_000_000),
    ),
    (
        "target at the last price",
        RefusalCode.TRIGGER_WOULD_FIRE,
        lambda s: s.refused("sell long 0.1 take_profit", trigger=1_000_000),
    ),
    ("limit above the maximum", RefusalCode.OVER_LIMIT, lambda s: s.refused("buy long 1000.0001 limit", price=1)),
    ("market above the maximum", RefusalCode.OVER_MARKET_LIMIT, lambda s: s.refused("buy long 10.0001 market")),
    ("close beyond the position", RefusalCode.EXCEEDS_POSITION, lambda s: s.refused("sell long 0.1001 market")),
    (
        "stop beyond the position",
        RefusalCode.EXCEEDS_POSITION,
        lambda s: s.refused("sell long 0.1001 stop", trigger=990_000),
    ),
    (
        "stop for no position",
        RefusalCode.EXCEEDS_POSITION,
        lambda s: s.refused("buy short all stop_loss", trigger=1_010_000),
    ),
    (
        # 1,000,000 - 120 of margin at leverage 2 less 100,000 already open
        "opening beyond the margin",
        RefusalCode.EXCEEDS_AVAILABLE_MARGIN,
        lambda s: s.refused("buy long 1.8998 limit", price=1_000_000),
    ),
    ("spot sale without BTC", RefusalCode.INSUFFICIENT_FUNDS, lambda s: s.refused("sell spot 0.0001 market")),
    (
        "spot limit buy without the taker fee",
        RefusalCode.INSUFFICIENT_FUNDS,
        lambda s: s.refused("buy spot 1 limit", price=1_000_000),
    ),
    (
        # 0.84 * 1.0012 * 1.2 of the cash is more than all of it
        "spot market buy without the allowance",
        RefusalCode.INSUFFICIENT_FUNDS,
        lambda s: s.refused("buy spot 0.84 market"),
    ),
]


@pytest.mark.parametrize(("code", "send"), [pytest.param(code, send, id=name) for name, code, send in REFUSALS])
def test_request_is_refused_with_the_exchange_code(code: RefusalCode, send: Callable[[Story], int]) -> None:
    story = holding_long()
    before = story.engine.account()

    assert send(story) == code
    assert story.engine.account() == before


def test_amounts_just_inside_the_bounds_are_accepted() -> None:
    story = holding_long()
    story.send("buy long 1.8997 limit", price=1_000_000)
    story.send("buy spot 0.8323 market")
    story.send("sell long 0.1 stop", trigger=999_999)
    story.send("sell long 0.1 market")


def test_minimum_and_steps_are_those_of_the_rules() -> None:
    story = Story(rules=rules_with(min_amount=Btc(50), amount_step=Btc(10), price_step=Price(5)))
    story.flat(1_000_000)

    assert story.refused("buy long 0.0049 market") == RefusalCode.AMOUNT_INVALID
    assert story.refused("buy long 0.0040 market") == RefusalCode.UNDER_MINIMUM
    assert story.refused("buy long 0.0050 limit", price=999_999) == RefusalCode.PRICE_INVALID
    story.send("buy long 0.0050 limit", price=999_995)


def test_the_thirty_first_open_order_is_refused_and_sleeping_ones_count() -> None:
    story = holding_long()
    for _ in range(29):
        story.send("sell long 0.1 stop", trigger=990_000)
    story.send("buy long 0.0001 limit", price=990_000)

    assert story.refused("buy long 0.0001 limit", price=990_000) == RefusalCode.TOO_MANY_ORDERS


def test_a_resting_close_holds_its_amount_and_a_sleeping_one_does_not() -> None:
    story = holding_long()
    story.send("sell long 0.1 stop", trigger=990_000)
    story.send("sell long 0.0999 limit", price=1_010_000)

    assert story.refused("sell long 0.0002 market") == RefusalCode.EXCEEDS_POSITION
    story.send("sell long 0.0001 market")


def test_no_position_is_opened_under_a_margin_call_and_closing_goes_on() -> None:
    story = Story(cash="52000", start="2025-06-02T05:50")
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.flat(1_000_000)
    story.jump_to("2025-06-02T06:00")
    story.flat(970_000)

    assert story.refused("buy long 0.0001 market") == RefusalCode.OPENING_RESTRICTED
    story.send("sell long 0.1 market")


def test_cancelling_answers_what_became_of_the_order() -> None:
    story = holding_long()
    filled = story.engine.orders()[0].order_id
    resting = story.send("sell long 0.1 limit", price=1_010_000).order_id
    rejected = story.send("buy long 0.0001 market").order_id
    story.bar(1_000_000, 1_000_000, 1_000_000, 1_000_000, volume="0", gap=1)

    assert isinstance(story.engine.cancel(resting), Order)
    assert story.cancel_refused(999) == RefusalCode.ORDER_NOT_FOUND
    assert story.cancel_refused(filled) == RefusalCode.ALREADY_EXECUTED
    assert story.cancel_refused(resting) == RefusalCode.ALREADY_CANCELED
    assert story.cancel_refused(rejected) == RefusalCode.NOT_CANCELABLE
