"""Specifies the parameters of messages, and which channels they open."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.parameters.messages import MessageParameters
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.reporting.messages.settings import Channel, ChannelKind, Language, WebhookAddress
from crypto_kedro.session.notice import Severity

PROJECT = Path(__file__).parents[3]
URL = "https://discord.com/api/webhooks/1122/s3cret"
WRITTEN = {
    "channels": {
        "discord": {"mention": 123456789012345678},
        "pager": {"kind": "webhook", "least": "critical", "language": "en"},
    },
    "delivery": {"patience_s": 60},
}


def test_given_addresses_when_opened_then_each_channel_is_as_written() -> None:
    parameters = MessageParameters.model_validate(WRITTEN)

    channels = parameters.open_channels({"pager": "https://example.com/hook"}, {"DISCORD_WEBHOOK_URL": URL})

    assert channels == (
        Channel(
            kind=ChannelKind.DISCORD,
            address=WebhookAddress("discord", URL),
            least=Severity.INFO,
            language=Language.JAPANESE,
            mention="123456789012345678",
        ),
        Channel(
            kind=ChannelKind.WEBHOOK,
            address=WebhookAddress("pager", "https://example.com/hook"),
            least=Severity.CRITICAL,
            language=Language.ENGLISH,
        ),
    )
    assert parameters.delivery_settings().patience_s == 60.0


def test_given_a_channel_without_address_when_opened_then_it_stays_closed() -> None:
    assert MessageParameters.model_validate(WRITTEN).open_channels(None, {}) == ()


def test_given_nothing_written_then_there_is_no_channel() -> None:
    assert MessageParameters().open_channels(None, {"DISCORD_WEBHOOK_URL": URL}) == ()


def test_given_a_wrong_address_when_opened_then_it_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="DISCORD_WEBHOOK_URL"):
        MessageParameters.model_validate(WRITTEN).open_channels(None, {"DISCORD_WEBHOOK_URL": "discord.com/x"})


@pytest.mark.parametrize(
    "written",
    [
        {"chanels": {}},
        {"channels": {"discord": {"level": "info"}}},
        {"channels": {"discord": {"least": "urgent"}}},
        {"channels": {"discord": {"language": "fr"}}},
        {"delivery": {"queue": 0}},
    ],
)
def test_given_an_unknown_key_or_value_then_it_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MessageParameters.model_validate(written)


def shipped(environment: str) -> dict[str, object]:
    written = yaml.safe_load((PROJECT / "conf" / environment / "parameters_session.yml").read_text("utf-8"))
    return dict(written["session"])


@pytest.mark.parametrize("environment", ["paper", "live"])
def test_given_an_environment_as_it_ships_then_its_owner_is_told_of_trades_and_days(environment: str) -> None:
    session = SessionParameters.model_validate(shipped(environment))

    (channel,) = session.messages.open_channels(None, {"DISCORD_WEBHOOK_URL": URL})

    assert channel.least is Severity.INFO


def test_given_the_example_of_the_document_then_it_fits_into_an_environment() -> None:
    document = (PROJECT / "docs" / "messages.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n( +session:\n.*?)```", document, re.DOTALL)
    written = yaml.safe_load(textwrap.dedent(example))

    session = SessionParameters.model_validate(shipped("live") | written["session"])

    assert set(written) == {"session"}
    assert [(name, channel.least) for name, channel in session.messages.channels.items()] == [
        ("discord", Severity.INFO),
        ("pager", Severity.CRITICAL),
    ]
