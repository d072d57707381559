"""The hash chain: each entry's hash covers all entries before it, so that none can be changed or left out unseen."""

import hashlib
from typing import NamedTuple

import msgspec

GENESIS = "0" * 64
"""What the first entry has in the place of a hash before it."""


class Link(NamedTuple):
    """One entry as it is stored.

    Args:
        seq: number in the journal, from 1, without gaps.
        at_ms: of the writer's clock, Unix milliseconds UTC.
        session_id: of the writer.
        fence: the writer's fencing token.
        kind: kind of the record.
        body: the record in canonical JSON.
    """

    seq: int
    at_ms: int
    session_id: str
    fence: int
    kind: str
    body: str


def link_hash(previous: str, link: Link) -> str:
    """Return the sha256, in hexadecimal, of an entry after the one whose hash is ``previous``."""
    return hashlib.sha256(msgspec.json.encode((previous, *link))).hexdigest()
