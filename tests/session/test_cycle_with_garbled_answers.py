"""Garbled answers over the wire within cycles: nothing halts or ends, positions stay protected, trading goes on."""

from pathlib import Path

import pytest
from simulated_account import ACTIVE_ORDERS, NEW_ORDER, SimulatedAccount, play

from crypto_kedro.exchange.simulator.faults import Fault, FaultKind
from crypto_kedro.session.journal.records import Trigger
from crypto_kedro.trading.orders import OrderType

PROTECTED = ["stop_loss", "take_profit"]
ASSETS, MARGIN = "/v1/user/assets", "/v1/user/margin/status"
POSITIONS, HISTORY = "/v1/user/margin/positions", "/v1/user/spot/trade_history"
PUBLIC = ["/btc_jpy/ticker", "/v1/spot/pairs", "/v1/spot/status"]
PRIVATE = [ACTIVE_ORDERS, ASSETS, MARGIN, POSITIONS, HISTORY]


def garble(account: SimulatedAccount, where: str, seed: int, times: int | None = None) -> None:
    account.faults.replace([Fault(FaultKind.GARBLED, where=where, times=times)], seed)


@pytest.mark.parametrize("where", ["/btc_jpy/ticker", *PRIVATE])
def test_given_one_garbled_answer_after_the_other_then_the_session_goes_on_trading(tmp_path: Path, where: str) -> None:
    async def story(account: SimulatedAccount) -> None:
        await account.entered()
        for seed in range(6):
            garble(account, where, seed, times=1)
            account.pass_ms(30_000)
            await account.run(Trigger.BAR)
            account.well()
            for _ in range(3):
                report = await account.run()

            assert (report.error, report.is_settled) == (None, True)
            assert account.journal.halt() is None
            assert await account.resting() == PROTECTED
        assert "exchange_stopped_trading" not in account.incidents()

    play(tmp_path, story)


@pytest.mark.parametrize("where", [*PUBLIC, *PRIVATE])
def test_given_one_garbled_answer_when_an_entry_is_due_then_it_is_made_at_a_later_cycle(
    tmp_path: Path, where: str
) -> None:
    async def story(account: SimulatedAccount) -> None:
        account.facts.long = 0.9
        garble(account, where, 4, times=1)
        for _ in range(4):
            await account.run(Trigger.BAR)

        assert await account.resting() == PROTECTED
        assert account.journal.halt() is None

    play(tmp_path, story)


@pytest.mark.parametrize("seed", range(3))
def test_given_garbled_answers_to_orders_then_each_is_found_and_the_position_is_protected(
    tmp_path: Path, seed: int
) -> None:
    async def story(account: SimulatedAccount) -> None:
        account.facts.long = 0.9
        garble(account, NEW_ORDER, seed)
        await account.run(Trigger.BAR)
        account.well()
        for _ in range(3):
            await account.run()

        assert await account.resting() == PROTECTED
        assert account.journal.halt() is None
        assert len(await account.human.fills_since(0)) == 1

    play(tmp_path, story)


@pytest.mark.parametrize("kind", [FaultKind.GARBLED, FaultKind.SERVER_ERROR])
@pytest.mark.parametrize("where", [ASSETS, MARGIN, HISTORY])
def test_given_money_that_stays_unknown_when_a_stop_is_missing_then_it_is_set_right_and_nothing_is_opened(
    tmp_path: Path, where: str, kind: FaultKind
) -> None:
    async def story(account: SimulatedAccount) -> None:
        await account.entered()
        await account.human.cancel((await account.the(OrderType.STOP_LOSS)).order_id)
        account.facts.long = 0.9
        account.pass_ms(900_000)
        account.faults.replace([Fault(kind, where=where)], 2)

        report = await account.run(Trigger.BAR)

        assert report.error is not None
        assert report.decision is None
        account.well()
        assert await account.resting() == PROTECTED
        assert account.incidents() == ["unusable_answer" if kind is FaultKind.GARBLED else "exchange_unreachable"]

    play(tmp_path, story)
