"""The reported account: values derived from what the exchange says."""

from decimal import Decimal

from msgspec import structs

from crypto_kedro.trading.account import AccountState, MarginState, MarginStatus, Position
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import PositionSide

LONG = Position(PositionSide.LONG, Btc.of("0.1"), Jpy.of(100_000), Jpy.of(120), Jpy.of(40), Btc(0))
SHORT = Position(PositionSide.SHORT, Btc.of("0.2"), Jpy.of(210_000), Jpy.of("-42"), Jpy.of(84), Btc(0))
MARGIN = MarginStatus(MarginState.NORMAL, Jpy.of(155_000), Jpy.of(310_000), Jpy(0), Jpy(0))
ACCOUNT = AccountState(
    at_ms=0,
    mark=Price(1_020_000),
    cash=Jpy.of(150_000),
    cash_locked=Jpy(0),
    btc=Btc.of("0.01"),
    btc_locked=Btc(0),
    payable=Jpy(0),
    long=LONG,
    short=SHORT,
    open_orders=(),
    margin=MARGIN,
)
EMPTY = Position(PositionSide.LONG, Btc(0), Jpy(0), Jpy(0), Jpy(0), Btc(0))


def test_a_long_gains_and_a_short_loses_when_the_price_rises() -> None:
    assert LONG.profit_loss(Price(1_020_000)) == Jpy.of(2_000)
    assert SHORT.profit_loss(Price(1_060_000)) == Jpy.of(-2_000)


def test_average_price_is_product_over_amount_and_none_when_empty() -> None:
    assert SHORT.average_price == Decimal(1_050_000)
    assert EMPTY.average_price is None


def test_equity_counts_cash_btc_and_both_positions_less_accrued_costs() -> None:
    # 150,000 cash + 10,200 of BTC + (2,000 - 120 - 40) long + (6,000 + 42 - 84) short
    assert ACCOUNT.equity == Jpy.of(150_000 + 10_200 + 1_840 + 5_958)


def test_debt_lowers_equity() -> None:
    in_debt = structs.replace(ACCOUNT, payable=Jpy.of(1_000))
    assert ACCOUNT.equity - in_debt.equity == Jpy.of(1_000)


def test_margin_ratio_is_balance_over_product_and_none_without_a_position() -> None:
    assert MARGIN.ratio == 0.5
    assert structs.replace(MARGIN, position_product=Jpy(0)).ratio is None


def test_a_position_is_found_by_its_side() -> None:
    assert ACCOUNT.position(PositionSide.LONG) is LONG
    assert ACCOUNT.position(PositionSide.SHORT) is SHORT
