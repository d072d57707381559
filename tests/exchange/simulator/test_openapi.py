"""The OpenAPI document lists what is served."""

from served import UNLIMITED, script

from crypto_kedro.exchange.simulator.openapi import openapi_document
from crypto_kedro.exchange.simulator.private_api import ENDPOINTS, PREFIX
from crypto_kedro.exchange.simulator.public_api import public_routes
from crypto_kedro.exchange.simulator.running import RunningExchange


def test_every_path_that_is_served_stands_in_the_document_and_no_other() -> None:
    public = {("get", route.path) for route in public_routes(RunningExchange(script(), UNLIMITED))}
    private = {(method.lower(), PREFIX + path) for method, path in ENDPOINTS}
    documented = {(method, path) for path, methods in openapi_document()["paths"].items() for method in methods}
    assert documented == public | private
    assert ("get", "/v1/user/subscribe") in documented
