"""A session that begins while trading is halted says so."""

import asyncio
from pathlib import Path

from desks import Told, at_work, desk_at, market, until

from crypto_kedro.session.notice import SessionBegan, TradingHalted


def test_given_a_halt_when_sessions_begin_then_each_says_so_and_the_first_calls(tmp_path: Path) -> None:
    told = Told()

    async def session(url: str, halt: str | None = None) -> None:
        async with desk_at(url, tmp_path, notifier=told) as desk:
            if halt is not None:
                await desk.stop(by="maria", reason=halt, flatten=False)
            async with at_work(desk):
                await until(lambda: desk.status().counts.cycles)

    with market() as exchange:
        asyncio.run(session(exchange.url, halt="on holiday"))
        asyncio.run(session(exchange.url))

    assert [news.halt for news in told.of(SessionBegan) if isinstance(news, SessionBegan)] == ["maria: on holiday"] * 2
    assert told.of(TradingHalted) == [TradingHalted("maria", "on holiday", False)]
