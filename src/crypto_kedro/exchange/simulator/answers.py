"""bitbank's envelope around data and error codes."""

from typing import Any

import msgspec
from starlette.responses import Response

from crypto_kedro.exchange.simulator.codes import ApiError


class Answer(Response):
    """A compact JSON body."""

    media_type = "application/json; charset=utf-8"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return msgspec.json.encode(content)


def success(data: Any) -> Answer:
    """Return an answer with data."""
    return Answer({"success": 1, "data": data})


def failure(code: int, status: int) -> Answer:
    """Return an answer with an error code."""
    return Answer({"success": 0, "data": {"code": int(code)}}, status_code=status)


def refusal(error: ApiError, status: int) -> Answer:
    """Return the answer of an error, with its own HTTP status or the usual one."""
    return failure(error.code, status if error.status is None else error.status)
