"""Specifies where messages go: addresses that stay secret, and settings that are refused out of range."""

import pytest

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.reporting.messages.settings import Channel, ChannelKind, DeliverySettings, WebhookAddress

URL = "https://discord.com/api/webhooks/1122/s3cret"


def test_the_environment_comes_before_the_file() -> None:
    found = WebhookAddress.find("alerts", {"alerts": "https://example.com/file"}, {"ALERTS_WEBHOOK_URL": f" {URL}\n"})

    assert found is not None
    assert found.url == URL


def test_the_file_is_asked_where_the_environment_is_silent() -> None:
    found = WebhookAddress.find("alerts", {"alerts": URL}, {})

    assert found is not None
    assert found.url == URL


@pytest.mark.parametrize("configured", [None, {}, {"alerts": None}, {"alerts": ""}, {"other": URL}])
def test_a_channel_without_an_address_is_none(configured: dict[str, object] | None) -> None:
    assert WebhookAddress.find("alerts", configured, {}) is None


def test_an_address_never_shows_itself() -> None:
    channel = Channel(kind=ChannelKind.DISCORD, address=WebhookAddress("alerts", URL))

    assert "s3cret" not in f"{channel!r} {channel} {channel.address!r}"


@pytest.mark.parametrize(
    "url", ["http://example.com/s3cret", "discord.com/api/s3cret", "https:///s3cret", "https://[::1/s3cret", "s3cret"]
)
def test_an_address_in_the_clear_or_none_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ALERTS_WEBHOOK_URL") as refused:
        WebhookAddress("alerts", url)

    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_service_on_this_machine_may_listen_without_https() -> None:
    assert WebhookAddress("alerts", "http://127.0.0.1:8080/hook").url.startswith("http://")


@pytest.mark.parametrize("name", ["", "Alerts", "my alerts", "1st", "a-b"])
def test_a_name_that_makes_no_variable_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="lower-case"):
        WebhookAddress(name, URL)


def test_a_mention_is_a_number() -> None:
    with pytest.raises(ConfigurationError, match="@maria"):
        Channel(kind=ChannelKind.DISCORD, address=WebhookAddress("alerts", URL), mention="@maria")


@pytest.mark.parametrize(
    "changes",
    [
        {"gather_s": -1.0},
        {"repeat_s": float("nan")},
        {"first_pause_s": 0.0},
        {"first_pause_s": 61.0},
        {"timeout_s": 0.0},
        {"patience_s": -1.0},
        {"queue": 0},
    ],
)
def test_delivery_settings_out_of_range_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(changes))):
        DeliverySettings(**changes)  # type: ignore[arg-type]
