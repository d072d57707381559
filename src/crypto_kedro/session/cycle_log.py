"""What one cycle has come to so far, and its entries in the journal."""

from collections.abc import Callable

from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import CycleEnded, CycleStarted, Record, Trigger
from crypto_kedro.trading.decision import Decision
from crypto_kedro.trading.orders import Fill, PositionSide


class CycleLog:
    """The log of the cycle that runs, or ran last.

    A cycle that has nothing to write leaves nothing in the journal, not even its start.

    Args:
        journal: of the account.
        writer: the session.
        now_ms: the session's clock, Unix milliseconds UTC.

    Attributes:
        cycle_id: unique in the session.
        trigger: what began it.
        started_at_ms: Unix milliseconds UTC.
        decision: what the core said.
        fills: executions that were seen for the first time.
        repaired: positions whose stop was set right.
        observed_bar_ms: close of the newest bar that is published, None when it was not asked for.
    """

    def __init__(self, journal: Journal, writer: Writer, now_ms: Callable[[], int]) -> None:
        self._journal = journal
        self._writer = writer
        self._now_ms = now_ms
        self._cycles = 0
        self._is_written = False
        self._reset("", Trigger.TICK)

    def start(self, trigger: Trigger) -> None:
        """Begin the log of the next cycle."""
        self._cycles += 1
        self._reset(str(self._cycles), trigger)

    def begin(self) -> None:
        """Write down the cycle's start once it has anything to write."""
        if not self._is_written:
            self._is_written = True
            self.write(CycleStarted(self.cycle_id, self.trigger))

    def write(self, *records: Record) -> None:
        """Write records down, or keep them until the disk takes them.

        Raises:
            JournalError: another process has taken over, or they contradict those before.
        """
        self._journal.append_or_keep(self._writer, self._now_ms(), *records)

    def end(self, sent: int, error: str | None) -> None:
        """Write down how the cycle ended, if it wrote or sent anything."""
        if self._is_written or sent:
            self.write(CycleEnded(self.cycle_id, sent, error))

    def _reset(self, cycle_id: str, trigger: Trigger) -> None:
        self.cycle_id = cycle_id
        self.trigger = trigger
        self.started_at_ms = self._now_ms()
        self.decision: Decision | None = None
        self.fills: list[Fill] = []
        self.repaired: list[PositionSide] = []
        self.observed_bar_ms: int | None = None
        self._is_written = False
