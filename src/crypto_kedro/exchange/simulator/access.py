"""Who may ask, and how often: bitbank's signatures by time window or nonce, and its limits per second."""

import hashlib
import hmac
import re
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum

from crypto_kedro.exchange.simulator.codes import ApiError, ErrorCode
from crypto_kedro.exchange.simulator.settings import SimulatorSettings

CLOCK_SKEW = "clock_skew_ms"
"""Where a request's state says by how much the clock runs fast that it is measured against."""

_DEFAULT_WINDOW_MS = 5_000
_LONGEST_WINDOW_MS = 60_000
_CLOCK_TOLERANCE_MS = 1_000
_SECOND_MS = 1_000
_WHOLE = re.compile(r"[0-9]{1,19}")


class Gate:
    """Checks the signature of every private request.

    Args:
        settings: keys and codes.
        wall_ms: the clock that clients are measured against, Unix milliseconds UTC.
        nonces: last nonce of each key.
        note_nonce: remembers a new one.

    Source: bitbank REST API documentation, "Authorization".
    """

    def __init__(
        self,
        settings: SimulatorSettings,
        wall_ms: Callable[[], int],
        nonces: Mapping[str, int],
        note_nonce: Callable[[str, int], None],
    ) -> None:
        self._secrets = {key.key: key.secret.encode() for key in settings.keys}
        self._reused_nonce_code = settings.reused_nonce_code
        self._wall_ms = wall_ms
        self._nonces = nonces
        self._note_nonce = note_nonce

    def admit(self, headers: Mapping[str, str], payload: bytes, skew_ms: int = 0) -> None:
        """Let a request in.

        Args:
            headers: of the request.
            payload: what is signed beside the time or the nonce: path and query of a GET, body of a POST.
            skew_ms: by how much the exchange's own clock runs fast at the moment.

        Raises:
            ApiError: a header is missing or wrong, the time is outside its window, or the nonce does not increase.
        """
        key = headers.get("access-key")
        if not key:
            raise ApiError(ErrorCode.KEY_MISSING)
        secret = self._secrets.get(key)
        if secret is None:
            raise ApiError(ErrorCode.KEY_UNKNOWN)
        signature = headers.get("access-signature")
        if not signature:
            raise ApiError(ErrorCode.SIGNATURE_MISSING)
        time_text, window_text = headers.get("access-request-time"), headers.get("access-time-window")
        if time_text is not None or window_text is not None:
            prefixes = self._prefixes_of_time(time_text, window_text, skew_ms)
            _require_signature(secret, signature, prefixes, payload)
            return
        nonce_text = headers.get("access-nonce")
        if nonce_text is None:
            raise ApiError(ErrorCode.TIME_AND_NONCE_MISSING)
        if not _WHOLE.fullmatch(nonce_text):
            raise ApiError(ErrorCode.NONCE_INVALID)
        _require_signature(secret, signature, (nonce_text,), payload)
        if int(nonce_text) <= self._nonces.get(key, -1):
            raise ApiError(self._reused_nonce_code)
        self._note_nonce(key, int(nonce_text))

    def _prefixes_of_time(self, time_text: str | None, window_text: str | None, skew_ms: int) -> tuple[str, ...]:
        if time_text is None:
            raise ApiError(ErrorCode.TIME_MISSING)
        if not _WHOLE.fullmatch(time_text):
            raise ApiError(ErrorCode.TIME_INVALID)
        window = _DEFAULT_WINDOW_MS
        # It is not documented whether the default window is signed when its header is left out.
        prefixes: tuple[str, ...] = (time_text, f"{time_text}{window}")
        if window_text is not None:
            if not _WHOLE.fullmatch(window_text) or not 0 < int(window_text) <= _LONGEST_WINDOW_MS:
                raise ApiError(ErrorCode.WINDOW_INVALID)
            window, prefixes = int(window_text), (time_text + window_text,)
        now = self._wall_ms() + skew_ms
        if int(time_text) >= now + _CLOCK_TOLERANCE_MS:
            raise ApiError(ErrorCode.TIME_IN_FUTURE)
        if now - int(time_text) > window:
            raise ApiError(ErrorCode.TIME_OUTSIDE_WINDOW)
        return prefixes


def _require_signature(secret: bytes, signature: str, prefixes: tuple[str, ...], payload: bytes) -> None:
    for prefix in prefixes:
        expected = hmac.new(secret, prefix.encode() + payload, hashlib.sha256).hexdigest()
        if hmac.compare_digest(expected.encode(), signature.encode()):
            return
    raise ApiError(ErrorCode.NOT_AUTHORISED)


class Budget(StrEnum):
    """What a request counts against."""

    QUERY = "query"
    UPDATE = "update"


class RateLimiter:
    """Allows so many requests of each budget within any second.

    Args:
        settings: the limits.
        wall_ms: real time, Unix milliseconds UTC.
    """

    def __init__(self, settings: SimulatorSettings, wall_ms: Callable[[], int]) -> None:
        self._limits = {Budget.QUERY: settings.queries_per_second, Budget.UPDATE: settings.updates_per_second}
        self._recent: dict[Budget, deque[int]] = {budget: deque() for budget in Budget}
        self._wall_ms = wall_ms

    def spend(self, budget: Budget) -> None:
        """Count a request.

        Raises:
            ApiError: it is one too many; it is not counted.
        """
        limit = self._limits[budget]
        if limit is None:
            return
        now, recent = self._wall_ms(), self._recent[budget]
        while recent and recent[0] <= now - _SECOND_MS:
            recent.popleft()
        if len(recent) >= limit:
            raise ApiError(ErrorCode.TOO_FREQUENT, status=429)
        recent.append(now)
