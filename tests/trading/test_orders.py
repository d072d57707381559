"""Requests, orders and fills as values."""

from decimal import Decimal

import pytest

from crypto_kedro.trading.money import Btc, Jpy, Price, UnitError
from crypto_kedro.trading.orders import Order, OrderRequest, OrderStatus, OrderType, PositionSide, Side


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("side", "buy"),
        ("type", "limit"),
        ("amount", 1),
        ("amount", Price(1)),
        ("price", Btc(1)),
        ("price", 15_000_000.0),
        ("trigger_price", Jpy(1)),
        ("position_side", "long"),
        ("post_only", None),
    ],
)
def test_a_request_refuses_a_field_of_the_wrong_unit(field: str, value: object) -> None:
    fields = {"side": Side.BUY, "type": OrderType.LIMIT, "amount": Btc(1), field: value}
    with pytest.raises(UnitError, match=field):
        OrderRequest(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("side", "position_side", "opens", "closes"),
    [
        (Side.BUY, PositionSide.LONG, True, False),
        (Side.SELL, PositionSide.LONG, False, True),
        (Side.SELL, PositionSide.SHORT, True, False),
        (Side.BUY, PositionSide.SHORT, False, True),
        (Side.BUY, None, False, False),
        (Side.SELL, None, False, False),
    ],
)
def test_side_and_position_side_say_whether_a_position_opens_or_closes(
    side: Side, position_side: PositionSide | None, opens: bool, closes: bool
) -> None:
    request = OrderRequest(side=side, type=OrderType.MARKET, amount=Btc(1), position_side=position_side)
    assert (request.opens, request.closes) == (opens, closes)


def test_words_are_those_of_the_exchange() -> None:
    assert OrderType("stop_limit") is OrderType.STOP_LIMIT
    assert f"{PositionSide.SHORT} {Side.SELL} {OrderStatus.CANCELED_PARTIALLY_FILLED}" == (
        "short sell CANCELED_PARTIALLY_FILLED"
    )


def test_exactly_the_sleeping_and_filling_statuses_are_open() -> None:
    assert [status.value for status in OrderStatus if status.is_open] == ["INACTIVE", "UNFILLED", "PARTIALLY_FILLED"]


def test_average_price_is_the_executed_product_over_the_executed_amount() -> None:
    request = OrderRequest(side=Side.BUY, type=OrderType.LIMIT, amount=Btc(30), price=Price(101))
    product = Price(100) * Btc(10) + Price(101) * Btc(10)
    order = Order(1, request, OrderStatus.PARTIALLY_FILLED, Btc(30), Btc(20), product, 0)

    assert order.average_price == Decimal("100.5")
    assert order.remaining_amount == Btc(10)


def test_average_price_and_remaining_amount_are_none_while_unknown() -> None:
    request = OrderRequest(
        side=Side.SELL, type=OrderType.STOP_LOSS, trigger_price=Price(90), position_side=PositionSide.LONG
    )
    order = Order(1, request, OrderStatus.INACTIVE, None, Btc(0), Jpy(0), 0)

    assert order.average_price is None
    assert order.remaining_amount is None
