"""bitbank's JSON as this project's exact values; unknown fields are passed over, missing ones are an error.

Prices and amounts arrive as strings and never become floats. What the exchange gives in finer units than ours is
rounded to the disadvantage of the account.

Source: bitbank REST API.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

from crypto_kedro.exchange.port import Balances, MarginPositions, OrderBook, StopTradingError, Ticker
from crypto_kedro.trading.account import MarginState, MarginStatus, Position
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import (
    Fill,
    Liquidity,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
)
from crypto_kedro.trading.quotes import TradePrint

Row = Mapping[str, Any]


class MarketTrade(NamedTuple):
    """A trade between others, and the id that tells it from the rest."""

    trade_id: int
    trade: TradePrint


_NO_BTC = Btc(0)
_NO_JPY = Jpy(0)
_JPY_STEP = Decimal("1E-10")
_BTC_STEP = Decimal("0.0001")
_ORDER_TYPES = {kind.value: kind for kind in OrderType}
_ORDER_STATUSES = {status.value: status for status in OrderStatus}
_POSITION_SIDES = {side.value: side for side in PositionSide}


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever goes wrong while an answer is read into one error.

    Raises:
        StopTradingError: a field is missing, or holds what it cannot.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise StopTradingError(
            f"bitbank {what}: the answer is not as documented ({type(error).__name__}: {error}); "
            "the API may have changed: update crypto-kedro",
            outcome_known=False,
        ) from error


def order(row: Row) -> Order:
    """Read an order object."""
    start, executed = row.get("start_amount"), Btc.of(row["executed_amount"])
    amount = None if start is None else Btc.of(start)
    request = OrderRequest(
        side=Side(row["side"]),
        type=_ORDER_TYPES[row["type"]],
        amount=amount,
        price=_price(row, "price"),
        trigger_price=_price(row, "trigger_price"),
        position_side=_position_side(row),
        post_only=bool(row.get("post_only")),
    )
    return Order(
        int(row["order_id"]),
        request,
        _ORDER_STATUSES[row["status"]],
        amount,
        executed,
        _product(Decimal(row["average_price"]), executed) if executed else _NO_JPY,
        int(row["ordered_at"]),
        _moment(row, "triggered_at"),
        _moment(row, "canceled_at"),
    )


def request_body(request: OrderRequest) -> dict[str, Any]:
    """Return a request as the body of a new order, without its pair."""
    body: dict[str, Any] = {"side": request.side.value, "type": request.type.value}
    for name in ("amount", "price", "trigger_price"):
        value = getattr(request, name)
        if value is not None:
            body[name] = str(value)
    if request.position_side is not None:
        body["position_side"] = request.position_side.value
    if request.post_only:
        body["post_only"] = True
    return body


def fill(row: Row) -> Fill:
    """Read a row of the trade history; costs are positive when paid, ``profit_loss`` is net of them."""
    return Fill(
        int(row["trade_id"]),
        int(row["order_id"]),
        int(row["executed_at"]),
        Side(row["side"]),
        _position_side(row),
        _ORDER_TYPES[row["type"]],
        Liquidity(row["maker_taker"]),
        Price.of(row["price"]),
        Btc.of(row["amount"]),
        cost(row["fee_occurred_amount_quote"]),
        cost(row["fee_amount_quote"]),
        cost(row.get("interest") or "0"),
        gain(row.get("profit_loss") or "0"),
    )


def balances(assets: Sequence[Row]) -> Balances:
    """Read the assets of the account."""
    jpy, btc = asset(assets, "jpy"), asset(assets, "btc")
    return Balances(
        gain(jpy["onhand_amount"]),
        cost(jpy["locked_amount"]),
        _btc(btc["onhand_amount"], ROUND_FLOOR),
        _btc(btc["locked_amount"], ROUND_CEILING),
    )


def asset(assets: Sequence[Row], name: str) -> Row:
    """Return the row of one asset."""
    (row,) = [row for row in assets if row["asset"] == name]
    return row


def positions(answer: Row, pair: str, open_orders: Sequence[Order]) -> MarginPositions:
    """Read the positions of a pair; what resting closes hold of them is added up from the open orders."""
    long, short = (_position(answer["positions"], pair, side, open_orders) for side in PositionSide)
    due = answer["notice"]["due_date_at"] if answer["notice"]["what"] is not None else None
    return MarginPositions(long, short, cost(answer["payables"]["amount"]), None if due is None else int(due))


def margin_status(answer: Row, pair: str, call_due_at_ms: int | None) -> MarginStatus:
    """Read the margin account; the smaller of what long and short may open is available."""
    (available,) = [row for row in answer["available_balances"] if row["pair"] == pair]
    return MarginStatus(
        MarginState(answer["status"]),
        gain(answer["total_margin_balance"]),
        cost(answer["open_margin_position_product"]),
        cost(answer["open_margin_order_product"]),
        min(gain(available["long"]), gain(available["short"])),
        call_due_at_ms,
    )


def ticker(answer: Row) -> Ticker:
    """Read a ticker; ``buy`` is the best bid, ``sell`` the best ask."""
    return Ticker(int(answer["timestamp"]), Price.of(answer["last"]), _price(answer, "buy"), _price(answer, "sell"))


def book(answer: Row) -> OrderBook:
    """Read a whole book."""
    return OrderBook(
        int(answer["timestamp"]), int(answer["sequenceId"]), levels(answer["bids"]), levels(answer["asks"])
    )


def trades(answer: Row) -> tuple[MarketTrade, ...]:
    """Read trades of the market, ascending by id; ``side`` is the taker's."""
    read = [
        MarketTrade(
            int(row["transaction_id"]),
            TradePrint(
                int(row["executed_at"]), Price.of(row["price"]).ticks, Btc.of(row["amount"]).lots, Side(row["side"])
            ),
        )
        for row in answer["transactions"]
    ]
    return tuple(sorted(read, key=lambda trade: trade.trade_id))


def levels(rows: Sequence[Sequence[str]]) -> tuple[tuple[Price, Btc], ...]:
    """Read levels of a book."""
    return tuple((Price.of(price), _btc(amount, ROUND_FLOOR)) for price, amount in rows)


def gain(jpy: str) -> Jpy:
    """Read a sum that belongs to the account, rounded down to 10**-10 JPY."""
    return Jpy.of(Decimal(jpy).quantize(_JPY_STEP, ROUND_FLOOR))


def cost(jpy: str) -> Jpy:
    """Read a sum that the account pays or has bound, rounded up to 10**-10 JPY; negative is a rebate."""
    return Jpy.of(Decimal(jpy).quantize(_JPY_STEP, ROUND_CEILING))


def _btc(amount: str, rounding: str) -> Btc:
    return Btc.of(Decimal(amount).quantize(_BTC_STEP, rounding))


def _product(average_price: Decimal, amount: Btc) -> Jpy:
    # Every product is a multiple of 0.0001 JPY, so the average's own rounding is undone here.
    return Jpy.of((average_price * amount.decimal).quantize(_BTC_STEP, ROUND_HALF_EVEN))


def _price(row: Row, name: str) -> Price | None:
    value = row.get(name)
    return None if value is None else Price.of(value)


def _moment(row: Row, name: str) -> int | None:
    value = row.get(name)
    return None if value is None else int(value)


def _position_side(row: Row) -> PositionSide | None:
    value = row.get("position_side")
    return None if value is None else _POSITION_SIDES[value]


def _position(rows: Sequence[Row], pair: str, side: PositionSide, open_orders: Sequence[Order]) -> Position:
    found = [row for row in rows if row["pair"] == pair and row["position_side"] == side.value]
    if not found:
        return Position(side, _NO_BTC, _NO_JPY, _NO_JPY, _NO_JPY, _NO_BTC)
    (row,) = found
    held = _NO_BTC
    for resting in open_orders:
        closes_this = resting.request.closes and resting.request.position_side is side
        if closes_this and resting.status is not OrderStatus.INACTIVE:
            held += resting.remaining_amount or _NO_BTC
    return Position(
        side,
        Btc.of(row["open_amount"]),
        cost(row["product"]),
        cost(row["unrealized_fee_amount"]),
        cost(row["unrealized_interest_amount"]),
        held,
    )
