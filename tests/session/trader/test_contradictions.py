"""An exchange that has lost what the journal has written down."""

import asyncio
from pathlib import Path

from desks import LONG, Told, at_work, desk_at, market, until, written

from crypto_kedro.serving.face.readiness import checks
from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.contradiction import EXCHANGE_CONTRADICTS
from crypto_kedro.session.journal.records import Answered, Incident, Intended, MoneyMoved
from crypto_kedro.session.modes import Desk
from crypto_kedro.session.notice import IncidentSeen, Severity
from crypto_kedro.session.records import Purpose


def is_ready(desk: Desk) -> bool:
    return all(checks(desk.status(), FaceSettings()).values())


def sent(folder: Path, purpose: Purpose) -> int:
    return sum(entry.record.purpose is purpose for entry in written(folder, Intended))


def test_given_an_exchange_that_lost_its_state_then_the_session_is_not_ready_and_says_why(tmp_path: Path) -> None:
    told = Told()

    async def trade() -> None:
        with market() as exchange:
            async with desk_at(exchange.url, tmp_path, opinion=LONG) as desk, at_work(desk):
                await until(lambda: sum(1 for _ in written(tmp_path, Answered)) >= 3 and is_ready(desk))

    async def find_it_lost() -> None:
        with market() as exchange:
            async with desk_at(exchange.url, tmp_path, opinion=LONG, notifier=told) as desk, at_work(desk):
                await until(lambda: desk.status().counts.cycles)
                assert not is_ready(desk)
                last = desk.status().last_cycle
                assert last is not None
                assert last.contradiction is not None

    asyncio.run(trade())
    entries = sent(tmp_path, Purpose.ENTRY)
    asyncio.run(find_it_lost())

    codes = [entry.record.code for entry in written(tmp_path, Incident)]
    assert codes.count(EXCHANGE_CONTRADICTS) == 1
    assert [news for news in told.of(IncidentSeen) if news.severity is Severity.CRITICAL]
    assert sent(tmp_path, Purpose.ENTRY) == entries
    assert not written(tmp_path, MoneyMoved)
