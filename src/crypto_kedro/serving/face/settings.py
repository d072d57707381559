"""Where the face listens, who may use it, and when it calls the trader ready."""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.market.bars import MINUTE_MS

TOKEN_VARIABLE = "CRYPTO_KEDRO_FACE_TOKEN"
SHORTEST_TOKEN = 32
LOOPBACK_NAMES = ("127.0.0.1", "localhost")
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)
_PORTS = range(2**16)


@dataclass(frozen=True, slots=True)
class FaceToken:
    """The secret that lets its bearer act; it never shows in a log, a message or a repr.

    Args:
        secret: at least `SHORTEST_TOKEN` visible ASCII characters, long enough that guessing it is hopeless.

    Raises:
        ConfigurationError: the secret is too short or cannot stand in an HTTP header.
    """

    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        visible = self.secret.isascii() and self.secret.isprintable() and " " not in self.secret
        if len(self.secret) < SHORTEST_TOKEN or not visible:
            raise ConfigurationError(
                f"face: the token in {TOKEN_VARIABLE}, or face.token in conf/local/credentials.yml, must be at least "
                f"{SHORTEST_TOKEN} visible ASCII characters without a space; "
                "make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
            )

    @classmethod
    def find(
        cls, configured: Mapping[str, object] | None = None, environment: Mapping[str, str] = os.environ
    ) -> "FaceToken | None":
        """Return the token of the environment, else the configured one; None where there is neither.

        Args:
            configured: entry ``face`` of conf/local/credentials.yml, with ``token``.
            environment: variable ``CRYPTO_KEDRO_FACE_TOKEN``; a secret manager fills it.

        Raises:
            ConfigurationError: see above.
        """
        secret = environment.get(TOKEN_VARIABLE, "") or str((configured or {}).get("token") or "")
        return cls(secret.strip()) if secret.strip() else None

    @classmethod
    def generated(cls) -> "FaceToken":
        """Return a new secret."""
        return cls(secrets.token_urlsafe(SHORTEST_TOKEN))

    def is_same(self, shown: str) -> bool:
        """Return whether the token shown is this one, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(_digest(self.secret), _digest(shown))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceSettings:
    """How the face is served.

    Args:
        host: IPv4 address or name to listen on; ``0.0.0.0`` is every network, as a container needs.
        port: TCP port; 0 takes a free one.
        token: lets its bearer act; without one nobody may.
        link_code: of a one-time link; the page exchanges it once for the token.
        open_reading: whether figures and page are shown without the token; None shows them on this machine alone.
        allowed_hosts: names beside those of loopback by which requests may call the face, as a proxy passes them on.
        max_data_age_ms: age of the latest bar, from its close, up to which the trader is ready.
        max_cycle_age_ms: age of the last cycle, from its end, up to which the trader is ready.

    Raises:
        ConfigurationError: a value is outside its range, or nobody at all could read.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: FaceToken | None = None
    link_code: FaceToken | None = None
    open_reading: bool | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_data_age_ms: int = 17 * MINUTE_MS
    max_cycle_age_ms: int = 10 * MINUTE_MS

    def __post_init__(self) -> None:
        if self.port not in _PORTS:
            raise ConfigurationError(f"face: port is {self.port}; choose one from 0 to {_PORTS[-1]}")
        for name in ("max_data_age_ms", "max_cycle_age_ms"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"face: {name} is {getattr(self, name)}; it must be above 0")
        for name in self.allowed_hosts:
            if not _HOST_NAME.fullmatch(name):
                raise ConfigurationError(
                    f"face: allowed_hosts has {name!r}; write a host alone, such as trader.example, "
                    "without scheme, port, path or wildcard"
                )
        if self.token is None and (not self.is_open or (self.allowed_hosts and not self.open_reading)):
            reading = "unset" if self.open_reading is None else "false"
            raise ConfigurationError(
                f"face: with host {self.host}, allowed_hosts {list(self.allowed_hosts)} and open_reading {reading}, "
                f"reading takes a token and there is no token; set {TOKEN_VARIABLE}, or open_reading to show the "
                "account to everybody"
            )

    def link(self, address: str) -> str:
        """Return the one-time link; the fragment that holds its code reaches no server, proxy or log.

        Args:
            address: of the face.
        """
        return address if self.link_code is None else f"{address}/#token={self.link_code.secret}"

    @property
    def on_loopback(self) -> bool:
        """Whether this machine alone can reach the face."""
        return self.host in LOOPBACK_NAMES

    @property
    def host_names(self) -> frozenset[str]:
        """Names by which requests may call the face, in lower case; empty on a network without `allowed_hosts`."""
        if not self.on_loopback and not self.allowed_hosts:
            return frozenset()
        return frozenset({*LOOPBACK_NAMES, *(name.lower() for name in self.allowed_hosts)})

    @property
    def is_open(self) -> bool:
        """Whether figures are shown without the token to who reaches the face without a proxy."""
        return self.on_loopback if self.open_reading is None else self.open_reading
