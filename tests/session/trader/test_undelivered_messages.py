"""A message that a webhook does not take is an incident of the journal, and no reason to stop."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from desks import Market, at_work, desk_at, market, until, written

from crypto_kedro.parameters.messages import MessageParameters
from crypto_kedro.pipelines.trading.undelivered import Undelivered
from crypto_kedro.reporting.messages.notifier import open_notifier
from crypto_kedro.session.journal.records import Incident, SessionEnded, SessionStarted
from crypto_kedro.session.notice import IncidentSeen, Severity
from crypto_kedro.session.waking import Mode

CHANNELS = MessageParameters.model_validate({"channels": {"pager": {"kind": "webhook", "least": "info"}}})


@pytest.fixture
def exchange() -> Iterator[Market]:
    with market() as serving:
        yield serving


def test_given_a_webhook_that_is_gone_then_its_channel_is_an_incident_and_trading_goes_on(
    exchange: Market, tmp_path: Path
) -> None:
    async def gone(_: web.Request) -> web.Response:
        return web.json_response({"message": "Unknown Webhook", "code": 10015}, status=404)

    async def story() -> None:
        application = web.Application()
        application.router.add_post("/hook", gone)
        async with TestServer(application, host="127.0.0.1") as server:
            undelivered = Undelivered()
            channels = CHANNELS.open_channels({"pager": str(server.make_url("/hook"))}, {})
            settings = MessageParameters.model_validate({"delivery": {"gather_s": 0.0}}).delivery_settings()
            async with (
                open_notifier(channels, undelivered.note, settings) as notifier,
                desk_at(exchange.url, tmp_path, notifier=notifier) as desk,
                at_work(desk),
            ):
                undelivered.write_with(desk.note_incident)
                await until(lambda: written(tmp_path, Incident))
                cycles = desk.status().counts.cycles
                await until(lambda: desk.status().counts.cycles > cycles)
                assert desk.status().counts.failed == 0
                assert desk.status().incidents[0].code == "message_channel_gone"
                undelivered.write_with(None)

    asyncio.run(story())
    (incident,) = [entry.record for entry in written(tmp_path, Incident)]
    assert (incident.severity, incident.code) == (Severity.CRITICAL, "message_channel_gone")
    assert "channel pager takes no messages any more" in incident.text
    assert len(written(tmp_path, SessionEnded)) == 1


def test_given_a_message_that_fails_between_two_ticks_then_the_next_session_writes_it_down(
    exchange: Market, tmp_path: Path
) -> None:
    async def story() -> None:
        undelivered = Undelivered()
        undelivered.note(IncidentSeen(Severity.WARNING, "messages_undelivered", "before the journal is open"))
        async with desk_at(exchange.url, tmp_path, Mode.TICK) as desk, at_work(desk):
            undelivered.write_with(desk.note_incident)
            await desk.tick()
            undelivered.note(IncidentSeen(Severity.WARNING, "messages_undelivered", "between two ticks"))
            assert len(written(tmp_path, Incident)) == 1
            await desk.tick()

    asyncio.run(story())
    sessions = [entry.session_id for entry in written(tmp_path, SessionStarted)]
    told = [(entry.session_id, entry.record.text) for entry in written(tmp_path, Incident)]
    assert told == [(sessions[0], "before the journal is open"), (sessions[1], "between two ticks")]
