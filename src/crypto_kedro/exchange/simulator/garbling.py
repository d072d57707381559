"""Garbled answers: what proxies, broken servers and new versions of an API make of a JSON document."""

import json
import random
from collections.abc import Iterator
from typing import Any

_VALUES = (
    "null", "true", "[]", "{}", '""', "NaN", "-Infinity", "0", "-1", "1.5", "1e400", "9" * 5_000, "[" * 100_000,
    '"0"', '"-1"', '"1e400"', '"1e-400"', '"NaN"', '"Infinity"', '"1_000"', '"eth_jpy"',
    '"unheard of"', "[[]]", "[null]",
)  # fmt: skip
_BODIES = (
    b"", b"null", b"[]", b"{}", b"<html><body>502 Bad Gateway</body></html>", b"\xff\xfe\x00", b"[" * 100_000,
    b'{"success":1}', b'{"success":1,"data":[]}', b'{"success":"1","data":{}}', b'{"success":0,"data":{}}',
    b'{"success":2,"data":{"code":10000}}', b'{"success":0,"data":{"code":"none"}}',
)  # fmt: skip
_NOUGHTS = "0" * 13
_MARK = "the garbled value"


def garbled(body: bytes, chance: random.Random) -> bytes:
    """Return the body of an answer with one fault in it.

    Args:
        body: of a JSON answer.
        chance: chooses the fault.
    """
    draw = chance.random()
    if draw < 0.1:
        return chance.choice(_BODIES)
    if draw < 0.2:
        return body[: chance.randrange(len(body))]
    if draw < 0.25:
        place = chance.randrange(len(body))
        return body[:place] + b"\xff" + body[place:]
    document = json.loads(body)
    value = _spoil(document, chance)
    return json.dumps(document).replace(json.dumps(_MARK), value, 1).encode()


def garbled_message(message: Any, chance: random.Random) -> Any:
    """Return a message of a stream with one fault in it that JSON can carry."""
    document = json.loads(json.dumps(message))
    value = _spoil(document, chance)
    try:
        spoilt = json.loads(json.dumps(document).replace(json.dumps(_MARK), value, 1))
    except (ValueError, RecursionError):
        return None
    # What is not finite would end the connection rather than reach the listener.
    return spoilt if "Infinity" not in (text := json.dumps(spoilt)) and "NaN" not in text else None


def _spoil(document: Any, chance: random.Random) -> str:
    """Spoil one place of a document; return what its mark stands for."""
    holder, key = chance.choice(list(_places(document)))
    value, draw = holder[key], chance.random()
    if draw < 0.15:
        del holder[key]
    elif draw < 0.25 and isinstance(holder, list):
        holder.insert(key, value)
    elif draw < 0.4 and isinstance(value, str | int):
        grown = f"{value}".partition(".")[0] + _NOUGHTS
        holder[key] = grown if isinstance(value, str) else _MARK
        return grown
    else:
        holder[key] = _MARK
    return chance.choice(_VALUES)


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of a document as what holds it and its key or index."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield document, key
        if isinstance(value, dict | list):
            yield from _places(value)
