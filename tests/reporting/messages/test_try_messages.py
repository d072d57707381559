"""Specifies ``kedro try-messages``."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from discord_server import TOKEN, discord_server
from told_news import AT_MS, SleepingClock

from crypto_kedro.reporting.messages.command import try_channels, try_messages
from crypto_kedro.reporting.messages.settings import Channel, ChannelKind, Language, WebhookAddress
from crypto_kedro.session.notice import Severity

PROJECT = Path(__file__).parents[3]


def discord(name: str, url: str, language: Language = Language.ENGLISH) -> Channel:
    return Channel(
        kind=ChannelKind.DISCORD, address=WebhookAddress(name, url), least=Severity.WARNING, language=language
    )


def test_given_channels_when_tried_then_each_gets_one_message_or_its_failure_is_told() -> None:
    async def story() -> None:
        async with discord_server(SleepingClock().now_s) as server:
            dead = server.url.replace(TOKEN, "wrong")
            channels = (discord("one", server.url), discord("two", dead), discord("three", "http://127.0.0.1:9/x"))

            failures = await try_channels(channels, "live", AT_MS)

            assert failures == (None, "HTTP 401, Invalid Webhook Token", "ClientConnectorError")
            ((embed,),) = [message.payload["embeds"] for message in server.received]
            assert embed["title"] == "Test message"
            assert embed["description"] == "This channel is told of what is warning and above"
            assert embed["footer"] == {"text": "live info"}

    asyncio.run(story())


def run(env: str) -> Result:
    return CliRunner().invoke(try_messages, ["--env", env], obj=SimpleNamespace(project_path=PROJECT))


def test_given_no_address_when_tried_then_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_WEBHOOK_URL", raising=False)

    told = run("base")

    assert told.exit_code == 1
    assert "no channel of environment base has an address" in told.output
    assert "DISCORD_WEBHOOK_URL" in told.output


def test_given_a_session_whose_channel_has_no_address_then_the_channel_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DISCORD_WEBHOOK_URL", raising=False)

    told = run("live")

    assert told.exit_code == 1
    assert "no channel of environment live has an address (channels: discord)" in told.output
