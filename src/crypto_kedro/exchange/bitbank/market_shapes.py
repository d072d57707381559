"""bitbank's JSON about the market: rules, status, candle files."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from crypto_kedro.exchange.bitbank import checked
from crypto_kedro.exchange.bitbank.checked import Row, require
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.bitbank.shapes import asset
from crypto_kedro.exchange.port import MarketStatus, RefusedError
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, MINUTE_MS
from crypto_kedro.market.bitbank_candles import CandleRow
from crypto_kedro.market.moments import utc_date
from crypto_kedro.trading.money import Btc, Price, Rate
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.quotes import BarRow
from crypto_kedro.trading.rules import MarketRules

_STATUSES = {
    "NORMAL": ExchangeStatus.NORMAL,
    "BUSY": ExchangeStatus.BUSY,
    "VERY_BUSY": ExchangeStatus.VERY_BUSY,
    "HALT": ExchangeStatus.HALT,
}
_ALL_STOPPED = frozenset({"stop_order", "stop_order_and_cancel"})
_MOST_DIGITS = 8
_NEVER_SENT = "stop_stop_limit_order"
_OPENING = {PositionSide.LONG: "stop_margin_long_order", PositionSide.SHORT: "stop_margin_short_order"}
_DAY_FILES = {
    MINUTE_MS: "1min",
    5 * MINUTE_MS: "5min",
    15 * MINUTE_MS: "15min",
    30 * MINUTE_MS: "30min",
    HOUR_MS: "1hour",
}
_YEAR_FILES = {4 * HOUR_MS: "4hour", 8 * HOUR_MS: "8hour", 12 * HOUR_MS: "12hour", DAY_MS: "1day"}


def pair_row(answer: Row, rows: str, pair: str, key: str = "pair") -> Row:
    """Return the row of one pair in a list of rows."""
    (row,) = [row for row in checked.rows(answer, rows) if row[key] == pair]
    return row


def rules(pair: Row, status: Row, account: tuple[Row, Row] | None, settings: BitbankSettings) -> MarketRules:
    """Read the rules in force.

    A margin call is judged below the initial margin ratio, and the loss-cut threshold is a part of that ratio.

    Args:
        pair: row of ``/spot/pairs``.
        status: row of ``/spot/status``; its minimum grows with the load.
        account: ``/user/assets`` and ``/user/margin/positions``; None takes the settings' values instead.
        settings: what the API does not tell.
    """
    initial = checked.rate(pair, "margin_current_individual_ratio")
    collateral, threshold = settings.crypto_collateral, settings.losscut_threshold
    if account is not None:
        assets, margin = account
        collateral = checked.rate(asset(checked.rows(assets, "assets"), "btc"), "collateral_ratio")
        threshold = checked.rate(margin["losscut_threshold"], "individual")
    price_digits, amount_digits = checked.whole(pair, "price_digits"), checked.whole(pair, "amount_digits")
    require(max(price_digits, amount_digits) <= _MOST_DIGITS, "prices or amounts have too many digits")
    return MarketRules(
        price_step=Price.of(Decimal(1).scaleb(-price_digits)),
        amount_step=Btc.of(Decimal(1).scaleb(-amount_digits)),
        min_amount=_least_amount(pair, status),
        max_limit_amount=checked.amount(pair, "limit_max_amount"),
        max_market_amount=checked.amount(pair, "market_max_amount"),
        spot_maker_fee=_fee(pair, "maker_fee_rate_quote"),
        spot_taker_fee=_fee(pair, "taker_fee_rate_quote"),
        margin_open_maker_fee=_fee(pair, "margin_open_maker_fee_rate_quote"),
        margin_open_taker_fee=_fee(pair, "margin_open_taker_fee_rate_quote"),
        margin_close_maker_fee=_fee(pair, "margin_close_maker_fee_rate_quote"),
        margin_close_taker_fee=_fee(pair, "margin_close_taker_fee_rate_quote"),
        long_interest_per_day=checked.rate(pair, "margin_long_interest"),
        short_interest_per_day=checked.rate(pair, "margin_short_interest"),
        initial_margin=initial,
        margin_call=initial,
        losscut=Rate.of(initial.decimal * threshold.decimal),
        crypto_collateral=collateral,
        market_buy_allowance=checked.rate(pair, "market_allowance_rate"),
        max_open_orders=settings.max_open_orders,
    )


def market_status(pair: Row, status: Row, circuit: Row) -> MarketStatus:
    """Read the status; a word that is not known counts as unknown, a stopped pair as halted."""
    suspended = frozenset(name for name in pair if name.startswith("stop_") and checked.flag(pair, name))
    condition = _STATUSES.get(checked.text(status, "status"), ExchangeStatus.UNKNOWN)
    if not trades_continuously(circuit):
        condition = max(condition, ExchangeStatus.CIRCUIT_BREAK)
    if suspended & _ALL_STOPPED or not checked.flag(pair, "is_enabled"):
        condition = max(condition, ExchangeStatus.HALT)
    return MarketStatus(condition, _least_amount(pair, status), suspended, _closed_to(suspended))


def trades_continuously(circuit: Row) -> bool:
    """Read whether the circuit breaker leaves the market alone; outside continuous trading a book may overlap."""
    return checked.text(circuit, "mode") == "NONE"


def _least_amount(pair: Row, status: Row) -> Btc:
    least = max(checked.amount(pair, "unit_amount"), checked.amount(status, "min_amount"))
    require(bool(least), "the least amount of an order is zero")
    return least


def _fee(pair: Row, name: str) -> Rate:
    return checked.rate(pair, name, least=-1)


def _closed_to(suspended: frozenset[str]) -> frozenset[PositionSide]:
    """Return the sides on which a position could not be opened, protected by a stop and closed at the market.

    Buying and selling are both needed, for one opens and the other closes. bitbank names no flag for stop-loss orders,
    which are taken to be suspended with stop orders. A flag that is not known may concern them as well.
    """
    for_both = suspended - {_NEVER_SENT, *_OPENING.values()}
    return frozenset(side for side, opening in _OPENING.items() if for_both or opening in suspended)


def candle_files(interval_ms: int, first_ms: int, end_ms: int) -> Iterator[str]:
    """Yield ``type/date`` of each file with bars that opened in [first_ms, end_ms): one a UTC day, or one a year.

    Raises:
        RefusedError: bitbank has no bars of this length.
    """
    if first_ms >= end_ms:
        return
    first, last = utc_date(first_ms), utc_date(end_ms - 1)
    if interval_ms in _DAY_FILES:
        for number in range((last - first).days + 1):
            yield f"{_DAY_FILES[interval_ms]}/{first + timedelta(days=number):%Y%m%d}"
    elif interval_ms in _YEAR_FILES:
        for year in range(first.year, last.year + 1):
            yield f"{_YEAR_FILES[interval_ms]}/{year}"
    else:
        lengths = sorted(length // MINUTE_MS for length in _DAY_FILES | _YEAR_FILES)
        raise RefusedError(f"bitbank has no bars of {interval_ms / MINUTE_MS:g} minutes; choose among {lengths}")


def bars(rows: Iterable[CandleRow], interval_ms: int) -> list[BarRow]:
    """Return candles as bars of whole ticks and lots, oldest first, each on its grid and in order.

    Raises:
        UnfitValueError: prices are not positive or not ordered, or times do not increase on the grid.
        PrecisionError: a price or volume is finer.
    """
    read = [_bar(row, interval_ms) for row in rows]
    require(all(a.open_time_ms < b.open_time_ms for a, b in pairwise(read)), "the candles are not in order of time")
    return read


def require_period(bars: Sequence[BarRow], file: str, asked_at_ms: int, *, is_published: bool) -> None:
    """Refuse bars that are not of their file, or from the future, and a past file that is empty.

    Args:
        bars: of the file, oldest first.
        file: see `candle_files`.
        asked_at_ms: when it was asked for, Unix milliseconds UTC.
        is_published: whether the exchange has the file.

    Raises:
        UnfitValueError: a bar or the file cannot be true.
    """
    named = file.partition("/")[2]
    period = [f"{utc_date(bar.open_time_ms):%Y%m%d}"[: len(named)] for bar in bars]
    require(all(name == named for name in period), f"a candle is not of {named}")
    require(not bars or bars[-1].open_time_ms <= asked_at_ms + MINUTE_MS, "a candle opens in the future")
    is_past = named < f"{utc_date(asked_at_ms):%Y%m%d}"[: len(named)]
    require(bool(bars) or not (is_past and is_published), f"the file of {named} is empty")


def _bar(row: CandleRow, interval_ms: int) -> BarRow:
    opened, high, low, close = (
        checked.price_of(price, "price of a candle").ticks for price in (row.open, row.high, row.low, row.close)
    )
    lots = Btc.of(checked.amount_of(row.volume, "volume of a candle")).lots
    require(low <= min(opened, close) and max(opened, close) <= high, "a candle's prices contradict each other")
    require(row.open_time_ms % interval_ms == 0, "a candle opens off its grid")
    return BarRow(row.open_time_ms, row.open_time_ms + interval_ms, opened, high, low, close, lots)
