"""Raw candles in, provably sound candles out, or one error that names the place and the rule."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandera.errors import SchemaErrors

from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.frame import open_times
from crypto_kedro.market.moments import utc_text
from crypto_kedro.market.schema import candle_schema
from crypto_kedro.market.structure import REMEDY, Part, all_locations, place


@dataclass(frozen=True, slots=True, eq=False)
class ValidatedCandles:
    """Sound candles and what was done to get them.

    Args:
        candles: columns timestamp (``datetime64[ms, UTC]``), open, high, low, close, volume (float64), ascending,
            every minute at most once, all closed.
        duplicates_removed: rows that repeated another row in every column.
        forming_dropped: rows of the minute that was not over yet.
    """

    candles: pd.DataFrame
    duplicates_removed: int
    forming_dropped: int


def validate_candles(frame: pd.DataFrame, parts: Sequence[Part], now_ms: int) -> ValidatedCandles:
    """Check raw candles, after removing identical duplicates and the bar that is still forming.

    Args:
        frame: candles as `assemble` returns them; rows may have been left out since, the index kept.
        parts: where the rows came from, at least one.
        now_ms: when the candles were read, Unix milliseconds UTC.

    Raises:
        DataError: no closed candle is there, the candles are longer than a minute, or a row breaks a rule; the message
            names the location, the row (counted from 1 within its part) and the rule.
    """
    distinct = frame.drop_duplicates()
    forming_open = now_ms - now_ms % MINUTE_MS
    closed = distinct[open_times(distinct) != forming_open]
    if closed.empty:
        raise DataError(f"{all_locations(parts)}: no closed candle is left; check data.start and data.end")
    try:
        candle_schema(now_ms).validate(closed, lazy=True)
    except SchemaErrors as error:
        raise DataError(_first_failure(error.failure_cases, closed, parts)) from error
    _require_minutes(closed, parts)
    return ValidatedCandles(
        closed.reset_index(drop=True),
        duplicates_removed=len(frame) - len(distinct),
        forming_dropped=len(distinct) - len(closed),
    )


def _require_minutes(candles: pd.DataFrame, parts: Sequence[Part]) -> None:
    # Coarser candles would pass every rule of a row, and the minutes between them for halts.
    usual_step = float(np.median(np.diff(open_times(candles)))) if len(candles) > 1 else MINUTE_MS
    if usual_step > MINUTE_MS:
        raise DataError(
            f"{all_locations(parts)}: rows are usually {usual_step / MINUTE_MS:g} minutes apart; "
            "supply candles of 1 minute"
        )


def _first_failure(failures: pd.DataFrame, candles: pd.DataFrame, parts: Sequence[Part]) -> str:
    # A wrong value often breaks a rule between columns as well; "Column" sorts before "DataFrameSchema".
    ordered = failures.astype({"index": np.int64}).sort_values(["index", "schema_context"], kind="stable")
    first = ordered.iloc[0]
    row, rule = int(first["index"]), str(first["check"])
    others = int(failures.loc[failures["check"] == rule, "index"].nunique()) - 1
    also = f" (so in {others} more rows)" if others else ""
    moment = utc_text(int(open_times(candles.loc[[row]])[0]))
    return f"{place(row, parts)} ({moment}): {rule}{also}; {REMEDY}"
