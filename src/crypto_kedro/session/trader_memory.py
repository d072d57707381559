"""What a trader remembers of its journal to show itself: trades, today's funnel, incidents, the equity's curve."""

from collections import Counter, deque
from typing import Any

from crypto_kedro.session.journal import Entry, Journal
from crypto_kedro.session.journal.records import (
    Answered,
    Decided,
    FillSeen,
    Incident,
    Intended,
    Observed,
    Outcome,
    Record,
)
from crypto_kedro.session.records import Sending, Trade, round_trips
from crypto_kedro.session.status import CurvePoint, IncidentSeen
from crypto_kedro.trading.ledger import jst_day
from crypto_kedro.trading.money import UNITS_PER_JPY, Jpy
from crypto_kedro.trading.orders import Fill

_INCIDENTS = 50
_CURVE_POINTS = 7 * 96
_RECENT_ENTRIES = 5_000


class TraderMemory:
    """Folds the entries of a journal; it reads only what is new.

    Args:
        journal: of the account.

    Attributes:
        fills: all executions, oldest first.
        trades: closed round trips, oldest first.
        decision: record of the latest decision.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._taken = 0
        self._intents: dict[str, Intended] = {}
        self._sendings: dict[int, Sending] = {}
        self._incidents: deque[IncidentSeen] = deque(maxlen=_INCIDENTS)
        self._curve: deque[CurvePoint] = deque(maxlen=_CURVE_POINTS)
        self._funnel: Counter[str] = Counter()
        self._funnel_day = 0
        self._bars_counted: set[int] = set()
        self.fills: list[Fill] = []
        self.trades: tuple[Trade, ...] = ()
        self.decision: dict[str, Any] | None = None
        self._recover()

    def refresh(self) -> tuple[Trade, ...]:
        """Take in what has been written since, and return the trades that it closed."""
        head = self._journal.head.seq
        if head == self._taken:
            return ()
        fills = len(self.fills)
        for entry in self._journal.entries(Intended, Answered, FillSeen, Incident, Decided, after=self._taken):
            self._take(entry)
        self._taken = head
        if len(self.fills) == fills:
            return ()
        known = len(self.trades)
        self.trades = round_trips(self.fills, self._sendings)
        return self.trades[known:]

    def mark(self, at_ms: int, equity: Jpy, bar_ms: int) -> None:
        """Keep one point of the equity a bar."""
        if not self._curve or at_ms // bar_ms != self._curve[-1].at_ms // bar_ms:
            self._curve.append(CurvePoint(at_ms, equity.units / UNITS_PER_JPY))

    def funnel(self, now_ms: int) -> tuple[tuple[str, int], ...]:
        """Return how many decision bars of the JST day had which reason, the most frequent first."""
        return tuple(self._funnel.most_common()) if jst_day(now_ms) == self._funnel_day else ()

    def trades_of_day(self, now_ms: int) -> tuple[Trade, ...]:
        """Return the trades closed in the JST day of a moment."""
        day = jst_day(now_ms)
        return tuple(trade for trade in self.trades if jst_day(trade.closed_at_ms) == day)

    @property
    def incidents(self) -> tuple[IncidentSeen, ...]:
        """The latest incidents, newest first."""
        return tuple(reversed(self._incidents))

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """Points of the equity, oldest first."""
        return tuple(self._curve)

    def _recover(self) -> None:
        """Take in all orders and fills, and what was decided and went wrong of late."""
        head = self._journal.head.seq
        for entry in self._journal.entries(Intended, Answered, FillSeen):
            self._take(entry)
        for late in self._journal.entries(Observed, Decided, Incident, after=max(head - _RECENT_ENTRIES, 0)):
            self._take(late)
        self._taken = head
        self.trades = round_trips(self.fills, self._sendings)

    def _take(self, entry: Entry[Record]) -> None:
        match entry.record:
            case Intended() as intent:
                self._intents[intent.intent_id] = intent
            case Answered(outcome=Outcome.PLACED, order=order) as answer if order is not None:
                intent = self._intents[answer.intent_id]
                self._sendings[order.order_id] = Sending(intent.purpose, intent.reason, entry.at_ms)
            case FillSeen(fill):
                self.fills.append(fill)
            case Incident(severity, code, text):
                self._incidents.append(IncidentSeen(entry.at_ms, severity, code, text))
            case Decided(record=record):
                self._count(record)
            case Observed(observation=observation):
                account = observation.account
                self._curve.append(CurvePoint(account.at_ms, account.equity.units / UNITS_PER_JPY))
            case _:
                pass

    def _count(self, record: dict[str, Any]) -> None:
        self.decision = record
        day, bar_ms = jst_day(record["at_ms"]), int(record["bar"]["bar_close_ms"])
        if day != self._funnel_day:
            self._funnel_day = day
            self._funnel.clear()
            self._bars_counted.clear()
        if bar_ms not in self._bars_counted:
            self._bars_counted.add(bar_ms)
            self._funnel[record["reason"]] += 1
