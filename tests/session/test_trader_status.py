"""The account in the light of its history, as a trader tells of it."""

import pytest
from msgspec import structs

from crypto_kedro.session.status import AccountSeen
from crypto_kedro.trading.account import AccountState, MarginState, MarginStatus, Position
from crypto_kedro.trading.ledger import EquityPoint, TradeLedger
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import (
    Fill,
    Liquidity,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
)

NOTHING = Jpy(0)
START_MS = 1_780_000_000_000
NOON_MS = START_MS + 3_600_000
CAPITAL = Jpy.of(100_000)


def empty(side: PositionSide) -> Position:
    return Position(side, Btc(0), NOTHING, NOTHING, NOTHING, Btc(0))


def position(side: PositionSide, btc: str = "0.01") -> Position:
    """Opened at 1,000,000 JPY with 10 JPY of fees and 4 JPY of interest accrued."""
    amount = Btc.of(btc)
    return Position(side, amount, Price(1_000_000) * amount, Jpy.of(10), Jpy.of(4), Btc(0))


def resting(side: PositionSide, kind: OrderType, price: int, order_id: int) -> Order:
    request = OrderRequest(
        side=side.closing_side, type=kind, amount=Btc.of("0.01"), trigger_price=Price(price), position_side=side
    )
    return Order(order_id, request, OrderStatus.INACTIVE, Btc.of("0.01"), Btc(0), NOTHING, NOON_MS)


def account(mark: int = 1_020_000, orders: tuple[Order, ...] = (), **positions: Position) -> AccountState:
    long = positions.get("long", empty(PositionSide.LONG))
    short = positions.get("short", empty(PositionSide.SHORT))
    product = long.product + short.product
    margin = MarginStatus(MarginState.NORMAL, CAPITAL, product, NOTHING, CAPITAL)
    return AccountState(NOON_MS, Price(mark), CAPITAL, NOTHING, Btc(0), Btc(0), NOTHING, long, short, orders, margin)


def opening(side: PositionSide, at_ms: int) -> Fill:
    return Fill(1, 1, at_ms, side.opening_side, side, OrderType.MARKET, Liquidity.TAKER, Price(1_000_000),
                Btc.of("0.01"), Jpy.of(10), NOTHING, NOTHING, NOTHING)  # fmt: skip


LEDGER = TradeLedger.start(START_MS, CAPITAL)


def test_a_flat_account_has_no_positions_and_no_margin_ratio() -> None:
    seen = AccountSeen.of(account(), LEDGER)
    assert (seen.positions, seen.margin_ratio, seen.equity, seen.drawdown) == ((), None, CAPITAL, 0.0)


@pytest.mark.parametrize(("side", "gain"), [(PositionSide.LONG, "200"), (PositionSide.SHORT, "-200")])
def test_a_position_is_told_with_its_result_before_costs(side: PositionSide, gain: str) -> None:
    held = AccountSeen.of(account(**{side.value: position(side)}), LEDGER.after(opening(side, NOON_MS - 5)))
    assert held.equity == CAPITAL + Jpy.of(gain) - Jpy.of(14)
    (one,) = held.positions
    assert (one.side, one.average_price, one.unrealized, one.costs) == (side, 1_000_000, Jpy.of(gain), Jpy.of(14))
    assert one.opened_at_ms == NOON_MS - 5


def test_a_position_is_told_with_what_rests_for_its_own_side() -> None:
    long, short = PositionSide.LONG, PositionSide.SHORT
    orders = (
        resting(long, OrderType.STOP, 980_000, 1),
        resting(long, OrderType.TAKE_PROFIT, 1_030_000, 2),
        resting(short, OrderType.STOP, 1_040_000, 3),
    )
    seen = AccountSeen.of(account(orders=orders, long=position(long), short=position(short)), LEDGER)
    assert [(held.side, held.stop, held.take_profit) for held in seen.positions] == [
        (long, Price(980_000), Price(1_030_000)),
        (short, Price(1_040_000), None),
    ]
    assert seen.open_orders == 3


def test_a_position_that_no_fill_explains_has_no_beginning() -> None:
    seen = AccountSeen.of(account(long=position(PositionSide.LONG)), LEDGER)
    assert seen.positions[0].opened_at_ms is None


def test_the_drawdown_counts_what_the_open_position_has_lost() -> None:
    history = LEDGER.after(EquityPoint(START_MS + 1, Jpy.of(110_000)))
    seen = AccountSeen.of(structs.replace(account(), cash=Jpy.of(99_000)), history)
    assert seen.drawdown == pytest.approx(0.1)
    assert seen.deepest_drawdown == seen.drawdown


def test_a_drawdown_that_was_won_back_is_still_the_deepest() -> None:
    history = LEDGER.after(EquityPoint(START_MS + 1, Jpy.of(80_000)))
    seen = AccountSeen.of(account(), history)
    assert (seen.drawdown, seen.deepest_drawdown) == (0.0, pytest.approx(0.2))
