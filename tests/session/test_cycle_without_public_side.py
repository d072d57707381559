"""Positions stay protected while only the public side of the exchange fails."""

from pathlib import Path

import pytest
from replays import RULES
from simulated_account import PUBLIC, SimulatedAccount, play

from crypto_kedro.exchange.port import RetryLaterError
from crypto_kedro.exchange.simulator.faults import FaultKind
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS
from crypto_kedro.session.journal.records import Trigger
from crypto_kedro.session.known_rules import KnownRules
from crypto_kedro.trading.money import Price
from crypto_kedro.trading.orders import OrderType

PROTECTED = ["stop_loss", "take_profit"]


@pytest.mark.parametrize(("kind", "ms"), [(FaultKind.SERVER_ERROR, None), (FaultKind.TIMEOUT, 600_000)])
def test_given_a_missing_stop_when_the_public_side_is_silent_then_it_rests_again_after_one_cycle(
    tmp_path: Path, kind: FaultKind, ms: int | None
) -> None:
    async def story(account: SimulatedAccount) -> None:
        entry = (await account.entered()).fills[0].price
        await account.human.cancel((await account.the(OrderType.STOP_LOSS)).order_id)
        account.bad(kind, *PUBLIC, ms=ms)

        report = await account.run()

        assert report.sent == 1
        assert report.error is not None  # nothing can be decided
        assert await account.resting() == PROTECTED
        assert (await account.the(OrderType.STOP_LOSS)).request.trigger_price == Price(entry.ticks - 10_000)

    play(tmp_path, story)


def test_given_a_process_that_died_before_its_stop_when_the_public_side_is_silent_then_the_next_one_places_it(
    tmp_path: Path,
) -> None:
    async def story(account: SimulatedAccount) -> None:
        await account.entered()
        for kind in (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT):
            await account.human.cancel((await account.the(kind)).order_id)
        account.bad(FaultKind.SERVER_ERROR, *PUBLIC)
        account.new_process()

        assert (await account.run()).sent == 2

        assert await account.resting() == PROTECTED

    play(tmp_path, story)


def test_given_a_silent_public_side_when_a_bar_closes_then_nothing_is_decided_until_it_speaks_again(
    tmp_path: Path,
) -> None:
    async def story(account: SimulatedAccount) -> None:
        account.facts.long = 0.9
        account.bad(FaultKind.SERVER_ERROR, *PUBLIC)
        report = await account.run(Trigger.BAR)
        assert (report.sent, report.decision) == (0, None)

        account.well()
        report = await account.run(Trigger.BAR)

        assert report.decision is not None
        assert report.error is None

    play(tmp_path, story)


def test_given_rules_when_they_cannot_be_asked_for_then_old_ones_serve_for_a_day_and_it_is_told_once(
    tmp_path: Path,
) -> None:
    told: list[str] = []

    async def story(account: SimulatedAccount) -> None:
        rules = KnownRules(account.exchange, account.clock, told.append)
        account.bad(FaultKind.SERVER_ERROR, *PUBLIC)
        with pytest.raises(RetryLaterError):
            await rules.known()
        account.well()
        first = await rules.known()
        assert first.price_step == RULES.price_step

        account.bad(FaultKind.SERVER_ERROR, *PUBLIC)
        account.pass_ms(59 * MINUTE_MS)
        assert await rules.known() is first
        assert told == []
        account.pass_ms(2 * HOUR_MS)
        assert await rules.known() is first
        assert await rules.known() is first
        assert len(told) == 1
        with pytest.raises(RetryLaterError):
            await rules.in_force()
        account.pass_ms(22 * HOUR_MS)
        with pytest.raises(RetryLaterError):
            await rules.known()

    play(tmp_path, story)
