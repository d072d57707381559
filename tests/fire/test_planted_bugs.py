"""A trader that survives is found to have survived, and each planted bug is found out under its own name."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from arena import CYCLE_MS, TERMS, Arena, Fate, KilledError, Life, arena
from checker import Verdict
from small_trader import (
    CountsNoFees,
    DoesNotRepairStops,
    ForgetsFillsWhileItWasDead,
    RetriesAfterTimeOut,
    SendsBeforeItWrites,
)

from crypto_kedro.exchange.port import Exchange
from crypto_kedro.exchange.simulator.faults import Fault, FaultKind, Faults
from crypto_kedro.session.journal import Writer
from crypto_kedro.session.journal.halt import HUMAN
from crypto_kedro.session.lease import LeaseLostError
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side

CYCLES = 30
RESTART_MS = 7_000
NIGHT_MS = 10 * 3_600_000
LOST = Fault(FaultKind.ANSWER_LOST, 0.2, where="/v1/user/spot/order", ms=1)
BAD_DAY = (
    LOST,
    Fault(FaultKind.SERVER_ERROR, 0.03),
    Fault(FaultKind.CUT, 0.03),
    Fault(FaultKind.TOO_FREQUENT, 0.02),
    Fault(FaultKind.MAINTENANCE, 0.002, ms=120_000),
)


def play(
    folder: Path, story: Callable[[Arena, Faults], Awaitable[None]], faults: tuple[Fault, ...] = (), seed: int = 1
) -> Verdict:
    """Play a story and judge it."""

    async def run() -> Verdict:
        bad_days = Faults(faults, seed)
        async with arena(folder, seed=seed, faults=bad_days) as ground:
            await story(ground, bad_days)
            return ground.verdict()

    return asyncio.run(run())


def lives(
    fate: Fate | None = None, struck: list[int] | None = None, **kind: Any
) -> Callable[[Arena, Faults], Awaitable[None]]:
    """Tell of traders of one kind that follow each other, each until it is killed, and of the quiet night after.

    Args:
        fate: of them all.
        struck: is told how often each fault has struck by the evening.
        kind: see `Arena.begin`.
    """
    fate = fate or Fate()

    async def story(ground: Arena, faults: Faults) -> None:
        life = await ground.begin(fate=fate, **kind)
        for _ in range(CYCLES):
            try:
                await life.lease.renew()
                await life.cycle()
            except KilledError:
                await ground.kill(life)
                ground.pass_ms(RESTART_MS)
                life = await ground.begin(fate=fate, **kind)
            else:
                ground.pass_ms(CYCLE_MS - RESTART_MS)
        fate.chance = 0.0
        if struck is not None:
            struck.extend(row["struck"] for row in faults.report())
        faults.replace(())
        await night(ground, life)

    return story


async def night(ground: Arena, life: Life) -> None:
    """Let the market come to rest, and the trader find everything in order."""
    for _ in range(6):
        ground.pass_ms(CYCLE_MS - RESTART_MS)
        await life.lease.renew()
        await life.cycle(may_enter=False)
    ground.pass_ms(NIGHT_MS)
    await life.lease.renew()
    assert await life.cycle(may_enter=False)
    await life.die()


def test_given_a_quiet_day_then_the_trader_survives_and_has_traded(tmp_path: Path) -> None:
    traded = 0

    async def story(ground: Arena, faults: Faults) -> None:
        nonlocal traded
        await lives()(ground, faults)
        traded = len(ground.history().fills)

    assert play(tmp_path, story) == Verdict()
    assert traded > 10


@pytest.mark.parametrize("seed", [1, 2])
def test_given_kills_and_bad_days_then_the_trader_survives(tmp_path: Path, seed: int) -> None:
    fate = Fate(seed, chance=0.06)
    struck: list[int] = []

    async def story(ground: Arena, faults: Faults) -> None:
        await lives(fate, struck=struck)(ground, faults)

    assert play(tmp_path, story, BAD_DAY, seed) == Verdict()
    assert fate.kills > 5
    assert sum(struck) > 5


def test_given_an_order_that_is_sent_before_it_is_written_when_it_is_killed_then_it_is_found(tmp_path: Path) -> None:
    verdict = play(tmp_path, lives(Fate(chance=0.2, at="after place"), trader=SendsBeforeItWrites))
    assert verdict.counts["duplicate_orders"] + verdict.counts["unannounced_orders"] > 0


def test_given_a_retry_after_a_time_out_then_the_duplicate_is_found(tmp_path: Path) -> None:
    verdict = play(tmp_path, lives(connector=RetriesAfterTimeOut), (LOST,))
    assert verdict.counts["duplicate_orders"] > 0
    assert verdict.unannounced_orders == ()


def test_given_a_stop_that_is_not_repaired_when_it_is_killed_then_the_bare_position_is_found(tmp_path: Path) -> None:
    verdict = play(tmp_path, lives(Fate(chance=0.2, at="after place"), trader=DoesNotRepairStops))
    assert verdict.counts["unprotected"] > 0
    assert {**verdict.counts, "unprotected": 0} == Verdict().counts


def test_given_fills_that_are_forgotten_over_a_restart_then_they_are_found_and_missing_in_the_money(
    tmp_path: Path,
) -> None:
    verdict = play(tmp_path, lives(Fate(chance=0.2, at="after place"), trader=ForgetsFillsWhileItWasDead))
    assert verdict.counts["lost_fills"] > 0
    assert verdict.counts["equity"] > 0


def test_given_results_without_fees_then_fills_and_money_differ(tmp_path: Path) -> None:
    verdict = play(tmp_path, lives(trader=CountsNoFees))
    assert verdict.counts["lost_fills"] > 0
    assert any("cash is " in text for text in verdict.equity)
    assert verdict.duplicate_orders == verdict.unprotected == ()


async def takeover(ground: Arena, *, is_fenced: bool) -> tuple[Life, Life]:
    """Let a trader hang for so long that another takes the lease and trades."""
    hung = await ground.begin(is_fenced=is_fenced)
    await hung.cycle()
    ground.pass_ms(TERMS.ttl_ms)
    successor = await ground.begin()
    await successor.cycle()
    return hung, successor


BID = OrderRequest(
    side=Side.BUY,
    type=OrderType.LIMIT,
    amount=Btc.of("0.01"),
    price=Price(9_000_000),
    position_side=PositionSide.LONG,
)


def test_given_a_trader_that_hung_when_it_wakes_then_not_even_its_cancel_reaches_the_exchange(tmp_path: Path) -> None:
    async def story(ground: Arena, faults: Faults) -> None:
        hung, successor = await takeover(ground, is_fenced=True)
        exchange: Exchange = hung.trader.exchange
        stop = (await exchange.open_orders())[0]
        for send in (exchange.cancel(stop.order_id), exchange.place(BID)):
            with pytest.raises(LeaseLostError):
                await send
        await hung.die()
        await night(ground, successor)

    assert play(tmp_path, story) == Verdict()


def test_given_a_trader_that_does_not_look_at_its_lease_when_it_wakes_then_each_of_its_requests_is_found(
    tmp_path: Path,
) -> None:
    async def story(ground: Arena, faults: Faults) -> None:
        hung, successor = await takeover(ground, is_fenced=False)
        hung.trader.writer = Writer("session-0-again", HUMAN.fence)  # past the journal's fence as well
        exchange: Exchange = hung.trader.exchange
        stop = (await exchange.open_orders())[0]
        await exchange.cancel(stop.order_id)
        await hung.die()
        await night(ground, successor)

    verdict = play(tmp_path, story)
    assert len(verdict.fenced_orders) == 1
    assert "cancel of order" in verdict.fenced_orders[0]
    assert {**verdict.counts, "fenced_orders": 0} == Verdict().counts
