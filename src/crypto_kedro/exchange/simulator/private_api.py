"""bitbank's private REST API for spot and margin trading, under ``/v1/user``."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import NoReturn

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from crypto_kedro.exchange.simulator.access import CLOCK_SKEW, Budget, Gate, RateLimiter
from crypto_kedro.exchange.simulator.account_rendering import assets_json, margin_status_json, positions_json
from crypto_kedro.exchange.simulator.answers import refusal, success
from crypto_kedro.exchange.simulator.codes import ApiError, ErrorCode
from crypto_kedro.exchange.simulator.commands import Cancel, Place
from crypto_kedro.exchange.simulator.parameters import (
    MOST_IDS,
    MOST_ROWS,
    Parameters,
    read_order,
    read_order_id,
    read_order_ids,
    read_page,
    require_pair,
)
from crypto_kedro.exchange.simulator.rendering import (
    Json,
    engine_order_id,
    fill_json,
    order_json,
    wire_order_id,
    wire_trade_id,
)
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.trading.orders import Fill, Order, OrderStatus, RefusalCode

PREFIX = "/v1/user"

Handler = Callable[["PrivateApi", Parameters], Json]


class PrivateApi:
    """Answers private requests: maintenance, access, limits, then the endpoint, as bitbank orders them.

    Access is checked before the path is looked up, so a wrong path looks like missing access.

    Args:
        running: the exchange.
        issue_pass: gives out channel and token of the private stream.
    """

    def __init__(self, running: RunningExchange, issue_pass: Callable[[], Json]) -> None:
        self._running = running
        self._issue_pass = issue_pass
        self._settings = running.settings
        self._gate = Gate(running.settings, running.wall_ms, running.nonces, running.note_nonce)
        self._limiter = RateLimiter(running.settings, running.wall_ms)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            # Half a request asks for nothing, and nobody waits for an answer.
            return
        try:
            answer = success(self._answer(request, body))
        except ApiError as error:
            answer = refusal(error, self._settings.error_status)
        await answer(scope, receive, send)

    def _answer(self, request: Request, body: bytes) -> Json:
        exchange = self._running.now()
        if exchange.conditions.in_maintenance(exchange.now_ms):
            raise ApiError(ErrorCode.MAINTENANCE)
        signed = _target(request.scope) if request.method == "GET" else body
        self._gate.admit(request.headers, signed, getattr(request.state, CLOCK_SKEW, 0))
        found = ENDPOINTS.get((request.method, request.scope["path"].removeprefix(PREFIX)))
        if found is None:
            raise ApiError(ErrorCode.NOT_AUTHORISED)
        budget, handler = found
        self._limiter.spend(budget)
        parameters = dict(request.query_params) if request.method == "GET" else self._json(body)
        return handler(self, parameters)

    def _json(self, body: bytes) -> Parameters:
        try:
            parameters = json.loads(body, parse_float=Decimal, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise ApiError(ErrorCode.MALFORMED, self._settings.malformed_status) from error
        if not isinstance(parameters, dict):
            raise ApiError(ErrorCode.MALFORMED, self._settings.malformed_status)
        return parameters

    def assets(self, _: Parameters) -> Json:
        """GET /user/assets."""
        return assets_json(self._running.now())

    def margin_status(self, _: Parameters) -> Json:
        """GET /user/margin/status."""
        return margin_status_json(self._running.now())

    def margin_positions(self, _: Parameters) -> Json:
        """GET /user/margin/positions."""
        return positions_json(self._running.now())

    def subscribe(self, _: Parameters) -> Json:
        """GET /user/subscribe."""
        return self._issue_pass()

    def place(self, parameters: Parameters) -> Json:
        """POST /user/spot/order."""
        order = self._running.carry_out(Place(read_order(parameters)))
        assert order is not None
        shown = order_json(order)
        shown.pop("triggered_at", None)
        return shown

    def order(self, parameters: Parameters) -> Json:
        """GET /user/spot/order."""
        require_pair(parameters)
        order = self._find(read_order_id(parameters))
        if order is None:
            raise ApiError(RefusalCode.ORDER_NOT_FOUND)
        return order_json(order)

    def orders_info(self, parameters: Parameters) -> Json:
        """POST /user/spot/orders_info; unknown ids are left out."""
        require_pair(parameters)
        found = [self._find(order_id) for order_id in read_order_ids(parameters)]
        return {"orders": [order_json(order) for order in found if order is not None]}

    def cancel(self, parameters: Parameters) -> Json:
        """POST /user/spot/cancel_order."""
        require_pair(parameters)
        return self._cancel(read_order_id(parameters))

    def cancel_many(self, parameters: Parameters) -> Json:
        """POST /user/spot/cancel_orders; what cannot be cancelled is left out, or refuses the whole batch."""
        require_pair(parameters)
        order_ids = read_order_ids(parameters, MOST_IDS)
        if not self._settings.partial_cancels:
            for order_id in order_ids:
                found = self._find(order_id)
                if found is None:
                    raise ApiError(RefusalCode.ORDER_NOT_FOUND)
                if not found.status.is_open:
                    raise ApiError(RefusalCode.NOT_CANCELABLE)
        canceled: list[Json] = []
        for order_id in dict.fromkeys(order_ids):
            try:
                canceled.append(self._cancel(order_id))
            except ApiError as error:
                if error.code == ErrorCode.ORDERS_AND_CANCELS_STOPPED:
                    raise
        return {"orders": canceled}

    def active_orders(self, parameters: Parameters) -> Json:
        """GET /user/spot/active_orders, the newest first."""
        if "pair" in parameters:
            require_pair(parameters)
        page = read_page(parameters)
        orders = [
            order
            for order in reversed(self._running.now().account().open_orders)
            if page.holds(wire_order_id(order.order_id), order.ordered_at_ms)
            and (self._settings.list_inactive or order.status is not OrderStatus.INACTIVE)
        ]
        return {"orders": [order_json(order) for order in orders[: page.count]]}

    def trade_history(self, parameters: Parameters) -> Json:
        """GET /user/spot/trade_history, the newest first unless ``order`` is ``asc``."""
        if "pair" in parameters or "order_id" in parameters:
            require_pair(parameters)
        page = read_page(parameters)
        order_id = engine_order_id(read_order_id(parameters)) if "order_id" in parameters else None
        most = MOST_ROWS if page.count is None else min(page.count, MOST_ROWS)
        fills = self._running.now().fills
        ordered = iter(fills) if parameters.get("order") == "asc" else reversed(fills)
        rows: list[Fill] = []
        for fill in ordered:
            if len(rows) == most:
                break
            if order_id in (None, fill.order_id) and page.holds(wire_trade_id(fill.trade_id), fill.executed_at_ms):
                rows.append(fill)
        return {"trades": [fill_json(fill) for fill in rows]}

    def _find(self, order_id: int) -> Order | None:
        return self._running.now().order(engine_order_id(order_id))

    def _cancel(self, order_id: int) -> Json:
        order = self._running.carry_out(Cancel(engine_order_id(order_id)))
        assert order is not None
        return order_json(order)


ENDPOINTS: dict[tuple[str, str], tuple[Budget, Handler]] = {
    ("GET", "/assets"): (Budget.QUERY, PrivateApi.assets),
    ("GET", "/spot/order"): (Budget.QUERY, PrivateApi.order),
    ("POST", "/spot/order"): (Budget.UPDATE, PrivateApi.place),
    ("POST", "/spot/orders_info"): (Budget.QUERY, PrivateApi.orders_info),
    ("POST", "/spot/cancel_order"): (Budget.UPDATE, PrivateApi.cancel),
    ("POST", "/spot/cancel_orders"): (Budget.UPDATE, PrivateApi.cancel_many),
    ("GET", "/spot/active_orders"): (Budget.QUERY, PrivateApi.active_orders),
    ("GET", "/spot/trade_history"): (Budget.QUERY, PrivateApi.trade_history),
    ("GET", "/subscribe"): (Budget.QUERY, PrivateApi.subscribe),
    ("GET", "/margin/status"): (Budget.QUERY, PrivateApi.margin_status),
    ("GET", "/margin/positions"): (Budget.QUERY, PrivateApi.margin_positions),
}
"""Method and path under ``/v1/user``: what a request counts against and who answers it."""


def _target(scope: Scope) -> bytes:
    path, query = scope["raw_path"], scope["query_string"]
    return bytes(path + b"?" + query if query else path)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
