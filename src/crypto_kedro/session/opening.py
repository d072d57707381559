"""Beginning a session: the lease first, then the journal, then the account as it stands."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from crypto_kedro.exchange.port import Exchange, RetryLaterError, RetryNowError
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.cycle import Cycle, CycleTerms, FactsSource
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import Lineage, SessionStarted
from crypto_kedro.session.lease import FencedExchange, Lease, acquire_within
from crypto_kedro.session.notice import Notifier
from crypto_kedro.session.status import BarSeen
from crypto_kedro.session.stop import StopFlag
from crypto_kedro.session.trader import Session, Trader, TraderTerms
from crypto_kedro.trading.account import AccountState

_log = logging.getLogger(__name__)

_PAUSE_S = 2.0


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


@asynccontextmanager
async def trader_at_work(outfit: Outfit) -> AsyncIterator[Trader]:
    """Begin a session and give its trader; afterwards the lease is given back and the journal closed.

    The history begins with what the account is worth at the first session. Money that came or went while no session
    ran is written down as moved once the account is flat.

    Raises:
        LeaseLostError: another process trades, and did not stop in time.
        JournalError: the journal cannot be written.
        ExchangeError: the exchange does not answer.
    """
    folder, clock = outfit.folder, outfit.clock
    folder.root.mkdir(parents=True, exist_ok=True)
    with Journal.open(folder.journal) as journal:
        fence = await acquire_within(outfit.lease, outfit.lease_wait_s, above=journal.highest_fence)
        try:
            writer = Writer(f"{outfit.trader_terms.environment}-{clock.now_ms()}-{secrets.token_hex(3)}", fence.token)
            exchange = FencedExchange(outfit.exchange, outfit.lease)
            terms = outfit.cycle_terms
            account = await _answered(exchange)
            journal.append(
                writer,
                clock.now_ms(),
                SessionStarted(
                    outfit.trader_terms.environment,
                    outfit.lineage,
                    terms.settings,
                    account.equity,
                    terms.funding_stage,
                ),
            )
            cycle = Cycle(exchange, outfit.facts, journal, writer, terms, clock.now_ms)
            await cycle.take_over()
            yield Trader(
                Session(
                    cycle=cycle,
                    cycle_terms=terms,
                    journal=journal,
                    writer=writer,
                    lineage=outfit.lineage,
                    lease=outfit.lease,
                    flag=StopFlag(folder.stop_flag),
                    notifier=outfit.notifier,
                    clock=clock,
                    bars=outfit.bars,
                ),
                outfit.trader_terms,
            )
        finally:
            await outfit.lease.release()


async def _answered(exchange: Exchange) -> AccountState:
    """Return the account once the exchange answers: a trader that starts in a maintenance waits for its end."""
    while True:
        try:
            return await exchange.account()
        except (RetryLaterError, RetryNowError) as error:
            _log.warning("%s", error)
            await asyncio.sleep(_PAUSE_S)
