"""Where messages go, in which language, and how patient their delivery is."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.session.notice import Severity

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Language(StrEnum):
    """Language of the messages."""

    ENGLISH = "en"
    JAPANESE = "ja"


class ChannelKind(StrEnum):
    """What listens at the address."""

    DISCORD = "discord"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """The URL of a webhook; whoever knows it can write there, so it never shows in a log, a message or a repr.

    Args:
        channel: name of the channel, for errors.
        url: https, or http on this machine.

    Raises:
        ConfigurationError: the URL is none, or would carry the messages in the clear.
    """

    channel: str
    url: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.channel):
            raise ConfigurationError(
                f"messages: a channel is called {self.channel!r}; use lower-case letters, digits and underscores, "
                "because the name is also part of its environment variable"
            )
        parts = _split(self.url)
        local = parts is not None and parts[0] == "http" and parts[1] in _LOOPBACK
        if parts is None or not parts[1] or not (parts[0] == "https" or local):
            raise ConfigurationError(
                f"messages: the address of channel {self.channel} is no https URL; copy it whole from the webhook's "
                f"settings into {self.variable}"
            )

    @property
    def variable(self) -> str:
        """Environment variable that holds the URL."""
        return _variable(self.channel)

    @classmethod
    def find(
        cls, channel: str, configured: Mapping[str, object] | None = None, environment: Mapping[str, str] = os.environ
    ) -> "WebhookAddress | None":
        """Return a channel's address from the environment, else the configured one; None where there is neither.

        Args:
            channel: name of the channel.
            configured: entry ``webhooks`` of conf/local/credentials.yml: URL by name of the channel.
            environment: variable ``<CHANNEL>_WEBHOOK_URL``; a secret manager fills it.

        Raises:
            ConfigurationError: see above.
        """
        url = environment.get(_variable(channel), "") or str((configured or {}).get(channel) or "")
        return cls(channel, url.strip()) if url.strip() else None


def _variable(channel: str) -> str:
    return f"{channel.upper()}_WEBHOOK_URL"


def _split(url: str) -> tuple[str, str] | None:
    """Return scheme and host of a URL, None when it cannot be read; the error would show the URL."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or ""
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One place that messages go to.

    Args:
        kind: Discord, or any service that takes JSON.
        address: its URL.
        least: what is less urgent is not told here.
        language: of the messages.
        mention: id of the Discord user who is called by critical messages; None calls nobody.

    Raises:
        ConfigurationError: the id is no number.
    """

    kind: ChannelKind
    address: WebhookAddress
    least: Severity = Severity.INFO
    language: Language = Language.ENGLISH
    mention: str | None = None

    def __post_init__(self) -> None:
        if self.mention is not None and not re.fullmatch(r"\d{5,25}", self.mention):
            raise ConfigurationError(
                f"messages: mention of channel {self.name} is {self.mention!r}; write the user's numeric id, which "
                "Discord copies for you in developer mode"
            )

    @property
    def name(self) -> str:
        """Name of the channel."""
        return self.address.channel


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """How messages are gathered, spaced and tried again; times in seconds.

    Args:
        gather_s: how long news waits for company; critical news does not wait.
        repeat_s: how long the same news is only counted after it has been told.
        least_pause_s: between two messages to one channel.
        timeout_s: of one request.
        first_pause_s, longest_pause_s: bounds of the growing pause after a failure.
        patience_s: after which a message that cannot be delivered is given up; critical news is only reported then.
        critical_patience_s: how much longer critical news is tried.
        queue: notices that may wait; beyond it the least urgent are dropped and counted.
        farewell_s: how long closing may take to deliver what still waits.

    Raises:
        ConfigurationError: a value is outside its range.
    """

    gather_s: float = 5.0
    repeat_s: float = 600.0
    least_pause_s: float = 2.0
    timeout_s: float = 10.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    patience_s: float = 900.0
    critical_patience_s: float = 6 * 3600.0
    queue: int = 200
    farewell_s: float = 3.0

    def __post_init__(self) -> None:
        for name in ("gather_s", "repeat_s", "least_pause_s", "critical_patience_s", "farewell_s"):
            if not getattr(self, name) >= 0.0:
                raise ConfigurationError(f"messages: {name} is {getattr(self, name)}; it must not be negative")
        if not 0.0 < self.first_pause_s <= self.longest_pause_s:
            raise ConfigurationError(
                f"messages: first_pause_s ({self.first_pause_s}) must be positive and not above longest_pause_s "
                f"({self.longest_pause_s})"
            )
        if min(self.timeout_s, self.patience_s) <= 0.0 or self.queue < 1:
            raise ConfigurationError(
                f"messages: timeout_s, patience_s and queue must be positive, got {self.timeout_s}, "
                f"{self.patience_s} and {self.queue}"
            )
