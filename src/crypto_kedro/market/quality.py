"""Preparation of the 1-minute bars, and the account of everything that was done to get them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.market.candle_set import CandleSet, mark_source
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.frame import candles_from_frame, frame_from_bars
from crypto_kedro.market.gaps import Gap, fill_halts, find_gaps
from crypto_kedro.market.moments import utc_iso
from crypto_kedro.market.schema import BAR_SCHEMA, SCHEMA_VERSION
from crypto_kedro.market.statistics import return_statistics
from crypto_kedro.market.validation import ValidatedCandles, validate_candles


@dataclass(frozen=True, slots=True, eq=False)
class PreparedBars:
    """Sound 1-minute bars with their origin and the account of their making; both records fit into JSON."""

    bars_1m: pd.DataFrame
    origin: dict[str, Any]
    quality: dict[str, Any]


def prepare_bars(candles: CandleSet, max_halt_minutes: int, max_gap_minutes: int) -> PreparedBars:
    """Turn raw candles into bars for every minute.

    Args:
        candles: raw candles.
        max_halt_minutes: longest run of absent minutes that counts as a trading halt and is filled.
        max_gap_minutes: longest halt that a label or window may cross later on; only counted here.

    Raises:
        DataError: the candles are damaged, or a run of absent minutes is longer than ``max_halt_minutes``.
    """
    valid = validate_candles(candles.frame, candles.parts, candles.fetched_at_ms)
    present = candles_from_frame(valid.candles)
    bars = fill_halts(present, max_halt_minutes, candles.location)
    frame = mark_source(BAR_SCHEMA.validate(frame_from_bars(bars)), candles.source)
    quality = {
        **_account(candles, valid, bars),
        **_gap_record(find_gaps(present.open_time), max_gap_minutes),
        "max_halt_minutes": max_halt_minutes,
        "zero_volume": _zero_volume(bars),
        "price_jpy": _prices(bars),
        "returns": return_statistics(bars),
    }
    return PreparedBars(frame, _origin(candles), quality)


def _origin(candles: CandleSet) -> dict[str, Any]:
    return {
        "source": candles.source.value,
        "location": candles.location,
        "pair": candles.pair,
        "sha256": frame_sha256(candles.frame),
        "candles": len(candles.frame),
        "details": dict(candles.details),
        "schema_version": SCHEMA_VERSION,
    }


def _account(candles: CandleSet, valid: ValidatedCandles, bars: Bars) -> dict[str, int]:
    already = candles.details
    return {
        "rows_read": len(candles.frame),
        "duplicates_removed": valid.duplicates_removed + int(already.get("duplicates_removed") or 0),
        "forming_bars_dropped": valid.forming_dropped + int(already.get("forming_bars_dropped") or 0),
        "candles": len(valid.candles),
        "halt_minutes_filled": len(bars) - len(valid.candles),
        "bars": len(bars),
    }


def _gap_record(gaps: tuple[Gap, ...], max_gap_minutes: int) -> dict[str, Any]:
    return {
        "gaps": [
            {
                "start": utc_iso(gap.start_ms),
                "end": utc_iso(gap.start_ms + gap.minutes * MINUTE_MS),
                "minutes": gap.minutes,
            }
            for gap in gaps
        ],
        "longest_gap_minutes": max((gap.minutes for gap in gaps), default=0),
        "max_gap_minutes": max_gap_minutes,
        "gaps_not_crossed": sum(gap.minutes > max_gap_minutes for gap in gaps),
    }


def _zero_volume(bars: Bars) -> dict[str, Any]:
    traded_minutes = bars.gap_minutes == 0
    silent = (bars.volume == 0.0) & traded_minutes
    month = bars.open_time.astype("datetime64[ms]").astype("datetime64[M]")
    by_month = {
        str(name): float(np.mean(silent[(month == name) & traded_minutes])) for name in np.unique(month[traded_minutes])
    }
    return {"bars": int(silent.sum()), "share": float(silent.sum() / traded_minutes.sum()), "by_month": by_month}


def _prices(bars: Bars) -> dict[str, float]:
    return {
        "first": float(bars.open[0]),
        "last": float(bars.close[-1]),
        "lowest": float(bars.low.min()),
        "highest": float(bars.high.max()),
    }
