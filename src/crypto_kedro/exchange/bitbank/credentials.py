"""The API key of a bitbank account, which never shows in a log, a message or a repr."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from crypto_kedro.errors import ConfigurationError

KEY_VARIABLE = "BITBANK_API_KEY"
SECRET_VARIABLE = "BITBANK_API_SECRET"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Key and secret of an API key; give it the rights to read and to trade, never to withdraw.

    Raises:
        ConfigurationError: one of the two is empty.
    """

    key: str = field(repr=False)
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.key or not self.secret:
            raise ConfigurationError(
                f"bitbank credentials: key and secret are both needed; set {KEY_VARIABLE} and {SECRET_VARIABLE}, "
                "or bitbank.key and bitbank.secret in conf/local/credentials.yml"
            )

    @classmethod
    def find(
        cls, configured: Mapping[str, object] | None = None, environment: Mapping[str, str] = os.environ
    ) -> "Credentials | None":
        """Return the credentials of the environment, else the configured ones; None where there are neither.

        Args:
            configured: entry ``bitbank`` of conf/local/credentials.yml, with ``key`` and ``secret``.
            environment: variables ``BITBANK_API_KEY`` and ``BITBANK_API_SECRET``; a secret manager fills them.

        Raises:
            ConfigurationError: only one half is given.
        """
        key, secret = environment.get(KEY_VARIABLE, ""), environment.get(SECRET_VARIABLE, "")
        if not key and not secret and configured:
            key, secret = str(configured.get("key", "")), str(configured.get("secret", ""))
        return cls(key, secret) if key or secret else None
