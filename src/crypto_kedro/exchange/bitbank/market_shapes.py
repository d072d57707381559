"""bitbank's JSON about the market: rules, status, candle files."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.bitbank.shapes import Row, asset
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


def pair_row(rows: Sequence[Row], pair: str, key: str = "pair") -> Row:
    """Return the row of one pair."""
    (row,) = [row for row in rows if row[key] == pair]
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
    initial = Rate.of(pair["margin_current_individual_ratio"])
    collateral, threshold = settings.crypto_collateral, settings.losscut_threshold
    if account is not None:
        assets, margin = account
        collateral = Rate.of(asset(assets["assets"], "btc")["collateral_ratio"])
        threshold = Rate.of(margin["losscut_threshold"]["individual"])
    return MarketRules(
        price_step=Price.of(Decimal(1).scaleb(-pair["price_digits"])),
        amount_step=Btc.of(Decimal(1).scaleb(-pair["amount_digits"])),
        min_amount=max(Btc.of(pair["unit_amount"]), Btc.of(status["min_amount"])),
        max_limit_amount=Btc.of(pair["limit_max_amount"]),
        max_market_amount=Btc.of(pair["market_max_amount"]),
        spot_maker_fee=Rate.of(pair["maker_fee_rate_quote"]),
        spot_taker_fee=Rate.of(pair["taker_fee_rate_quote"]),
        margin_open_maker_fee=Rate.of(pair["margin_open_maker_fee_rate_quote"]),
        margin_open_taker_fee=Rate.of(pair["margin_open_taker_fee_rate_quote"]),
        margin_close_maker_fee=Rate.of(pair["margin_close_maker_fee_rate_quote"]),
        margin_close_taker_fee=Rate.of(pair["margin_close_taker_fee_rate_quote"]),
        long_interest_per_day=Rate.of(pair["margin_long_interest"]),
        short_interest_per_day=Rate.of(pair["margin_short_interest"]),
        initial_margin=initial,
        margin_call=initial,
        losscut=Rate.of(initial.decimal * threshold.decimal),
        crypto_collateral=collateral,
        market_buy_allowance=Rate.of(pair["market_allowance_rate"]),
        max_open_orders=settings.max_open_orders,
    )


def market_status(pair: Row, status: Row, circuit: Row) -> MarketStatus:
    """Read the status; a word that is not known counts as unknown, a stopped pair as halted."""
    suspended = frozenset(name for name, value in pair.items() if name.startswith("stop_") and value is True)
    condition = _STATUSES.get(status["status"], ExchangeStatus.UNKNOWN)
    if circuit["mode"] != "NONE":
        condition = max(condition, ExchangeStatus.CIRCUIT_BREAK)
    if suspended & _ALL_STOPPED or not pair["is_enabled"]:
        condition = max(condition, ExchangeStatus.HALT)
    minimum = max(Btc.of(pair["unit_amount"]), Btc.of(status["min_amount"]))
    return MarketStatus(condition, minimum, suspended, _closed_to(suspended))


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
    """Return candles as bars of whole ticks and lots.

    Raises:
        PrecisionError: a price or volume is finer.
    """
    return [_bar(row, interval_ms) for row in rows]


def _bar(row: CandleRow, interval_ms: int) -> BarRow:
    opened, high, low, close = (Price.of(price).ticks for price in (row.open, row.high, row.low, row.close))
    lots = Btc.of(row.volume).lots
    return BarRow(row.open_time_ms, row.open_time_ms + interval_ms, opened, high, low, close, lots)
