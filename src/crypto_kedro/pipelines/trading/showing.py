"""The HTTP face of a session: where it listens, and who may use it."""

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import click

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.parameters.session import FaceParameters
from crypto_kedro.serving.face.server import serving_face
from crypto_kedro.serving.face.settings import FaceSettings, FaceToken
from crypto_kedro.session.status import WatchedTrader

_log = logging.getLogger(__name__)

PORT_VARIABLE = "PORT"
_EVERY_NETWORK = "0.0.0.0"


def face_settings(
    face: FaceParameters, token: FaceToken | None, environment: Mapping[str, str] = os.environ
) -> FaceSettings:
    """Return how the face is served.

    Args:
        face: parameters of the face.
        token: lets its bearer act.
        environment: where ``PORT`` is set, as Cloud Run does for its containers, that port of every network is taken.

    Raises:
        ConfigurationError: a value is outside its range, or nobody at all could read.
    """
    host, port = face.host, face.port
    given = environment.get(PORT_VARIABLE, "").strip()
    if given:
        if not given.isascii() or not given.isdigit():
            raise ConfigurationError(f"face: the variable {PORT_VARIABLE} is {given!r}; set it to a port, or unset it")
        host, port = _EVERY_NETWORK, int(given)
    return FaceSettings(
        host=host,
        port=port,
        token=token,
        open_reading=face.open_reading,
        allowed_hosts=face.allowed_hosts,
        max_data_age_ms=round(face.max_data_age_minutes * MINUTE_MS),
        max_cycle_age_ms=round(face.max_cycle_age_minutes * MINUTE_MS),
    )


@asynccontextmanager
async def shown(trader: WatchedTrader, face: FaceParameters | None, token: FaceToken | None) -> AsyncIterator[None]:
    """Serve the face while the context is open, and log its address; without parameters there is none.

    On this machine alone and without a token, it makes one and prints a link that gives it to one browser.

    Raises:
        ConfigurationError: it cannot be served as it is set up.
    """
    if face is None:
        yield
        return
    settings = face_settings(face, token)
    if settings.token is None and settings.on_loopback:
        settings = replace(settings, token=FaceToken.generated(), link_code=FaceToken.generated())
    async with serving_face(trader, settings) as address:
        _log.info("Dashboard at %s", address)
        if settings.link_code is not None:
            # To the terminal alone: a log is kept, and read by others. A terminal that is gone ends no session.
            with contextlib.suppress(OSError):
                click.echo(f"Link for one browser, which may then stop trading: {settings.link(address)}")
        yield
