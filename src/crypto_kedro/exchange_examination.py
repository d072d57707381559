"""Is bitbank within reach, is the clock right, and does it accept the API key? The last part of ``kedro doctor``."""

from collections.abc import Callable

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankMarketData, BitbankSettings, Credentials
from crypto_kedro.exchange.bitbank.market_data import wall_clock_ms
from crypto_kedro.exchange.bitbank.recovery import FUTURE_TOLERANCE_MS
from crypto_kedro.exchange.port import BadCredentialsError, ExchangeError, RetryNowError, StopTradingError
from crypto_kedro.finding import Finding
from crypto_kedro.trading.account import MarginState, MarginStatus
from crypto_kedro.trading.money import PPM, Rate
from crypto_kedro.trading.observation import ExchangeStatus

_SET_CLOCK = "set the clock by NTP: bitbank refuses requests that are not of its time"
_LOOK = "look at the account on bitbank's site"


async def examine_exchange(
    settings: BitbankSettings, credentials: Credentials | None, now_ms: Callable[[], int] = wall_clock_ms
) -> list[Finding]:
    """Examine reachability, clock, rules, API key and margin account, in this order.

    Nothing is traded. What cannot be reached is a warning: research needs no exchange.

    Args:
        settings: addresses; a short time-out keeps the examination short.
        credentials: API key; None leaves the account out.
        now_ms: clock that is compared with bitbank's, Unix milliseconds UTC.
    """
    async with BitbankMarketData(settings, now_ms=now_ms) as market:
        try:
            findings = [await _reach(market), await _clock(market, settings), await _rules(market)]
        except ExchangeError as error:
            remedy = "check the network; candles on disk and the synthetic market need none"
            return [Finding("bitbank", "warn", str(error), remedy)]
    if credentials is None:
        return [*findings, Finding("bitbank key", "ok", "none set: market data only, no live trading")]
    async with BitbankExchange(settings, credentials, now_ms=now_ms) as account:
        return [*findings, *await _account(account)]


async def _reach(market: BitbankMarketData) -> Finding:
    ticker, status = await market.ticker(), await market.status()
    suspended = f", suspended: {', '.join(sorted(status.suspended))}" if status.suspended else ""
    detail = f"reachable, last price {ticker.last.ticks:,} JPY, status {status.status.name}{suspended}"
    if status.status is not ExchangeStatus.NORMAL:
        return Finding("bitbank", "warn", detail, "wait: no position is opened meanwhile")
    return Finding("bitbank", "ok", detail)


async def _clock(market: BitbankMarketData, settings: BitbankSettings) -> Finding:
    offset_ms = await market.clock_offset_ms()
    if offset_ms is None:
        return Finding("clock", "warn", "bitbank does not tell its time", "keep the clock set by NTP")
    direction = "ahead of" if offset_ms > 0 else "behind"
    detail = f"about {abs(offset_ms) / 1000:.1f} s {direction} bitbank's"
    if -settings.time_window_ms < offset_ms < FUTURE_TOLERANCE_MS:
        return Finding("clock", "ok", detail)
    return Finding("clock", "warn", detail, _SET_CLOCK)


async def _rules(market: BitbankMarketData) -> Finding:
    rules = await market.rules()
    fees = [
        f"{when} {_percent(maker)} maker, {_percent(taker)} taker"
        for when, maker, taker in (
            ("open", rules.margin_open_maker_fee, rules.margin_open_taker_fee),
            ("close", rules.margin_close_maker_fee, rules.margin_close_taker_fee),
        )
    ]
    interest = f"{_percent(rules.long_interest_per_day)} long, {_percent(rules.short_interest_per_day)} short"
    detail = (
        f"minimum {rules.min_amount} BTC in steps of {rules.amount_step}; margin fees: {'; '.join(fees)}; "
        f"interest a day: {interest}; leverage {rules.leverage_cap.normalize():f}"
    )
    return Finding("bitbank rules", "ok", detail)


async def _account(account: BitbankExchange) -> list[Finding]:
    try:
        await account.check_rights()
    except ExchangeError as error:
        return [_trouble("bitbank key", error)]
    key = Finding("bitbank key", "ok", "accepted; may read and trade. Whether it may withdraw cannot be seen")
    try:
        return [key, _margin(await account.margin_status())]
    except ExchangeError as error:
        return [key, _trouble("margin account", error)]


def _margin(margin: MarginStatus) -> Finding:
    balance, available = (f"{money.floor(0):,} JPY" for money in (margin.balance, margin.available))
    detail = f"state {margin.state}, balance {balance}, {available} may be opened"
    if margin.state is not MarginState.NORMAL:
        return Finding("margin account", "warn", detail, _LOOK)
    if not margin.available:
        remedy = "deposit, or apply for margin trading: bitbank reports NORMAL without an approval, too"
        return Finding("margin account", "warn", detail, remedy)
    return Finding("margin account", "ok", detail)


def _trouble(subject: str, error: ExchangeError) -> Finding:
    match error:
        case BadCredentialsError():
            return Finding(subject, "fail", str(error), "make a key with the rights to read and trade, not withdraw")
        case StopTradingError():
            return Finding(subject, "fail", str(error), _LOOK)
        case RetryNowError():
            return Finding(subject, "fail", str(error), _SET_CLOCK)
    return Finding(subject, "warn", str(error), "run `kedro doctor` again later")


def _percent(rate: Rate) -> str:
    return f"{rate.ppm * 100 / PPM:g}%"
