"""Parameters of the messages that a session sends."""

import os
from collections.abc import Mapping

from pydantic import Field

from crypto_kedro.parameters.group import ParameterGroup
from crypto_kedro.reporting.messages.settings import (
    Channel,
    ChannelKind,
    DeliverySettings,
    Language,
    WebhookAddress,
)
from crypto_kedro.session.notice import Severity


class ChannelParameters(ParameterGroup):
    """One place that messages go to; its address is a credential, see `WebhookAddress.find`."""

    kind: ChannelKind = ChannelKind.DISCORD
    least: Severity = Severity.INFO
    language: Language = Language.JAPANESE
    mention: str | None = Field(default=None, coerce_numbers_to_str=True)


class DeliveryParameters(ParameterGroup):
    """How patient the delivery is; see `DeliverySettings`."""

    gather_s: float = Field(default=5.0, ge=0.0)
    repeat_s: float = Field(default=600.0, ge=0.0)
    patience_s: float = Field(default=900.0, gt=0.0)
    queue: int = Field(default=200, ge=1)


class MessageParameters(ParameterGroup):
    """Channels by name, and their delivery."""

    channels: Mapping[str, ChannelParameters] = Field(default_factory=dict)
    delivery: DeliveryParameters = DeliveryParameters()

    def delivery_settings(self) -> DeliverySettings:
        """Return the delivery as the room takes it."""
        delivery = self.delivery
        return DeliverySettings(
            gather_s=delivery.gather_s,
            repeat_s=delivery.repeat_s,
            patience_s=delivery.patience_s,
            queue=delivery.queue,
        )

    def open_channels(
        self, configured: Mapping[str, object] | None = None, environment: Mapping[str, str] = os.environ
    ) -> tuple[Channel, ...]:
        """Return the channels that have an address; one without is closed, so that a session runs without any.

        Args:
            configured: entry ``webhooks`` of conf/local/credentials.yml.
            environment: variables such as ``DISCORD_WEBHOOK_URL``.

        Raises:
            ConfigurationError: an address or a name is wrong.
        """
        channels = []
        for name, channel in self.channels.items():
            address = WebhookAddress.find(name, configured, environment)
            if address is not None:
                channels.append(
                    Channel(
                        kind=channel.kind,
                        address=address,
                        least=channel.least,
                        language=channel.language,
                        mention=channel.mention,
                    )
                )
        return tuple(channels)
