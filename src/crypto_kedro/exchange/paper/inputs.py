"""What a paper account meets: the market's bars, trades and best prices, and its own orders and cancels."""

from msgspec import Struct
from msgspec.json import Decoder, Encoder

from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.trading.orders import Order, OrderRequest, Refusal
from crypto_kedro.trading.quotes import BarRow, BookTop, TradePrint
from crypto_kedro.trading.rules import MarketRules


class BarClosed(Struct, frozen=True, tag_field="kind", tag="bar"):
    """A minute that was not watched trade by trade."""

    bar: BarRow


class BookSeen(Struct, frozen=True, tag_field="kind", tag="book"):
    """The best prices at a moment."""

    top: BookTop


class TradeSeen(Struct, frozen=True, tag_field="kind", tag="trade"):
    """A trade between others."""

    trade: TradePrint


class OrderSent(Struct, frozen=True, tag_field="kind", tag="order"):
    """An order of the account, sent at ``at_ms`` (Unix milliseconds UTC)."""

    request: OrderRequest
    at_ms: int


class CancelSent(Struct, frozen=True, tag_field="kind", tag="cancel"):
    """A cancel of an order of the account, sent at ``at_ms`` (Unix milliseconds UTC)."""

    order_id: int
    at_ms: int


Input = BarClosed | BookSeen | TradeSeen | OrderSent | CancelSent


def meet(engine: MatchingEngine, met: Input) -> Order | Refusal | None:
    """Let an account meet an input; return what its order or cancel came to.

    Raises:
        EngineError: the input lies before the newest market data.
    """
    match met:
        case BarClosed(bar):
            engine.advance(bar)
        case BookSeen(top):
            engine.advance_book(top)
        case TradeSeen(trade):
            engine.advance_trade(trade)
        case OrderSent(request, at_ms):
            return engine.place(request, at_ms)
        case CancelSent(order_id, at_ms):
            return engine.cancel(order_id, at_ms)
    return None


def encode_input(met: Input) -> bytes:
    """Write an input as JSON."""
    return _ENCODER.encode(met)


def decode_input(text: bytes) -> Input:
    """Read an input.

    Raises:
        msgspec.DecodeError: the text is none.
    """
    return _INPUTS.decode(text)


def encode_rules(rules: MarketRules) -> bytes:
    """Write rules as JSON."""
    return _ENCODER.encode(rules)


def decode_rules(text: bytes) -> MarketRules:
    """Read rules.

    Raises:
        msgspec.DecodeError: the text is none.
    """
    return _RULES.decode(text)


_ENCODER = Encoder()
_INPUTS: Decoder[Input] = Decoder(Input)
_RULES: Decoder[MarketRules] = Decoder(MarketRules)
