"""bitbank's published candles as exact values.

Source: bitbank public REST API, "Candlestick".
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple


class CandleRow(NamedTuple):
    """One published candle: its opening in Unix milliseconds UTC, prices in the quote and volume in the base asset."""

    open_time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def candle_rows(answer: Mapping[str, Any], kind: str) -> tuple[CandleRow, ...]:
    """Read the data of a candlestick answer.

    Args:
        answer: what the envelope holds as ``data``.
        kind: length of the candles in bitbank's words, ``1min``.

    Raises:
        LookupError, TypeError, ValueError, ArithmeticError: it is not in bitbank's format.
    """
    (series,) = [item for item in answer["candlestick"] if item["type"] == kind]
    return tuple(_row(*row) for row in series["ohlcv"])


def _row(opened: str, high: str, low: str, close: str, volume: str, open_time_ms: int) -> CandleRow:
    values = [Decimal(str(value)) for value in (opened, high, low, close, volume)]
    if not all(value.is_finite() for value in values) or type(open_time_ms) is not int:
        raise ValueError("a candle holds no numbers, or no time in milliseconds")
    return CandleRow(open_time_ms, *values)
