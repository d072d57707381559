"""bitbank's JSON of everything that it reports: money and amounts as strings, ids and times as numbers."""

from decimal import ROUND_DOWN, Decimal
from typing import Any

from crypto_kedro.exchange.simulator.bitbank import ORDER_LIFE_MS, SimulatedBitbank
from crypto_kedro.exchange.simulator.candles import CANDLE_TYPES
from crypto_kedro.exchange.simulator.conditions import MarketStatus, StopFlag
from crypto_kedro.exchange.simulator.order_book import BookSnapshot, Level
from crypto_kedro.exchange.simulator.settings import PAIR
from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.trading.money import LOTS_PER_BTC, UNITS_PER_JPY, Jpy
from crypto_kedro.trading.orders import Fill, Order, OrderType
from crypto_kedro.trading.quotes import TradePrint

Json = dict[str, Any]

_FIRST_ORDER_ID = 60_000_000_000
_FIRST_TRADE_ID = 1_500_000_000
_FEW_DECIMALS = 4
_PRICE_STEP = Decimal("0.0001")


def wire_order_id(engine_id: int) -> int:
    """Return the id that clients see."""
    return _FIRST_ORDER_ID + engine_id


def engine_order_id(wire_id: int) -> int:
    """Return the engine's id of an order that a client names."""
    return wire_id - _FIRST_ORDER_ID


def wire_trade_id(engine_id: int) -> int:
    """Return the trade id that clients see."""
    return _FIRST_TRADE_ID + engine_id


def amount_text(lots: int) -> str:
    """Write an amount of BTC with four decimals."""
    return f"{lots // LOTS_PER_BTC}.{lots % LOTS_PER_BTC:04d}"


def money_text(money: Jpy) -> str:
    """Write a sum in JPY exactly, with four decimals or as many as it needs."""
    whole, part = divmod(abs(money.units), UNITS_PER_JPY)
    decimals = f"{part:010d}".rstrip("0").ljust(_FEW_DECIMALS, "0")
    return f"{'-' if money.units < 0 else ''}{whole}.{decimals}"


def price_text(price: Decimal | None) -> str:
    """Write an average price, cut to four decimals; ``"0"`` for none."""
    return "0" if price is None else plain_text(price.quantize(_PRICE_STEP, rounding=ROUND_DOWN))


def plain_text(number: Decimal) -> str:
    """Write a number without exponent and trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def order_json(order: Order) -> Json:
    """Return an order as every order endpoint shows it."""
    request, start, remaining = order.request, order.start_amount, order.remaining_amount
    shown: Json = {
        "order_id": wire_order_id(order.order_id),
        "pair": PAIR,
        "side": request.side.value,
        "type": request.type.value,
        "start_amount": None if start is None else amount_text(start.lots),
        "remaining_amount": None if remaining is None else amount_text(remaining.lots),
        "executed_amount": amount_text(order.executed_amount.lots),
        "user_cancelable": request.type is not OrderType.LOSSCUT,
        "average_price": price_text(order.average_price),
        "ordered_at": order.ordered_at_ms,
        "expire_at": None if request.type is OrderType.MARKET else order.ordered_at_ms + ORDER_LIFE_MS,
        "status": order.status.value,
    }
    if request.position_side is not None:
        shown["position_side"] = request.position_side.value
    if request.price is not None:
        shown["price"] = str(request.price.ticks)
    if request.type is OrderType.LIMIT:
        shown["post_only"] = request.post_only
    if request.trigger_price is not None:
        shown["trigger_price"] = str(request.trigger_price.ticks)
    if order.triggered_at_ms is not None:
        shown["triggered_at"] = order.triggered_at_ms
    if order.canceled_at_ms is not None:
        shown["canceled_at"] = order.canceled_at_ms
    return shown


def fill_json(fill: Fill) -> Json:
    """Return an execution as the trade history shows it."""
    shown: Json = {
        "trade_id": wire_trade_id(fill.trade_id),
        "pair": PAIR,
        "order_id": wire_order_id(fill.order_id),
        "side": fill.side.value,
        "type": fill.order_type.value,
        "amount": amount_text(fill.amount.lots),
        "price": str(fill.price.ticks),
        "maker_taker": fill.liquidity.value,
        "fee_amount_base": "0.00000000",
        "fee_amount_quote": money_text(fill.fee_charged),
        "fee_occurred_amount_quote": money_text(fill.fee_occurred),
        "executed_at": fill.executed_at_ms,
    }
    if fill.position_side is not None:
        shown["position_side"] = fill.position_side.value
        shown["profit_loss"] = money_text(fill.profit_loss)
        shown["interest"] = money_text(fill.interest)
    return shown


def transaction_json(transaction_id: int, trade: TradePrint) -> Json:
    """Return a trade of the market."""
    return {
        "transaction_id": transaction_id,
        "side": trade.taker_side.value,
        "price": str(trade.price_ticks),
        "amount": amount_text(trade.amount_lots),
        "executed_at": trade.executed_at_ms,
    }


def ticker_json(exchange: SimulatedBitbank) -> Json:
    """Return the ticker of the last 24 hours."""
    market, book = exchange.market, exchange.book()
    _, opened, high, low, _, volume = market.candles.last_day(exchange.now_ms)
    return {
        "sell": str(book.asks[0][0]) if book.asks else None,
        "buy": str(book.bids[0][0]) if book.bids else None,
        "high": str(high),
        "low": str(low),
        "open": str(opened),
        "last": str(market.last),
        "vol": amount_text(volume),
        "timestamp": exchange.now_ms,
    }


def levels_json(levels: tuple[Level, ...]) -> list[list[str]]:
    """Return levels of the book as pairs of price and amount."""
    return [[str(price), amount_text(lots)] for price, lots in levels]


def book_json(book: BookSnapshot) -> Json:
    """Return the book as ``depth`` and the whole-depth room show it."""
    return {
        "asks": levels_json(book.asks),
        "bids": levels_json(book.bids),
        "asks_over": amount_text(book.lots_over),
        "bids_under": amount_text(book.lots_under),
        "asks_under": "0",
        "bids_over": "0",
        "ask_market": "0",
        "bid_market": "0",
        "timestamp": book.at_ms,
        "sequenceId": str(book.sequence_id),
    }


def candles_json(exchange: SimulatedBitbank, kind: str, start_ms: int, end_ms: int) -> Json | None:
    """Return the candles of a period, None when it has none yet."""
    candles = exchange.market.candles.of_type(CANDLE_TYPES[kind], start_ms, end_ms)
    if not candles:
        return None
    rows = [[*map(str, prices), amount_text(lots), opened] for opened, *prices, lots in candles]
    return {"candlestick": [{"type": kind, "ohlcv": rows}], "timestamp": exchange.now_ms}


def breaker_json(exchange: SimulatedBitbank) -> Json:
    """Return the state of the circuit breaker."""
    breaker = exchange.breaker
    low, high = (str(limit) for limit in breaker.limits)
    estimate = None if breaker.is_continuous else str(exchange.market.last)
    return {
        "mode": breaker.mode.value,
        "estimated_itayose_price": estimate,
        "estimated_itayose_amount": None if estimate is None else "0.0000",
        "itayose_upper_price": high if breaker.mode.has_limits else None,
        "itayose_lower_price": low if breaker.mode.has_limits else None,
        "upper_trigger_price": high if breaker.is_continuous else None,
        "lower_trigger_price": low if breaker.is_continuous else None,
        "fee_type": "NORMAL",
        "reopen_timestamp": breaker.reopen_ms,
        "timestamp": exchange.now_ms,
    }


def status_json(exchange: SimulatedBitbank) -> Json:
    """Return the load of the market."""
    conditions = exchange.conditions
    min_amount = amount_text(conditions.least_amount.lots)
    status = MarketStatus.HALT if conditions.in_maintenance(exchange.now_ms) else conditions.status
    return {"statuses": [{"pair": PAIR, "status": status.value, "min_amount": min_amount}]}


def pairs_json(exchange: SimulatedBitbank) -> Json:
    """Return the rules of the market."""
    rules = exchange.rules
    next_week_ms = exchange.now_ms - exchange.now_ms % (7 * DAY_MS) + 7 * DAY_MS
    pair: Json = {
        "name": PAIR,
        "base_asset": "btc",
        "quote_asset": "jpy",
        "maker_fee_rate_base": "0",
        "taker_fee_rate_base": "0",
        "maker_fee_rate_quote": plain_text(rules.spot_maker_fee.decimal),
        "taker_fee_rate_quote": plain_text(rules.spot_taker_fee.decimal),
        "margin_open_maker_fee_rate_quote": plain_text(rules.margin_open_maker_fee.decimal),
        "margin_open_taker_fee_rate_quote": plain_text(rules.margin_open_taker_fee.decimal),
        "margin_close_maker_fee_rate_quote": plain_text(rules.margin_close_maker_fee.decimal),
        "margin_close_taker_fee_rate_quote": plain_text(rules.margin_close_taker_fee.decimal),
        "margin_long_interest": plain_text(rules.long_interest_per_day.decimal),
        "margin_short_interest": plain_text(rules.short_interest_per_day.decimal),
        "margin_current_individual_ratio": plain_text(rules.initial_margin.decimal),
        "margin_current_individual_until": None,
        "margin_current_company_ratio": plain_text(rules.initial_margin.decimal),
        "margin_current_company_until": next_week_ms,
        "margin_next_individual_ratio": None,
        "margin_next_individual_until": None,
        "margin_next_company_ratio": None,
        "margin_next_company_until": None,
        "unit_amount": plain_text(rules.min_amount.decimal),
        "limit_max_amount": plain_text(rules.max_limit_amount.decimal),
        "market_max_amount": plain_text(rules.max_market_amount.decimal),
        "market_allowance_rate": plain_text(rules.market_buy_allowance.decimal),
        "price_digits": 0,
        "amount_digits": 4,
        "is_enabled": True,
    }
    return {"pairs": [pair | {flag.value: flag in exchange.conditions.stopped for flag in StopFlag}]}
