"""Specifies the books of an account that bitbank's simulator kept: they agree with its balance to the last unit."""

import asyncio

from venues import HandClock, HandMovedVenue, ask, opened, placed, simulator

from crypto_kedro.accounting.books import make_books
from crypto_kedro.accounts import bitbank_history
from crypto_kedro.exchange.bitbank import BitbankExchange, BitbankSettings, Credentials
from crypto_kedro.trading.money import Jpy

CLOSES = [5_000_000, 5_010_000, 5_030_000, 4_990_000, 4_970_000, 5_000_000, 5_020_000, 5_020_000]


def test_given_trades_at_the_simulator_when_accounted_then_the_books_agree_with_the_balance() -> None:
    async def whole() -> None:
        clock = HandClock()
        async with simulator(CLOSES, clock) as url:
            settings = BitbankSettings(public_url=url, private_url=url, throttle=False)
            credentials = Credentials("key", "secret")
            async with BitbankExchange(settings, credentials, now_ms=clock, sleep=clock.sleep) as exchange:
                venue = HandMovedVenue(clock, exchange)
                before = (await exchange.balances()).cash
                await opened(venue, "buy long 0.0300 market")
                await placed(venue, ask("sell long 0.0100 market"))
                await venue.minute()
                await placed(venue, ask("sell long 0.0200 market"))
                await opened(venue, "sell short 0.0150 market")
                await placed(venue, ask("buy short 0.0150 market"))
                await venue.minute()
                after = (await exchange.balances()).cash

            history = await bitbank_history(settings, credentials, 0, clock)

        books = make_books(history.fills)
        assert len(books.fills) == 5
        assert books.months[-1].cumulative == after - before
        assert books.tables[0].income == after - before
        assert books.tables[0].margin_fees > Jpy(0)
        assert books.check.checked == 3
        assert abs(books.check.largest.decimal) < 1

    asyncio.run(whole())
