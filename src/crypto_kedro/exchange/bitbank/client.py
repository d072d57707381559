"""The wire to bitbank: ccxt signs and sends; every answer's envelope is checked here.

ccxt takes a body that is no JSON for an empty answer, follows redirections with signed headers and knows few of
bitbank's error codes, so requests are sent and answers are read here. Only the endpoints that a trader needs are ever
signed: no call of this class can move money away.

Source: bitbank REST API, "Authorization" and "Rate limit".
"""

import logging
import re
from collections.abc import Callable, Mapping
from email.utils import mktime_tz, parsedate_tz
from types import MappingProxyType
from typing import Any, cast

import aiohttp
from yarl import URL

from crypto_kedro.exchange.bitbank.ccxt_alone import BaseError, bitbank
from crypto_kedro.exchange.bitbank.checked import decoded
from crypto_kedro.exchange.bitbank.credentials import Credentials
from crypto_kedro.exchange.bitbank.errors import error_for
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.bitbank.throttle import Throttle
from crypto_kedro.exchange.port import (
    BadCredentialsError,
    ExchangeError,
    RetryLaterError,
    RetryNowError,
    UnusablePrivateAnswerError,
    UnusablePublicAnswerError,
)

Answer = Mapping[str, Any]

# What a request counts against, as the number that ccxt calls its cost. bitbank allows an account 10 queries and 6
# updates within a second; what its public host allows is not documented.
_QUERY, _UPDATE, _PUBLIC = 1.0, 2.0, 3.0
_MOST = {_QUERY: 10, _UPDATE: 6, _PUBLIC: 8}
_UPDATES = frozenset({"user/spot/order", "user/spot/cancel_order", "user/spot/cancel_orders"})
_SIGNED_PATHS = _UPDATES | {
    "user/assets",
    "user/margin/positions",
    "user/margin/status",
    "user/spot/active_orders",
    "user/spot/orders_info",
    "user/spot/trade_history",
    "user/subscribe",
}
_ACCOUNT = "/v1/user/"
_OK = 200
_CODES_END = 1_000_000
_CHUNK, _LONGEST_ANSWER = 1 << 16, 1 << 24
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_LONGEST_RETRY_S = 600
_NO_CREDENTIALS = Credentials("none", "none")


class WireClient(bitbank):  # type: ignore[misc]  # ccxt's classes have no types
    """bitbank's REST API, one call an endpoint, answers as their ``data``.

    Args:
        settings: addresses, timeout and time window.
        credentials: None allows public calls only.
        now_ms: clock that requests are signed with, Unix milliseconds UTC.
    """

    def __init__(self, settings: BitbankSettings, credentials: Credentials | None, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        # bitbank counts queries and updates apart, so that an order does not wait behind questions.
        self._throttles = {limit: Throttle(most) for limit, most in _MOST.items()}
        self._permit: Callable[[], None] | None = None
        self.has_credentials = credentials is not None
        signing = credentials or _NO_CREDENTIALS
        super().__init__(
            {
                "apiKey": signing.key,
                "secret": signing.secret,
                "enableRateLimit": settings.throttle,
                "timeout": int(settings.timeout_s * 1000),
                "options": {"authMethod": "timeWindow", "timeWindow": str(settings.time_window_ms)},
            }
        )
        self.urls["api"] = {
            "public": settings.public_url,
            "private": settings.private_url,
            "markets": settings.private_url,
        }
        if not settings.private_url.startswith("https:"):
            # ccxt pauses at the end to let TLS connections say good-bye.
            self.timeout_on_exit = 0
        # ccxt's debug log shows signed headers, so it is not let through whatever the level of its own logger is.
        self.logger = logging.getLogger(f"{__name__}.ccxt")
        self.logger.setLevel(logging.INFO)

    def ask_before_sending(self, permit: Callable[[], None]) -> None:
        """Ask for a permit for each order and cancel, once it is signed.

        The time that a request is signed with lies before the permit, so that a process that hangs between permit and
        sending, however long, is held to bitbank's time window.

        Args:
            permit: raises an error when nothing may be sent.
        """
        self._permit = permit

    async def throttle(self, cost: float) -> None:
        """Wait until a request that counts against a limit may start."""
        await self._throttles[cost].take()

    def milliseconds(self) -> int:
        """Return the time that requests are signed with."""
        return self._now_ms()

    def sign(
        self,
        path: str,
        api: list[str] | str = "public",
        method: str = "GET",
        params: Mapping[str, Any] = MappingProxyType({}),  # ccxt's signature
    ) -> dict[str, Any]:
        """Sign a request, unless its endpoint is none that a trader needs.

        Raises:
            BadCredentialsError: there are no credentials.
            ExchangeError: the endpoint is not among those that may be signed.
            CryptoKedroError: the permit for an order or a cancel is refused.
        """
        if "private" in api:
            if path not in _SIGNED_PATHS:
                raise ExchangeError(f"bitbank {path}: the connector signs only what trading needs")
            if not self.has_credentials:
                raise BadCredentialsError(
                    f"bitbank {path}: needs an API key; set BITBANK_API_KEY and BITBANK_API_SECRET"
                )
        signed: dict[str, Any] = super().sign(path, api, method, params)
        if path in _UPDATES and self._permit is not None:
            self._permit()
        return signed

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: str | None = None) -> Answer:
        """Send a signed request and return the ``data`` of its answer.

        Raises:
            ExchangeError: there is no answer, or it is not ``{"success": 1, "data": {...}}``.
        """
        action = f"bitbank {method} {url.partition('?')[0]}"
        patience_s = self.timeout / 1000
        try:
            self.open(True)
            async with self.session.request(
                method,
                URL(url, encoded=True),
                data=body.encode() if body else None,
                headers=self.prepare_request_headers(headers),
                timeout=aiohttp.ClientTimeout(total=patience_s, sock_connect=patience_s, sock_read=patience_s),
                allow_redirects=False,
            ) as response:
                raw = b""
                async for part in response.content.iter_chunked(_CHUNK):
                    raw += part
                    if len(raw) > _LONGEST_ANSWER:
                        raise ValueError("the answer is too long")
        except Exception as error:  # noqa: BLE001 -- the edge of the program: whatever the other side sends ends here
            raise RetryLaterError(
                f"{action}: no answer ({type(error).__name__}); check the network and ask again after a pause",
                outcome_known=isinstance(error, aiohttp.ClientConnectorError),
            ) from None  # it may show signed headers
        self.last_response_headers = dict(response.headers)
        return _data_of(raw, action, response.status, response.headers.get("Retry-After", ""))

    async def ask_public(self, path: str) -> Answer:
        """Ask an endpoint of the public host, for example ``btc_jpy/ticker``."""
        return await self._ask(path, "public", "GET", {}, _PUBLIC)

    async def ask_unsigned(self, path: str) -> Answer:
        """Ask an endpoint of the private host that needs no signature, for example ``spot/pairs``."""
        return await self._ask(f"v1/{path}", "markets", "GET", {}, _PUBLIC)

    async def ask(self, path: str, **query: Any) -> Answer:
        """Ask a signed GET endpoint, for example ``user/assets``."""
        return await self._ask(path, "private", "GET", query, _QUERY)

    async def send(self, path: str, **body: Any) -> Answer:
        """Send to a signed POST endpoint, for example ``user/spot/order``; never repeated after a lost answer."""
        return await self._ask(path, "private", "POST", body, _UPDATE if path in _UPDATES else _QUERY)

    async def _ask(self, path: str, api: str, method: str, params: dict[str, Any], limit: float) -> Answer:
        try:
            return await self._ask_once(path, api, method, params, limit)
        except RetryNowError:
            # It was turned away at the door: nothing was done, so even an order may be sent once more.
            return await self._ask_once(path, api, method, params, limit)

    async def _ask_once(self, path: str, api: str, method: str, params: dict[str, Any], limit: float) -> Answer:
        try:
            answer: Answer = await self.request(path, [api], method, params, {"cost": limit})
        except BaseError as error:
            # ccxt's own, for example of a connector that was closed.
            raise RetryLaterError(
                f"bitbank {method} {path}: nothing was sent ({type(error).__name__}); ask again after a pause"
            ) from error
        return answer

    def server_time_ms(self) -> int | None:
        """Return the ``Date`` of the latest answer, Unix milliseconds UTC of a whole second; None if it has none."""
        try:
            date = parsedate_tz((self.last_response_headers or {}).get("Date", ""))
            return None if date is None else int(mktime_tz(date) * 1000)
        except (ValueError, OverflowError):
            return None


def _data_of(raw: bytes, action: str, status: int, retry_after: str) -> Answer:
    """Return the ``data`` of a successful answer.

    Raises:
        ExchangeError: the answer is none, or one without success.
    """
    try:
        answer = decoded(raw)
        success, data = answer["success"], answer["data"]
        code = None if success else data["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        success, data, code = None, None, None
    is_read = type(success) is int and success in (0, 1) and isinstance(data, dict)
    if is_read and success == 1:
        return cast(Answer, data)
    retry_after_s = float(min(int(retry_after), _LONGEST_RETRY_S)) if _SECONDS.fullmatch(retry_after) else None
    if is_read and type(code) is int and 0 < code < _CODES_END:
        error = error_for(code, action)
    elif status == _OK:
        unusable = UnusablePrivateAnswerError if _ACCOUNT in action else UnusablePublicAnswerError
        error = unusable(
            f"{action}: HTTP {status} with an answer that is not in bitbank's format; ask again after a pause",
            outcome_known=False,
        )
    else:
        error = RetryLaterError(f"{action}: HTTP {status}; ask again after a pause", outcome_known=False)
    error.retry_after_s = retry_after_s
    raise error
