"""Raw candles together with where they came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import pandas as pd

from crypto_kedro.market.structure import Part

SOURCE_ATTRIBUTE = "data_source"


class DataSource(StrEnum):
    """Where candles come from; `SYNTHETIC` sticks to everything that is made of them."""

    SYNTHETIC = "synthetic"
    FILE = "file"
    BITBANK = "bitbank"


@dataclass(frozen=True, slots=True, eq=False)
class CandleSet:
    """Raw 1-minute candles of one pair and their origin.

    Args:
        frame: raw candles; the index counts the rows of all parts from 0.
        source: where the candles come from.
        pair: market in bitbank's spelling, ``btc_jpy``.
        location: file, folder, address or description, for people.
        parts: the files or downloads within the frame, in its order.
        fetched_at_ms: when the candles were read, Unix milliseconds UTC.
        details: what else describes the origin, such as the seed of a synthetic market; values fit into JSON.
    """

    frame: pd.DataFrame
    source: DataSource
    pair: str
    location: str
    parts: tuple[Part, ...]
    fetched_at_ms: int
    details: Mapping[str, str | int | float | None] = field(default_factory=dict)


def mark_source(frame: pd.DataFrame, source: DataSource) -> pd.DataFrame:
    """Write the source into a frame's attributes, which pandas carries into and out of Parquet files."""
    frame.attrs[SOURCE_ATTRIBUTE] = source.value
    return frame
