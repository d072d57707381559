"""The one way in which a record is written: canonical JSON.

Keys are sorted, there are no spaces, and a float has the shortest form that gives the same float again; one that is
unknown or infinite, which JSON lacks, is the text ``nan``, ``inf`` or ``-inf``.
"""

import math
from typing import Any

import msgspec

from crypto_kedro.session.journal.records import AnyRecord, JournalError, Record


def encode_record(record: Record) -> bytes:
    """Write a record as canonical JSON.

    Raises:
        JournalError: it would not be read back as it is, for example with an int where a float belongs.
    """
    body = _encode(record)
    again = _encode(decode_record(body))
    if again != body:
        at = next(index for index, (one, other) in enumerate(zip(body, again, strict=False)) if one != other)
        raise JournalError(
            f"journal: a record of kind {record.kind()} would be read back otherwise from "
            f"{body[max(at - 30, 0) : at + 10].decode(errors='replace')!r} on; give a float where a float belongs"
        )
    return body


def decode_record(body: bytes | str) -> AnyRecord:
    """Read a record.

    Raises:
        JournalError: it is no record of this version.
    """
    try:
        return _DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise JournalError(f"journal: a record cannot be read ({error}); use the version that wrote it") from error


def _encode(record: Record) -> bytes:
    try:
        return _ENCODER.encode(_in_json_words(msgspec.to_builtins(record)))
    except (TypeError, OverflowError) as error:
        raise JournalError(
            f"journal: a record of kind {record.kind()} cannot be written ({error}); give plain values"
        ) from error


def _in_json_words(value: Any) -> Any:
    """Return builtins with text in the place of floats that JSON lacks."""
    if isinstance(value, dict):
        return {key: _in_json_words(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_in_json_words(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord, strict=False)
