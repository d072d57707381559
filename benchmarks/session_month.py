"""Thirty simulated days of a paper session: the live cycle at each of 43,200 minutes, as fast as one core goes.

Every closed 15-minute bar has its features, its prediction, its decision and its journal entries; a firm word in place
of the model's has the session trade all the time.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from session_parts import CAPITAL, SETTINGS, TERMS, WRITER, Figures, FirmFacts, begin, live_model

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.market.frame import candles_from_frame
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.synthetic import synthetic_candles
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.live_window import LiveFacts
from crypto_kedro.session.paper import RecordedAccount, trade_recorded
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import Price

LONGEST_HALT_MINUTES = 10_000
EVERY = 12


def measure(project: Path, days: int = 30) -> Figures:
    """Return real and processor time of the days, and what the session did in them."""
    model = live_model(project)
    history_days = -(-model.history_ms // DAY_MS) + 1
    candles = candles_from_frame(synthetic_candles(history_days + days, 7, start="2026-03-02"))
    feed = BarFeed(fill_halts(candles, LONGEST_HALT_MINUTES, "synthetic"))
    plan = BacktestPlan(settings=SETTINGS, schedule=bitbank_btc_jpy_schedule(), cash=CAPITAL)
    account = RecordedAccount(feed, plan, Price(0))
    for _ in range(history_days * DAY_MS // MINUTE_MS):
        account.next_bar()
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "journal.db") as journal:
        begin(journal, account.now_ms())
        facts = FirmFacts(LiveFacts(account.exchange, model, account.now_ms), EVERY)
        started, used = time.perf_counter(), time.process_time()
        reports = asyncio.run(trade_recorded(account, facts, journal, WRITER, TERMS))
        elapsed, used = time.perf_counter() - started, time.process_time() - used
        size = journal.path.stat().st_size
    errors = [report.error for report in reports if report.error is not None]
    assert not errors, errors[0]
    return {
        "simulated_days": days,
        "seconds": round(elapsed, 1),
        "processor_seconds": round(used, 1),
        "decisions": sum(report.decision is not None for report in reports),
        "orders_and_cancels": sum(report.sent for report in reports),
        "fills": sum(len(report.fills) for report in reports),
        "journal_mb": round(size / 1e6, 1),
    }
