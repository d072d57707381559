"""bitbank's private stream: a wake-up when something happens to the account.

The stream has no order, no beginning and may repeat itself, so what it says is not believed: it only tells that it is
time to read the account. It is PubNub's long poll, spoken over plain HTTP.

Source: bitbank private stream; PubNub "Subscribe v2".
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import aiohttp

from crypto_kedro.exchange.bitbank import checked
from crypto_kedro.exchange.bitbank.market_data import wall_clock_ms
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.port import ExchangeError, RefusedError, RetryLaterError, RetryNowError
from crypto_kedro.exchange.retry import GrowingPauses
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS

_log = logging.getLogger(__name__)
_SUBSCRIBE_KEY = "sub-c-ecebae8e-dd60-11e6-b6b1-02ee2ddab7fe"
_HELD_S = 310.0  # the server answers within 280 s, news or none
_TOKEN_MS = 11 * HOUR_MS  # of the 12 hours that it lives
_STEADY_MS = MINUTE_MS  # a connection that held so long has been a good one
_LONGEST_CURSOR = 40


class PassSource(Protocol):
    """Where channel and token come from."""

    async def private_stream_pass(self) -> tuple[str, str]:
        """Return channel and token."""


class _LostError(Exception):
    """The poll was not answered with events."""


class PrivateStream:
    """Tells when to read the account.

    Args:
        source: the connector.
        settings: address of the stream.
        now_ms: clock, Unix milliseconds UTC.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        source: PassSource,
        settings: BitbankSettings,
        now_ms: Callable[[], int] = wall_clock_ms,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._url = settings.private_stream_url
        self._now_ms = now_ms
        self._sleep = sleep

    async def news(self) -> AsyncIterator[frozenset[str]]:
        """Yield the names of what has happened, for example ``spot_trade``; nothing after each new connection.

        Either way it is time to read the account. The iteration reconnects by itself and never ends.

        Raises:
            BadCredentialsError, StopTradingError: the exchange gives no token.
        """
        pauses = GrowingPauses()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_HELD_S)) as http:
            while True:
                began_ms = self._now_ms()
                try:
                    async for names in self._connection(http):
                        yield names
                except (RetryNowError, RetryLaterError, RefusedError, _LostError) as error:
                    if self._now_ms() - began_ms >= _STEADY_MS:
                        pauses.reset()
                    _log.warning("bitbank private stream: lost (%s); reading the account goes on without it", error)
                    retry_after_s = error.retry_after_s if isinstance(error, ExchangeError) else None
                    await self._sleep(pauses.next_s(retry_after_s))

    async def _connection(self, http: aiohttp.ClientSession) -> AsyncIterator[frozenset[str]]:
        """Listen with one token until it is old."""
        channel, token = await self._source.private_stream_pass()
        renew_at_ms = self._now_ms() + _TOKEN_MS
        cursor: dict[str, str] = {"tt": "0"}
        while self._now_ms() < renew_at_ms:
            answer = await self._poll(http, channel, {"uuid": channel, "auth": token, **cursor})
            is_first = cursor["tt"] == "0"
            try:
                cursor = {"tt": _cursor(answer["t"]["t"]), "tr": _cursor(answer["t"]["r"])}
                names = frozenset(checked.text(event["d"], "method") for event in checked.rows(answer, "m"))
            except (LookupError, TypeError, ValueError) as error:
                raise _LostError("the answer is not in PubNub's format") from error
            if names or is_first:
                yield names

    async def _poll(self, http: aiohttp.ClientSession, channel: str, query: dict[str, str]) -> Any:
        # The address holds the token, so no error that might show it is passed on.
        try:
            async with http.get(f"{self._url}/v2/subscribe/{_SUBSCRIBE_KEY}/{channel}/0", params=query) as response:
                if response.status != 200:
                    raise _LostError(f"HTTP {response.status}")
                return checked.decoded(await response.read())
        except (aiohttp.ClientError, OSError, ValueError, RecursionError) as error:
            raise _LostError(type(error).__name__) from None


def _cursor(value: Any) -> str:
    """Return a part of PubNub's time token.

    Raises:
        ValueError: it is none.
    """
    text = str(value)
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_CURSOR:
        raise ValueError("a time token is no number")
    return text
