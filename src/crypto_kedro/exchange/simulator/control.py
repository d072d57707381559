"""The switchboard: what a test or a person does to the exchange itself, on a port of its own, under ``/_control``."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from crypto_kedro.errors import ConfigurationError, CryptoKedroError
from crypto_kedro.exchange.simulator.answers import Answer
from crypto_kedro.exchange.simulator.circuit_breaker import BreakerMode
from crypto_kedro.exchange.simulator.commands import Break, Impose, Trade
from crypto_kedro.exchange.simulator.conditions import Conditions, MarketStatus, StopFlag
from crypto_kedro.exchange.simulator.faults import Fault, Faults
from crypto_kedro.exchange.simulator.openapi import openapi_document
from crypto_kedro.exchange.simulator.rendering import Json, breaker_json, status_json
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import Side

PREFIX = "/_control"


class Advance(Struct, frozen=True, forbid_unknown_fields=True):
    """Move market time by so many milliseconds; only with speed 0."""

    ms: int


class Print(Struct, frozen=True, forbid_unknown_fields=True):
    """Let others trade now: price in JPY, amount in BTC, side of the taker."""

    price: str
    amount: str
    side: Side


class Service(Struct, frozen=True, forbid_unknown_fields=True):
    """Set the state of the service; what is left out returns to normal.

    Args:
        status: load of the market.
        min_amount: least amount of an order in BTC.
        stopped: flags of ``/spot/pairs`` that are to be true.
        maintenance_ms: length of a maintenance that begins now, in market time.
    """

    status: MarketStatus = MarketStatus.NORMAL
    min_amount: str | None = None
    stopped: frozenset[StopFlag] = frozenset()
    maintenance_ms: int | None = None


class Misfortune(Struct, frozen=True, forbid_unknown_fields=True):
    """Put these faults in force in place of others; none is a good day."""

    faults: tuple[Fault, ...] = ()
    seed: int = 0


class Breaker(Struct, frozen=True, forbid_unknown_fields=True):
    """Put the circuit breaker into a mode, for so long or until the next word."""

    mode: BreakerMode
    lasts_ms: int | None = None


Order = TypeVar("Order", bound=Struct)


def build_control(running: RunningExchange, faults: Faults | None = None) -> Starlette:
    """Build the application over the exchange and the faults of its wire.

    A request that cannot be carried out is answered with HTTP 400 and ``{"error": sentence}``.
    """
    faults = Faults() if faults is None else faults

    def route(path: str, shape: type[Order], carry_out: Callable[[RunningExchange, Order], None]) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                carry_out(running, msgspec.json.decode(await request.body(), type=shape))
            except (CryptoKedroError, msgspec.MsgspecError) as error:
                return Answer({"error": str(error)}, status_code=400)
            return Answer(_state(running, faults))

        return Route(path, endpoint, methods=["POST"])

    async def state(_: Request) -> Response:
        return Answer(_state(running, faults))

    async def document(_: Request) -> Response:
        return Answer(openapi_document())

    routes = [
        Route("/state", state),
        Route("/openapi.json", document),
        route("/advance", Advance, _advance),
        route("/trade", Print, _print),
        route("/service", Service, _serve),
        route("/breaker", Breaker, _break),
        route("/faults", Misfortune, lambda _, asked: faults.replace(asked.faults, asked.seed)),
    ]
    return Starlette(routes=[Mount(PREFIX, routes=routes)])


def _advance(running: RunningExchange, asked: Advance) -> None:
    running.clock.step(asked.ms)


def _print(running: RunningExchange, asked: Print) -> None:
    price, amount = Price.of(asked.price), Btc.of(asked.amount)
    if price.ticks < 1 or amount.lots < 1:
        raise ConfigurationError(f"simulator: nobody trades {amount} BTC at {price} JPY; both must be positive")
    running.carry_out(Trade(price, amount, asked.side))


def _serve(running: RunningExchange, asked: Service) -> None:
    lasts, now_ms = asked.maintenance_ms, running.now().now_ms
    conditions = Conditions(
        status=asked.status,
        min_amount=None if asked.min_amount is None else Btc.of(asked.min_amount),
        stopped=asked.stopped,
        maintenance_until_ms=None if lasts is None else now_ms + lasts,
    )
    running.carry_out(Impose(conditions))


def _break(running: RunningExchange, asked: Breaker) -> None:
    running.carry_out(Break(asked.mode, asked.lasts_ms))


def _state(running: RunningExchange, faults: Faults) -> Json:
    exchange = running.now()
    state: dict[str, Any] = {
        "now_ms": exchange.now_ms,
        "last": str(exchange.market.last),
        "maintenance_until_ms": exchange.conditions.maintenance_until_ms,
        "stopped": sorted(exchange.conditions.stopped),
        "fills": len(exchange.fills),
        "faults": faults.report(),
    }
    return state | status_json(exchange) | {"circuit_break_info": breaker_json(exchange)}
