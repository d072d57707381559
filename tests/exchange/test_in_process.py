"""What only the in-process exchange does: recorded time, halts, and no lost answers."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from venues import CASH, QUIET, SCHEDULE, START_MS, ask, minutes

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.in_process import InProcessExchange, RecordedMarket
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.port import Attempt, RetryLaterError, StopTradingError
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.bars import MINUTE_MS, Bars
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.observation import ExchangeStatus


def market(bars: Bars) -> RecordedMarket:
    return RecordedMarket(BarFeed(bars), SCHEDULE, half_spread=Price(250), depth=Btc.of("0.5"))


def test_given_no_closed_bar_when_the_price_is_asked_for_then_none_is_made_up() -> None:
    with pytest.raises(RetryLaterError, match="no bar has closed yet"):
        asyncio.run(market(minutes(QUIET)).ticker())


def test_given_bars_to_come_when_candles_are_read_then_none_of_them_shows() -> None:
    recorded = market(minutes(QUIET))
    for _ in range(6):
        recorded.next_bar()

    bars = asyncio.run(recorded.candles(MINUTE_MS, 0, START_MS + 10 * MINUTE_MS))

    assert len(bars) == 6
    assert bars[-1].open_time_ms == START_MS


def test_given_the_last_bar_when_time_goes_on_then_there_is_none() -> None:
    recorded = market(minutes([]))

    assert [recorded.next_bar() is None for _ in range(6)] == [False] * 5 + [True]


def test_given_a_trading_halt_when_the_status_is_read_then_it_is_halted() -> None:
    bars = minutes(QUIET)
    halted = replace(bars, volume=np.zeros(len(bars)), gap_minutes=np.full(len(bars), 15, dtype=np.int64))
    recorded = market(halted)
    recorded.next_bar()

    assert asyncio.run(recorded.status()).status is ExchangeStatus.HALT


def test_given_an_exchange_that_always_answers_when_a_lost_order_is_searched_then_it_is_a_mistake() -> None:
    exchange = InProcessExchange(MatchingEngine(SCHEDULE, EngineSettings(), cash=CASH), market(minutes(QUIET)))

    with pytest.raises(StopTradingError, match="not lost here"):
        asyncio.run(exchange.outcome_of(Attempt(ask("buy long 0.1 market"), 0, 1)))
