"""bitbank's JSON as this project's exact values; unknown fields are passed over, missing ones are an error.

Prices and amounts arrive as strings and never become floats. What the exchange gives in finer units than ours is
rounded to the disadvantage of the account. A function raises whatever fits its fault; `checked.reading_public` and
`checked.reading_private` around it turn that into one error.

Source: bitbank REST API.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from crypto_kedro.exchange.bitbank import checked
from crypto_kedro.exchange.bitbank.checked import Row, require
from crypto_kedro.exchange.port import Balances, MarginPositions, OrderBook, Ticker
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


class MarketTrade(NamedTuple):
    """A trade between others, and the id that tells it from the rest."""

    trade_id: int
    trade: TradePrint


_PAIR = "btc_jpy"
_NO_BTC = Btc(0)
_NO_JPY = Jpy(0)
_JPY_STEP = Decimal("1E-10")
_BTC_STEP = Decimal("0.0001")
_ORDER_TYPES = {kind.value: kind for kind in OrderType}
_ORDER_STATUSES = {status.value: status for status in OrderStatus}
_POSITION_SIDES = {side.value: side for side in PositionSide}


def order(row: Row) -> Order:
    """Read an order object."""
    require(row.get("pair", _PAIR) == _PAIR, "the order is of another pair")
    start, executed = row.get("start_amount"), checked.amount(row, "executed_amount")
    amount = None if start is None else checked.amount(row, "start_amount")
    require(amount is None or executed <= amount, "more of the order is executed than was asked for")
    status = _ORDER_STATUSES[row["status"]]
    request = OrderRequest(
        side=Side(row["side"]),
        type=_ORDER_TYPES[row["type"]],
        amount=amount,
        price=checked.optional_price(row, "price"),
        trigger_price=checked.optional_price(row, "trigger_price"),
        position_side=_position_side(row),
        post_only=row.get("post_only") is not None and checked.flag(row, "post_only"),
    )
    require(request.price is not None or not request.type.has_price, "the order has no price")
    is_asleep = status is OrderStatus.INACTIVE and request.type.has_trigger
    require(request.trigger_price is not None or not is_asleep, "the sleeping order has no trigger")
    average = checked.number(row["average_price"], "average_price")
    require(average > 0 if executed else average >= 0, "the average price of the order is not positive")
    return Order(
        checked.whole(row, "order_id"),
        request,
        status,
        amount,
        executed,
        _product(average, executed) if executed else _NO_JPY,
        checked.whole(row, "ordered_at"),
        checked.optional_whole(row, "triggered_at"),
        checked.optional_whole(row, "canceled_at"),
    )


def orders(answer: Row) -> tuple[Order, ...]:
    """Read the orders of an answer, ascending by id."""
    read = sorted((order(row) for row in checked.rows(answer, "orders")), key=lambda one: one.order_id)
    require_distinct((one.order_id for one in read), "order")
    return tuple(read)


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
    require(row.get("pair", _PAIR) == _PAIR, "the fill is of another pair")
    amount = checked.amount(row, "amount")
    require(bool(amount), "the fill has no amount")
    return Fill(
        checked.whole(row, "trade_id"),
        checked.whole(row, "order_id"),
        checked.whole(row, "executed_at"),
        Side(row["side"]),
        _position_side(row),
        _ORDER_TYPES[row["type"]],
        Liquidity(row["maker_taker"]),
        checked.price(row, "price"),
        amount,
        cost(row["fee_occurred_amount_quote"]),
        cost(row["fee_amount_quote"]),
        cost(row.get("interest") or "0"),
        gain(row.get("profit_loss") or "0"),
    )


def fills(answer: Row) -> tuple[Fill, ...]:
    """Read a page of the trade history."""
    read = tuple(fill(row) for row in checked.rows(answer, "trades"))
    require_distinct((one.trade_id for one in read), "fill")
    return read


def balances(answer: Row) -> Balances:
    """Read the assets of the account."""
    assets = checked.rows(answer, "assets")
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
    rows = checked.rows(answer, "positions")
    long, short = (_position(rows, pair, side, open_orders) for side in PositionSide)
    notice = answer["notice"]
    due = checked.optional_whole(notice, "due_date_at") if notice["what"] is not None else None
    return MarginPositions(long, short, cost(answer["payables"]["amount"]), due)


def margin_status(answer: Row, pair: str, call_due_at_ms: int | None) -> MarginStatus:
    """Read the margin account; the smaller of what long and short may open is available."""
    (available,) = [row for row in checked.rows(answer, "available_balances") if row["pair"] == pair]
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
    return Ticker(
        checked.whole(answer, "timestamp"),
        checked.price(answer, "last"),
        checked.optional_price(answer, "buy"),
        checked.optional_price(answer, "sell"),
    )


def book(answer: Row) -> OrderBook:
    """Read a whole book, best prices first."""
    bids, asks = levels(answer["bids"]), levels(answer["asks"])
    require(_ascends(price.ticks for price, _ in asks), "the asks are out of order")
    require(_ascends(-price.ticks for price, _ in bids), "the bids are out of order")
    return OrderBook(checked.whole(answer, "timestamp"), checked.whole(answer, "sequenceId"), bids, asks)


def trades(answer: Row) -> tuple[MarketTrade, ...]:
    """Read the market's trades, ascending by id."""
    read = [
        MarketTrade(
            checked.whole(row, "transaction_id"),
            TradePrint(
                checked.whole(row, "executed_at"),
                checked.price(row, "price").ticks,
                checked.amount(row, "amount").lots,
                Side(row["side"]),
            ),
        )
        for row in checked.rows(answer, "transactions")
    ]
    require_distinct((one.trade_id for one in read), "trade")
    return tuple(sorted(read, key=lambda one: one.trade_id))


def levels(rows: Any) -> tuple[tuple[Price, Btc], ...]:
    """Read levels of a book."""
    require(type(rows) is list, "the levels of the book are no list")
    return tuple((checked.price_of(price, "price"), _btc(amount, ROUND_FLOOR)) for price, amount in rows)


def gain(jpy: Any) -> Jpy:
    """Read a sum that belongs to the account, rounded down to 10**-10 JPY."""
    return Jpy.of(checked.number(jpy, "sum").quantize(_JPY_STEP, ROUND_FLOOR))


def cost(jpy: Any) -> Jpy:
    """Read a sum that the account pays or has bound, rounded up to 10**-10 JPY; negative is a rebate."""
    return Jpy.of(checked.number(jpy, "sum").quantize(_JPY_STEP, ROUND_CEILING))


def require_distinct(ids: Iterable[int], what: str) -> None:
    """Refuse an answer that lists the same thing twice."""
    listed = list(ids)
    require(len(set(listed)) == len(listed), f"a {what} is listed twice")


def _ascends(numbers: Iterable[int]) -> bool:
    listed = list(numbers)
    return all(before < after for before, after in pairwise(listed))


def _btc(amount: Any, rounding: str) -> Btc:
    return Btc.of(checked.amount_of(amount, "amount").quantize(_BTC_STEP, rounding))


def _product(average_price: Decimal, amount: Btc) -> Jpy:
    # Every product is a multiple of 0.0001 JPY, so the average's own rounding is undone here.
    return Jpy.of((average_price * amount.decimal).quantize(_BTC_STEP, ROUND_HALF_EVEN))


def _position_side(row: Row) -> PositionSide | None:
    value = row.get("position_side")
    return None if value is None else _POSITION_SIDES[value]


def _position(rows: Sequence[Row], pair: str, side: PositionSide, open_orders: Sequence[Order]) -> Position:
    found = [row for row in rows if row["pair"] == pair and row["position_side"] == side.value]
    if not found:
        return Position(side, _NO_BTC, _NO_JPY, _NO_JPY, _NO_JPY, _NO_BTC)
    (row,) = found
    amount, product = checked.amount(row, "open_amount"), cost(row["product"])
    require(product > _NO_JPY if amount else product >= _NO_JPY, "amount and product of a position do not match")
    held = _NO_BTC
    for resting in open_orders:
        closes_this = resting.request.closes and resting.request.position_side is side
        if closes_this and resting.status is not OrderStatus.INACTIVE:
            held += resting.remaining_amount or _NO_BTC
    return Position(
        side,
        amount,
        product,
        cost(row["unrealized_fee_amount"]),
        cost(row["unrealized_interest_amount"]),
        held,
    )
