"""A simulated exchange in time: its clock, its memory, and the one place where commands are carried out."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from crypto_kedro.exchange.simulator.bitbank import SimulatedBitbank
from crypto_kedro.exchange.simulator.clock import MarketClock
from crypto_kedro.exchange.simulator.commands import Command
from crypto_kedro.exchange.simulator.journal import Journal
from crypto_kedro.exchange.simulator.price_source import PriceSource
from crypto_kedro.exchange.simulator.settings import SimulatorSettings
from crypto_kedro.trading.orders import Order

_PACE_SECONDS = 0.05


def real_time_ms() -> int:
    """Return real time in Unix milliseconds UTC."""
    return time.time_ns() // 1_000_000


class RunningExchange:
    """Starts an exchange where its state file left it; starting is recovering.

    Args:
        source: the market to play.
        settings: account and behaviour.
        speed: see `MarketClock`.
        state: file that outlives the process; None forgets everything.
        wall_ms: real time, against which requests are timed and limited.
        begin_ms: market time at which an exchange without a memory begins, Unix milliseconds UTC; by default the
            start of its market.

    Attributes:
        settings: as given.
        wall_ms: as given.
        nonces: last nonce of each key.

    Raises:
        ConfigurationError: the state belongs to another market or account.
    """

    def __init__(
        self,
        source: PriceSource,
        settings: SimulatorSettings,
        *,
        speed: float = 0,
        state: Path | None = None,
        wall_ms: Callable[[], int] = real_time_ms,
        begin_ms: int | None = None,
    ) -> None:
        self.settings = settings
        self.wall_ms = wall_ms
        self.nonces: dict[str, int] = {}
        self._exchange = SimulatedBitbank(source, settings)
        self._journal: Journal | None = None
        if state is not None:
            self._journal = Journal(state, f"{source.name}, settings {_account_of(settings)}", source.start_ms)
            self._recover(self._journal)
        if begin_ms is not None and (self._journal is None or self._journal.last_ms < 0):
            self._exchange.advance_to(begin_ms)
        self._clock = MarketClock(self._exchange.now_ms, speed, wall_ms)

    @property
    def clock(self) -> MarketClock:
        """The market's clock."""
        return self._clock

    def now(self) -> SimulatedBitbank:
        """Return the exchange as it is now; what is read from it may be told to a client."""
        self._exchange.advance_to(self._clock.now_ms())
        if self._journal is not None:
            self._journal.note_time(self._exchange.now_ms)
        return self._exchange

    def carry_out(self, command: Command) -> Order | None:
        """Carry out a command and write it down before anybody is told.

        Returns:
            The order that was placed or cancelled, None for other commands.

        Raises:
            ApiError: it is refused; nothing has changed.
        """
        exchange = self.now()
        order = exchange.carry_out(command)
        if self._journal is not None:
            self._journal.append(exchange.now_ms, command)
        return order

    def note_nonce(self, key: str, nonce: int) -> None:
        """Remember the last nonce of a key."""
        self.nonces[key] = nonce
        if self._journal is not None:
            self._journal.note_nonce(key, nonce)

    async def run(self) -> None:
        """Let time pass until cancelled, so that listeners hear of events when they happen."""
        while True:
            self.now()
            await asyncio.sleep(_PACE_SECONDS)

    def close(self) -> None:
        """Close the state file."""
        if self._journal is not None:
            self._journal.close()

    def _recover(self, journal: Journal) -> None:
        for at_ms, command in journal.commands():
            self._exchange.advance_to(at_ms)
            self._exchange.carry_out(command)
        self._exchange.advance_to(journal.last_ms)
        self.nonces = journal.nonces()


def _account_of(settings: SimulatorSettings) -> str:
    """Return what tells accounts apart; how often they may be asked does not."""
    account = replace(settings, queries_per_second=None, updates_per_second=None)
    return hashlib.sha256(repr(account).encode()).hexdigest()[:12]
