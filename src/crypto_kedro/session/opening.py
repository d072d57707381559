"""Beginning a session: the lease first, then the journal, then the account as it stands."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from crypto_kedro.exchange.port import Exchange
from crypto_kedro.exchange.retry import GrowingPauses
from crypto_kedro.session.account_news import NewsSource
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.cycle import Cycle, CycleTerms, FactsSource
from crypto_kedro.session.ending import EndReason
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal, JournalError, JournalStorageError, Writer
from crypto_kedro.session.journal.records import Lineage, SessionEnded, SessionStarted
from crypto_kedro.session.lease import FencedExchange, Lease, LeaseStoreError, held_lease
from crypto_kedro.session.notice import IncidentSeen, Notifier, Severity
from crypto_kedro.session.open_exchange import admit_all
from crypto_kedro.session.patience import once_it_answers
from crypto_kedro.session.status import BarSeen
from crypto_kedro.session.stop import StopFlag
from crypto_kedro.session.telling import Subject, Teller
from crypto_kedro.session.trader import Session, Trader, TraderTerms
from crypto_kedro.session.waking import Waking

LEASE_STORE = "lease_store"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outfit:
    """Everything that a session is begun with.

    Args:
        folder: keeps what outlives the process.
        exchange: the account.
        facts: what the core is told.
        bars: gives the decision bars that are shown.
        lease: the right to send.
        lease_wait_s: patience until another process has given it up.
        lineage: of the model and the code.
        cycle_terms: how it trades.
        trader_terms: how it goes about it.
        notifier: whom news are told.
        clock: the session's clock.
        news: what the exchange tells of the account, None where it tells nothing.
        admit: asks the exchange, once before the first session, whether this trader may trade there.
        start_pauses: gives the pauses of a session that waits for its exchange before it begins.
    """

    folder: SessionFolder
    exchange: Exchange
    facts: FactsSource
    bars: Callable[[], tuple[BarSeen, ...]]
    lease: Lease
    lease_wait_s: float
    lineage: Lineage
    cycle_terms: CycleTerms
    trader_terms: TraderTerms
    notifier: Notifier
    clock: SessionClock
    news: NewsSource | None = None
    admit: Callable[[], Awaitable[None]] = admit_all
    start_pauses: Callable[[], GrowingPauses] = GrowingPauses

    def open_journal(self) -> Journal:
        """Open the journal of the account, verified and watched.

        Raises:
            JournalError: it cannot be opened, was altered, or is that of another environment.
        """
        self.folder.root.mkdir(parents=True, exist_ok=True)
        journal = Journal.open_to_trade(self.folder.journal)
        try:
            first = next(journal.entries(SessionStarted), None)
            environment = self.trader_terms.environment
            if first is not None and first.record.environment != environment:
                raise JournalError(
                    f"journal {journal.path}: it is one of {first.record.environment} and not of {environment}; put "
                    "the right file back"
                )
        except BaseException:
            journal.close()
            raise
        return journal

    def teller(self, journal: Journal, *, on_tick: bool = False) -> Teller:
        """Return what tells of the trader, from before its first session on.

        Args:
            journal: of the account.
            on_tick: whether it works only when it is asked to.
        """
        subject = Subject(
            environment=self.trader_terms.environment,
            lineage=self.lineage,
            cycle_terms=self.cycle_terms,
            on_tick=on_tick,
            bars=self.bars,
            clock=self.clock,
            lease_held=self.lease.holds,
        )
        return Teller(subject, journal, self.notifier)


@asynccontextmanager
async def trader_at_work(outfit: Outfit) -> AsyncIterator[Trader]:
    """Begin a session and give its trader; afterwards the lease is given back and the journal closed.

    Raises:
        LeaseLostError: another process trades, and did not stop in time.
        JournalError: the journal cannot be written.
        StopTradingError, BadCredentialsError: the exchange refuses this trader.
    """
    with outfit.open_journal() as journal:
        teller = outfit.teller(journal)
        async with begun_session(outfit, journal, teller) as session:
            yield Trader(session, teller)


async def _once_written(write: Callable[[], None], teller: Teller, pauses: GrowingPauses) -> None:
    """Write again after growing pauses until the disk takes it."""
    while True:
        try:
            write()
        except JournalStorageError as error:
            teller.note_wait(error)
            await asyncio.sleep(pauses.next_s(None))
        else:
            return


@asynccontextmanager
async def begun_session(outfit: Outfit, journal: Journal, teller: Teller) -> AsyncIterator[Session]:
    """Begin a session; afterwards the lease is given back.

    The history begins with what the account is worth at the first session. Money that came or went while no session
    ran is written down as moved once the account is flat.

    Args:
        outfit: what it is begun with.
        journal: of the account.
        teller: is told that it begins and ends.

    Raises:
        LeaseLostError: another process trades, and did not stop in time.
        JournalError: the journal cannot be written.
        StopTradingError, BadCredentialsError: the exchange refuses this trader.
    """
    clock, terms = outfit.clock, outfit.cycle_terms

    def on_trouble(error: LeaseStoreError) -> None:
        incident = IncidentSeen(Severity.WARNING, LEASE_STORE, str(error))
        teller.note_incident(incident)
        teller.tell(incident)

    above = journal.highest_fence
    async with held_lease(outfit.lease, outfit.lease_wait_s, above=above, on_trouble=on_trouble) as held:
        environment = outfit.trader_terms.environment
        writer = Writer(f"{environment}-{clock.now_ms()}-{secrets.token_hex(3)}", held.fence.token)
        exchange, pauses = FencedExchange(outfit.exchange, outfit.lease), outfit.start_pauses()
        if journal.ledger() is None:
            # The capital that everything is measured by is never reckoned from what positions once cost.
            await held.during(once_it_answers(exchange.ticker, teller.note_wait, pauses))
        account = await held.during(once_it_answers(exchange.account, teller.note_wait, pauses))
        started = SessionStarted(
            environment,
            outfit.lineage,
            terms.settings,
            account.equity,
            terms.funding_stage,
            terms.limit_target,
            terms.accepted_limits,
        )
        await held.during(_once_written(partial(journal.append, writer, clock.now_ms(), started), teller, pauses))
        teller.begin(writer)
        try:
            cycle = Cycle(exchange, outfit.facts, journal, writer, terms, clock.now_ms)
            try:
                await held.during(once_it_answers(partial(cycle.take_over, account), teller.note_wait, pauses))
            except asyncio.CancelledError:
                journal.append(writer, clock.now_ms(), SessionEnded(EndReason.BROKEN_OFF))
                raise
            yield Session(
                cycle=cycle,
                waking=Waking(outfit.trader_terms, terms.settings.barriers.bar_ms, clock),
                journal=journal,
                writer=writer,
                held=held,
                flag=StopFlag(outfit.folder.stop_flag),
                now_ms=clock.now_ms,
                news=outfit.news,
            )
        finally:
            teller.end()
