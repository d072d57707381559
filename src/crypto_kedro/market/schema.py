"""What a raw candle and a bar must be, as pandera schemas; each rule is worded as a reader of the error meets it."""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.frame import PRICE_COLUMNS, timestamps

SCHEMA_VERSION = "1"

_UTC_MILLISECONDS = pd.DatetimeTZDtype("ms", "UTC")


def _row_rules() -> list[pa.Check]:
    return [
        pa.Check(
            lambda frame: ~frame.duplicated("timestamp", keep=False),
            error="one minute must not have two different bars",
        ),
        pa.Check(
            lambda frame: ~(frame["timestamp"].diff() < pd.Timedelta(0)),
            error="timestamp must not be earlier than in the row before",
        ),
        pa.Check(
            lambda frame: ~(frame["high"] < frame[["open", "low", "close"]].max(axis=1)),
            error="high must be at least open, low and close",
        ),
        pa.Check(
            lambda frame: ~(frame["low"] > frame[["open", "close"]].min(axis=1)),
            error="low must be at most open, high and close",
        ),
    ]


def _value_column(name: str, bound: pa.Check) -> pa.Column:
    finite = pa.Check(np.isfinite, error=f"{name} must be a finite number", ignore_na=False)
    # NaN is the business of the check for finite numbers, which names the rule in the reader's words.
    return pa.Column("float64", nullable=True, checks=[finite, bound])


def _value_columns() -> dict[str, pa.Column]:
    prices = {
        name: _value_column(name, pa.Check(lambda price: ~(price <= 0.0), error=f"{name} must be positive"))
        for name in PRICE_COLUMNS
    }
    volume = _value_column("volume", pa.Check(lambda amount: ~(amount < 0.0), error="volume must not be negative"))
    return {**prices, "volume": volume}


def candle_schema(now_ms: int) -> pa.DataFrameSchema:
    """Return the schema of 1-minute candles that are all closed at ``now_ms`` (Unix milliseconds UTC)."""
    now = timestamps(np.array([now_ms]))[0]
    timestamp = pa.Column(
        _UTC_MILLISECONDS,
        checks=[
            pa.Check(lambda time: time.dt.floor("min") == time, error="timestamp must be a whole minute"),
            pa.Check(
                lambda time: time + pd.Timedelta(MINUTE_MS, "ms") <= now,
                error=f"timestamp must not be in the future (the data was read at {now:%Y-%m-%d %H:%M:%S} UTC)",
            ),
        ],
    )
    return pa.DataFrameSchema(
        {"timestamp": timestamp, **_value_columns()}, checks=_row_rules(), strict=True, ordered=True
    )


def _bar_schema() -> pa.DataFrameSchema:
    columns = {"timestamp": pa.Column(_UTC_MILLISECONDS, unique=True), **_value_columns()}
    gap = pa.Column("int64", checks=pa.Check(lambda minutes: minutes >= 0, error="gap_minutes must not be negative"))
    return pa.DataFrameSchema({**columns, "gap_minutes": gap}, checks=_row_rules(), strict=True, ordered=True)


BAR_SCHEMA = _bar_schema()
