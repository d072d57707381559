"""Paper money at a market that speaks bitbank's wire: kills, gaps, silence, and what the market forbids."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from paper_venues import paper_account, played
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from venues import CASH, SCHEDULE, START_MS, START_PRICE, HandClock, ask, minutes

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.paper.exchange import PaperExchange, PaperTerms
from crypto_kedro.exchange.paper.market_reader import executable_top
from crypto_kedro.exchange.paper.opening import paper_exchange
from crypto_kedro.exchange.port import (
    Attempt,
    NotPlaced,
    OrderBook,
    Placed,
    RefusedError,
    RetryLaterError,
)
from crypto_kedro.exchange.simulator.circuit_breaker import BreakerMode
from crypto_kedro.exchange.simulator.commands import Break, Command, Impose, Trade
from crypto_kedro.exchange.simulator.conditions import Conditions, MarketStatus, StopFlag
from crypto_kedro.exchange.simulator.price_source import CandleSource, ScriptSource
from crypto_kedro.exchange.simulator.running import RunningExchange, real_time_ms
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.trading.money import Btc, Jpy, Price, Rate
from crypto_kedro.trading.orders import Order, OrderRequest, OrderStatus, Side
from crypto_kedro.trading.rules import RuleSchedule

ENTRY = ask("buy long 0.1 market")
STOP = ask("sell long all stop_loss", trigger=4_900_000)


class Mute:
    """Bitbank's public side, which a test can silence."""

    is_silent = False

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = Response("<html>maintenance</html>", 503) if Mute.is_silent else self._application
        await answer(scope, receive, send)


@pytest.fixture
def silence() -> Callable[[bool], None]:
    Mute.is_silent = False

    def turn(silent: bool) -> None:
        Mute.is_silent = silent

    return turn


class Stage:
    """A market whose time a test moves, and paper accounts at it.

    Args:
        url: of the market.
        running: the market.
        path: file of the account.
        clock: of market and account.
    """

    def __init__(self, url: str, running: RunningExchange, path: Path, clock: HandClock) -> None:
        self.url, self.running, self.path, self.clock = url, running, path, clock

    def tell(self, command: Command) -> None:
        self.running.carry_out(command)

    def pass_ms(self, milliseconds: int) -> None:
        self.clock.now_ms += milliseconds
        self.running.now()

    async def by(self, act: Callable[[PaperExchange], Awaitable[None]]) -> None:
        """Let a process of its own act, and die without a word."""
        async with paper_account(self.url, self.path, self.clock) as exchange:
            await act(exchange)


def staged(tmp_path: Path, story: Callable[[Stage], Awaitable[None]], closes: list[int] | None = None) -> None:
    """Play a story at a market of one quiet price, or of minutes that end at the given closes."""

    async def whole() -> None:
        clock = HandClock()
        source = (
            ScriptSource([], START_MS, START_PRICE)
            if closes is None
            else CandleSource(minutes(closes), "closes", START_MS)
        )
        dearer = replace(SCHEDULE.at(START_MS), margin_open_taker_fee=Rate.of("0.002"))
        schedule = RuleSchedule((0, START_MS + 10 * MINUTE_MS), (SCHEDULE.at(START_MS), dearer))
        async with played(source, clock, [Middleware(Mute)], schedule=schedule) as (url, running):
            await story(Stage(url, running, tmp_path / "paper.db", clock))

    asyncio.run(whole())


async def sent(exchange: PaperExchange, request: OrderRequest) -> Order:
    placement = await exchange.place(request)
    assert isinstance(placement, Placed), placement
    return placement.order


async def refusal(exchange: PaperExchange, request: OrderRequest) -> int | None:
    placement = await exchange.place(request)
    assert isinstance(placement, NotPlaced), placement
    return placement.error.code


async def protected(exchange: PaperExchange) -> None:
    await sent(exchange, ENTRY)
    await sent(exchange, STOP)


def test_given_a_protected_position_when_the_process_dies_then_the_next_one_finds_all_of_it(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        async with paper_account(stage.url, stage.path, stage.clock) as first:
            await protected(first)
            lived = await first.account(), await first.fills_since(0)
            async with paper_account(stage.url, stage.path, stage.clock) as second:
                assert (await second.account(), await second.fills_since(0)) == lived
                assert lived[0].long.amount == Btc.of("0.1")

    staged(tmp_path, story)


def test_given_a_lost_answer_when_the_order_is_looked_for_then_it_is_found_or_certainly_not_there(
    tmp_path: Path,
) -> None:
    async def story(stage: Stage) -> None:
        before_ms = stage.clock.now_ms

        async def dies_with_the_answer(exchange: PaperExchange) -> None:
            await sent(exchange, ENTRY)

        async def looks(exchange: PaperExchange) -> None:
            found = await exchange.outcome_of(Attempt(ENTRY, before_ms, before_ms))
            assert isinstance(found, Placed)
            assert found.order.status is OrderStatus.FULLY_FILLED
            for other in (
                Attempt(STOP, before_ms, before_ms),
                Attempt(ENTRY, before_ms + 1, before_ms + 1),
                Attempt(ENTRY, before_ms, before_ms, frozenset({found.order.order_id})),
            ):
                assert isinstance(await exchange.outcome_of(other), NotPlaced)

        await stage.by(dies_with_the_answer)
        await stage.by(looks)

    staged(tmp_path, story)


def test_given_hours_without_a_process_when_the_price_fell_through_the_stop_then_it_fired_in_its_minute(
    tmp_path: Path,
) -> None:
    closes = [START_PRICE] * 60 + [4_850_000] + [START_PRICE] * 180

    async def story(stage: Stage) -> None:
        async def comes_back(exchange: PaperExchange) -> None:
            entry, exit_ = await exchange.fills_since(0)
            fell_ms = START_MS + 60 * MINUTE_MS
            assert fell_ms <= exit_.executed_at_ms < fell_ms + MINUTE_MS
            assert exit_.price == Price(4_900_000)
            account = await exchange.account()
            assert (account.long.amount, account.open_orders) == (Btc(0), ())
            assert account.mark == Price(START_PRICE)
            assert account.cash == CASH + exit_.profit_loss
            assert exit_.profit_loss < (exit_.price - entry.price) * entry.amount

        await stage.by(protected)
        stage.pass_ms(3 * 3_600_000 + 12_345)
        await stage.by(comes_back)

    staged(tmp_path, story, closes)


def test_given_hours_without_a_process_when_an_order_was_sent_right_before_then_it_met_only_what_came_after(
    tmp_path: Path,
) -> None:
    # The first minute falls to 4,800,000 and back; the order is sent after that.
    async def story(stage: Stage) -> None:
        stage.tell(Trade(Price(4_800_000), Btc.of("5"), Side.SELL))
        stage.pass_ms(10_000)
        stage.tell(Trade(Price(START_PRICE), Btc.of("5"), Side.SELL))
        stage.pass_ms(10_000)

        async def rests(exchange: PaperExchange) -> None:
            await sent(exchange, ask("buy long 0.1 limit", price=4_900_000))

        async def comes_back(exchange: PaperExchange) -> None:
            (order,) = await exchange.open_orders()
            assert order.status is OrderStatus.UNFILLED

        await stage.by(rests)
        for _ in range(120):
            stage.pass_ms(MINUTE_MS)
            stage.tell(Trade(Price(START_PRICE), Btc.of("0.1"), Side.BUY))
        await stage.by(comes_back)

    staged(tmp_path, story)


def test_given_silence_when_an_order_is_sent_then_it_is_not_placed_and_afterwards_all_goes_on(
    tmp_path: Path, silence: Callable[[bool], None]
) -> None:
    async def story(stage: Stage) -> None:
        async with paper_account(stage.url, stage.path, stage.clock) as exchange:
            await protected(exchange)
            silence(True)
            stage.pass_ms(60_000)
            for question in (exchange.account, exchange.ticker, exchange.status, exchange.open_orders):
                with pytest.raises(RetryLaterError):
                    await question()
            placement = await exchange.place(ENTRY)
            assert isinstance(placement, NotPlaced)
            assert isinstance(placement.error, RetryLaterError)
            assert placement.error.outcome_known

            silence(False)
            stage.tell(Trade(Price(4_890_000), Btc.of("1"), Side.SELL))
            stage.pass_ms(1_000)
            assert (await exchange.account()).long.amount == Btc(0)

    staged(tmp_path, story)


def test_given_silence_at_the_first_question_when_it_ends_then_the_account_begins(
    tmp_path: Path, silence: Callable[[bool], None]
) -> None:
    async def story(stage: Stage) -> None:
        async with paper_account(stage.url, stage.path, stage.clock) as exchange:
            silence(True)
            with pytest.raises(RetryLaterError):
                await exchange.account()
            silence(False)
            assert (await exchange.account()).equity == CASH

    staged(tmp_path, story)


@pytest.mark.parametrize(
    ("state", "request_", "code"),
    [
        (Impose(Conditions(status=MarketStatus.HALT)), ENTRY, 70018),
        (Impose(Conditions(stopped=frozenset({StopFlag.ORDER}))), ENTRY, 70017),
        (Impose(Conditions(stopped=frozenset({StopFlag.MARGIN_LONG_ORDER}))), ENTRY, 70024),
        (Impose(Conditions(status=MarketStatus.VERY_BUSY)), ask("buy long 0.0099 market"), 70010),
        (Break(BreakerMode.CIRCUIT_BREAK, 600_000), ENTRY, 70020),
    ],
    ids=["halt", "orders stopped", "longs stopped", "raised minimum", "circuit break"],
)
def test_given_a_market_that_forbids_an_order_when_it_is_sent_then_it_is_refused_as_bitbank_refuses_it(
    tmp_path: Path, state: Command, request_: OrderRequest, code: int
) -> None:
    async def story(stage: Stage) -> None:
        async with paper_account(stage.url, stage.path, stage.clock) as exchange:
            await exchange.account()
            stage.tell(state)
            assert await refusal(exchange, request_) == code
            assert await exchange.open_orders() == ()

    staged(tmp_path, story)


def test_given_a_halt_when_a_cancel_is_sent_then_it_is_refused_and_the_order_rests(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        async with paper_account(stage.url, stage.path, stage.clock) as exchange:
            order = await sent(exchange, ask("buy long 0.1 limit", price=4_900_000))
            stage.tell(Impose(Conditions(status=MarketStatus.HALT)))
            with pytest.raises(RetryLaterError, match="70018"):
                await exchange.cancel(order.order_id)
            assert (await exchange.order(order.order_id)).status is OrderStatus.UNFILLED

    staged(tmp_path, story)


def test_given_new_fees_at_bitbank_when_the_rules_were_read_then_they_are_paid(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        async with paper_account(stage.url, stage.path, stage.clock) as exchange:
            await sent(exchange, ENTRY)
            stage.pass_ms(11 * MINUTE_MS)
            assert (await exchange.rules()).margin_open_taker_fee == Rate.of("0.002")
            await sent(exchange, ENTRY)
            cheap, dear = await exchange.fills_since(0)
            assert (cheap.fee_occurred, dear.fee_occurred) == (Jpy.of(500), Jpy.of(1000))

    staged(tmp_path, story)


def test_given_a_permit_that_is_withdrawn_when_an_order_is_sent_then_nothing_is_placed(tmp_path: Path) -> None:
    class WithdrawnError(Exception):
        """The permit of another."""

    def withdrawn() -> None:
        raise WithdrawnError

    async def story(stage: Stage) -> None:
        async with paper_account(stage.url, stage.path, stage.clock) as exchange:
            exchange.ask_before_sending(withdrawn)
            with pytest.raises(WithdrawnError):
                await exchange.place(ENTRY)
            assert await exchange.open_orders() == ()
            with pytest.raises(RefusedError):
                await exchange.order(1)

    staged(tmp_path, story)


def test_given_another_cash_when_an_account_is_opened_then_the_numbers_are_named(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.by(protected)
        async with paper_account(stage.url, stage.path, stage.clock, cash=Jpy.of(5)) as other:
            with pytest.raises(ConfigurationError, match=r"began with 1000000 JPY, session.paper_cash_jpy is 5"):
                await other.account()

    staged(tmp_path, story)


@pytest.mark.parametrize(
    ("lots", "shown", "bid", "ask_"),
    [(0, 10, 100, 101), (10, 40, 100, 101), (20, 40, 99, 102), (40, 40, 97, 103), (99, 40, 97, 103)],
)
def test_given_a_book_when_an_amount_is_taken_then_its_average_price_is_rounded_against_the_taker(
    lots: int, shown: int, bid: int, ask_: int
) -> None:
    bids = tuple((Price(price), Btc(amount)) for price, amount in ((100, 10), (98, 10), (95, 20)))
    asks = tuple((Price(price), Btc(amount)) for price, amount in ((101, 10), (103, 10), (104, 20)))

    top = executable_top(OrderBook(7, 1, bids, asks), lots)

    assert top is not None
    assert (top.at_ms, top.bid_ticks, top.bid_lots, top.ask_ticks, top.ask_lots) == (7, bid, shown, ask_, shown)


def test_given_a_crossed_or_an_empty_book_then_nothing_can_be_taken() -> None:
    level = ((Price(100), Btc(10)),)
    assert executable_top(OrderBook(7, 1, level, level), 0) is None
    assert executable_top(OrderBook(7, 1, (), level), 0) is None


def test_given_a_stream_when_the_price_falls_through_the_stop_then_the_account_tells_it_unasked(tmp_path: Path) -> None:
    async def whole() -> None:
        source = ScriptSource([], real_time_ms(), START_PRICE)
        async with played(source, real_time_ms) as (url, running):
            settings = BitbankSettings(public_url=url, private_url=url, stream_url=url)
            terms = PaperTerms(path=tmp_path / "paper.db", cash=CASH)
            async with paper_exchange(terms, settings) as exchange, asyncio.timeout(60):
                await protected(exchange)
                news = exchange.news()
                running.carry_out(Trade(Price(4_890_000), Btc.of("1"), Side.SELL))
                while (await exchange.fills_since(0))[-1].side is Side.BUY:
                    await anext(news)
                assert (await exchange.positions()).long.amount == Btc(0)

    asyncio.run(whole())
