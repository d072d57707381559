"""Paper sessions over recorded bars with a known model's word, for tests of the live cycle."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.session.cycle import CycleReport, CycleTerms
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import Lineage, SessionStarted
from crypto_kedro.session.paper import RecordedAccount, trade_recorded
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.trading.money import Jpy, Price
from crypto_kedro.trading.settings import TradingSettings
from crypto_kedro.trading.signal import SignalFacts

LINEAGE = Lineage("b" * 64, "btc-jpy-ensemble version 1", "run", "sha", "d" * 64, "file", "f" * 64, "sha")
WRITER = Writer("session-1", 1)


class KnownFacts:
    """The facts of a backtest, row by row, by a session's clock."""

    def __init__(self, facts: SignalFacts[FloatArray], now_ms: Callable[[], int], bar_ms: int) -> None:
        self._now_ms = now_ms
        self._bar_ms = bar_ms
        *numbers, models = facts
        self._rows = {
            int(facts.bar_close_ms[row]): SignalFacts._make(
                [
                    *(float(column[row]) for column in numbers),
                    tuple((float(s[row]), float(f[row]), float(long[row])) for s, f, long in models),
                ]
            )
            for row in range(len(facts.close))
        }

    async def latest(self) -> SignalFacts[float] | None:
        now_ms = self._now_ms()
        row = self._rows.get(now_ms // self._bar_ms * self._bar_ms)
        return row._replace(age_ms=now_ms - row.bar_close_ms) if row else None


def begin(journal: Journal, at_ms: int, settings: TradingSettings, capital: Jpy, writer: Writer = WRITER) -> None:
    journal.append(writer, at_ms, SessionStarted("paper", LINEAGE, settings, capital, 1))


def paper_session(
    folder: Path, feed: BarFeed, facts: SignalFacts[FloatArray], kelly: float, plan: BacktestPlan
) -> tuple[RecordedAccount, list[CycleReport], Path]:
    """Trade all of the feed through the live cycle."""
    account = RecordedAccount(feed, plan, Price(0))
    path = folder / "journal.db"
    decided_every_ms = plan.settings.barriers.bar_ms
    terms = CycleTerms(
        settings=plan.settings, funding_stage=plan.funding_stage, kelly=kelly, limit_target=plan.limit_target
    )
    with Journal.open(path) as journal:
        begin(journal, account.now_ms(), plan.settings, plan.cash)
        source = KnownFacts(facts, account.now_ms, decided_every_ms)
        reports = asyncio.run(trade_recorded(account, source, journal, WRITER, terms))
    return account, reports, path
