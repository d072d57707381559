"""What must not be seen: the API key, the addresses of webhooks and the face's token, from one place each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kedro.config import AbstractConfigLoader, MissingConfigException
from kedro.io import AbstractDataset

from crypto_kedro.errors import ConfigurationError

# The rooms behind them take a second to import, which a run that trades nothing need not pay.
if TYPE_CHECKING:
    from crypto_kedro.exchange.bitbank.credentials import Credentials
    from crypto_kedro.serving.face.settings import FaceToken

_FILE = "credentials.yml in conf/local or the environment's folder"
_KNOWN: Mapping[str, frozenset[str] | None] = {
    "bitbank": frozenset({"key", "secret"}),
    "face": frozenset({"token"}),
    "webhooks": None,
}
"""Entries that the trader reads with their keys; None takes any. Other entries are left to Kedro's catalog."""


@dataclass(frozen=True, slots=True)
class CredentialStore:
    """The entries of ``credentials.yml``; the process's environment goes before each of them.

    Nothing of it shows in a repr, and a complaint about it names keys, never values.
    """

    _configured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, configured: Mapping[str, Any]) -> Self:
        """Take the entries as Kedro's configuration loader gives them.

        Raises:
            ConfigurationError: an entry that the trader reads is no mapping, or has an unknown key.
        """
        entries = {name: configured.get(name) or {} for name in _KNOWN}
        for name, entry in entries.items():
            known = _KNOWN[name]
            if not isinstance(entry, Mapping):
                example = f"{name}.{min(known)}" if known else f"{name}.<channel>"
                raise ConfigurationError(f"credentials: {name} holds no keys in {_FILE}; write {example} there")
            unknown = sorted(str(key) for key in entry if known is not None and key not in known)
            if unknown and known:
                raise ConfigurationError(
                    f"credentials: {name} has the unknown key {', '.join(unknown)} in {_FILE}; known here: "
                    f"{', '.join(sorted(known))}"
                )
        return cls(entries)

    @classmethod
    def read(cls, loader: AbstractConfigLoader) -> Self:
        """Read the entries; those of conf/local go before the environment's. Without a file it is empty.

        Raises:
            ConfigurationError: a file cannot be read as YAML, or see `of`.
        """
        try:
            entries: Mapping[str, Any] = loader["credentials"]
        except MissingConfigException:
            entries = {}
        return cls.of(entries)

    def bitbank(self) -> "Credentials | None":
        """Return the API key, None without one.

        Raises:
            ConfigurationError: only one half of it is given.
        """
        from crypto_kedro.exchange.bitbank.credentials import Credentials

        return Credentials.find(self._configured.get("bitbank"))

    def face_token(self) -> "FaceToken | None":
        """Return the token of the trader's face, None without one.

        Raises:
            ConfigurationError: it is too short, or cannot stand in a header.
        """
        from crypto_kedro.serving.face.settings import FaceToken

        return FaceToken.find(self._configured.get("face"))

    @property
    def webhooks(self) -> Mapping[str, Any]:
        """URL by name of the channel, as configured; see `MessageParameters.open_channels`."""
        return self._configured.get("webhooks", {})


class CredentialsDataset(AbstractDataset[None, CredentialStore]):
    """Loading gives the credentials; they are put into the catalog by a hook, because they are in no catalog file.

    Args:
        store: what was configured.
    """

    def __init__(self, store: CredentialStore) -> None:
        self._store = store

    def load(self) -> CredentialStore:
        """Return the credentials."""
        return self._store

    def save(self, data: None) -> None:  # noqa: ARG002  (Kedro prescribes the signature)
        """Refuse: credentials are written by their owner."""
        raise ConfigurationError(f"credentials: they are written by hand, into the environment or {_FILE}")

    def _describe(self) -> dict[str, Any]:
        return {}
