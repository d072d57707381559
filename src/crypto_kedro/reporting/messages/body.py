"""Messages as a request: Discord's embeds, or plain JSON for any other service.

Source: Discord API, "Execute Webhook", "Embed Limits" and "Message Flags".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crypto_kedro.market.moments import utc_iso
from crypto_kedro.reporting.messages.chart import equity_chart
from crypto_kedro.reporting.messages.outbox import Batch
from crypto_kedro.reporting.messages.settings import Channel, ChannelKind
from crypto_kedro.reporting.messages.words import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    Message,
    lost_words,
    message_of,
    shortened,
)
from crypto_kedro.session.notice import IncidentOver, IncidentSeen, News, Severity

_COLOURS = {Severity.INFO: 0x4F8FBF, Severity.WARNING: 0xD9A23B, Severity.CRITICAL: 0xC9433A}
_WITHOUT_PUSH = 1 << 12
_MARKDOWN = re.compile(r"([\\*_~`|<>\[\]#])")


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent.

    Args:
        payload: JSON object.
        files: PNG pictures by the name with which the payload refers to them.
    """

    payload: dict[str, Any]
    files: tuple[tuple[str, bytes], ...] = ()


def body_of(batch: Batch, channel: Channel) -> Body:
    """Return a batch as the request that its channel understands."""
    messages = [message_of(telling, channel.language) for telling in batch.tellings]
    lost = lost_words(batch.lost, channel.language)
    if channel.kind is ChannelKind.DISCORD:
        return _for_discord(messages, batch.severity, lost, channel.mention)
    return Body(
        {
            "text": "\n".join([*([lost] if lost else []), *(_line(message) for message in messages)]),
            "severity": batch.severity.value,
            "lost": batch.lost,
            "notices": [
                {
                    "code": message.code,
                    **_incident(telling.notice.news),
                    "severity": message.severity.value,
                    "environment": message.environment,
                    "at": utc_iso(message.at_ms),
                    "title": message.title,
                    "text": message.text,
                    "times": telling.times,
                }
                for message, telling in zip(messages, batch.tellings, strict=True)
            ],
        }
    )


def _incident(news: News) -> dict[str, str]:
    """Return the incident's own code, by which the journal has it."""
    return {"incident": news.incident} if isinstance(news, IncidentSeen | IncidentOver) else {}


def _for_discord(messages: Sequence[Message], severity: Severity, lost: str, mention: str | None) -> Body:
    """Build the message; only critical news stands outside the embeds, where a phone shows it, and calls the user."""
    called = mention if severity is Severity.CRITICAL else None
    urgent = [_line(message) for message in messages if message.severity is Severity.CRITICAL]
    lines = [*([f"<@{called}>"] if called else []), *([lost] if lost else []), *(_plain(line) for line in urgent)]
    files = tuple(
        (f"equity-{number}.png", equity_chart(message.curve))
        for number, message in enumerate(messages)
        if len(message.curve) > 1
    )
    pictures = {name for name, _ in files}
    payload: dict[str, Any] = {
        "content": shortened("\n".join(lines), 2000),
        "embeds": [_embed(message, f"equity-{number}.png", pictures) for number, message in enumerate(messages)],
        "allowed_mentions": {"parse": [], "users": [called] if called else []},
    }
    if severity is Severity.INFO:
        payload["flags"] = _WITHOUT_PUSH
    return Body(payload, files)


def _embed(message: Message, picture: str, pictures: set[str]) -> dict[str, Any]:
    embed: dict[str, Any] = {
        "title": shortened(_plain(message.title), LONGEST_TITLE),
        "description": shortened(_plain(message.text), LONGEST_TEXT),
        "color": _COLOURS[message.severity],
        "timestamp": utc_iso(message.at_ms),
        "footer": {"text": f"{message.environment} {message.severity}"},
    }
    if picture in pictures:
        embed["image"] = {"url": f"attachment://{picture}"}
    return embed


def _line(message: Message) -> str:
    text = f": {message.text}" if message.text else ""
    return f"[{message.environment} {message.severity}] {message.title}{text}"


def _plain(text: str) -> str:
    """Return a text in which Discord finds no markup."""
    return _MARKDOWN.sub(r"\\\1", text)
