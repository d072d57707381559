"""The way back from an order to everything that made it; a link that is missing is an error."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from msgspec import to_builtins

from crypto_kedro.errors import LineageError
from crypto_kedro.market.moments import utc_iso
from crypto_kedro.session.journal.entry import Entry
from crypto_kedro.session.journal.records import Answered, Decided, FillSeen, Intended, Record, SessionStarted
from crypto_kedro.session.journal.store import Journal
from crypto_kedro.trading.orders import Fill, Order, OrderRequest

NO_COMMIT = "none:"
"""How a run that had no commit to name begins what it says instead."""

E = TypeVar("E")


class Link(NamedTuple):
    """One step of the way: what it is and how it is known."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class OrderLineage:
    """Where an order came from.

    Args:
        order: as it was last written down.
        fills: of it, oldest first.
        intent: why it was sent.
        decision: the last one before the intent; an order that only kept up a protection may be of a later cycle.
        session: that sent it.
        origin: that decided; another session than ``session`` where the decision is older than a restart.
    """

    order: Order
    fills: tuple[Fill, ...]
    intent: Entry[Intended]
    decision: Entry[Decided]
    session: Entry[SessionStarted]
    origin: Entry[SessionStarted]

    @property
    def links(self) -> tuple[Link, ...]:
        """The way from the order to the candles."""
        return tuple(self._links())

    @property
    def claims(self) -> dict[str, str]:
        """What the registry must say of the model version too, by its own names for it."""
        lineage = self.origin.record.lineage
        return {
            "bundle_digest": lineage.bundle_digest,
            "run_id": lineage.run_id,
            "git_sha": lineage.model_git_sha,
            "data_source": lineage.data_source,
            "data_sha256": lineage.data_sha256,
            "feature_set_hash": lineage.feature_set_hash,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "order": to_builtins(self.order),
            "fills": to_builtins(self.fills),
            "intent": {**to_builtins(self.intent.record), "seq": self.intent.seq, "at_ms": self.intent.at_ms},
            "decision": {**to_builtins(self.decision.record), "seq": self.decision.seq, "at_ms": self.decision.at_ms},
            "session": {"id": self.session.session_id, "environment": self.session.record.environment},
            "lineage": to_builtins(self.origin.record.lineage),
        }

    def _links(self) -> Iterator[Link]:
        order, intent, session = self.order, self.intent, self.session.record
        decided, lineage = self.decision.record.record, self.origin.record.lineage
        yield Link("order", f"{order.order_id}: {_words(order.request)}, {order.status}")
        for fill in self.fills:
            yield Link(
                "fill", f"{fill.trade_id}: {fill.amount} BTC at {fill.price} JPY, {utc_iso(fill.executed_at_ms)}"
            )
        why = f"{intent.record.purpose} ({intent.record.reason})"
        yield Link("intent", f"{intent.record.intent_id}: {why}, {utc_iso(intent.at_ms)}")
        yield Link("decision", f"{decided['action']} ({decided['reason']}), {decided['at']}, entry {self.decision.seq}")
        yield Link("session", f"{self.session.session_id}: {session.environment}, stage {session.funding_stage}")
        yield Link("bundle", lineage.bundle_digest)
        yield Link("model", lineage.model_version)
        yield Link("run", lineage.run_id)
        yield Link("trained by", lineage.model_git_sha)
        yield Link("candles", f"{lineage.data_source}, sha256 {lineage.data_sha256}")
        yield Link("features", lineage.feature_set_hash)
        yield Link("traded by", lineage.trader_git_sha)


def trace_order(journal: Journal, order_id: int) -> OrderLineage:
    """Walk back from an order to the candles that its decision's model learned from.

    Args:
        journal: of the trader.
        order_id: at the exchange.

    Raises:
        JournalError: the journal cannot be read.
        LineageError: a link is missing; the message names it.
    """
    reports = {
        entry.record.intent_id: entry.record.order
        for entry in journal.entries(Answered)
        if entry.record.order is not None and entry.record.order.order_id == order_id
    }
    intent = _last(
        entry
        for entry in journal.entries(Intended)
        if entry.record.request is not None and entry.record.intent_id in reports
    )
    if intent is None:
        raise LineageError(
            f"order {order_id}: {journal.path} holds no intent of it; it was sent by hand, by the exchange or by "
            "another trader, or its intent still awaits an answer"
        )
    decision = _last(entry for entry in journal.entries(Decided) if entry.seq < intent.seq)
    if decision is None:
        raise LineageError(f"order {order_id}: {journal.path} holds no decision before its intent, entry {intent.seq}")
    lineage = OrderLineage(
        order=list(reports.values())[-1],
        fills=tuple(one.record.fill for one in journal.entries(FillSeen) if one.record.fill.order_id == order_id),
        intent=intent,
        decision=decision,
        session=_start_of(journal, intent),
        origin=_start_of(journal, decision),
    )
    _require_all_links(order_id, lineage.origin)
    return lineage


def _last(entries: Iterable[E]) -> E | None:
    return next(iter(deque(entries, maxlen=1)), None)


def _start_of(journal: Journal, entry: Entry[Record]) -> Entry[SessionStarted]:
    for start in journal.entries(SessionStarted, session_id=entry.session_id):
        return start
    raise LineageError(f"session {entry.session_id}: {journal.path} does not say how it began")


def _require_all_links(order_id: int, session: Entry[SessionStarted]) -> None:
    links = to_builtins(session.record.lineage)
    missing = [name for name, value in links.items() if not value or value.startswith(NO_COMMIT)]
    if missing:
        raise LineageError(
            f"order {order_id}: session {session.session_id} began without {', '.join(missing)}, so that the order "
            "cannot be traced further; trade with a registered model, from a git commit"
        )


def _words(request: OrderRequest) -> str:
    """Return what was asked for, such as ``market buy 0.0100 BTC, long``."""
    amount = "the whole position" if request.amount is None else f"{request.amount} BTC"
    prices = (("at", request.price), ("trigger", request.trigger_price))
    terms = "".join(f" {word} {price} JPY" for word, price in prices if price is not None)
    return f"{request.type} {request.side} {amount}{terms}, {request.position_side or 'spot'}"
