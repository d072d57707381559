"""Nodes of the data pipeline."""

from typing import Any

import pandas as pd

from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.candle_set import CandleSet
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.frame import bars_from_frame, frame_from_bars, open_times
from crypto_kedro.market.moments import utc_iso
from crypto_kedro.market.quality import prepare_bars
from crypto_kedro.market.resample import CONTEXT_MS, DECISION_MS, resample
from crypto_kedro.parameters import DataParameters
from crypto_kedro.reporting.data_quality import data_quality_html


def make_bars(candles: CandleSet, parameters: DataParameters) -> tuple[pd.DataFrame, dict[str, Any], dict[str, Any]]:
    """Validate raw candles and make the gaps in them explicit.

    Args:
        candles: raw 1-minute candles and their origin.
        parameters: the group ``data``.

    Returns:
        1-minute bars; where the candles came from, with their hash; what was found and done.
    """
    prepared = prepare_bars(candles, parameters.max_halt_minutes, parameters.max_gap_minutes)
    return prepared.bars_1m, prepared.origin, prepared.quality


def make_decision_bars(bars_1m: pd.DataFrame) -> pd.DataFrame:
    """Return the 15-minute bars on which decisions are made, complete ones only."""
    return _resampled(bars_1m, DECISION_MS)


def make_context_bars(bars_1m: pd.DataFrame) -> pd.DataFrame:
    """Return the 4-hour bars that give context, complete ones only."""
    return _resampled(bars_1m, CONTEXT_MS)


def describe_data(
    origin: dict[str, Any],
    bars_1m: pd.DataFrame,
    bars_15m: pd.DataFrame,
    bars_4h: pd.DataFrame,
    parameters: DataParameters,
) -> dict[str, Any]:
    """Return the manifest: origin and hash of the candles, hashes and span of the bars, the group ``data``."""
    open_time = open_times(bars_1m)
    return {
        **origin,
        "rows": len(bars_1m),
        "first": utc_iso(int(open_time[0])),
        "last": utc_iso(int(open_time[-1])),
        "bars_sha256": frame_sha256(bars_1m),
        "bars_15m_sha256": frame_sha256(bars_15m),
        "bars_4h_sha256": frame_sha256(bars_4h),
        "parameters": parameters.model_dump(mode="json"),
    }


def report_data_quality(quality: dict[str, Any], manifest: dict[str, Any], bars_15m: pd.DataFrame) -> str:
    """Return the data-quality report as an HTML page."""
    return data_quality_html(quality, manifest, bars_15m)


def _resampled(bars_1m: pd.DataFrame, interval_ms: int) -> pd.DataFrame:
    frame = frame_from_bars(resample(bars_from_frame(bars_1m, MINUTE_MS), interval_ms))
    frame.attrs = dict(bars_1m.attrs)
    return frame
