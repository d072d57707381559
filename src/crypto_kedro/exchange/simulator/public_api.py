"""bitbank's public REST API, and the two endpoints without access control on its private host."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crypto_kedro.exchange.simulator.answers import refusal, success
from crypto_kedro.exchange.simulator.bitbank import SimulatedBitbank
from crypto_kedro.exchange.simulator.candles import CANDLE_TYPES
from crypto_kedro.exchange.simulator.codes import ApiError, ErrorCode
from crypto_kedro.exchange.simulator.market_view import LATEST_TRADES
from crypto_kedro.exchange.simulator.rendering import (
    Json,
    book_json,
    breaker_json,
    candles_json,
    pairs_json,
    status_json,
    ticker_json,
    transaction_json,
)
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.settings import PAIR

Handler = Callable[[SimulatedBitbank, dict[str, str]], Json | list[Json]]


def public_routes(running: RunningExchange) -> list[Route]:
    """Return the routes; ``/spot/pairs`` is served without ``/v1`` too, since ccxt asks for it there."""

    def route(path: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            if request.path_params.get("pair", PAIR) != PAIR:
                return refusal(ApiError(ErrorCode.URL_NOT_FOUND), 404)
            try:
                return success(handler(running.now(), request.path_params))
            except ApiError as error:
                return refusal(error, 404)

        return Route(path, endpoint, methods=["GET"])

    return [
        route("/v1/spot/pairs", lambda exchange, _: pairs_json(exchange)),
        route("/spot/pairs", lambda exchange, _: pairs_json(exchange)),
        route("/v1/spot/status", lambda exchange, _: status_json(exchange)),
        route("/tickers", _tickers),
        route("/tickers_jpy", _tickers),
        route("/{pair}/ticker", lambda exchange, _: ticker_json(exchange)),
        route("/{pair}/depth", lambda exchange, _: book_json(exchange.book())),
        route("/{pair}/transactions", _latest_transactions),
        route("/{pair}/transactions/{day}", _transactions_of_day),
        route("/{pair}/candlestick/{kind}/{period}", _candlestick),
        route("/{pair}/circuit_break_info", lambda exchange, _: breaker_json(exchange)),
    ]


def _tickers(exchange: SimulatedBitbank, _: dict[str, str]) -> list[Json]:
    return [{"pair": PAIR} | ticker_json(exchange)]


def _latest_transactions(exchange: SimulatedBitbank, _: dict[str, str]) -> Json:
    kept = exchange.market.transactions
    newest = [kept[-index] for index in range(1, min(LATEST_TRADES, len(kept)) + 1)]
    return {"transactions": [transaction_json(*row) for row in newest]}


def _transactions_of_day(exchange: SimulatedBitbank, parameters: dict[str, str]) -> Json:
    period = CANDLE_TYPES["1min"].period(parameters["day"])
    rows = [row for row in exchange.market.transactions if period and period[0] <= row[1].executed_at_ms < period[1]]
    if not rows:
        raise ApiError(ErrorCode.URL_NOT_FOUND)
    return {"transactions": [transaction_json(*row) for row in reversed(rows)]}


def _candlestick(exchange: SimulatedBitbank, parameters: dict[str, str]) -> Json:
    kind = parameters["kind"]
    period = CANDLE_TYPES[kind].period(parameters["period"]) if kind in CANDLE_TYPES else None
    candles = None if period is None else candles_json(exchange, kind, *period)
    if candles is None:
        raise ApiError(ErrorCode.URL_NOT_FOUND)
    return candles
