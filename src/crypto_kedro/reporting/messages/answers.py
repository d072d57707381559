"""What a webhook's answer means for the message that was sent.

Source: Discord API, "Rate Limits": waiting times come from the answer; a webhook that answers 401 or 404 is not to be
used again.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

_GONE = (401, 404, 410)
_FORBIDDEN = 403
_TOO_MANY = 429
_TOO_SLOW = (408, 425)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The message has arrived; ``pause_s`` is how long the service wants to be left alone."""

    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Later:
    """The same message may pass later; ``pause_s`` is the service's own wish, None where it has none."""

    reason: str
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The service will never take this message."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Nobody listens at the address any more, or not to us."""

    reason: str


Answer = Delivered | Later | Refused | Gone


def judge(status: int, headers: Mapping[str, str], text: str) -> Answer:
    """Return what an answer means.

    Args:
        status: of HTTP.
        headers: by name, whatever the case of its letters.
        text: body.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    answer = _json_object(text)
    message = answer.get("message")
    reason = f"HTTP {status}, {message.rstrip('.')}" if isinstance(message, str) else f"HTTP {status}"
    if 200 <= status < 300:
        spent = lower.get("x-ratelimit-remaining") == "0"
        return Delivered((_seconds(lower.get("x-ratelimit-reset-after")) or 0.0) if spent else 0.0)
    if status == _TOO_MANY:
        wish = _seconds(answer.get("retry_after"))
        return Later(reason, _seconds(lower.get("retry-after")) if wish is None else wish)
    if status in _GONE or (status == _FORBIDDEN and answer):
        return Gone(reason)
    if status >= 500 or status in _TOO_SLOW or status == _FORBIDDEN:
        # A 403 without JSON comes from the guard in front of the service, and passes.
        return Later(reason, _seconds(lower.get("retry-after")))
    return Refused(reason)


def _json_object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(value: object) -> float | None:
    """Return a waiting time, None when it is none."""
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0.0 else None
