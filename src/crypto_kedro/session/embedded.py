"""The simulated exchange inside a session's process, spoken to over HTTP on loopback like the real one."""

import asyncio
import ctypes
import logging
import socket
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from crypto_kedro.errors import ConfigurationError, CryptoKedroError, sentence_of
from crypto_kedro.exchange.bitbank.connector import BitbankExchange
from crypto_kedro.exchange.bitbank.credentials import Credentials
from crypto_kedro.exchange.bitbank.private_stream import PrivateStream
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.clock import MarketClock
from crypto_kedro.exchange.simulator.journal import stored_start_ms
from crypto_kedro.exchange.simulator.markets import market
from crypto_kedro.exchange.simulator.running import RunningExchange, real_time_ms
from crypto_kedro.exchange.simulator.server import LOOPBACK, loopback_socket, run
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.session.clock import SessionClock
from crypto_kedro.session.open_exchange import OpenExchange
from crypto_kedro.trading.money import Jpy

_log = logging.getLogger(__name__)
_KEY = ApiKey("session-key", "session-secret")
_LONGEST_WINDOW_MS = 60_000
_GLIBC_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedMarket:
    """What the embedded exchange plays.

    Args:
        data: ``synthetic``, or a file or folder of 1-minute candles.
        start: UTC date from which candles are played; ignored once the exchange has a state.
        seed: of the synthetic market.
        speed: milliseconds of market time in one of real time.
        cash: JPY to start with.
    """

    data: str
    start: str | None
    seed: int
    speed: float
    cash: Jpy


@asynccontextmanager
async def embedded_exchange(played: EmbeddedMarket, state: Path) -> AsyncIterator[OpenExchange]:
    """Serve the simulated exchange and give an account at it.

    Market time stands still while the process does not run, so session and exchange live by the market's clock.

    Args:
        played: the market and the account.
        state: file that remembers the exchange over a restart.

    Raises:
        DataError, ConfigurationError: the market cannot be played.
    """
    listener = loopback_socket(0)
    address = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    opened: Future[MarketClock] = Future()
    failed: Future[None] = Future()
    # A thread of its own: what the exchange computes does not hold the trader up, and it takes no signals.
    threading.Thread(
        target=_serve, args=(played, state, listener, opened, failed), name="simulated exchange", daemon=True
    ).start()
    clock = await asyncio.wrap_future(opened)
    is_fast = played.speed > 1
    reached = BitbankSettings(
        public_url=address,
        private_url=address,
        stream_url=address,
        private_stream_url=address,
        time_window_ms=_LONGEST_WINDOW_MS if is_fast else 5_000,
        throttle=not is_fast,
    )
    async with BitbankExchange(reached, Credentials(_KEY.key, _KEY.secret), now_ms=clock.now_ms) as exchange:
        news = PrivateStream(exchange, reached, clock.now_ms).news
        failure = asyncio.wrap_future(failed)
        yield OpenExchange(exchange, SessionClock(clock.now_ms, played.speed), news, failure)


def _serve(
    played: EmbeddedMarket,
    state: Path,
    listener: socket.socket,
    opened: "Future[MarketClock]",
    failed: "Future[None]",
) -> None:
    """Open the exchange, return its clock, and serve it until the process ends; its errors reach the session."""
    _give_memory_back()
    try:
        running = _open(played, state)
        # Requests are timed by the market's clock, which is also the client's.
        running.wall_ms = running.clock.now_ms
        application = build_application(running)
    except CryptoKedroError as error:
        opened.set_exception(error)
        return
    except Exception as error:  # noqa: BLE001 -- the session waits for it
        opened.set_exception(
            ConfigurationError(
                f"session.simulator: the exchange cannot start with data {played.data}, start {played.start} and seed "
                f"{played.seed} ({sentence_of(error)}); correct them, or delete {state} if its state is damaged"
            )
        )
        return
    opened.set_result(running.clock)
    error_text = "it ended"
    try:
        run(running, [(application, listener)])
    except Exception as error:  # noqa: BLE001 -- the session waits for it
        error_text = sentence_of(error)
        _log.exception("The embedded exchange failed")
    failed.set_exception(CryptoKedroError(f"the embedded exchange failed ({error_text}); start the session again"))


def _give_memory_back() -> None:
    """Let the C library give large arrays back once they are freed; glibc else keeps most of what a drawn year took."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(_GLIBC_MMAP_THRESHOLD, _LARGE_BYTES)


def _open(played: EmbeddedMarket, state: Path) -> RunningExchange:
    start_ms = stored_start_ms(state)
    start = played.start if start_ms is None else str(start_ms)
    source = market(played.data, start, played.seed, real_time_ms())
    is_fast = played.speed > 1
    settings = SimulatorSettings(
        keys=(_KEY,),
        cash=played.cash,
        queries_per_second=None if is_fast else 10,
        updates_per_second=None if is_fast else 6,
    )
    return RunningExchange(source, settings, speed=played.speed, state=state)
