"""The one place that sends: each order and cancel is written down before it is sent, and its answer after it.

What protects or closes a position is the exception: it is also sent while the journal cannot be written.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from crypto_kedro.exchange.port import (
    BadCredentialsError,
    Exchange,
    ExchangeError,
    NotPlaced,
    Placed,
    Placement,
    StopTradingError,
    Unknown,
)
from crypto_kedro.session.journal import Journal, JournalStorageError, OpenIntent, Writer
from crypto_kedro.session.journal.records import Answered, Intended, Outcome
from crypto_kedro.session.ownership import Ownership
from crypto_kedro.session.reconcile import Step
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.orders import Order, RefusalCode

_log = logging.getLogger(__name__)

_REMEMBERED = 100


class Progress(Enum):
    """How far a step came."""

    DONE = auto()
    """All of it was carried out."""
    WAITING = auto()
    """A cancel has not taken effect yet; the order that waits for it was not sent."""
    REFUSED = auto()
    """The exchange did not take the order."""
    UNKNOWN = auto()
    """Whether the order exists cannot be told yet."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of a step; ``error`` says why an order was refused."""

    progress: Progress
    error: ExchangeError | None = None

    @property
    def trigger_met(self) -> bool:
        """Whether the order was refused because its trigger would have fired at once."""
        return self.error is not None and self.error.code == RefusalCode.TRIGGER_WOULD_FIRE


class Dispatcher:
    """Sends through an exchange and keeps the journal.

    Args:
        exchange: the account, guarded by the lease where there is one.
        journal: of the account.
        writer: this session.
        ownership: is told of every order that was placed.
        now_ms: the session's clock, Unix milliseconds UTC.

    Attributes:
        sent: orders and cancels that went to the exchange so far.
    """

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        writer: Writer,
        ownership: Ownership,
        now_ms: Callable[[], int],
    ) -> None:
        self._exchange = exchange
        self._journal = journal
        self._writer = writer
        self._ownership = ownership
        self._now_ms = now_ms
        self._intents = 0
        self.sent = 0

    @property
    def is_clear(self) -> bool:
        """Whether it is known of every order that was sent what became of it."""
        return all(intent.intent.request is None for intent in self._journal.unanswered())

    async def settle(self) -> None:
        """Find out what became of all that was sent without an answer, also before a restart.

        What cannot be found out stays open and keeps nobody from looking after positions.
        """
        for intent in self._journal.unanswered():
            if intent.intent.request is None:
                await self._settle_cancel(intent)
            else:
                await self._settle_order(intent)

    def awaits(self, step: Step) -> int | None:
        """Return since when an order like that of a step has had no answer, Unix milliseconds UTC; None if none has.

        It may exist, so another like it must not be sent.
        """
        request = step.request
        if request is None:
            return None
        sent = [
            intent.intended_at_ms
            for intent in self._journal.unanswered()
            if intent.intent.request is not None
            and intent.intent.purpose is step.purpose
            and intent.intent.request.position_side is request.position_side
        ]
        return min(sent, default=None)

    async def carry_out(self, step: Step, cycle_id: str, account: AccountState) -> StepResult:
        """Do one step.

        Args:
            step: what to do.
            cycle_id: of the cycle.
            account: that the step was reckoned from.

        Raises:
            StopTradingError, BadCredentialsError: nothing more can be sent.
            LeaseLostError: this process may no longer send.
            JournalError: another process has taken over, so nothing was sent.
        """
        ended = [await self._cancel(order_id, step, cycle_id) for order_id in step.first]
        if not all(ended):
            return StepResult(Progress.WAITING)
        if step.request is not None:
            result = await self._place(step, cycle_id, account)
            if result.progress is not Progress.DONE:
                return result
        ended = [await self._cancel(order_id, step, cycle_id) for order_id in step.then]
        return StepResult(Progress.DONE if all(ended) else Progress.WAITING)

    async def _place(self, step: Step, cycle_id: str, account: AccountState) -> StepResult:
        request = step.request
        assert request is not None  # asked by the caller
        intent_id = self._new_intent()
        others = {order.order_id for order in account.open_orders}
        others.update(sorted(self._ownership.ids)[-_REMEMBERED:])
        intent = Intended(
            intent_id, cycle_id, step.purpose, str(step.reason), request, other_order_ids=tuple(sorted(others))
        )
        if not self._write_intent(intent):
            return StepResult(Progress.WAITING)
        try:
            placement = await self._exchange.place(request)
        except ExchangeError as error:
            outcome = Outcome.NOT_PLACED if error.outcome_known else Outcome.UNKNOWN
            self._answer(Answered(intent_id, outcome, error=str(error)))
            if isinstance(error, StopTradingError | BadCredentialsError):
                raise
            return StepResult(Progress.REFUSED if error.outcome_known else Progress.UNKNOWN, error)
        self.sent += 1
        self._note(intent, placement)
        match placement:
            case Placed():
                return StepResult(Progress.DONE)
            case NotPlaced(refusal):
                return StepResult(Progress.REFUSED, refusal)
            case Unknown():
                return StepResult(Progress.UNKNOWN)

    def _write_intent(self, intent: Intended) -> bool:
        """Write down what is about to be sent; return whether it may be.

        An entry is sent only if the journal has it and has room for the whole life of its position. What protects or
        closes a position is sent even if the disk does not take its intent, which is then kept in memory.
        """
        now_ms = self._now_ms()
        if intent.purpose is not Purpose.ENTRY:
            self._journal.append_or_keep(self._writer, now_ms, intent)
            return True
        if not self._journal.has_room():
            return False
        try:
            self._journal.append(self._writer, now_ms, intent)
        except JournalStorageError as error:
            _log.error("No entry is sent: %s", error)
            return False
        return True

    async def _cancel(self, order_id: int, step: Step, cycle_id: str) -> bool:
        """Cancel an order; return whether it has ended."""
        intent_id = self._new_intent()
        self._journal.append_or_keep(
            self._writer,
            self._now_ms(),
            Intended(intent_id, cycle_id, step.purpose, str(step.reason), order_id=order_id),
        )
        try:
            order = await self._exchange.cancel(order_id)
        except (StopTradingError, BadCredentialsError) as error:
            self._answer(Answered(intent_id, Outcome.NOT_CANCELED, error=str(error)))
            raise
        except ExchangeError as error:
            self._answer(Answered(intent_id, Outcome.NOT_CANCELED, error=str(error)))
            return False
        self.sent += 1
        self._answer(_cancel_answer(intent_id, order))
        return not order.status.is_open

    async def _settle_cancel(self, open_intent: OpenIntent) -> None:
        intent = open_intent.intent
        assert intent.order_id is not None  # a record without a request has it
        try:
            order = await self._exchange.order(intent.order_id)
        except ExchangeError as error:
            self._answer(Answered(intent.intent_id, Outcome.NOT_CANCELED, error=str(error)))
            return
        self._answer(_cancel_answer(intent.intent_id, order))

    async def _settle_order(self, open_intent: OpenIntent) -> None:
        attempt = open_intent.attempt(self._now_ms())
        try:
            placement = await self._exchange.outcome_of(attempt)
        except ExchangeError as error:
            placement = Unknown(attempt, str(error))
        if not isinstance(placement, Unknown) or open_intent.answer is None:
            self._note(open_intent.intent, placement)

    def _note(self, intent: Intended, placement: Placement) -> None:
        match placement:
            case Placed(order):
                self._answer(Answered(intent.intent_id, Outcome.PLACED, order))
                self._ownership.placed(order, intent.purpose, self._now_ms())
            case NotPlaced(error):
                self._answer(Answered(intent.intent_id, Outcome.NOT_PLACED, error=str(error)))
            case Unknown(_, reason):
                self._answer(Answered(intent.intent_id, Outcome.UNKNOWN, error=reason))

    def _answer(self, answer: Answered) -> None:
        self._journal.append_or_keep(self._writer, self._now_ms(), answer)

    def _new_intent(self) -> str:
        self._intents += 1
        return f"{self._writer.session_id}/{self._intents}"


def _cancel_answer(intent_id: str, order: Order) -> Answered:
    if order.status.is_open:
        return Answered(intent_id, Outcome.NOT_CANCELED, order, "the exchange has not carried it out yet")
    return Answered(intent_id, Outcome.CANCELED, order)
