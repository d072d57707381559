"""How the face answers: JSON that nobody may keep, and every refusal as one sentence."""

from typing import Any

import msgspec
from starlette.responses import Response


class JsonAnswer(Response):
    """A JSON body that nobody may keep."""

    media_type = "application/json; charset=utf-8"

    def __init__(self, content: Any, status_code: int = 200) -> None:
        super().__init__(msgspec.json.encode(content), status_code, {"cache-control": "no-store"})


def refusal(sentence: str, status: int) -> JsonAnswer:
    """Return the answer to a request that is not granted."""
    return JsonAnswer({"error": sentence}, status)
