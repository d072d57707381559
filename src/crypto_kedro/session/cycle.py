"""One reconcile pass: read the exchange, observe, decide, write down, send what is missing, read again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from crypto_kedro.errors import sentence_of
from crypto_kedro.exchange.port import (
    BadCredentialsError,
    Exchange,
    ExchangeError,
    StopTradingError,
    UnusablePrivateAnswerError,
)
from crypto_kedro.session.adoption import adopt_unwritten
from crypto_kedro.session.contradiction import EXCHANGE_CONTRADICTS, Contradictions
from crypto_kedro.session.cycle_log import CycleLog
from crypto_kedro.session.dispatch import Dispatcher
from crypto_kedro.session.journal import Journal, JournalError, JournalStorageError, Writer
from crypto_kedro.session.journal.records import (
    Decided,
    EquityMarked,
    Halted,
    Incident,
    MoneyMoved,
    Observed,
    Record,
    Trigger,
)
from crypto_kedro.session.known_rules import KnownRules
from crypto_kedro.session.lease import LeaseLostError
from crypto_kedro.session.notice import Exposure, Severity
from crypto_kedro.session.ownership import ForeignOrders, Ownership
from crypto_kedro.session.recall import recalled
from crypto_kedro.session.standing import Standing
from crypto_kedro.session.tending import Tending
from crypto_kedro.session.truth import Truth, View
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.decision import Action, Decision
from crypto_kedro.trading.ledger import EquityPoint, TradeLedger, Transfer, jst_day
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import Fill, PositionSide
from crypto_kedro.trading.settings import TradingSettings
from crypto_kedro.trading.signal import SignalFacts

STOPPED_BY_EXCHANGE = "exchange_stopped_trading"
CYCLE_FAULT = "cycle_fault"
JOURNAL_UNWRITABLE = "journal_unwritable"
_NO_ROOM = "the disk has no room for the whole life of another position, so nothing is opened; free some space"
_RECENT_MS = 3_000
_log = logging.getLogger(__name__)


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
        bare_ms: how long a position may be without a stop that can be computed, or that the exchange is known to have
            taken, before it is closed.
        accepted_limits: risk limits that are tighter than those that the model was judged under, one sentence each.
    """

    settings: TradingSettings
    funding_stage: int
    kelly: float
    foreign_orders: ForeignOrders = ForeignOrders.RESPECT
    limit_target: bool = False
    bare_ms: int = 60_000
    accepted_limits: tuple[str, ...] = ()


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
        is_settled: whether it was seen that a stop rests for every own position, what became of all that was sent, and
            nothing waits to be written.
        contradiction: one sentence about what exchange and journal do not agree on, None while they agree.
        storage: one sentence about why the journal cannot be written, or has no room; None while it can.
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
    is_settled: bool = True
    contradiction: str | None = None
    storage: str | None = None


class Cycle:
    """Runs cycles of one session, one at a time; a second run right after the first sends nothing.

    Only protections, the bar that was decided last and the market's rules are remembered between cycles; a new process
    recalls them from the journal.

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
        self._log = CycleLog(journal, writer, now_ms)
        self._ownership = ownership = Ownership(journal, terms.foreign_orders, ledger.started_at_ms)
        self._dispatcher = Dispatcher(exchange, journal, writer, ownership, now_ms)
        self._rules = KnownRules(exchange, now_ms, self._note_stale_rules)
        self._standing = Standing(terms.settings.barriers, ownership.share)
        self._contradictions = contradictions = Contradictions()
        self._truth = Truth(exchange, journal, self._log, ownership, contradictions, now_ms)
        self._tending = Tending(
            self._rules,
            journal,
            self._log,
            self._truth,
            ownership,
            self._standing,
            self._dispatcher,
            now_ms,
            limit_target=terms.limit_target,
            bare_ms=terms.bare_ms,
        )
        before = recalled(journal)
        self._decided_bar_ms, self._marked_day = before.bar_ms, max(before.day, jst_day(ledger.started_at_ms))
        if before.decision is not None and before.rules is not None:
            self._standing.recall(before.decision, ledger)
            self._rules.remember(before.rules, before.told_at_ms)
        self._is_failing = False
        self._fault: str | None = None
        self._contradiction: str | None = None
        self._lacks_storage = False
        self._has_just_read = False

    async def run(self, trigger: Trigger) -> CycleReport:
        """Run one cycle.

        Raises:
            LeaseLostError: this process may no longer send.
            JournalError: another process has taken over; or the disk has failed, and what is open is protected.
        """
        log = self._log
        self._journal.write_kept()
        log.start(trigger)
        just_read, self._has_just_read = self._has_just_read, False
        self._truth.view = self._truth.as_of_now(_RECENT_MS) if just_read and trigger is not Trigger.STREAM else None
        before = self._dispatcher.sent
        error = None
        try:
            await self._reconcile()
            self._is_failing, self._fault = False, None
        except (StopTradingError, BadCredentialsError) as failure:
            error = str(failure)
            self._halt_for(STOPPED_BY_EXCHANGE, error)
        except ExchangeError as failure:
            error = str(failure)
            self._note_failure(failure)
        except (JournalError, LeaseLostError):
            raise
        except Exception as fault:  # noqa: BLE001 -- whatever it is, positions are looked after
            error = sentence_of(fault)
            await self._survive(error)
        sent = self._dispatcher.sent - before
        self._note_storage()
        log.end(sent, error)
        view = self._truth.view
        is_settled = self._is_settled(view, broken_off_after_sending=error is not None and sent > 0)
        if is_settled and self._journal.is_lost:
            # What is open is protected; only a new process can find out what the disk has kept.
            raise JournalStorageError(self._journal.trouble or f"journal {self._journal.path}: its disk has failed")
        return CycleReport(
            log.cycle_id,
            trigger,
            log.started_at_ms,
            self._now_ms(),
            sent,
            log.decision,
            tuple(log.fills),
            tuple(log.repaired),
            view.account if view else None,
            view.ledger if view else None,
            error,
            log.observed_bar_ms,
            is_settled and self._journal.trouble is None,
            self._contradictions.found,
            self._storage_trouble(),
        )

    async def take_over(self, account: AccountState | None = None) -> None:
        """Write down money that came or went since the last session, as far as a flat account tells it.

        It may be repeated after an error. A cycle that follows at once need not read the same again.

        Args:
            account: as it has just been read.

        Raises:
            ExchangeError: the exchange does not answer.
        """
        is_known = account is not None and self._now_ms() - account.at_ms <= _RECENT_MS
        known = account if is_known and not self._journal.unanswered() else None
        await self._dispatcher.settle()
        await adopt_unwritten(self._exchange, self._journal, self._writer, self._ownership, self._now_ms())
        view = await self._truth.read(known=known)
        await self._contradictions.compare_last_order(self._exchange, self._journal, self._now_ms())
        account, ledger = view.account, view.ledger
        moved = account.equity - ledger.balance
        if (
            self._dispatcher.is_clear
            and moved.units
            and not (ledger.long or ledger.short)
            and not (account.long.amount or account.short.amount or account.open_orders)
        ):
            self._log.write(MoneyMoved(Transfer(self._now_ms(), moved)))
        self._has_just_read = self._dispatcher.is_clear

    async def secure(self) -> Exposure:
        """Protect what is open without asking the core, and close it where that fails; return what is left.

        Raises:
            ExchangeError: the exchange does not answer.
            LeaseLostError: this process may no longer send.
            JournalError: the journal cannot be written.
        """
        await self._dispatcher.settle()
        view = await self._truth.read(to_protect=True)
        try:
            view = await self._tending.tend(view, "position", may_enter=False)
        except (ExchangeError, JournalError, LeaseLostError):
            raise
        except Exception:  # noqa: BLE001 -- whatever it is, the position is closed
            _log.exception("Protecting what is open failed; it is closed")
            view = await self._tending.tend(view, CYCLE_FAULT, may_enter=False, flatten=True)
        if not any(view.account.position(side).amount for side in PositionSide):
            return Exposure.FLAT
        return Exposure.PROTECTED if self._tending.is_covered(view) else Exposure.UNPROTECTED

    def _is_settled(self, view: View | None, *, broken_off_after_sending: bool) -> bool:
        if broken_off_after_sending or self._ownership.awaits_fills or not self._dispatcher.is_clear:
            return False
        if self._contradictions.is_suspected:
            return False
        return view is None or self._tending.is_covered(view)

    async def _reconcile(self) -> None:
        await self._dispatcher.settle()
        sent_before = self._dispatcher.sent
        fills_first = self._log.trigger is Trigger.STREAM
        view = self._truth.view or await self._truth.read(fills_first=fills_first, to_protect=True)
        incomplete = self._truth.incomplete
        view = await self._tending.tend(view, "position", may_enter=False)
        self._note_contradiction()
        if incomplete is not None:
            raise incomplete
        facts = await self._latest_facts(view)
        await self._mark_midnight()
        decided = None if facts is None else await self._decide(facts, sent_before)
        if decided is not None:
            decision, view = decided
            may_enter = self._dispatcher.is_clear and self._journal.halt() is None and not self._contradictions.found
            self._standing.follow(decision, may_enter=may_enter)
            await self._tending.tend(view, str(decision.reason), may_enter=may_enter)

    async def _latest_facts(self, view: View) -> SignalFacts[float] | None:
        """Return the facts if they are to be decided on: once for each bar, and again for an unprotected position.

        A position for which nothing can be reckoned, because there are no facts, is given up after a while.
        """
        standing = self._standing
        is_bare = standing.is_bare(view.account, view.ledger)
        facts = None
        try:
            facts = await self._facts.latest()
        finally:
            if facts is None and is_bare:
                standing.wait_bare(view.account, self._now_ms(), self._terms.bare_ms)
        if facts is None:
            return None
        self._log.observed_bar_ms = int(facts.bar_close_ms)
        return facts if is_bare or facts.bar_close_ms > self._decided_bar_ms else None

    async def _mark_midnight(self) -> None:
        """Remember the equity of an open position once a new JST day has begun."""
        day = jst_day(self._now_ms())
        if day <= self._marked_day:
            return
        # Read again: while nobody told the price, the account was valued at an older one.
        account = (await self._truth.read()).account
        self._marked_day = day
        if account.long.amount or account.short.amount:
            self._log.write(EquityMarked(EquityPoint(account.at_ms, account.equity)))

    async def _decide(self, facts: SignalFacts[float], sent_before: int) -> tuple[Decision, View] | None:
        """Ask the core; return what is to be followed, and what the core was shown."""
        terms, log = self._terms, self._log
        rules = await self._rules.in_force()
        # What was sent since rests now, and after a failure the account was valued at an older price; otherwise it is
        # still known and need not be read again, which takes half a second.
        is_known = self._dispatcher.sent == sent_before and not self._is_failing
        view = (self._truth.as_of_now(_RECENT_MS) if is_known else None) or await self._truth.read()
        observation = Observation(facts, float(terms.kelly), view.account, view.ledger, rules, terms.funding_stage)
        decision = decide(terms.settings, observation)
        is_new = facts.bar_close_ms > self._decided_bar_ms
        log.begin()
        log.write(Observed(log.cycle_id, observation), Decided(log.cycle_id, decision.as_dict()))
        self._decided_bar_ms = max(self._decided_bar_ms, int(facts.bar_close_ms))
        log.decision = decision
        return (decision, view) if is_new or decision.action is not Action.OPEN else None

    def _note_contradiction(self) -> None:
        """Write down once what exchange and journal do not agree on."""
        found = self._contradictions.found
        if found is not None and found != self._contradiction:
            self._log.write(Incident(Severity.CRITICAL, EXCHANGE_CONTRADICTS, found))
        self._contradiction = found

    def _storage_trouble(self) -> str | None:
        """Return why nothing can be opened because of the disk, None while it can."""
        if self._journal.trouble is not None:
            return self._journal.trouble
        return None if self._journal.has_room() else f"journal {self._journal.path}: {_NO_ROOM}"

    def _note_storage(self) -> None:
        """Write down once that the disk keeps this trader from opening anything."""
        trouble = self._storage_trouble()
        if trouble is not None and not self._lacks_storage:
            self._log.write(Incident(Severity.CRITICAL, JOURNAL_UNWRITABLE, trouble))
        self._lacks_storage = trouble is not None

    def _note_stale_rules(self, text: str) -> None:
        self._log.write(Incident(Severity.WARNING, "stale_rules", text))

    def _halt_for(self, code: str, text: str) -> None:
        """Stop opening positions until a human has looked."""
        records: list[Record] = [Incident(Severity.CRITICAL, code, text)]
        if self._journal.halt() is None:
            records.append(Halted("trader", text, flatten=False))
        self._log.write(*records)

    async def _survive(self, fault: str) -> None:
        """Go on after a fault of the program: open nothing more, and look after what is open.

        Raises:
            LeaseLostError: this process may no longer send.
            JournalError: the journal cannot be written.
        """
        if fault != self._fault:
            _log.exception("A cycle was broken off by a fault; nothing more is opened until a human resumes")
            self._halt_for(CYCLE_FAULT, fault)
        self._fault = fault
        try:
            await self.secure()
        except ExchangeError as failure:
            self._note_failure(failure)

    def _note_failure(self, failure: ExchangeError) -> None:
        """Write down the first of several failures in a row."""
        if not self._is_failing:
            code = "unusable_answer" if isinstance(failure, UnusablePrivateAnswerError) else "exchange_unreachable"
            self._log.write(Incident(Severity.WARNING, code, str(failure)))
        self._is_failing = True
