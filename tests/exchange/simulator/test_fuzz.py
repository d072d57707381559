"""Whatever is sent, the answer is bitbank's envelope and never a server error.

The requests are drawn from the simulator's own OpenAPI document: by its schemas, near them, and far from them.
"""

import json
import os
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import Client, Served

from crypto_kedro.exchange.simulator.openapi import openapi_document
from crypto_kedro.exchange.simulator.private_api import ENDPOINTS, PREFIX

MANY = int(os.environ.get("CRYPTO_KEDRO_FUZZ_REQUESTS", "3000"))
"""100,000 take eleven minutes."""

DOCUMENT = openapi_document()
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)
odd_numbers = st.sampled_from(
    ["", " ", "0", "-0", "1e5", "NaN", "Infinity", "0x10", "１２", "9" * 40, "1.", ".5", "00.1"]
)


def by_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema of the document allows."""
    if "anyOf" in schema:
        return st.one_of([by_schema(choice) for choice in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    if schema["type"] == "integer":
        return st.integers(0, 10**12)
    if schema["type"] == "boolean":
        return st.booleans()
    if schema["type"] == "array":
        return st.lists(by_schema(schema["items"]), min_size=1, max_size=schema["maxItems"])
    properties = {name: by_schema(part) for name, part in schema["properties"].items()}
    required = {name: properties.pop(name) for name in schema["required"]}
    return st.fixed_dictionaries(required, optional=properties)


@st.composite
def near(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    """A value of a schema with some of its parts replaced, removed or added."""
    value = draw(by_schema(schema))
    if not isinstance(value, dict):
        return draw(st.just(value) | anything)
    for name in draw(st.lists(st.sampled_from(sorted(schema["properties"])), max_size=2)):
        value[name] = draw(anything | odd_numbers)
    for name in draw(st.lists(st.sampled_from(sorted(schema["properties"])), max_size=1)):
        value.pop(name, None)
    return value | draw(st.dictionaries(st.text(max_size=8), anything, max_size=1))


def bodies(path: str) -> st.SearchStrategy[bytes]:
    schema = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return st.one_of(
        near(schema).map(lambda value: json.dumps(value).encode()),
        anything.map(lambda value: json.dumps(value).encode()),
        st.binary(max_size=60),
    )


def targets(path: str) -> st.SearchStrategy[str]:
    parameters = DOCUMENT["paths"][path]["get"]["parameters"]

    def value(schema: dict[str, Any]) -> st.SearchStrategy[str]:
        return by_schema(schema).map(str) | odd_numbers | st.text(st.characters(codec="utf-8"), max_size=12)

    places = {row["name"]: value(row["schema"]) for row in parameters}

    def target(values: dict[str, str]) -> str:
        in_path = {row["name"] for row in parameters if row["in"] == "path"}
        filled = path.format(**{name: quote(values.get(name, ""), safe="") for name in in_path})
        query = urlencode({name: text for name, text in values.items() if name not in in_path})
        return f"{filled}?{query}" if query else filled

    return st.fixed_dictionaries({}, optional=places).map(target)


@st.composite
def wild_requests(draw: st.DrawFn) -> tuple[str, str, bytes, bool]:
    """Method, target, body, and whether the request is signed."""
    path, method = draw(st.sampled_from(OPERATIONS))
    signed = draw(st.integers(0, 9)) > 0
    if method == "post":
        return "POST", path, draw(bodies(path)), signed
    return "GET", draw(targets(path)), b"", signed


def require_envelope(response: httpx.Response) -> None:
    assert response.status_code < 500, response.text
    body = response.json()
    assert set(body) == {"success", "data"}
    if body["success"] == 1:
        assert response.status_code == 200
        assert isinstance(body["data"], dict | list)
    else:
        assert body["success"] == 0
        assert isinstance(body["data"]["code"], int)


def send(client: Client, method: str, target: str, body: bytes, signed: bool) -> httpx.Response:
    request = client.http.build_request(method, target, content=body)
    if signed:
        signed_text = body.decode("latin-1") if method == "POST" else request.url.raw_path.decode("ascii")
        request.headers.update(client.headers(signed_text) if body.isascii() else {})
    return client.http.send(request)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wild_requests())
def test_every_request_is_answered_in_the_envelope(quiet: Served, wild: tuple[str, str, bytes, bool]) -> None:
    require_envelope(send(quiet.client, *wild))


@pytest.mark.slow
@settings(
    max_examples=MANY,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(wild_requests())
def test_very_many_requests_are_answered_in_the_envelope(quiet: Served, wild: tuple[str, str, bytes, bool]) -> None:
    require_envelope(send(quiet.client, *wild))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(
            ["ACCESS-KEY", "ACCESS-SIGNATURE", "ACCESS-REQUEST-TIME", "ACCESS-TIME-WINDOW", "ACCESS-NONCE"]
        ),
        odd_numbers.filter(lambda text: text.isascii() and text.strip() == text)
        | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
    )
)
def test_every_combination_of_headers_is_answered_in_the_envelope(quiet: Served, headers: dict[str, str]) -> None:
    require_envelope(quiet.client.http.get("/v1/user/assets", headers=headers))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/btc_jpy/ticker", "/v1/user/spot/order", "/v1/spot/status", "/nowhere"])
def test_methods_that_bitbank_has_not_are_answered_in_the_envelope(quiet: Served, method: str, path: str) -> None:
    require_envelope(quiet.client.http.request(method, path))


def test_the_document_names_every_private_endpoint_and_accepts_what_it_describes(quiet: Served) -> None:
    assert {(method.upper(), path) for path, method in OPERATIONS if path.startswith(PREFIX)} == {
        (method, PREFIX + path) for method, path in ENDPOINTS
    }
    for path, method in OPERATIONS:
        if method == "get" and not path.startswith(PREFIX):
            target = path.format(pair="btc_jpy", day="20260528", kind="1min", period="20260528")
            answer = quiet.client.public(target)
            assert answer.body["success"] == 1 or (answer.code, path) == (10000, "/{pair}/transactions/{day}")
