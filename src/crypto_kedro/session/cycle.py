"""One reconcile pass: read the exchange, observe, decide, write down, send what is missing, read again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from crypto_kedro.exchange.port import BadCredentialsError, Exchange, ExchangeError, RefusedError, StopTradingError
from crypto_kedro.session.dispatch import Dispatcher, Progress, StepResult
from crypto_kedro.session.journal import HaltInForce, Journal, JournalError, Writer
from crypto_kedro.session.journal.records import (
    CycleEnded,
    CycleStarted,
    Decided,
    EquityMarked,
    FillSeen,
    Halted,
    Incident,
    MoneyMoved,
    Observed,
    Record,
    Trigger,
)
from crypto_kedro.session.notice import Severity
from crypto_kedro.session.ownership import ForeignOrders, Ownership
from crypto_kedro.session.reconcile import TRIGGER_MET, Step, Wish, leaving, reconcile
from crypto_kedro.session.records import Purpose
from crypto_kedro.session.standing import Standing
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.decision import Action, Decision, Reason
from crypto_kedro.trading.ledger import EquityPoint, TradeLedger, Transfer, jst_day
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import Fill, Order, PositionSide
from crypto_kedro.trading.protection import resting_protection
from crypto_kedro.trading.settings import TradingSettings
from crypto_kedro.trading.signal import SignalFacts

_log = logging.getLogger(__name__)

_MOST_PASSES = 6
_MOST_READS = 4


class FactsSource(Protocol):
    """Tells what is known about the last closed decision bar."""

    async def latest(self) -> SignalFacts[float] | None:
        """Return the facts as of now; None while the bar is not published.

        Raises:
            ExchangeError: the exchange does not answer.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleTerms:
    """How a session trades.

    Args:
        settings: of the decision core.
        funding_stage: the capital stage that a human allowed, from 1.
        kelly: leverage of full Kelly by the model's out-of-sample outcomes.
        foreign_orders: what becomes of orders and positions that the journal does not know.
        limit_target: rest the target as a limit order rather than as a take-profit order.
        bare_ms: how long a position may be without a stop that can be reckoned, before it is closed.
    """

    settings: TradingSettings
    funding_stage: int
    kelly: float
    foreign_orders: ForeignOrders = ForeignOrders.RESPECT
    limit_target: bool = False
    bare_ms: int = 60_000


class CycleReport(Struct, frozen=True):
    """What a cycle found and did.

    Args:
        cycle_id: unique in the session.
        trigger: what began it.
        started_at_ms, ended_at_ms: Unix milliseconds UTC.
        sent: orders and cancels that went to the exchange.
        decision: what the core said, None when it was not asked.
        fills: executions that were seen for the first time.
        repaired: positions whose stop was missing or wrong although it had rested before, and has been set right.
        account, ledger: as last read; None when the exchange did not answer.
        error: one sentence when the cycle was broken off.
        observed_bar_ms: close of the newest bar that is published, None when it was not asked for.
    """

    cycle_id: str
    trigger: Trigger
    started_at_ms: int
    ended_at_ms: int
    sent: int
    decision: Decision | None = None
    fills: tuple[Fill, ...] = ()
    repaired: tuple[PositionSide, ...] = ()
    account: AccountState | None = None
    ledger: TradeLedger | None = None
    error: str | None = None
    observed_bar_ms: int | None = None


class _View(Struct, frozen=True):
    """The exchange's truth with the history that explains it."""

    account: AccountState
    ledger: TradeLedger


class Cycle:
    """Runs cycles of one session, one at a time; a second run right after the first sends nothing.

    Only protections and the bar that was decided last are remembered between cycles; a new process reckons them anew
    from the exchange and the journal.

    Args:
        exchange: the account, guarded by the lease where there is one.
        facts: what the core is told.
        journal: of the account, in which the session has begun.
        writer: this session.
        terms: how it trades.
        now_ms: the session's clock, Unix milliseconds UTC.
    """

    def __init__(
        self,
        exchange: Exchange,
        facts: FactsSource,
        journal: Journal,
        writer: Writer,
        terms: CycleTerms,
        now_ms: Callable[[], int],
    ) -> None:
        ledger = journal.ledger()
        if ledger is None:
            raise JournalError(f"journal {journal.path}: no session has begun; write down its start first")
        self._exchange = exchange
        self._facts = facts
        self._journal = journal
        self._writer = writer
        self._terms = terms
        self._now_ms = now_ms
        self._ownership = Ownership(journal, terms.foreign_orders, ledger.started_at_ms)
        self._dispatcher = Dispatcher(exchange, journal, writer, self._ownership, now_ms)
        self._standing = Standing(terms.settings.barriers, self._ownership.share)
        self._decided_bar_ms, self._marked_day = _last_decision(journal, ledger)
        self._cycles = 0
        self._run = _Run("", Trigger.TICK, 0)
        self._is_failing = False

    async def run(self, trigger: Trigger) -> CycleReport:
        """Run one cycle.

        Raises:
            LeaseLostError: this process may no longer send.
            JournalError: the journal cannot be written, so nothing more is sent.
        """
        self._cycles += 1
        run = self._run = _Run(str(self._cycles), trigger, self._now_ms())
        before = self._dispatcher.sent
        error = None
        try:
            await self._reconcile()
            self._is_failing = False
        except (StopTradingError, BadCredentialsError) as failure:
            error = str(failure)
            self._halt_for(failure)
        except ExchangeError as failure:
            error = str(failure)
            self._note_failure(failure)
        sent = self._dispatcher.sent - before
        if run.is_written or sent:
            self._write(CycleEnded(run.cycle_id, sent, error))
        view = run.view
        return CycleReport(
            run.cycle_id,
            trigger,
            run.started_at_ms,
            self._now_ms(),
            sent,
            run.decision,
            tuple(run.fills),
            tuple(run.repaired),
            view.account if view else None,
            view.ledger if view else None,
            error,
            run.observed_bar_ms,
        )

    async def take_over(self) -> None:
        """Write down money that came or went since the last session, as far as a flat account tells it.

        Raises:
            ExchangeError: the exchange does not answer.
        """
        is_clear = await self._dispatcher.settle()
        view = await self._read()
        account, ledger = view.account, view.ledger
        moved = account.equity - ledger.balance
        if is_clear and moved.units and not (account.long.amount or account.short.amount or account.open_orders):
            self._write(MoneyMoved(Transfer(self._now_ms(), moved)))

    async def _reconcile(self) -> None:
        is_clear = await self._dispatcher.settle()
        view = await self._read()
        view = await self._tend(view, "position", may_enter=False)
        self._mark_midnight(view)
        decision = await self._decide_if_due(view)
        if decision is not None:
            may_enter = is_clear and self._journal.halt() is None
            self._standing.follow(decision, may_enter=may_enter)
            await self._tend(view, str(decision.reason), may_enter=may_enter)

    async def _read(self) -> _View:
        """Read account and fills until no fill comes between them, and write down the new ones."""
        for _ in range(_MOST_READS):
            account = await self._exchange.account()
            if not await self._note_fills():
                break
        ledger = self._ledger()
        now_ms = self._now_ms()
        if account.at_ms != now_ms:
            account = replace(account, at_ms=now_ms)
        self._ownership.drop_claims(account, now_ms)
        view = self._run.view = _View(account, ledger)
        return view

    async def _note_fills(self) -> bool:
        """Write down fills that are seen for the first time; return whether there were any."""
        fills = await self._exchange.fills_since(self._ownership.fills_from_ms())
        records = self._ownership.records_of(fills, self._ledger())
        if records:
            self._write(*records)
            self._run.fills += [record.fill for record in records if isinstance(record, FillSeen)]
        return bool(records)

    async def _tend(self, view: _View, reason: str, *, may_enter: bool) -> _View:
        """Send what is missing, and read again, until nothing is missing or nothing can be done about it."""
        standing, halt = self._standing, self._journal.halt()
        given_up: set[PositionSide] = set()
        for _ in range(_MOST_PASSES):
            rules = await self._exchange.rules() if standing.needs_rules(view.account) else None
            wish = standing.wish(view.account, view.ledger, rules, reason, flatten=_flattens(halt))
            wish = self._without(wish, given_up, may_enter=may_enter and halt is None)
            foreign = self._ownership.foreign(view.account)
            steps = reconcile(view.account, wish, limit_target=self._terms.limit_target, foreign=foreign)
            if not steps or not await self._carry_out(steps, view, foreign, given_up):
                break
            view = await self._read()
        return view

    @staticmethod
    def _without(wish: Wish, given_up: set[PositionSide], *, may_enter: bool) -> Wish:
        positions = tuple(position for position in wish.positions if position.side not in given_up)
        return Wish(wish.entry if may_enter else None, positions)

    async def _carry_out(
        self, steps: tuple[Step, ...], view: _View, foreign: frozenset[int], given_up: set[PositionSide]
    ) -> bool:
        """Do the steps; return whether any of them changed anything."""
        moved = False
        for step in steps:
            side = None if step.request is None else step.request.position_side
            if side in given_up:
                continue
            self._begin()
            result = await self._dispatcher.carry_out(step, self._run.cycle_id, view.account)
            moved = moved or result.progress is Progress.DONE
            if result.progress is Progress.UNKNOWN:
                return False
            if side is not None:
                self._standing.sent(step, result.progress is Progress.DONE)
                self._note_repair(step, side, result, view.account)
                reason = self._reason_to_flee(step, result)
                if reason is not None:
                    given_up.add(side)
                    moved = await self._flee(side, reason, view, foreign) or moved
        return moved

    @staticmethod
    def _reason_to_flee(step: Step, result: StepResult) -> str | None:
        """Return why a position must be closed because an order that protects it was refused."""
        if result.progress is not Progress.REFUSED or step.purpose not in (Purpose.STOP, Purpose.TARGET):
            return None
        if result.trigger_met:
            return TRIGGER_MET
        is_final = step.purpose is Purpose.STOP and isinstance(result.error, RefusedError)
        return Reason.NO_PROTECTION if is_final else None

    async def _flee(self, side: PositionSide, reason: str, view: _View, foreign: frozenset[int]) -> bool:
        """Close a position that cannot be protected."""
        account = view.account
        orders = [order for order in account.open_orders if order.order_id not in foreign]
        if reason == Reason.NO_PROTECTION and _has_stop(orders, side):
            return False
        share = self._ownership.share(side, view.ledger)
        amount = account.position(side).amount
        amount = amount if share is None else min(share, amount)
        moved = False
        for step in leaving(orders, side, amount, reason):
            result = await self._dispatcher.carry_out(step, self._run.cycle_id, account)
            moved = moved or result.progress is Progress.DONE
        return moved

    def _mark_midnight(self, view: _View) -> None:
        """Remember the equity of an open position once a new JST day has begun."""
        account = view.account
        day = jst_day(account.at_ms)
        if day <= self._marked_day:
            return
        self._marked_day = day
        if account.long.amount or account.short.amount:
            self._write(EquityMarked(EquityPoint(account.at_ms, account.equity)))

    async def _decide_if_due(self, view: _View) -> Decision | None:
        """Ask the core once for each bar, and again for a position whose protection is not known."""
        is_bare = self._standing.is_bare(view.account, view.ledger)
        facts = await self._facts.latest()
        self._run.observed_bar_ms = None if facts is None else int(facts.bar_close_ms)
        if facts is None or (facts.bar_close_ms <= self._decided_bar_ms and not is_bare):
            if facts is None and is_bare:
                self._standing.wait_bare(view.account, self._now_ms(), self._terms.bare_ms)
            return None
        terms = self._terms
        # Read again: what was sent since rests now, and the history has the midnight's mark.
        view = await self._read()
        observation = Observation(
            facts, float(terms.kelly), view.account, view.ledger, await self._exchange.rules(), terms.funding_stage
        )
        decision = decide(terms.settings, observation)
        is_new = facts.bar_close_ms > self._decided_bar_ms
        self._begin()
        self._write(Observed(self._run.cycle_id, observation), Decided(self._run.cycle_id, decision.as_dict()))
        self._decided_bar_ms = max(self._decided_bar_ms, int(facts.bar_close_ms))
        self._run.decision = decision
        return decision if is_new or decision.action is not Action.OPEN else None

    def _note_repair(self, step: Step, side: PositionSide, result: StepResult, account: AccountState) -> None:
        """Remember that a stop was set right which had rested before."""
        if step.purpose is not Purpose.STOP or result.progress is not Progress.DONE:
            return
        if self._standing.rested.get(side) is not None and not _has_stop(account.open_orders, side):
            self._run.repaired.append(side)
        self._standing.rested[side] = True

    def _halt_for(self, failure: ExchangeError) -> None:
        """Stop opening positions until a human has looked."""
        records: list[Record] = [Incident(Severity.CRITICAL, "exchange_stopped_trading", str(failure))]
        if self._journal.halt() is None:
            records.append(Halted("trader", str(failure), flatten=False))
        self._write(*records)

    def _note_failure(self, failure: ExchangeError) -> None:
        """Write down the first of several failures in a row."""
        if not self._is_failing:
            self._write(Incident(Severity.WARNING, "exchange_unreachable", str(failure)))
        self._is_failing = True

    def _ledger(self) -> TradeLedger:
        ledger = self._journal.ledger()
        assert ledger is not None  # the session has begun
        return ledger

    def _begin(self) -> None:
        """Write down the cycle's start once it has anything to write."""
        if not self._run.is_written:
            self._run.is_written = True
            self._write(CycleStarted(self._run.cycle_id, self._run.trigger))

    def _write(self, *records: Record) -> None:
        self._journal.append(self._writer, self._now_ms(), *records)


class _Run:
    """What one cycle has come to so far."""

    def __init__(self, cycle_id: str, trigger: Trigger, started_at_ms: int) -> None:
        self.cycle_id = cycle_id
        self.trigger = trigger
        self.started_at_ms = started_at_ms
        self.is_written = False
        self.decision: Decision | None = None
        self.fills: list[Fill] = []
        self.repaired: list[PositionSide] = []
        self.view: _View | None = None
        self.observed_bar_ms: int | None = None


def _flattens(halt: HaltInForce | None) -> bool:
    return halt is not None and halt.flatten


def _has_stop(orders: list[Order] | tuple[Order, ...], side: PositionSide) -> bool:
    return resting_protection(tuple(orders), side)[0] is not None


def _last_decision(journal: Journal, ledger: TradeLedger) -> tuple[int, int]:
    """Return the close of the bar that was decided last, 0 for none, and the JST day of the last entry that tells."""
    bar_ms, day = 0, jst_day(ledger.started_at_ms)
    after = max(journal.head.seq - _REMEMBERED_ENTRIES, 0)
    for entry in journal.entries(Decided, after=after):
        bar_ms = max(bar_ms, int(entry.record.record["bar"]["bar_close_ms"]))
        day = max(day, jst_day(entry.at_ms))
    return bar_ms, day


_REMEMBERED_ENTRIES = 5_000
