"""Specifies the delivery against a real server that answers as Discord does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from io import BytesIO

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from discord_server import PATIENCE_S, TOKEN, WEBHOOK, DiscordServer, Received, discord_server
from PIL import Image
from told_news import AT_MS, CLOSED, DAY, HALTED, OPENED, SleepingClock, incident, notice

from crypto_kedro.reporting.messages.notifier import MessageNotifier, open_notifier
from crypto_kedro.reporting.messages.settings import Channel, ChannelKind, DeliverySettings, Language, WebhookAddress
from crypto_kedro.session.notice import IncidentSeen, News, Severity

SETTINGS = DeliverySettings(least_pause_s=0.5, patience_s=120.0)


class Scene:
    """A notifier with one Discord channel, its server, and what was reported as failed."""

    def __init__(self) -> None:
        self.clock = SleepingClock()
        self.failures: list[IncidentSeen] = []
        self.reported = asyncio.Event()
        self.server: DiscordServer
        self.notifier: MessageNotifier

    def on_failure(self, failure: IncidentSeen) -> None:
        self.failures.append(failure)
        self.reported.set()

    async def failed(self) -> IncidentSeen:
        """Wait for the next report of a failure."""
        async with asyncio.timeout(PATIENCE_S):
            await self.reported.wait()
        self.reported.clear()
        return self.failures[-1]

    def tell(self, *news: News) -> None:
        for number, one in enumerate(news):
            self.notifier.notify(notice(one, AT_MS + number))


def channel(url: str, kind: ChannelKind = ChannelKind.DISCORD, **changes: object) -> Channel:
    return replace(Channel(kind=kind, address=WebhookAddress("alerts", url)), **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def scene(
    settings: DeliverySettings = SETTINGS, url: str | None = None, **changes: object
) -> AsyncIterator[Scene]:
    one = Scene()
    async with discord_server(one.clock.now_s) as one.server:
        channels = [channel(url or one.server.url, **changes)]
        async with open_notifier(channels, one.on_failure, settings, one.clock.timing()) as one.notifier:
            yield one


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(2 * PATIENCE_S):
            await story()

    asyncio.run(whole())


def titles(message: Received) -> list[str]:
    return [embed["title"] for embed in message.payload["embeds"]]


def test_news_put_together_arrives_as_one_quiet_message() -> None:
    async def story() -> None:
        async with scene() as on:
            on.tell(OPENED, CLOSED)
            (message,) = await on.server.messages(1)

            assert titles(message) == [
                "Opened long 0.0012 BTC at 15,000,000 JPY",
                "Closed short 0.0012 BTC at 14,900,000 JPY: -1,235 JPY",
            ]
            assert message.payload["content"] == ""
            assert message.payload["flags"] == 4096
            assert on.server.unwaited == 0
            assert message.payload["allowed_mentions"] == {"parse": [], "users": []}

    play(story)


def test_critical_news_calls_the_user_and_shows_on_a_phone() -> None:
    async def story() -> None:
        async with scene(mention="123456789") as on:
            on.tell(HALTED)
            (message,) = await on.server.messages(1)

            assert message.payload["content"] == (
                "<@123456789>\n\\[paper critical\\] Trading is halted: going on holiday (by maria)\n"
                "The position is closed too"
            )
            assert message.payload["allowed_mentions"] == {"parse": [], "users": ["123456789"]}
            assert "flags" not in message.payload
            assert on.clock.pauses == []

    play(story)


def test_a_rate_limit_is_waited_for_and_the_message_arrives_once() -> None:
    async def story() -> None:
        async with scene() as on:
            on.server.bad_days.extend([64.57, 3.25])
            on.tell(HALTED)
            messages = await on.server.messages(1)

            assert len(messages) == 1
            assert on.server.requests == 3
            assert 64.57 <= on.clock.pauses[0] <= 65.57
            assert 3.25 <= on.clock.pauses[1] <= 4.25
            assert on.failures == []

    play(story)


def test_many_messages_keep_within_the_announced_limit() -> None:
    async def story() -> None:
        async with scene(replace(SETTINGS, least_pause_s=0.0)) as on:
            on.tell(*(incident(code=f"fault_{number}", level=Severity.CRITICAL) for number in range(150)))
            messages = await on.server.messages(15)

            assert on.server.rate_limited == 0
            told = [title for message in messages for title in titles(message)]
            assert told == [f"Incident: fault\\_{number}" for number in range(150)]

    play(story)


def test_messages_are_spaced_even_where_no_limit_is_announced() -> None:
    async def story() -> None:
        async with scene(replace(SETTINGS, least_pause_s=30.0)) as on:
            on.tell(*(incident(code=f"fault_{number}", level=Severity.CRITICAL) for number in range(30)))
            await on.server.messages(3)

            assert on.clock.pauses == [30.0, 30.0]

    play(story)


@pytest.mark.parametrize("bad_day", [500, 503, 408, "hang_up", "guard"])
def test_a_bad_day_passes_with_growing_random_pauses(bad_day: int | str) -> None:
    async def story() -> None:
        async with scene() as on:
            on.server.bad_days.extend([bad_day] * 5)
            on.tell(HALTED)
            await on.server.messages(1)

            assert on.server.requests == 6
            assert len(on.clock.pauses) == 5
            assert all(0.5 <= pause <= max(0.5, 2.0**n) for n, pause in enumerate(on.clock.pauses))
            assert len(set(on.clock.pauses)) > 2
            assert on.failures == []

    play(story)


def test_a_service_that_never_answers_is_left_after_the_timeout() -> None:
    async def story() -> None:
        async with scene(replace(SETTINGS, timeout_s=0.2)) as on:
            on.server.bad_days.append("silence")
            on.tell(HALTED)
            await on.server.messages(1)

            assert on.server.requests >= 2

    play(story)


@pytest.mark.parametrize(
    ("path", "word"), [(f"{WEBHOOK}/wrong", "Invalid Webhook Token"), ("999/wrong", "Unknown Webhook")]
)
def test_a_dead_webhook_is_reported_once_and_never_asked_again(path: str, word: str) -> None:
    async def story() -> None:
        async with scene() as on:
            dead = on.server.url.replace(f"{WEBHOOK}/{TOKEN}", path)
            async with open_notifier([channel(dead)], on.on_failure, SETTINGS, on.clock.timing()) as notifier:
                notifier.notify(notice(HALTED))
                failure = await on.failed()
                notifier.notify(notice(OPENED))
                notifier.notify(notice(incident(level=Severity.CRITICAL)))
                on.tell(HALTED)
                await on.server.messages(1)

            assert failure.level is Severity.CRITICAL
            assert failure.incident == "message_channel_gone"
            assert word in failure.text
            assert "ALERTS_WEBHOOK_URL" in failure.text
            assert len(on.failures) == 1
            assert on.server.requests == 2

    play(story)


def test_a_refused_message_is_an_incident_and_the_next_one_says_what_is_missing() -> None:
    async def story() -> None:
        async with scene() as on:
            on.server.bad_days.append(400)
            on.tell(HALTED)
            failure = await on.failed()
            on.tell(incident(level=Severity.CRITICAL))
            (message,) = await on.server.messages(1)

            assert failure.level is Severity.WARNING
            assert failure.incident == "messages_undelivered"
            assert "HTTP 400" in failure.text
            assert message.payload["content"].startswith("1 earlier messages could not be delivered")

    play(story)


def test_an_outage_longer_than_the_patience_is_given_up_and_told_afterwards() -> None:
    async def story() -> None:
        async with scene() as on:
            on.server.bad_days.extend([503] * 1000)
            begin_s = on.clock.now_s()
            on.tell(OPENED)
            failure = await on.failed()
            waited_s = on.clock.now_s() - begin_s
            on.server.bad_days.clear()
            on.tell(HALTED)
            await on.server.messages(1)

            assert failure.incident == "messages_undelivered"
            assert 60.0 < waited_s <= 125.0
            assert titles(on.server.received[0]) == ["Trading is halted"]
            assert "1 earlier messages" in on.server.received[0].payload["content"]

    play(story)


def test_critical_news_outlives_an_outage_that_is_longer_than_the_patience() -> None:
    async def story() -> None:
        async with scene(replace(SETTINGS, critical_patience_s=3600.0)) as on:
            on.server.bad_days.append(3000.0)
            on.tell(HALTED)
            failure = await on.failed()
            (message,) = await on.server.messages(1)

            assert "trying on" in failure.text
            assert titles(message) == ["Trading is halted"]
            assert "earlier messages" not in message.payload["content"]
            assert len(on.failures) == 1

    play(story)


def test_critical_news_is_given_up_in_the_end() -> None:
    async def story() -> None:
        async with scene(replace(SETTINGS, critical_patience_s=3600.0)) as on:
            on.server.bad_days.extend([10_000.0, 10_000.0])
            on.tell(HALTED)
            await on.failed()
            on.tell(incident(level=Severity.CRITICAL))
            (message,) = await on.server.messages(1)

            assert len(on.failures) == 2
            assert on.failures[1].text.endswith(
                "did not take 1 messages (HTTP 429, You are being rate limited, after 2 attempts)"
            )
            assert titles(message) == ["Incident: stale\\_data"]

    play(story)


def test_neither_log_nor_incident_shows_the_address(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        nowhere = f"http://127.0.0.1:9/api/webhooks/{WEBHOOK}/{TOKEN}"
        async with scene(url=nowhere) as on:
            on.tell(OPENED)
            failure = await on.failed()
            assert "ClientConnectorError" in failure.text
            assert TOKEN not in failure.text

    with caplog.at_level(logging.DEBUG):
        play(story)

    assert "position_opened" in caplog.text
    assert "did not take 1 messages" in caplog.text
    assert TOKEN not in caplog.text


def test_who_is_told_of_a_failure_cannot_end_the_delivery() -> None:
    async def story() -> None:
        clock = SleepingClock()

        def full_disk(failure: IncidentSeen) -> None:
            raise OSError("disk full")

        async with discord_server(clock.now_s) as server:
            server.bad_days.append(400)
            async with open_notifier([channel(server.url)], full_disk, SETTINGS, clock.timing()) as notifier:
                notifier.notify(notice(HALTED))
                await server.asked(1)
                notifier.notify(notice(incident(level=Severity.CRITICAL)))
                await server.messages(1)

    play(story)


def test_news_that_cannot_be_written_does_not_silence_the_channel() -> None:
    class Unheard(News, frozen=True):
        code = "unheard"
        severity = Severity.CRITICAL

    async def story() -> None:
        async with scene() as on:
            on.tell(Unheard())
            failure = await on.failed()
            on.tell(HALTED)
            await on.server.messages(1)

            assert "KeyError" in failure.text

    play(story)


def test_an_incident_that_goes_on_is_told_twice_in_eleven_minutes_however_often_it_is_seen() -> None:
    async def story() -> None:
        async with scene() as on:
            on.tell(*(incident(number, Severity.CRITICAL) for number in range(100)))
            messages = await on.server.messages(2)

            assert len(messages) == 2
            assert 600.0 <= on.clock.now_s() - 1000.0 < 660.0
            assert "Seen 99 times since 09-21 23:13 JST" in messages[1].payload["embeds"][0]["description"]

    play(story)


def test_closing_delivers_what_still_waits_for_company() -> None:
    async def story() -> None:
        async with scene() as on:
            async with open_notifier(
                [channel(on.server.url)], on.on_failure, DeliverySettings(gather_s=3600, farewell_s=PATIENCE_S)
            ) as other:
                other.notify(notice(OPENED))
            assert [titles(message) for message in on.server.received] == [["Opened long 0.0012 BTC at 15,000,000 JPY"]]

    play(story)


def test_closing_while_a_message_is_on_its_way_sends_it_once_more() -> None:
    async def story() -> None:
        async with scene() as on:
            on.server.bad_days.append("silence")
            async with open_notifier(
                [channel(on.server.url)], on.on_failure, DeliverySettings(farewell_s=PATIENCE_S)
            ) as other:
                other.notify(notice(HALTED))
                await on.server.asked(1)

            assert [titles(message) for message in on.server.received] == [["Trading is halted"]]

    play(story)


def test_closing_does_not_wait_for_a_service_that_is_silent() -> None:
    async def story() -> None:
        async with scene() as on:
            on.server.bad_days.extend(["silence"] * 10)
            async with open_notifier(
                [channel(on.server.url)], on.on_failure, DeliverySettings(farewell_s=0.05)
            ) as other:
                other.notify(notice(HALTED))
                await on.server.asked(1)

            assert on.server.received == []

    play(story)


def test_a_flood_during_an_outage_is_bounded_and_the_urgent_survives_it() -> None:
    async def story() -> None:
        async with scene(replace(SETTINGS, queue=50)) as on:
            on.server.bad_days.extend([503, 503])
            on.tell(HALTED, *([OPENED] * 5000), incident(level=Severity.CRITICAL))
            messages = await on.server.messages(5)

            everything = [title for message in messages for title in titles(message)]
            assert len(everything) == 50
            assert everything[0] == "Trading is halted"
            assert everything[-1] == "Incident: stale\\_data"
            assert "4952 earlier messages" in messages[0].payload["content"]

    play(story)


def test_a_channel_hears_only_what_is_urgent_enough_for_it() -> None:
    async def story() -> None:
        async with scene(least=Severity.WARNING) as on:
            on.tell(OPENED, incident(), CLOSED, HALTED)
            (message,) = await on.server.messages(1)

            assert titles(message) == ["Incident: stale\\_data", "Trading is halted"]

    play(story)


def test_the_daily_digest_brings_its_chart() -> None:
    async def story() -> None:
        async with scene(language=Language.JAPANESE) as on:
            on.tell(DAY)
            (message,) = await on.server.messages(1)

            (embed,) = message.payload["embeds"]
            assert embed["title"] == "2026-09-21: +720円"
            assert embed["image"] == {"url": "attachment://equity-0.png"}
            picture = Image.open(BytesIO(message.files["equity-0.png"]))
            assert (picture.format, picture.size) == ("PNG", (560, 180))
            assert len(message.files["equity-0.png"]) < 50_000

    play(story)


def test_a_plain_webhook_gets_the_same_news_as_json() -> None:
    async def story() -> None:
        bodies: asyncio.Queue[dict[str, object]] = asyncio.Queue()

        async def take(request: web.Request) -> web.Response:
            bodies.put_nowait(await request.json())
            return web.Response(status=204)

        application = web.Application()
        application.router.add_post("/hook", take)
        clock, failures = SleepingClock(), []
        async with TestServer(application) as server:
            address = channel(str(server.make_url("/hook")), ChannelKind.WEBHOOK)
            async with open_notifier([address], failures.append, SETTINGS, clock.timing()) as notifier:
                notifier.notify(notice(OPENED))
                notifier.notify(notice(HALTED))
                body = await bodies.get()

        assert body == {
            "text": "[paper info] Opened long 0.0012 BTC at 15,000,000 JPY: Stop 14,800,000 JPY, "
            "take-profit 15,300,000 JPY\n[paper critical] Trading is halted: going on holiday (by maria)\n"
            "The position is closed too",
            "severity": "critical",
            "lost": 0,
            "notices": [
                {
                    "code": "position_opened",
                    "severity": "info",
                    "environment": "paper",
                    "at": "2026-09-21T14:13:20Z",
                    "title": "Opened long 0.0012 BTC at 15,000,000 JPY",
                    "text": "Stop 14,800,000 JPY, take-profit 15,300,000 JPY",
                    "times": 1,
                },
                {
                    "code": "trading_halted",
                    "severity": "critical",
                    "environment": "paper",
                    "at": "2026-09-21T14:13:20Z",
                    "title": "Trading is halted",
                    "text": "going on holiday (by maria)\nThe position is closed too",
                    "times": 1,
                },
            ],
        }
        assert failures == []

    play(story)


def test_without_channels_the_log_alone_is_told(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[IncidentSeen] = []

    async def story() -> None:
        async with open_notifier([], failures.append) as notifier:
            notifier.notify(notice(HALTED))

    with caplog.at_level(logging.INFO):
        play(story)

    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert record.getMessage() == (
        "2026-09-21T14:13:20Z paper trading_halted: by=maria reason=going on holiday flatten=True"
    )
