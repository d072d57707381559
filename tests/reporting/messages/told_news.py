"""News for the tests of messages, and a clock that only moves when somebody sleeps."""

import asyncio
from random import Random

from crypto_kedro.reporting.messages.courier import Timing
from crypto_kedro.session.ending import EndReason
from crypto_kedro.session.notice import (
    DayClosed,
    Exposure,
    Greeting,
    IncidentOver,
    IncidentSeen,
    LeaseLost,
    News,
    Notice,
    PositionBare,
    PositionClosed,
    PositionOpened,
    ProtectionRepaired,
    SessionBegan,
    SessionFailed,
    SessionOver,
    Severity,
    TradingHalted,
    TradingResumed,
)
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import PositionSide

AT_MS = 1_790_000_000_000  # 2026-09-21 23:13:20 in Japan
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT

OPENED = PositionOpened(LONG, Btc.of("0.0012"), Price(15_000_000), Price(14_800_000), Price(15_300_000))
CLOSED = PositionClosed(SHORT, Btc.of("0.0012"), Price(14_900_000), Jpy.of("-1234.5678"), "time_limit")
BEGAN = SessionBegan("s-1", "7", 1, Jpy.of("100000"))
HALTED = TradingHalted("maria", "going on holiday", True)
DAY = DayClosed(
    day=20_717,
    equity=Jpy.of("100720"),
    net=Jpy.of("720"),
    fees=Jpy.of("30"),
    interest=Jpy.of("4"),
    opened=3,
    won=2,
    lost=1,
    drawdown=0.0345,
    bars=96,
    funnel=(("confidence", 80), ("spread", 10)),
    incidents=0,
    curve=((AT_MS - 86_400_000, 100_000.0), (AT_MS - 43_200_000, 100_300.0), (AT_MS, 100_720.0)),
)

ALL_NEWS: tuple[News, ...] = (
    BEGAN,
    SessionOver("s-1", EndReason.TIME_OVER, Jpy.of("100000")),
    SessionFailed("s-1", "ZeroDivisionError: division by zero", Exposure.UNPROTECTED),
    OPENED,
    PositionBare(Severity.CRITICAL, LONG, Btc.of("0.0012")),
    CLOSED,
    ProtectionRepaired(LONG, Btc.of("0.0012"), Price(14_800_000), "missing"),
    HALTED,
    TradingResumed("maria", "back again"),
    LeaseLost(4),
    IncidentSeen(Severity.WARNING, "stale_data", "the last bar is 300 s old"),
    IncidentOver("stale_data"),
    DAY,
    Greeting(Severity.WARNING),
)


def notice(news: News, at_ms: int = AT_MS, environment: str = "paper") -> Notice:
    return Notice(news, at_ms, environment)


def incident(number: int = 0, level: Severity = Severity.WARNING, code: str = "stale_data") -> IncidentSeen:
    return IncidentSeen(level, code, f"the last bar is {number} s old")


class SleepingClock:
    """A clock that stands still except while somebody sleeps."""

    def __init__(self) -> None:
        self.time_s = 1000.0
        self.pauses: list[float] = []

    def now_s(self) -> float:
        return self.time_s

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.pauses.append(seconds)
        self.time_s += seconds
        await asyncio.sleep(0)

    def timing(self) -> Timing:
        return Timing(self.now_s, self.sleep, Random(7))
