"""What changes the exchange from outside, as values that can be written down and carried out again."""

from msgspec import Struct
from msgspec.json import Decoder, Encoder

from crypto_kedro.exchange.simulator.circuit_breaker import BreakerMode
from crypto_kedro.exchange.simulator.conditions import Conditions
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, Side


class Place(Struct, frozen=True, tag_field="kind", tag=str.lower):
    """Send an order."""

    request: OrderRequest


class Cancel(Struct, frozen=True, tag_field="kind", tag=str.lower):
    """Cancel an order by the engine's id."""

    order_id: int


class Trade(Struct, frozen=True, tag_field="kind", tag=str.lower):
    """Let others trade now, beside what the price source plays."""

    price: Price
    amount: Btc
    taker_side: Side


class Impose(Struct, frozen=True, tag_field="kind", tag=str.lower):
    """Replace the conditions of the service."""

    conditions: Conditions


class Break(Struct, frozen=True, tag_field="kind", tag=str.lower):
    """Put the circuit breaker into a mode; ``lasts_ms`` None lasts until the next word."""

    mode: BreakerMode
    lasts_ms: int | None = None


Command = Place | Cancel | Trade | Impose | Break


def encode_command(command: Command) -> bytes:
    """Write a command as JSON."""
    return _ENCODER.encode(command)


def decode_command(text: bytes) -> Command:
    """Read a command.

    Raises:
        msgspec.ValidationError: the JSON is no command; the message names the field.
        msgspec.DecodeError: it is no JSON.
    """
    return _DECODER.decode(text)


_ENCODER = Encoder()
_DECODER: Decoder[Command] = Decoder(Command)
