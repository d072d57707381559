"""A paper session over recorded bars: the live cycle on the matching engine, minute by minute, as fast as it goes."""

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.in_process import InProcessExchange, RecordedMarket
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.session.cycle import Cycle, CycleReport, CycleTerms, FactsSource
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import Trigger
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.trading.money import Btc, Price


class RecordedAccount:
    """An account of the matching engine on recorded bars, of which one after the other closes.

    Args:
        feed: the execution bars.
        plan: rules by date, cash and how the exchange behaves.
        half_spread: distance of the best prices from the last price.

    Attributes:
        market: what has been shown so far.
        engine: the account.
        exchange: both, as a session sees them.
    """

    def __init__(self, feed: BarFeed, plan: BacktestPlan, half_spread: Price) -> None:
        self.market = RecordedMarket(feed, plan.schedule, half_spread, Btc.of(1))
        self.engine = MatchingEngine(plan.schedule, plan.engine, cash=plan.cash, start_ms=int(feed.bars.open_time[0]))
        self.exchange = InProcessExchange(self.engine, self.market)

    def now_ms(self) -> int:
        """Return the close of the newest bar, Unix milliseconds UTC."""
        return self.engine.now_ms

    def next_bar(self) -> bool:
        """Let one more bar close and act on the account; False at the end."""
        bar = self.market.next_bar()
        if bar is not None:
            self.engine.advance(bar)
        return bar is not None


async def trade_recorded(
    account: RecordedAccount, facts: FactsSource, journal: Journal, writer: Writer, terms: CycleTerms
) -> list[CycleReport]:
    """Run a cycle at the close of every recorded bar and return the reports of those that did or saw something.

    Args:
        account: before its first bar, or wherever an earlier call stopped.
        facts: what the core is told, on the account's clock.
        journal: in which the session has begun.
        writer: the session.
        terms: how it trades.

    Raises:
        JournalError: the journal cannot be written.
    """
    cycle = Cycle(account.exchange, facts, journal, writer, terms, account.now_ms)
    reports = []
    bar_ms = terms.settings.barriers.bar_ms
    while account.next_bar():
        trigger = Trigger.BAR if account.now_ms() % bar_ms == 0 else Trigger.PROTECTION
        report = await cycle.run(trigger)
        if report.sent or report.fills or report.decision or report.error:
            reports.append(report)
    return reports
