"""Who may use the face: a bearer of the token may do everything, others at most read."""

import time

from starlette.requests import Request

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.serving.face.bounds import FaceBounds
from crypto_kedro.serving.face.origin import is_local
from crypto_kedro.serving.face.rare_log import RareLog
from crypto_kedro.serving.face.settings import TOKEN_VARIABLE, FaceSettings, FaceToken

TOKEN_HEADER = "x-face-token"
_BEARER = "bearer "
_MINUTE_S = 60.0


class AccessError(CryptoKedroError):
    """A request may not do what it asks for.

    Args:
        sentence: what is missing.
        status: of the HTTP answer.
    """

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Access:
    """Lets requests read and act, and exchanges the code of the one-time link.

    Args:
        settings: of the face.
        bounds: on wrong tokens.
        log: for wrong tokens.
    """

    def __init__(self, settings: FaceSettings, bounds: FaceBounds, log: RareLog) -> None:
        self._settings = settings
        self._bounds = bounds
        self._log = log
        self._link_is_used = False
        self._wrong = 0
        self._minute_from = -_MINUTE_S

    def require_reader(self, request: Request) -> None:
        """Let a request read.

        What a proxy forwards comes from other machines, though the proxy stands on this one.

        Raises:
            AccessError: reading is not open to it, and it does not carry the token.
        """
        settings = self._settings
        is_open = settings.is_open if is_local(request) else settings.open_reading
        if is_open:
            return
        if settings.token is None:
            raise AccessError(
                f"this trader has no token, so it is read on its own machine alone; set {TOKEN_VARIABLE}", 403
            )
        self.require_bearer(request)

    def require_bearer(self, request: Request) -> None:
        """Let a request act.

        Raises:
            AccessError: it does not carry the token, or there is none.
        """
        token = self._settings.token
        if token is None:
            raise AccessError(f"this trader has no token, so it takes no orders over HTTP; set {TOKEN_VARIABLE}", 403)
        self._require(token, request)

    def exchange_code(self, request: Request) -> FaceToken:
        """Return the token for the code of the one-time link.

        Raises:
            AccessError: the session printed no link, the code is wrong, or it was exchanged before.
        """
        settings = self._settings
        if settings.link_code is None or settings.token is None:
            raise AccessError("this session printed no one-time link; its token is configured", 404)
        self._require(settings.link_code, request)
        if self._link_is_used:
            raise AccessError(
                f"this link was used before; start the session again for another one, or set {TOKEN_VARIABLE}", 410
            )
        self._link_is_used = True
        return settings.token

    def _require(self, token: FaceToken, request: Request) -> None:
        shown = _shown(request)
        if shown is None:
            raise AccessError("send the token, as `Authorization: Bearer TOKEN` or as `X-Face-Token: TOKEN`", 401)
        if not token.is_same(shown):
            self._log.note("a wrong token came", f" with {request.method} {request.url.path}")
            raise self._refused()

    def _refused(self) -> AccessError:
        """Count a wrong token; too many change the refusal of wrong ones, and the right one is taken all the same."""
        now_s = time.monotonic()
        if now_s - self._minute_from >= _MINUTE_S:
            self._minute_from, self._wrong = now_s, 0
        self._wrong += 1
        if self._wrong <= self._bounds.wrong_tokens:
            return AccessError("this is not the token", 401)
        return AccessError("this is not the token; too many wrong ones came in this minute", 429)


def _shown(request: Request) -> str | None:
    # Cloud Run takes the Authorization header for itself where it checks callers; the token then has its own.
    token = request.headers.get(TOKEN_HEADER)
    if token is not None:
        return token
    authorization = request.headers.get("authorization", "")
    return authorization[len(_BEARER) :].strip() if authorization.lower().startswith(_BEARER) else None
