"""An order to halt, read from any bytes: a reason that cannot be decoded never prevents the halt."""

import json

from msgspec import Struct, structs

LONGEST_REASON = 300
"""Characters of a reason that are kept."""
LONGEST_CONTENT = 16 * 1024
"""Bytes of a flag or a request that are read."""
NO_REASON = "none given"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_FLATTEN = "flatten"


def plain_text(given: object, default: str = "") -> str:
    """Return one printable line that SQLite, JSON, HTTP and every channel take.

    Args:
        given: bytes in any encoding, a text with surrogates or control characters, or any other value.
        default: returned where nothing is left.

    Returns:
        At most `LONGEST_REASON` characters; U+FFFD replaces what cannot be decoded or shown.
    """
    if isinstance(given, bytes | bytearray):
        given = bytes(given[:LONGEST_CONTENT]).decode(errors="replace")
    text = "" if given is None else str(given)[:LONGEST_CONTENT]
    words = "".join(_shown(character) for character in text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")).split()
    line = " ".join(words)
    if len(line) > LONGEST_REASON:
        line = line[: LONGEST_REASON - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return line or default


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else _REPLACEMENT


class StopOrder(Struct, frozen=True):
    """A human's order that nothing more may be opened.

    Args:
        by: who halts; any text, kept as `plain_text` gives it.
        reason: why; kept likewise.
        flatten: whether what is open is to be closed as well.
    """

    by: str
    reason: str
    flatten: bool = False

    def __post_init__(self) -> None:
        structs.force_setattr(self, "by", plain_text(self.by, "unnamed"))
        structs.force_setattr(self, "reason", plain_text(self.reason, NO_REASON))


def read_order(content: bytes, *, by: str, default: str = NO_REASON) -> StopOrder:
    """Return the order in a flag or in the body of a request; any content is one.

    Args:
        content: a JSON object with ``reason``, ``flatten`` and ``by``; the one word ``flatten``; or the reason itself.
        by: who halts, where the content does not name anybody.
        default: the reason where there is none.
    """
    text = content[:LONGEST_CONTENT].decode(errors="replace")
    if text.strip().lower() == _FLATTEN:
        return StopOrder(by, default, flatten=True)
    try:
        fields = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        fields = {"reason": text}
    return StopOrder(
        plain_text(fields.get("by"), by), plain_text(fields.get("reason"), default), fields.get("flatten") is True
    )
