"""A trader of the tests: three days of a seeded market with a few trades, a long position open, and real decisions."""

import random
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from msgspec import structs

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS
from crypto_kedro.market.costs import FeeRates
from crypto_kedro.session.journal import HaltInForce
from crypto_kedro.session.journal.records import Lineage, Trigger
from crypto_kedro.session.notice import Severity
from crypto_kedro.session.records import Purpose, Sending, round_trips
from crypto_kedro.session.status import (
    AccountSeen,
    BarSeen,
    CurvePoint,
    CycleCounts,
    CycleSeen,
    IncidentSeen,
    TraderStatus,
)
from crypto_kedro.trading.account import AccountState, MarginState, MarginStatus, Position
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.money import Btc, Jpy, Price, Rate
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import Fill, Liquidity, Order, OrderRequest, OrderStatus, OrderType, PositionSide, Side
from crypto_kedro.trading.settings import BarrierRule, FundingStage, SignalRule, TradingSettings
from crypto_kedro.trading.signal import SignalFacts

BAR_MS = 15 * MINUTE_MS
NOW_MS = int(datetime(2026, 11, 24, 17, 31, 12, tzinfo=timezone(timedelta(hours=9))).timestamp() * 1000)
BAR_CLOSE_MS = NOW_MS // BAR_MS * BAR_MS
CAPITAL = Jpy.of(500_000)
TAKER = Rate.of("0.001")
NOTHING = Jpy(0)
SETTINGS = TradingSettings(
    barriers=BarrierRule(take_profit_atr=3.0, stop_loss_atr=2.0, max_bars=16),
    signal=SignalRule(flat_outcome_atr=-0.35),
    stages=(FundingStage(capital=CAPITAL),),
)
LINEAGE = Lineage(
    bundle_digest="9f1c7a52e0b84d36a1f7c2d95b08e6437cd1a9f0",
    model_version="btc-jpy-ensemble version 3",
    run_id="c3a8f20d77b14e0f9a64",
    model_git_sha="d393db2b7f10",
    data_sha256="51fe83ab90cc4d17e2",
    data_source="bitbank",
    feature_set_hash="b7d0e6a4912f",
    trader_git_sha="afc25f1802aa",
)
TRADES = (
    (PositionSide.SHORT, 100, 113, "target"),
    (PositionSide.LONG, 138, 148, "stop"),
    (PositionSide.LONG, 165, 170, "target"),
    (PositionSide.SHORT, 194, 209, "target"),
    (PositionSide.LONG, 214, 227, "target"),
    (PositionSide.SHORT, 229, 244, "stop"),
    (PositionSide.SHORT, 250, 266, "time_limit"),
)
OPENED_BAR = 279
AMOUNT = Btc.of("0.0240")


def market(count: int = 288) -> tuple[BarSeen, ...]:
    """Bars of a seeded walk around 15,200,000 JPY, the last of them closed at `BAR_CLOSE_MS`."""
    chance = random.Random(18)
    price, bars = 15_120_000.0, []
    for number in range(count):
        close = price * (1 + chance.gauss(0.00006, 0.0021))
        high = max(price, close) * (1 + abs(chance.gauss(0, 0.0009)))
        low = min(price, close) * (1 - abs(chance.gauss(0, 0.0009)))
        open_ms = BAR_CLOSE_MS - (count - number) * BAR_MS
        bars.append(BarSeen(open_ms, round(price), round(high), round(low), round(close)))
        price = close
    return tuple(bars)


BARS = market()
MARK = Price(int(BARS[-1].close))


def execution(trade_id: int, bar: BarSeen, side: PositionSide, opens: bool, gross: Jpy = NOTHING) -> Fill:
    """One fill at a bar's close; a closing one pays the fees of both ways."""
    price = Price(int(bar.close))
    fee = price * AMOUNT * TAKER
    charged = NOTHING if opens else fee + fee
    return Fill(
        trade_id=trade_id,
        order_id=trade_id,
        executed_at_ms=bar.open_ms + BAR_MS,
        side=side.opening_side if opens else side.closing_side,
        position_side=side,
        order_type=OrderType.MARKET,
        liquidity=Liquidity.TAKER,
        price=price,
        amount=AMOUNT,
        fee_occurred=fee,
        fee_charged=charged,
        interest=NOTHING,
        profit_loss=NOTHING if opens else gross - charged,
    )


def history() -> list[Fill]:
    """The fills of all trades and of the entry that is open, oldest first."""
    fills: list[Fill] = []
    for side, first, last, _ in TRADES:
        opening, closing = BARS[first], BARS[last]
        move = Price(int(closing.close)) - Price(int(opening.close))
        gross = move * AMOUNT if side.is_long else -(move * AMOUNT)
        fills.append(execution(len(fills) + 1, opening, side, opens=True))
        fills.append(execution(len(fills) + 1, closing, side, opens=False, gross=gross))
    return [*fills, execution(len(fills) + 1, BARS[OPENED_BAR], PositionSide.LONG, opens=True)]


FILLS = history()
LEDGER = TradeLedger.replay(BARS[0].open_ms, CAPITAL, FILLS)
FLAT_LEDGER = TradeLedger.replay(BARS[0].open_ms, CAPITAL, FILLS[:-1])


def resting(order_type: OrderType, price: Price, order_id: int) -> Order:
    """A closing order of the long position at rest."""
    request = OrderRequest(
        side=Side.SELL,
        type=order_type,
        amount=AMOUNT,
        price=price if order_type.has_price else None,
        trigger_price=price if order_type.has_trigger else None,
        position_side=PositionSide.LONG,
    )
    status = OrderStatus.INACTIVE if order_type.has_trigger else OrderStatus.UNFILLED
    return Order(order_id, request, status, AMOUNT, Btc(0), NOTHING, FILLS[-1].executed_at_ms)


ENTRY = FILLS[-1].price
STOP = resting(OrderType.STOP, ENTRY - Price(96_000), 21)
TARGET = resting(OrderType.LIMIT, ENTRY + Price(144_000), 22)


def account(orders: tuple[Order, ...] = (STOP, TARGET), amount: Btc = AMOUNT) -> AccountState:
    """The account as the exchange reports it; long unless the amount is zero."""
    product = ENTRY * amount
    fee = product * TAKER
    long = Position(PositionSide.LONG, amount, product, fee, NOTHING, amount if orders else Btc(0))
    short = Position(PositionSide.SHORT, Btc(0), NOTHING, NOTHING, NOTHING, Btc(0))
    worth = LEDGER.balance + long.profit_loss(MARK) - fee
    margin = MarginStatus(MarginState.NORMAL, worth, product, NOTHING, worth)
    return AccountState(
        NOW_MS - 800, MARK, LEDGER.balance, NOTHING, Btc(0), Btc(0), NOTHING, long, short, orders, margin
    )


def curve() -> tuple[CurvePoint, ...]:
    """Equity at each close, from the fills."""
    points = []
    for bar in BARS:
        at_ms = bar.open_ms + BAR_MS
        worth = float(CAPITAL)
        for number, fill in enumerate(FILLS):
            if fill.executed_at_ms > at_ms:
                break
            worth += float(fill.profit_loss)
            is_last = number + 1 == len(FILLS) or FILLS[number + 1].executed_at_ms > at_ms
            if fill.is_opening and is_last:
                move = (bar.close - fill.price.ticks) * fill.amount.lots / 10**4
                worth += (move if fill.side is Side.BUY else -move) - float(fill.fee_occurred)
        points.append(CurvePoint(at_ms, round(worth, 2)))
    return tuple(points)


def decided(seen: AccountState, **changes: Any) -> dict[str, Any]:
    """What the core says to the last bar and an account."""
    model = (0.21, 0.34, 0.45)
    facts = SignalFacts[float](
        bar_close_ms=float(BAR_CLOSE_MS), age_ms=900.0, close=BARS[-1].close, atr=48_000.0, spread=0.0002,
        last_return=BARS[-1].close / BARS[-2].close - 1, gap_minutes=0.0, status=0.0, short=0.21, flat=0.34, long=0.45,
        models=(model, (0.3, 0.4, 0.3), model),
    )._replace(**changes)  # fmt: skip
    rules = bitbank_btc_jpy_schedule((FeeRates(0, maker=0.0, taker=0.001, interest_per_day=0.0004),)).at(0)
    return decide(
        SETTINGS, Observation(facts, 2.0, seen, LEDGER if seen.long.amount else FLAT_LEDGER, rules, 1)
    ).as_dict()


def status(**changes: Any) -> TraderStatus:
    """The trader in good order, long and protected, with changes."""
    seen = account()
    sendings = {
        FILLS[2 * number + 1].order_id: Sending(*_ending(reason), at_ms=NOW_MS)
        for number, (*_, reason) in enumerate(TRADES)
    }
    trades = round_trips(FILLS, sendings)
    usual: dict[str, Any] = {
        "environment": "paper",
        "session_id": "paper-20261122-0900",
        "now_ms": NOW_MS,
        "started_at_ms": NOW_MS - 56 * HOUR_MS - 31 * MINUTE_MS,
        "lineage": LINEAGE,
        "funding_stage": 1,
        "guards": SETTINGS.guards,
        "lease_held": True,
        "counts": CycleCounts(cycles=7_012, failed=2, sent=41),
        "last_cycle": CycleSeen("c7012", Trigger.PROTECTION, NOW_MS - 12_300, NOW_MS - 12_241, 0),
        "next_wake_ms": NOW_MS + 18_000,
        "bar_close_ms": BAR_CLOSE_MS,
        "price": MARK,
        "account": AccountSeen.of(seen, LEDGER),
        "equity_curve": curve(),
        "bars": BARS[-96:],
        "fills": tuple(fill for fill in FILLS if fill.executed_at_ms > BARS[-96].open_ms),
        "trades": trades[-3:],
        "funnel": (("confidence", 41), ("expected_value", 9), ("agreement", 6), ("volatility", 1), ("signal", 4),
                   ("within_barriers", 9)),
        "decision": decided(seen),
        "incidents": INCIDENTS,
    }  # fmt: skip
    return TraderStatus(**usual | changes)


def _ending(reason: str) -> tuple[Purpose, str]:
    purpose = Purpose(reason) if reason in ("stop", "target") else Purpose.EXIT
    return purpose, reason


INCIDENTS = (
    IncidentSeen(
        NOW_MS - 47 * MINUTE_MS,
        Severity.WARNING,
        "protection_repaired",
        "The stop of the long position was 0.0100 BTC short of it; one for all of it rests now.",
    ),
    IncidentSeen(
        NOW_MS - 5 * HOUR_MS,
        Severity.INFO,
        "stream_reconnected",
        "The public stream was silent for 15 s; it was opened anew and nothing was missed.",
    ),
    IncidentSeen(
        NOW_MS - 29 * HOUR_MS,
        Severity.CRITICAL,
        "order_outcome_unknown",
        "No answer came to a market order of 0.0240 BTC; it was found filled 2.1 s later.",
    ),
)


class ShownTrader:
    """A trader that stands as it is told, and remembers what was asked of it.

    Attributes:
        shows: its present status.
        ticks: how many cycles were asked for.
        stops: what every stop said.
        stopped: is set by a stop.
        breaks: what a cycle is broken off with, None when it goes well.
    """

    def __init__(self, shows: TraderStatus | None = None) -> None:
        self.begin_anew(status() if shows is None else shows)

    def begin_anew(self, shows: TraderStatus) -> None:
        self.shows = shows
        self.ticks = 0
        self.stops: list[dict[str, Any]] = []
        self.stopped = threading.Event()
        self.breaks: Exception | None = None

    def status(self) -> TraderStatus:
        return self.shows

    async def tick(self) -> Mapping[str, Any]:
        if self.breaks is not None:
            raise self.breaks
        self.ticks += 1
        return {"cycle_id": f"c{self.ticks}", "sent": 0, "error": None}

    async def stop(self, *, by: str, reason: str, flatten: bool) -> None:
        self.stops.append({"by": by, "reason": reason, "flatten": flatten})
        halt = HaltInForce(by, reason, flatten, self.shows.now_ms)
        self.shows = structs.replace(self.shows, halted=halt)
        self.stopped.set()


class CycleBrokenError(CryptoKedroError):
    """A cycle of the tests was broken off."""
