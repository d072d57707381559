"""The wire to bitbank: ccxt signs and sends; every answer's envelope is checked here.

ccxt takes a body that is no JSON for an empty answer and knows few of bitbank's error codes, so its error handling
is replaced. Only the endpoints that a trader needs are ever signed: no call of this class can move money away.

Source: bitbank REST API, "Authorization" and "Rate limit".
"""

import logging
from collections.abc import Callable, Mapping
from email.utils import mktime_tz, parsedate_tz
from types import MappingProxyType
from typing import Any

import aiohttp

from crypto_kedro.exchange.bitbank.ccxt_alone import BaseError, bitbank
from crypto_kedro.exchange.bitbank.credentials import Credentials
from crypto_kedro.exchange.bitbank.errors import error_for
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.bitbank.throttle import Throttle
from crypto_kedro.exchange.port import BadCredentialsError, ExchangeError, RetryLaterError, RetryNowError

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

    def handle_errors(
        self, status: int, _reason: str, url: str, method: str, _headers: Any, _body: str, response: Any, *_request: Any
    ) -> None:
        """Raise the error that an answer stands for; any answer that is no envelope of bitbank's is one.

        Raises:
            ExchangeError: the answer is not ``{"success": 1, "data": {...}}``.
        """
        action = f"bitbank {method} {url.partition('?')[0]}"
        if not isinstance(response, dict) or "success" not in response or not isinstance(response.get("data"), dict):
            raise RetryLaterError(
                f"{action}: HTTP {status} with an answer that is not in bitbank's format; ask again after a pause",
                outcome_known=False,
            )
        if response["success"] == 1:
            return
        code = response["data"].get("code")
        raise error_for(code if isinstance(code, int) else -1, action)

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
            answer = await self.request(path, [api], method, params, {"cost": limit})
        except BaseError as error:
            raise RetryLaterError(
                f"bitbank {method} {path}: no answer ({type(error.__cause__ or error).__name__}); "
                "check the network and ask again after a pause",
                outcome_known=isinstance(error.__cause__, aiohttp.ClientConnectorError),
            ) from error
        data: Answer = answer["data"]
        return data

    def server_time_ms(self) -> int | None:
        """Return the ``Date`` of the latest answer, Unix milliseconds UTC of a whole second; None if it has none."""
        date = parsedate_tz((self.last_response_headers or {}).get("Date", ""))
        return None if date is None else int(mktime_tz(date) * 1000)
