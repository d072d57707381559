"""Who may use the face: a bearer of the token may do everything, others at most read."""

import logging

from starlette.requests import Request

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.serving.face.origin import is_local
from crypto_kedro.serving.face.settings import TOKEN_VARIABLE, FaceSettings

TOKEN_HEADER = "x-face-token"
_BEARER = "bearer "
_log = logging.getLogger(__name__)


class AccessError(CryptoKedroError):
    """A request may not do what it asks for.

    Args:
        sentence: what is missing.
        status: of the HTTP answer.
    """

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def require_reader(request: Request, settings: FaceSettings) -> None:
    """Let a request read.

    What a proxy forwards comes from other machines, though the proxy stands on this one.

    Raises:
        AccessError: reading is not open to it, and it does not carry the token.
    """
    is_open = settings.is_open if is_local(request) else settings.open_reading
    if is_open:
        return
    if settings.token is None:
        raise AccessError(
            f"this trader has no token, so it is read on its own machine alone; set {TOKEN_VARIABLE}", 403
        )
    require_bearer(request, settings)


def require_bearer(request: Request, settings: FaceSettings) -> None:
    """Let a request act.

    Raises:
        AccessError: it does not carry the token, or there is none.
    """
    if settings.token is None:
        raise AccessError(f"this trader has no token, so it takes no orders over HTTP; set {TOKEN_VARIABLE}", 403)
    shown = _shown(request)
    if shown is None:
        raise AccessError("send the token, as `Authorization: Bearer TOKEN` or as `X-Face-Token: TOKEN`", 401)
    if not settings.token.is_same(shown):
        _log.warning("face: a wrong token came with %s %s", request.method, request.url.path)
        raise AccessError("this is not the token", 401)


def _shown(request: Request) -> str | None:
    # Cloud Run takes the Authorization header for itself where it checks callers; the token then has its own.
    token = request.headers.get(TOKEN_HEADER)
    if token is not None:
        return token
    authorization = request.headers.get("authorization", "")
    return authorization[len(_BEARER) :].strip() if authorization.lower().startswith(_BEARER) else None
