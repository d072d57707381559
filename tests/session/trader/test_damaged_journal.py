"""A trader whose journal is damaged opens nothing more, reports it, and keeps its position protected."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, nullcontext
from pathlib import Path

import pytest
from desks import KEY, LONG, Market, Told, at_work, desk_at, market, until

from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.session.clock import wall_clock_ms
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal, JournalError
from crypto_kedro.session.notice import IncidentSeen, Severity
from crypto_kedro.session.trader import JOURNAL_DAMAGED
from crypto_kedro.trading.orders import OrderType, PositionSide

pytestmark = pytest.mark.slow


def edit(path: Path) -> None:
    with closing(sqlite3.connect(path)) as stranger, stranger:
        stranger.execute("DROP TRIGGER entries_stay")
        stranger.execute("UPDATE entries SET at_ms = at_ms + 1 WHERE seq = 2")


def replace(path: Path) -> None:
    other = path.with_name("other.db")
    Journal.open(other).close()
    other.replace(path)


@asynccontextmanager
async def by_another_hand(exchange: Market) -> AsyncIterator[BitbankExchange]:
    settings = BitbankSettings(
        public_url=exchange.url, private_url=exchange.url, stream_url=exchange.url, private_stream_url=exchange.url
    )
    async with BitbankExchange(settings, Credentials(KEY.key, KEY.secret), now_ms=wall_clock_ms) as hand:
        yield hand


async def resting_stop(exchange: Market) -> int | None:
    """Return the id of the stop that rests for an open long position, None without one."""
    async with by_another_hand(exchange) as hand:
        account = await hand.account()
    if not account.position(PositionSide.LONG).amount:
        return None
    stops = (order for order in account.open_orders if order.request.type is OrderType.STOP_LOSS)
    return next((order.order_id for order in stops), None)


@pytest.mark.parametrize("change", [edit, replace, Path.unlink])
def test_given_an_open_position_when_the_journal_is_damaged_then_it_is_reported_and_the_stop_is_kept_up(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    told, journal = Told(), SessionFolder(tmp_path).journal

    async def story(exchange: Market) -> None:
        async with desk_at(exchange.url, tmp_path, opinion=LONG, notifier=told) as desk, at_work(desk):
            stop = await until(lambda: resting_stop(exchange))
            change(journal)
            status = await until(lambda: desk.status() if desk.status().halted else None)
            assert status.halted is not None
            assert status.halted.by == "journal"

            async with by_another_hand(exchange) as hand:
                await hand.cancel(stop)
            assert await until(lambda: resting_stop(exchange)) != stop
        # The log that SQLite leaves next to another file still holds the whole of this short journal.
        begins_again = pytest.raises(JournalError) if change is not replace else nullcontext()
        with begins_again:
            async with desk_at(exchange.url, tmp_path, opinion=LONG):
                pass
        assert await resting_stop(exchange) is not None

    with market() as exchange:
        asyncio.run(story(exchange))
    damages = [news for news in told.of(IncidentSeen) if isinstance(news, IncidentSeen)]
    assert [(news.incident, news.level) for news in damages] == [(JOURNAL_DAMAGED, Severity.CRITICAL)]
