"""A record with its place in the journal, and what can be said of a few of them together."""

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from crypto_kedro.exchange.port import Attempt
from crypto_kedro.session.journal.records import Answered, Intended, JournalError, Record

R_co = TypeVar("R_co", bound=Record, covariant=True)


class Writer(NamedTuple):
    """Who appends to a journal.

    Args:
        session_id: of the session.
        fence: token of the lease that it holds; None is a human's hand, which needs no lease.
    """

    session_id: str
    fence: int | None


class Head(NamedTuple):
    """How far a journal goes: number and hash of its last entry. Kept elsewhere, it shows a journal cut short."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Entry(Generic[R_co]):
    """One record with its place in the journal.

    Args:
        seq: number, from 1, without gaps.
        at_ms: of the writer's clock, Unix milliseconds UTC; it falls back where that clock was set back.
        session_id, fence: of the writer; a human writes with the fence of the writer before.
        record: what was written.
    """

    seq: int
    at_ms: int
    session_id: str
    fence: int
    record: R_co


@dataclass(frozen=True, slots=True)
class HaltInForce:
    """Why nothing may be opened now.

    Args:
        by, reason: of the latest halt.
        flatten: whether any halt since trading was last allowed asked to close what is open.
        since_ms: when the first of them was written, Unix milliseconds UTC.
    """

    by: str
    reason: str
    flatten: bool
    since_ms: int


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """An intent without a final answer.

    Args:
        intended_at_ms: when it was written down, right before it was sent, Unix milliseconds UTC.
        session_id: of the session that sent it.
        intent: what was sent.
        answer: the last word on it; None when the process ended before any.
    """

    intended_at_ms: int
    session_id: str
    intent: Intended
    answer: Answered | None

    def attempt(self, sent_before_ms: int) -> Attempt:
        """Return the question for `Exchange.outcome_of`.

        Args:
            sent_before_ms: Unix milliseconds UTC by which it had been sent if it was sent at all; after a restart the
                moment of the restart.

        Raises:
            JournalError: it is a cancel, which may simply be repeated.
        """
        intent = self.intent
        if intent.request is None:
            raise JournalError(f"journal: intent {intent.intent_id} is a cancel; cancel order {intent.order_id} again")
        return Attempt(intent.request, self.intended_at_ms, sent_before_ms, frozenset(intent.other_order_ids))
