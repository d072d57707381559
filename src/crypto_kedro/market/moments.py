"""Moments as people write them: UTC, to the minute."""

from datetime import UTC, date, datetime, timedelta

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.bars import DAY_MS

_EPOCH = date(1970, 1, 1)


def utc_text(moment_ms: int) -> str:
    """Return Unix milliseconds as ``2018-01-03 00:15 UTC``."""
    return f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def utc_iso(moment_ms: int) -> str:
    """Return Unix milliseconds as ``2018-01-03T00:15:00Z``."""
    return f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def utc_date(moment_ms: int) -> date:
    """Return the UTC date of a moment in Unix milliseconds."""
    return _EPOCH + timedelta(days=moment_ms // DAY_MS)


def day_start_ms(day: date) -> int:
    """Return the first millisecond of a UTC day."""
    return (day - _EPOCH).days * DAY_MS


def parse_day(value: object, setting: str) -> date:
    """Return the date that a setting names.

    Args:
        value: a date, or text as ``YYYY-MM-DD``.
        setting: full name of the setting, for the error.

    Raises:
        ConfigurationError: the value is no date.
    """
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise ConfigurationError(f"{setting} is {value!r}; write the UTC date as YYYY-MM-DD") from error
