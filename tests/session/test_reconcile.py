"""Which resting orders already are what should rest for a position, whatever the exchange says of their amount."""

import pytest

from crypto_kedro.session.reconcile import LEFT_OVER, Step, protecting
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import Order, OrderRequest, OrderStatus, OrderType, PositionSide
from crypto_kedro.trading.protection import Protection

LONG = PositionSide.LONG
WHOLE, NONE = Btc(999), Btc(0)
PROTECTION = Protection(Price(990_000), Price(1_020_000), 0)
STOP, TARGET = OrderType.STOP_LOSS, OrderType.TAKE_PROFIT
AT = {STOP: PROTECTION.stop, TARGET: PROTECTION.take_profit}


def resting(
    order_id: int,
    kind: OrderType,
    amount: Btc | None = None,
    *,
    trigger: Price | None = None,
    status: OrderStatus = OrderStatus.INACTIVE,
    executed: Btc = NONE,
) -> Order:
    """Build an order as it is reported."""
    request = OrderRequest(
        side=LONG.closing_side, type=kind, amount=amount, trigger_price=trigger or AT[kind], position_side=LONG
    )
    return Order(order_id, request, status, amount, executed, Jpy(0), ordered_at_ms=0)


def missing(*orders: Order) -> tuple[Step, ...]:
    return protecting(orders, LONG, WHOLE, PROTECTION, "position")


@pytest.mark.parametrize("amount", [None, NONE, WHOLE])
def test_given_orders_for_the_whole_position_when_an_amount_is_reported_for_them_then_nothing_is_missing(
    amount: Btc | None,
) -> None:
    assert missing(resting(1, STOP, amount), resting(2, TARGET, amount)) == ()


def test_given_a_stop_for_another_amount_than_the_position_then_one_for_the_whole_of_it_takes_its_place() -> None:
    (step,) = missing(resting(1, STOP, Btc(500)), resting(2, TARGET))

    assert step.request is not None
    assert (step.purpose, step.request.amount, step.then) == (Purpose.STOP, None, (1,))


@pytest.mark.parametrize("amount", [None, NONE])
def test_given_a_stop_for_a_part_of_the_position_when_one_for_the_whole_rests_then_it_is_not_taken_for_it(
    amount: Btc | None,
) -> None:
    (step, _) = protecting([resting(1, STOP, amount)], LONG, Btc(500), PROTECTION, "position", is_whole=False)

    assert step.request is not None
    assert (step.request.amount, step.then) == (Btc(500), (1,))


@pytest.mark.parametrize(
    ("status", "executed"), [(OrderStatus.UNFILLED, NONE), (OrderStatus.PARTIALLY_FILLED, Btc(400))]
)
@pytest.mark.parametrize("trigger", [PROTECTION.stop, Price(985_000)])
def test_given_a_stop_that_was_triggered_while_it_executes_then_it_is_neither_replaced_nor_cancelled(
    status: OrderStatus, executed: Btc, trigger: Price
) -> None:
    executing = resting(1, STOP, Btc(1_399), trigger=trigger, status=status, executed=executed)

    assert missing(executing, resting(2, TARGET)) == ()


def test_given_two_stops_when_both_sleep_then_the_one_too_many_is_cancelled() -> None:
    assert missing(resting(1, STOP), resting(2, STOP, WHOLE), resting(3, TARGET)) == (
        Step(Purpose.STOP, LEFT_OVER, then=(2,)),
    )
