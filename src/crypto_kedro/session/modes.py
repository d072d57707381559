"""How a trader works: in a loop, at each tick that is asked for, or once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.session.cycle import CycleReport
from crypto_kedro.session.day_watch import DayWatch
from crypto_kedro.session.journal import Journal, JournalError
from crypto_kedro.session.journal.records import Trigger
from crypto_kedro.session.notice import IncidentSeen, not_begun
from crypto_kedro.session.opening import Outfit, begun_session
from crypto_kedro.session.status import TraderStatus
from crypto_kedro.session.stop import StopFlag, StopOrder, halt_ordered
from crypto_kedro.session.trader import Trader, report_json, write_halt
from crypto_kedro.session.waking import Mode

_SETTLE_S = 2.0
"""Pause between the cycles of a tick that has not settled, in seconds of the session's clock."""
_MARGIN_MS = 10_000


class Desk:
    """Where a trader is watched and asked, from before its first session begins until after its last has ended.

    Made with `open_desk`. What is asked for while no session has begun is answered as far as it can be: a stop
    always, a cycle in the mode `Mode.TICK` alone.

    Args:
        outfit: what sessions are begun with.
        journal: of the account.
        mode: how the trader works.
    """

    def __init__(self, outfit: Outfit, journal: Journal, mode: Mode) -> None:
        self._outfit = outfit
        self._journal = journal
        self._mode = mode
        self._flag = StopFlag(outfit.folder.stop_flag)
        self._teller = outfit.teller(journal, on_tick=mode is Mode.TICK)
        self._days = DayWatch(journal, self._teller, outfit.clock)
        self._trader: Trader | None = None
        self._one_at_a_time = asyncio.Lock()
        self._ticking: asyncio.Task[Any] | None = None
        self._is_closing = False

    def status(self) -> TraderStatus:
        """Return how it stands now: from memory, and while no session runs with the halt that anybody has asked for."""
        if self._trader is None:
            with contextlib.suppress(JournalError):
                self._teller.note_halt(halt_ordered(self._flag, self._journal, self._outfit.clock.now_ms()))
        return self._teller.status()

    def note_incident(self, incident: IncidentSeen) -> None:
        """Write an incident down that did not come from a cycle; it is told to nobody."""
        self._teller.note_incident(incident)

    async def stop(self, *, by: str, reason: str, flatten: bool) -> None:
        """Write a halt down, durably, and wake the cycle that obeys it.

        Raises:
            StopError: it could be written neither into the journal nor into the flag.
        """
        if self._trader is not None:
            await self._trader.stop(by=by, reason=reason, flatten=flatten)
            return
        order = StopOrder(by, reason, flatten)
        write_halt(self._flag, self._journal, self._teller, order, self._outfit.clock.now_ms())

    async def tick(self) -> Mapping[str, Any]:
        """Run one cycle, after the one that may be running, and return its report as JSON values.

        Raises:
            CryptoKedroError: the cycle could not begin, or was broken off.
        """
        if self._mode is Mode.TICK:
            return await self._tick()
        if self._trader is None:
            raise CryptoKedroError("the session has not begun: it waits for the lease or for the exchange")
        return await self._trader.tick()

    async def work(self, asked: asyncio.Event) -> None:
        """Trade until the work is done or asked to end; the cycle that runs then is finished.

        Raises:
            LeaseLostError: another process trades.
            JournalError: the journal cannot be written, so nothing more is sent.
            ExchangeError: the exchange does not answer.
            CryptoKedroError: the one cycle was broken off.
        """
        match self._mode:
            case Mode.LOOP:
                async with self._session() as trader:
                    await trader.run(asked)
            case Mode.ONCE:
                async with self._session() as trader, trader.at_work("one cycle was asked for"):
                    report = await self._guarded_cycle(trader)
                    await self._days.finish()
                report_json(report)
            case Mode.TICK:
                await self._wait_for_ticks(asked)

    async def close(self) -> None:
        """Break off what is told in the background."""
        await self._days.close()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Trader]:
        async with AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(begun_session(self._outfit, self._journal, self._teller))
            except CryptoKedroError as error:
                self._teller.tell(not_begun(error))
                raise
            self._trader = Trader(session, self._teller, self._days.look)
            try:
                yield self._trader
            finally:
                self._trader = None

    async def _wait_for_ticks(self, asked: asyncio.Event) -> None:
        try:
            await asked.wait()
            self._is_closing = True
            async with self._one_at_a_time:
                pass
        finally:
            self._is_closing = True
            if self._ticking is not None:
                self._ticking.cancel()
                await asyncio.wait({self._ticking})

    async def _tick(self) -> Mapping[str, Any]:
        async with self._one_at_a_time:
            if self._is_closing:
                raise CryptoKedroError("the trader is about to end; ask its successor")
            self._ticking = asyncio.create_task(self._session_of_a_tick())
            try:
                return report_json(await asyncio.shield(self._ticking))
            finally:
                self._ticking = None

    async def _session_of_a_tick(self) -> CycleReport:
        try:
            async with self._session() as trader, trader.at_work("the tick is over", is_told=False):
                report = await self._guarded_cycle(trader)
                await self._days.finish()
        except CryptoKedroError as error:
            self._teller.note_failure(str(error))
            raise
        return report

    async def _guarded_cycle(self, trader: Trader) -> CycleReport:
        """Run a cycle, and more of them until it is settled; return the first, or the last if one was broken off."""
        clock = self._outfit.clock
        until_ms = clock.now_ms() + self._outfit.cycle_terms.bare_ms + _MARGIN_MS
        first = report = await trader.cycle(Trigger.TICK)
        while not report.is_settled and clock.now_ms() < until_ms:
            await clock.wait(clock.now_ms() + round(_SETTLE_S * 1000), asyncio.Event(), _SETTLE_S)
            report = await trader.cycle(Trigger.PROTECTION)
        return first if first.error is None and report.error is None else report


@asynccontextmanager
async def open_desk(outfit: Outfit, mode: Mode) -> AsyncIterator[Desk]:
    """Open the journal and give the desk of its trader, who has not begun to work.

    Args:
        outfit: what sessions are begun with.
        mode: how the trader works.

    Raises:
        JournalError: the journal cannot be opened.
    """
    with outfit.open_journal() as journal:
        desk = Desk(outfit, journal, mode)
        try:
            yield desk
        finally:
            await desk.close()
