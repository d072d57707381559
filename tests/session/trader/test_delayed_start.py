"""A session whose exchange does not answer at the start: it waits, alive and not ready, and begins by itself."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from desks import KEY, Market, Told, at_work, desk_at, market, until, written

from crypto_kedro.exchange.port import BadCredentialsError
from crypto_kedro.exchange.retry import LONGEST_S, GrowingPauses
from crypto_kedro.exchange.simulator.commands import Impose
from crypto_kedro.exchange.simulator.conditions import Conditions
from crypto_kedro.exchange.simulator.faults import Fault, FaultKind
from crypto_kedro.exchange.simulator.server import loopback_socket
from crypto_kedro.serving.face import FaceSettings
from crypto_kedro.serving.face.readiness import checks
from crypto_kedro.session.journal.records import Incident, SessionEnded, SessionStarted
from crypto_kedro.session.modes import Desk
from crypto_kedro.session.notice import IncidentOver, IncidentSeen, SessionBegan
from crypto_kedro.session.telling import START_DELAYED
from crypto_kedro.session.waking import Mode

STOP_S = 2.0
HISTORY = "/v1/user/spot/trade_history"


def quickly() -> GrowingPauses:
    return GrowingPauses(0.02, 0.1, seed=1)


def is_ready(desk: Desk) -> bool:
    return all(checks(desk.status(), FaceSettings()).values())


async def begins_once(desk: Desk, told: Told, lift: Callable[[], None]) -> None:
    """Wait for the report of the delay, lift the fault, and wait until the session trades."""
    await until(lambda: told.of(IncidentSeen))
    assert not is_ready(desk)
    assert desk.status().counts.cycles == 0
    lift()
    await until(lambda: is_ready(desk))


def assert_reported_once(told: Told) -> None:
    seen = [news.incident for news in told.of(IncidentSeen) if isinstance(news, IncidentSeen)]
    assert seen == [START_DELAYED]
    assert told.of(IncidentOver) == [IncidentOver(START_DELAYED)]
    assert len(told.of(SessionBegan)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(FaultKind.SERVER_ERROR),
        Fault(FaultKind.TOO_FREQUENT),
        Fault(FaultKind.CUT),
        Fault(FaultKind.GARBLED),
        Fault(FaultKind.CLOCK_SKEW, ms=-3_000),
        Fault(FaultKind.CLOCK_SKEW, ms=8_000),
        Fault(FaultKind.SERVER_ERROR, where=HISTORY),
        Fault(FaultKind.GARBLED, where="/v1/user"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.where}",
)
def test_given_a_fault_at_the_start_when_it_is_over_then_the_session_begins(tmp_path: Path, fault: Fault) -> None:
    told = Told()

    async def story(exchange: Market) -> None:
        exchange.faults.replace([fault], 3)
        desk = desk_at(exchange.url, tmp_path, notifier=told, secret=KEY.secret, start_pauses=quickly)
        async with desk as trader, at_work(trader):
            await begins_once(trader, told, lambda: exchange.faults.replace(()))

    with market() as exchange:
        asyncio.run(story(exchange))

    assert_reported_once(told)
    assert [entry.record.code for entry in written(tmp_path, Incident)].count(START_DELAYED) == 1
    assert len(written(tmp_path, SessionStarted)) == len(written(tmp_path, SessionEnded)) == 1


def test_given_a_maintenance_at_the_start_when_it_is_over_then_the_session_begins(tmp_path: Path) -> None:
    told = Told()

    async def story(exchange: Market) -> None:
        exchange.faults.replace([Fault(FaultKind.MAINTENANCE, times=1, ms=3_600_000)])
        desk = desk_at(exchange.url, tmp_path, notifier=told, secret=KEY.secret, start_pauses=quickly)
        async with desk as trader, at_work(trader):
            await begins_once(trader, told, lambda: exchange.tell(Impose(Conditions())))

    with market() as exchange:
        asyncio.run(story(exchange))

    assert_reported_once(told)


def test_given_nobody_listening_at_the_start_when_the_exchange_is_back_then_the_session_begins(tmp_path: Path) -> None:
    told = Told()
    with loopback_socket(0) as taken:
        port = taken.getsockname()[1]

    async def story() -> None:
        desk = desk_at(f"http://127.0.0.1:{port}", tmp_path, notifier=told, secret=KEY.secret, start_pauses=quickly)
        async with desk as trader, at_work(trader) as asked:
            await until(lambda: told.of(IncidentSeen))
            with market(port=port):
                await until(lambda: is_ready(trader))
                asked.set()
                await until(lambda: written(tmp_path, SessionEnded))

    asyncio.run(story())

    assert_reported_once(told)


@pytest.mark.parametrize("mode", [Mode.LOOP, Mode.ONCE])
@pytest.mark.parametrize(
    ("fault", "sessions"),
    [
        (Fault(FaultKind.SERVER_ERROR), 0),
        (Fault(FaultKind.TIMEOUT), 0),
        (Fault(FaultKind.SERVER_ERROR, where=HISTORY), 1),
        (Fault(FaultKind.TIMEOUT, where=HISTORY), 1),
    ],
    ids=["pausing", "asking", "pausing in the journal", "asking in the journal"],
)
def test_given_a_session_that_waits_when_asked_to_end_then_it_does_within_two_seconds(
    tmp_path: Path, mode: Mode, fault: Fault, sessions: int
) -> None:
    async def story(exchange: Market) -> None:
        exchange.faults.replace([fault])
        async with desk_at(exchange.url, tmp_path, mode, secret=KEY.secret) as desk:
            asked = asyncio.Event()
            working = asyncio.create_task(desk.work(asked))
            await until(lambda: any(struck["struck"] for struck in exchange.faults.report()))
            await until(lambda: len(written(tmp_path, SessionStarted)) == sessions)
            asked.set()
            began = time.monotonic()
            await working
            assert time.monotonic() - began < STOP_S

    with market() as exchange:
        asyncio.run(story(exchange))

    assert len(written(tmp_path, SessionStarted)) == len(written(tmp_path, SessionEnded)) == sessions


def test_given_a_session_that_waits_when_the_kill_switch_is_used_then_it_begins_halted(tmp_path: Path) -> None:
    async def story(exchange: Market) -> None:
        exchange.faults.replace([Fault(FaultKind.SERVER_ERROR)])
        desk = desk_at(exchange.url, tmp_path, secret=KEY.secret, start_pauses=quickly)
        async with desk as trader, at_work(trader):
            await until(lambda: trader.status().last_cycle is not None)
            await trader.stop(by="maria", reason="an outage", flatten=False)
            halted = trader.status().halted
            assert halted is not None
            assert halted.reason == "an outage"
            exchange.faults.replace(())
            await until(lambda: trader.status().counts.cycles)
            assert trader.status().halted is not None

    with market() as exchange:
        asyncio.run(story(exchange))


def test_given_a_wrong_secret_when_a_session_starts_then_it_ends_at_once_with_a_sentence(tmp_path: Path) -> None:
    told = Told()

    async def story(exchange: Market) -> None:
        async with desk_at(exchange.url, tmp_path, notifier=told, secret="mistyped") as desk:
            with pytest.raises(BadCredentialsError, match="check BITBANK_API_KEY"):
                await desk.work(asyncio.Event())

    with market() as exchange:
        asyncio.run(story(exchange))

    (news,) = told.of(IncidentSeen)
    assert isinstance(news, IncidentSeen)
    assert news.incident == "session_not_begun"
    assert written(tmp_path, SessionStarted) == []


def test_given_pauses_when_they_grow_then_they_double_to_a_minute_and_keep_what_the_exchange_asks_for() -> None:
    pauses = GrowingPauses(seed=7)

    grown = [pauses.next_s() for _ in range(40)]

    assert grown[:5] == pytest.approx([1, 2, 4, 8, 16], rel=0.2)
    assert max(grown) <= LONGEST_S
    assert pauses.next_s(least_s=120.0) == 120.0
    pauses.reset()
    assert pauses.next_s() == pytest.approx(1, rel=0.2)
    assert grown == [again.next_s() for again in [GrowingPauses(seed=7)] for _ in range(40)]
