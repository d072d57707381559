"""Observations for the tests of the decision core: a calm market, a good long signal, a flat account of 100,000 JPY."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from msgspec import structs

from crypto_kedro.market.costs import FeeRates
from crypto_kedro.trading.account import AccountState, MarginState, MarginStatus, Position
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.money import Btc, Jpy, Price, Rate
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import (
    Fill,
    Liquidity,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
)
from crypto_kedro.trading.settings import BarrierRule, FundingStage, SignalRule, TradingSettings
from crypto_kedro.trading.signal import SignalFacts

NOTHING = Jpy(0)
CAPITAL = Jpy.of(100_000)
CLOSE = 1_000_000.0

RULES = replace(
    bitbank_btc_jpy_schedule((FeeRates(0, maker=0.0, taker=0.001, interest_per_day=0.0004),)).at(0),
    short_interest_per_day=Rate.of("0.0005"),
)

BARRIERS = BarrierRule(take_profit_atr=3.0, stop_loss_atr=2.0, max_bars=16)
SETTINGS = TradingSettings(
    barriers=BARRIERS,
    signal=SignalRule(flat_outcome_atr=-0.35),
    stages=(FundingStage(capital=Jpy.of(500_000)),),
)


def jst(text: str) -> int:
    """Return a JST moment, ``2018-03-05 12:15`` or with seconds, as Unix milliseconds."""
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(hours=9)))
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


NOON = jst("2018-03-07 12:00")  # a Wednesday
LEDGER_START = jst("2018-03-05 00:00")


def facts(**changes: Any) -> SignalFacts[float]:
    """Return a bar that passes every gate, with changes."""
    model = (0.1, 0.1, 0.8)
    calm = SignalFacts[float](
        bar_close_ms=NOON,
        age_ms=0,
        close=CLOSE,
        atr=10_000.0,
        spread=0.0002,
        last_return=0.001,
        gap_minutes=0,
        status=0,
        short=0.1,
        flat=0.2,
        long=0.7,
        models=(model, model, model),
    )
    return calm._replace(**changes)


def short_facts(**changes: Any) -> SignalFacts[float]:
    """Return a bar with a good short signal that passes every gate, with changes."""
    model = (0.8, 0.1, 0.1)
    return facts(short=0.7, flat=0.2, long=0.1, models=(model, model, model))._replace(**changes)


def position(side: PositionSide, amount: str = "0", price: int = 0) -> Position:
    """Return a position without costs."""
    return Position(side, Btc.of(amount), Price(price) * Btc.of(amount), NOTHING, NOTHING, Btc(0))


def account(**changes: Any) -> AccountState:
    """Return an account at the close, flat and in cash, with changes; margin is derived from the positions."""
    cash: Jpy = changes.get("cash", CAPITAL)
    flat = AccountState(
        at_ms=NOON,
        mark=Price(int(CLOSE)),
        cash=cash,
        cash_locked=NOTHING,
        btc=Btc(0),
        btc_locked=Btc(0),
        payable=NOTHING,
        long=position(PositionSide.LONG),
        short=position(PositionSide.SHORT),
        open_orders=(),
        margin=margin(),
    )
    seen = structs.replace(flat, **changes)
    if "margin" in changes:
        return seen
    product = seen.long.product + seen.short.product
    available = Jpy(max(2 * seen.equity.units - product.units, 0))
    return structs.replace(seen, margin=margin(balance=seen.equity, position_product=product, available=available))


def margin(**changes: Any) -> MarginStatus:
    """Return the margin account of the capital without positions, with changes."""
    calm = MarginStatus(MarginState.NORMAL, CAPITAL, NOTHING, NOTHING, CAPITAL + CAPITAL)
    return structs.replace(calm, **changes)


def ledger() -> TradeLedger:
    """Return a history without events."""
    return TradeLedger.start(LEDGER_START, CAPITAL)


def observation(**changes: Any) -> Observation:
    """Return an observation on which the core enters long, with changes."""
    values: dict[str, Any] = {
        "facts": facts(),
        "kelly": 2.0,
        "account": account(),
        "ledger": ledger(),
        "rules": RULES,
        "funding_stage": 1,
    }
    return Observation(**values | changes)


def fill(trade_id: int, at_ms: int, side: Side, position_side: PositionSide, net: str = "0", btc: str = "0.01") -> Fill:
    """Return one margin execution at the close; ``net`` is its ``profit_loss``."""
    return Fill(
        trade_id=trade_id,
        order_id=trade_id,
        executed_at_ms=at_ms,
        side=side,
        position_side=position_side,
        order_type=OrderType.MARKET,
        liquidity=Liquidity.TAKER,
        price=Price(int(CLOSE)),
        amount=Btc.of(btc),
        fee_occurred=NOTHING,
        fee_charged=NOTHING,
        interest=NOTHING,
        profit_loss=Jpy.of(net),
    )


def round_trips(*trades: tuple[str, str], first_id: int = 1) -> list[Fill]:
    """Return the fills of long trades of 0.01 BTC, each opened and closed at one JST moment with a net result."""
    fills = []
    for number, (moment, net) in enumerate(trades):
        trade_id = first_id + 2 * number
        fills.append(fill(trade_id, jst(moment), Side.BUY, PositionSide.LONG))
        fills.append(fill(trade_id + 1, jst(moment), Side.SELL, PositionSide.LONG, net))
    return fills


def resting(side: PositionSide, order_type: OrderType, price: int, amount: str = "0.01", order_id: int = 1) -> Order:
    """Return a closing order at rest: a trigger for the stop kinds and take-profit, a price for a limit."""
    trigger = Price(price) if order_type.has_trigger else None
    limit = Price(price) if order_type.has_price else None
    request = OrderRequest(
        side=side.closing_side,
        type=order_type,
        amount=Btc.of(amount),
        price=limit,
        trigger_price=trigger,
        position_side=side,
    )
    return Order(order_id, request, OrderStatus.INACTIVE, Btc.of(amount), Btc(0), NOTHING, NOON)


OPENED = jst("2018-03-07 10:15")


def held(side: PositionSide, stop: int | None, target: int | None, **changes: object) -> Observation:
    """Return 0.01 BTC entered at 1,000,000 at 10:15, with what rests at the exchange for it."""
    orders = []
    if stop is not None:
        orders.append(resting(side, OrderType.STOP, stop, order_id=1))
    if target is not None:
        orders.append(resting(side, OrderType.LIMIT, target, order_id=2))
    name = side.value
    seen = account(**{name: position(side, "0.01", 1_000_000)}, open_orders=tuple(orders))
    history = ledger().after(fill(1, OPENED, side.opening_side, side))
    defaults = {"account": seen, "ledger": history, "facts": facts(short=0.3, flat=0.4, long=0.3)}
    return observation(**defaults | changes)
