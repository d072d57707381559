"""Accounts on which a session, a human and bad luck have all left their traces; the market is quiet."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from paper_sessions import KnownFacts, begin
from replays import BAR_MS, START_MS, bars_of, facts_of
from told_trades import ATR, QUIET, plan_with

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.bitbank.errors import error_for
from crypto_kedro.exchange.bitbank.recovery import LostOrderSearch
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.in_process import InProcessExchange
from crypto_kedro.exchange.port import Attempt, NotPlaced, Placed, Placement, RetryLaterError, Unknown
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.session.cycle import Cycle, CycleTerms
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import Answered, Outcome
from crypto_kedro.session.ownership import ForeignOrders
from crypto_kedro.session.paper import RecordedAccount
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.money import Btc, Price, Rate
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, PositionSide
from crypto_kedro.trading.signal import SignalFacts

BARS = 40
FATES = ("fine", "answer lost", "request lost", "unknown")


class UnluckyExchange(InProcessExchange):
    """The engine behind a wire that loses requests and answers; what became of them is searched for as at bitbank.

    Attributes:
        fates: of the orders and cancels to come; afterwards all is fine.
        is_dark: whether nothing can be found out at present.
        canceled: ids of the orders that it was asked to cancel.
        refuses: bitbank's codes with which it refuses kinds of orders.
    """

    def __init__(self, account: RecordedAccount) -> None:
        super().__init__(account.engine, account.market)
        # A look is a minute after the sending, when everything that arrived has to show.
        self._search = LostOrderSearch(self, BitbankSettings(), lambda: account.now_ms() + 60_000, self._no_pause)
        self._account = account
        self._known: set[int] = set()
        self.fates: Iterator[str] = iter(())
        self.is_dark = False
        self.canceled: list[int] = []
        self.refuses: dict[OrderType, int] = {}

    async def place(self, request: OrderRequest) -> Placement:
        if request.type in self.refuses:
            return NotPlaced(error_for(self.refuses[request.type], "new order"))
        fate = next(self.fates, "fine")
        before = self._account.now_ms()
        if fate != "request lost":
            placement = await super().place(request)
            if fate == "fine":
                if isinstance(placement, Placed):
                    self._known.add(placement.order.order_id)
                return placement
        self.is_dark = self.is_dark or fate == "unknown"
        return await self.outcome_of(Attempt(request, before, self._account.now_ms(), frozenset(self._known)))

    async def outcome_of(self, attempt: Attempt) -> Placement:
        if self.is_dark:
            return Unknown(attempt, "it may still arrive")
        return await self._search.outcome(attempt)

    async def cancel(self, order_id: int) -> Order:
        self.canceled.append(order_id)
        fate = next(self.fates, "fine")
        if fate == "request lost":
            raise RetryLaterError("the cancel was lost", outcome_known=False)
        order = await super().cancel(order_id)
        if fate == "fine":
            return order
        raise RetryLaterError("the answer to the cancel was lost", outcome_known=False)

    @staticmethod
    async def _no_pause(_: float) -> None:
        raise AssertionError("everything shows at the first look")


class Trouble:
    """An account, the sessions on it, and a human who trades by hand."""

    def __init__(
        self,
        folder: str | Path,
        rule: ForeignOrders = ForeignOrders.RESPECT,
        *,
        limit_target: bool = False,
        volume_share: Rate | None = None,
        rows: list[tuple[int, int, int, int]] | None = None,
        volumes: list[float] | None = None,
    ) -> None:
        self.bars = bars_of(rows or [QUIET] * BARS)
        if volumes is not None:
            self.bars = replace(self.bars, volume=np.array(volumes))
        self.plan = plan_with(engine=EngineSettings(volume_share=volume_share), limit_target=limit_target, max_bars=200)
        self.account = RecordedAccount(BarFeed(self.bars), self.plan, Price(0))
        self.exchange = UnluckyExchange(self.account)
        self.journal = Journal.open(Path(folder) / "journal.db")
        self.processes = 0
        self.rule = rule
        self.terms = CycleTerms(
            settings=self.plan.settings, funding_stage=1, kelly=2.0, foreign_orders=rule, limit_target=limit_target
        )
        begin(self.journal, START_MS, self.plan.settings, self.plan.cash, Writer("session-0", 0))
        self.account.next_bar()
        self.word()
        self.cycle = self.new_process()

    def word(self, *, long: float = 0.0, short: float = 0.0) -> None:
        """Let the model say the same of every bar from now on."""
        n = len(self.bars)
        facts = facts_of(self.bars, ATR, np.full(n, long), np.full(n, short))
        self.facts = KnownFacts(facts, self.account.now_ms, BAR_MS)

    async def latest(self) -> SignalFacts[float] | None:
        """Tell the facts."""
        return await self.facts.latest()

    def new_process(self) -> Cycle:
        """Begin the session of a new process."""
        self.processes += 1
        writer = Writer(f"session-{self.processes}", self.processes)
        begin(self.journal, self.account.now_ms(), self.plan.settings, self.plan.cash, writer)
        self.cycle = Cycle(self.exchange, self, self.journal, writer, self.terms, self.account.now_ms)
        return self.cycle

    @property
    def state(self) -> AccountState:
        return self.account.engine.account()

    @property
    def ledger(self) -> TradeLedger:
        ledger = self.journal.ledger()
        assert ledger is not None
        return ledger

    def own_share(self, side: PositionSide) -> Btc:
        """What the session must look after: of all positions or, where foreign ones are respected, of its own."""
        if self.rule is ForeignOrders.ADOPT:
            return self.state.position(side).amount
        trade = self.ledger.open_trade(side)
        return trade.amount if trade else Btc(0)

    def own_ids(self) -> set[int]:
        """Ids of the orders that sessions placed."""
        return {
            entry.record.order.order_id
            for entry in self.journal.entries(Answered)
            if entry.record.outcome is Outcome.PLACED and entry.record.order is not None
        }

    def looked_after(self) -> list[Order]:
        """The open orders that are the session's business."""
        own = self.own_ids()
        return [o for o in self.state.open_orders if self.rule is ForeignOrders.ADOPT or o.order_id in own]
