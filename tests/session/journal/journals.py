"""Records for the tests of the journal: a session of 100,000 JPY, a calm bar, orders and fills of 0.01 BTC."""

from pathlib import Path
from typing import Any

from msgspec import structs

from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS
from crypto_kedro.market.costs import FeeRates
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import Decided, Intended, Lineage, Observed, SessionStarted
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.account import AccountState, MarginState, MarginStatus, Position
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import Fill, Liquidity, Order, OrderRequest, OrderStatus, OrderType, PositionSide, Side
from crypto_kedro.trading.settings import TradingSettings
from crypto_kedro.trading.signal import SignalFacts

NOON_MS = 1_520_391_600_000  # 2018-03-07 12:00 JST
CAPITAL = Jpy.of(100_000)
NOTHING = Jpy(0)
SETTINGS = TradingSettings()
RULES = bitbank_btc_jpy_schedule((FeeRates(0, maker=0.0, taker=0.001, interest_per_day=0.0004),)).at(0)
LINEAGE = Lineage(
    bundle_digest="b" * 64,
    model_version="btc-jpy-ensemble version 3",
    run_id="r" * 32,
    model_git_sha="a" * 40,
    data_sha256="d" * 64,
    data_source="bitbank",
    feature_set_hash="f" * 64,
    trader_git_sha="e" * 40,
)
STARTED = SessionStarted("paper", LINEAGE, SETTINGS, CAPITAL, 1)
FIRST = Writer("first", 1)


def begun(path: Path) -> Journal:
    """Return a journal in which a session has begun at noon."""
    journal = Journal.open(path)
    journal.append(FIRST, NOON_MS, STARTED)
    return journal


def facts(**changes: Any) -> SignalFacts[float]:
    """Return a bar with a good long signal that passes every gate, with changes."""
    model = (0.1, 0.1, 0.8)
    calm = SignalFacts[float](
        bar_close_ms=float(NOON_MS),
        age_ms=250.0,
        close=1_000_000.0,
        atr=10_000.0,
        spread=0.0002,
        last_return=0.001,
        gap_minutes=0.0,
        status=0.0,
        short=0.1,
        flat=0.2,
        long=0.7,
        models=(model, model, model),
    )
    return calm._replace(**changes)


def position(side: PositionSide, btc: str = "0") -> Position:
    """Return a position opened at 1,000,000 JPY without costs."""
    amount = Btc.of(btc)
    return Position(side, amount, Price(1_000_000) * amount, NOTHING, NOTHING, Btc(0))


def account(**changes: Any) -> AccountState:
    """Return an account that is flat and in cash, with changes."""
    margin = MarginStatus(MarginState.NORMAL, CAPITAL, NOTHING, NOTHING, CAPITAL + CAPITAL)
    flat = AccountState(
        at_ms=NOON_MS,
        mark=Price(1_000_000),
        cash=CAPITAL,
        cash_locked=NOTHING,
        btc=Btc(0),
        btc_locked=Btc(0),
        payable=NOTHING,
        long=position(PositionSide.LONG),
        short=position(PositionSide.SHORT),
        open_orders=(),
        margin=margin,
    )
    return structs.replace(flat, **changes)


def observation(**changes: Any) -> Observation:
    """Return an observation on which the core enters long, with changes."""
    values: dict[str, Any] = {
        "facts": facts(),
        "kelly": 2.0,
        "account": account(),
        "ledger": TradeLedger.start(NOON_MS - HOUR_MS, CAPITAL),
        "rules": RULES,
        "funding_stage": 1,
    }
    return Observation(**values | changes)


def cycle(cycle_id: str, seen: Observation) -> tuple[Observed, Decided]:
    """Return what a cycle writes down of one decision."""
    return Observed(cycle_id, seen), Decided(cycle_id, decide(SETTINGS, seen).as_dict())


def entry_request(btc: str = "0.01") -> OrderRequest:
    """Return a market order that opens a long position."""
    return OrderRequest(side=Side.BUY, type=OrderType.MARKET, amount=Btc.of(btc), position_side=PositionSide.LONG)


def stop_request() -> OrderRequest:
    """Return the stop of a whole long position."""
    return OrderRequest(
        side=Side.SELL, type=OrderType.STOP_LOSS, trigger_price=Price(980_000), position_side=PositionSide.LONG
    )


def order(order_id: int, request: OrderRequest, status: OrderStatus = OrderStatus.FULLY_FILLED) -> Order:
    """Return an order of 0.01 BTC as the exchange reports it."""
    done = Btc.of("0.01") if status is OrderStatus.FULLY_FILLED else Btc(0)
    return Order(order_id, request, status, request.amount, done, Price(1_000_000) * done, NOON_MS + 300)


def intent(intent_id: str, cycle_id: str = "1", request: OrderRequest | None = None) -> Intended:
    """Return the intent of placing an entry, or another request."""
    purpose = Purpose.STOP if request is not None and request.closes else Purpose.ENTRY
    return Intended(intent_id, cycle_id, purpose, "signal", request=request or entry_request())


def fill(trade_id: int, at_ms: int, side: Side, net: str = "0", order_id: int = 17) -> Fill:
    """Return one execution of 0.01 BTC on the long side; ``net`` is its ``profit_loss``."""
    return Fill(
        trade_id=trade_id,
        order_id=order_id,
        executed_at_ms=at_ms,
        side=side,
        position_side=PositionSide.LONG,
        order_type=OrderType.MARKET,
        liquidity=Liquidity.TAKER,
        price=Price(1_000_000),
        amount=Btc.of("0.01"),
        fee_occurred=NOTHING,
        fee_charged=NOTHING,
        interest=NOTHING,
        profit_loss=Jpy.of(net),
    )


def round_trip(first_id: int, at_ms: int, net: str) -> tuple[Fill, Fill]:
    """Return the fills of a long trade that lasts a minute."""
    return fill(first_id, at_ms, Side.BUY), fill(first_id + 1, at_ms + MINUTE_MS, Side.SELL, net)
