"""A session on a wire that garbles a good part of all answers and messages."""

import asyncio
from pathlib import Path

import pytest
from desks import KEY, LONG, Market, at_work, desk_at, market, until, written

from crypto_kedro.exchange.retry import GrowingPauses
from crypto_kedro.exchange.simulator.faults import Fault, FaultKind
from crypto_kedro.session.journal.records import SessionEnded, SessionStarted
from crypto_kedro.session.modes import Desk
from crypto_kedro.session.waking import TraderTerms


@pytest.mark.slow
def test_given_a_wire_that_garbles_a_third_of_all_when_it_is_well_again_then_the_session_trades(tmp_path: Path) -> None:
    terms = TraderTerms(environment="paper", protect_every_ms=50, publish_ms=1, retry_ms=10, stream_pause_ms=10)

    async def story(exchange: Market) -> None:
        exchange.faults.replace([Fault(FaultKind.GARBLED, probability=0.3)], 11)
        desk = desk_at(
            exchange.url,
            tmp_path,
            opinion=LONG,
            secret=KEY.secret,
            start_pauses=lambda: GrowingPauses(0.02, 0.1),
            trader_terms=terms,
        )
        async with desk as trader, at_work(trader):
            await until(lambda: trader.status().counts.cycles > 30)
            exchange.faults.replace(())
            await until(lambda: went_well(trader) and is_protected(trader))
            assert trader.status().halted is None

    with market() as exchange:
        asyncio.run(story(exchange))

    assert len(written(tmp_path, SessionStarted)) == len(written(tmp_path, SessionEnded)) == 1


def is_protected(desk: Desk) -> bool:
    """Whether it holds a position with a stop."""
    account = desk.status().account
    return account is not None and [held.stop is not None for held in account.positions] == [True]


def went_well(desk: Desk) -> bool:
    """Whether the last cycle came to its end."""
    cycle = desk.status().last_cycle
    return cycle is not None and cycle.error is None
