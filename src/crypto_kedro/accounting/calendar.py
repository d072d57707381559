"""Days, months and years in Japan, by which books are kept."""

from datetime import UTC, date, datetime, timedelta, timezone

from crypto_kedro.market.bars import JST_OFFSET_MS
from crypto_kedro.market.moments import day_start_ms

JST = timezone(timedelta(hours=9), "JST")


def jst_moment(at_ms: int) -> datetime:
    """Return Unix milliseconds as a moment in Japan."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(JST)


def jst_year(at_ms: int) -> int:
    """Return the calendar year in Japan."""
    return jst_moment(at_ms).year


def year_start_ms(year: int) -> int:
    """Return the first moment of a year in Japan, Unix milliseconds UTC."""
    return day_start_ms(date(year, 1, 1)) - JST_OFFSET_MS
