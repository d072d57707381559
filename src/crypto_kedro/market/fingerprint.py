"""A hash of a table's content that outlives file formats and library versions."""

import hashlib

import numpy as np
import pandas as pd
from pandas.api import types

from crypto_kedro.errors import DataError


def frame_sha256(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a frame's content as 64 hexadecimal digits.

    Column names, their order, the rows and their order count; the index, the file format and the width of a number's
    type do not: times are hashed as milliseconds UTC, numbers as 64-bit little-endian, text as UTF-8.

    Raises:
        DataError: a column holds something other than times, numbers, truth values or text.
    """
    digest = hashlib.sha256(f"rows={len(frame)}".encode())
    for name in frame.columns:
        kind, content = _column_bytes(frame[name])
        digest.update(f"\n{name}:{kind}:{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _column_bytes(column: pd.Series) -> tuple[str, bytes]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        utc = column.dt.tz_convert("UTC").astype("datetime64[ms, UTC]")
        return "time", utc.astype("int64").to_numpy().astype("<i8").tobytes()
    if types.is_bool_dtype(column.dtype):
        return "bool", column.to_numpy(dtype=np.uint8).tobytes()
    if types.is_integer_dtype(column.dtype):
        return "int", column.to_numpy(dtype=np.int64).astype("<i8").tobytes()
    if types.is_float_dtype(column.dtype):
        return "float", _float_bytes(column.to_numpy(dtype=np.float64))
    if types.is_string_dtype(column.dtype) or isinstance(column.dtype, pd.CategoricalDtype):
        return "text", b"".join(b"%d:%b" % (len(text), text) for text in map(_utf8, column))
    raise DataError(f"fingerprint: column {column.name!r} has type {column.dtype}, which has no fixed byte form")


def _float_bytes(values: np.ndarray) -> bytes:
    # One bit pattern for each value: -0.0 equals 0.0, and NaN has many encodings.
    values = np.where(np.isnan(values), np.nan, values + 0.0)
    return values.astype("<f8").tobytes()


def _utf8(value: object) -> bytes:
    return str(value).encode()
