"""How a trader works: in a loop, at each tick that is asked for, or once."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from crypto_kedro.errors import CryptoKedroError, sentence_of
from crypto_kedro.session.cycle import CycleReport
from crypto_kedro.session.day_watch import DayWatch
from crypto_kedro.session.ending import EndReason, EndRequest
from crypto_kedro.session.journal import Journal, JournalError
from crypto_kedro.session.journal.records import Trigger
from crypto_kedro.session.notice import IncidentSeen, not_begun
from crypto_kedro.session.opening import Outfit, begun_session
from crypto_kedro.session.patience import once_it_answers
from crypto_kedro.session.status import TraderStatus
from crypto_kedro.session.stop import StopFlag, StopOrder, halt_ordered
from crypto_kedro.session.trader import Session, Trader, report_json, write_halt
from crypto_kedro.session.waking import Mode

T = TypeVar("T")

_log = logging.getLogger(__name__)

_SETTLE_S = 2.0
"""Pause between the cycles of a tick that has not settled, in seconds of the session's clock."""
_MARGIN_MS = 10_000


class _NotBegunError(Exception):
    """It was asked to end before the session had begun."""


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
        self._is_admitted = False

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

    async def work(self, asked: EndRequest) -> None:
        """Trade until the work is done or asked to end; the cycle that runs then is finished.

        A session waits for the lease and for the exchange before it begins; asked to end, it gives that up at once.

        Raises:
            LeaseLostError: another process trades.
            JournalError: the journal cannot be written, so nothing more is sent.
            StopTradingError, BadCredentialsError: the exchange refuses this trader.
            CryptoKedroError: the one cycle was broken off.
        """
        try:
            await self._work(asked)
        except _NotBegunError:
            _log.info("Asked to end before the session had begun")

    async def _work(self, asked: EndRequest) -> None:
        match self._mode:
            case Mode.LOOP:
                async with self._session(asked) as trader:
                    await trader.run(asked)
            case Mode.ONCE:
                async with self._session(asked) as trader, trader.at_work(EndRequest(EndReason.ONE_CYCLE)):
                    report = await self._guarded_cycle(trader)
                    await self._days.finish()
                report_json(report)
            case Mode.TICK:
                await self._wait_for_ticks(asked)

    async def close(self) -> None:
        """Break off what is told in the background."""
        await self._days.close()

    @asynccontextmanager
    async def _session(self, asked: asyncio.Event | None = None) -> AsyncIterator[Trader]:
        async with AsyncExitStack() as stack:
            try:
                session = await _unless(asked, self._begun(stack))
            except _NotBegunError:
                raise
            except Exception as error:
                self._teller.tell(not_begun(error))
                raise
            self._trader = Trader(session, self._teller, self._days.look)
            try:
                yield self._trader
            finally:
                self._trader = None

    async def _begun(self, stack: AsyncExitStack) -> Session:
        """Begin a session that ends with the stack."""
        outfit, teller = self._outfit, self._teller
        if not self._is_admitted:
            await once_it_answers(outfit.admit, teller.note_wait, outfit.start_pauses())
            self._is_admitted = True
        return await stack.enter_async_context(begun_session(outfit, self._journal, teller))

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
            async with self._session() as trader, trader.at_work(EndRequest(EndReason.TICK_OVER), is_told=False):
                report = await self._guarded_cycle(trader)
                await self._days.finish()
        except Exception as error:
            self._teller.note_failure(sentence_of(error))
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


async def _unless(asked: asyncio.Event | None, beginning: Coroutine[Any, Any, T]) -> T:
    """Return what a beginning comes to, unless it is asked to end before.

    Raises:
        _NotBegunError: it was asked to end.
    """
    if asked is None:
        return await beginning
    begins, ending = asyncio.create_task(beginning), asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({begins, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not begins.done():
            raise _NotBegunError
        return begins.result()
    finally:
        ending.cancel()
        begins.cancel()
        await asyncio.wait({begins})
