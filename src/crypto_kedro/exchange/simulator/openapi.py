"""The REST API as an OpenAPI document, so that tools can know and fuzz it."""

from typing import Any

from crypto_kedro.exchange.simulator.candles import CANDLE_TYPES
from crypto_kedro.exchange.simulator.private_api import ENDPOINTS, PREFIX
from crypto_kedro.exchange.simulator.settings import PAIR
from crypto_kedro.trading.orders import OrderType, PositionSide, Side

Schema = dict[str, Any]

_NUMBER: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}
_ID: Schema = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}]}
_PAIR: Schema = {"type": "string", "enum": [PAIR]}
_WHOLE: Schema = {"type": "integer", "minimum": 0}
_PAGE: dict[str, Schema] = dict.fromkeys(("count", "from_id", "end_id", "since", "end"), _WHOLE)
_ONE_ORDER: Schema = {
    "type": "object",
    "required": ["pair", "order_id"],
    "properties": {"pair": _PAIR, "order_id": _ID},
}
_MANY_ORDERS: Schema = {
    "type": "object",
    "required": ["pair", "order_ids"],
    "properties": {"pair": _PAIR, "order_ids": {"type": "array", "items": _ID, "minItems": 1, "maxItems": 30}},
}
_NEW_ORDER: Schema = {
    "type": "object",
    "required": ["pair", "side", "type"],
    "properties": {
        "pair": _PAIR,
        "side": {"type": "string", "enum": [side.value for side in Side]},
        "type": {"type": "string", "enum": [kind.value for kind in OrderType if kind is not OrderType.LOSSCUT]},
        "amount": _NUMBER,
        "price": _NUMBER,
        "trigger_price": _NUMBER,
        "post_only": {"type": "boolean"},
        "position_side": {"type": "string", "enum": [side.value for side in PositionSide]},
    },
}
_BODIES = {
    "/spot/order": _NEW_ORDER,
    "/spot/orders_info": _MANY_ORDERS,
    "/spot/cancel_order": _ONE_ORDER,
    "/spot/cancel_orders": _MANY_ORDERS,
}
_QUERIES: dict[str, dict[str, Schema]] = {
    "/spot/order": {"pair": _PAIR, "order_id": _ID},
    "/spot/active_orders": {"pair": _PAIR, **_PAGE},
    "/spot/trade_history": {
        "pair": _PAIR,
        "order_id": _ID,
        "order": {"type": "string", "enum": ["asc", "desc"]},
        **_PAGE,
    },
}
_PUBLIC: dict[str, dict[str, Schema]] = {
    "/tickers": {},
    "/tickers_jpy": {},
    "/v1/spot/status": {},
    "/v1/spot/pairs": {},
    "/spot/pairs": {},
    "/{pair}/ticker": {"pair": _PAIR},
    "/{pair}/depth": {"pair": _PAIR},
    "/{pair}/transactions": {"pair": _PAIR},
    "/{pair}/transactions/{day}": {"pair": _PAIR, "day": {"type": "string", "pattern": "^[0-9]{8}$"}},
    "/{pair}/candlestick/{kind}/{period}": {
        "pair": _PAIR,
        "kind": {"type": "string", "enum": list(CANDLE_TYPES)},
        "period": {"type": "string", "pattern": "^[0-9]{4}([0-9]{4})?$"},
    },
    "/{pair}/circuit_break_info": {"pair": _PAIR},
}
_HEADERS = ("ACCESS-KEY", "ACCESS-SIGNATURE", "ACCESS-REQUEST-TIME", "ACCESS-TIME-WINDOW", "ACCESS-NONCE")


def openapi_document() -> Schema:
    """Return the document, version 3.1."""
    paths: dict[str, Schema] = {}
    for path, parameters in _PUBLIC.items():
        paths[path] = {"get": _operation(_listed(parameters, "path"))}
    for method, path in ENDPOINTS:
        operation = _operation(_listed(_QUERIES.get(path, {}), "query") if method == "GET" else [])
        operation["security"] = [
            {name: [] for name in _HEADERS[:4]},
            {name: [] for name in (*_HEADERS[:2], _HEADERS[4])},
        ]
        if method == "POST":
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _BODIES[path]}}}
        paths.setdefault(PREFIX + path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Simulated bitbank", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": {"Answer": _ANSWER},
            "securitySchemes": {name: {"type": "apiKey", "in": "header", "name": name} for name in _HEADERS},
        },
    }


_ANSWER: Schema = {
    "oneOf": [
        {
            "type": "object",
            "required": ["success", "data"],
            "properties": {"success": {"const": 1}, "data": {"type": ["object", "array"]}},
        },
        {
            "type": "object",
            "required": ["success", "data"],
            "properties": {
                "success": {"const": 0},
                "data": {"type": "object", "required": ["code"], "properties": {"code": {"type": "integer"}}},
            },
        },
    ]
}


def _operation(parameters: list[Schema]) -> Schema:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}
    return {
        "parameters": parameters,
        "responses": {"default": {"description": "bitbank's envelope", "content": content}},
    }


def _listed(parameters: dict[str, Schema], place: str) -> list[Schema]:
    required = {
        "path": set(parameters),
        "query": {"pair", "order_id"} if set(parameters) == {"pair", "order_id"} else set(),
    }
    return [
        {"name": name, "in": place, "required": name in required[place], "schema": schema}
        for name, schema in parameters.items()
    ]
