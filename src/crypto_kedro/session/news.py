"""What a cycle's report is news of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crypto_kedro.session.contradiction import EXCHANGE_CONTRADICTS
from crypto_kedro.session.cycle import JOURNAL_UNWRITABLE, CycleReport
from crypto_kedro.session.journal import HaltInForce, Journal
from crypto_kedro.session.journal.memory import JournalMemory
from crypto_kedro.session.journal.records import CycleEnded, Halted, Resumed, SessionEnded
from crypto_kedro.session.notice import (
    IncidentOver,
    IncidentSeen,
    News,
    PositionBare,
    PositionClosed,
    PositionOpened,
    ProtectionRepaired,
    Severity,
    TradingHalted,
    TradingResumed,
)
from crypto_kedro.session.records import Trade
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.money import Price
from crypto_kedro.trading.orders import Fill, PositionSide
from crypto_kedro.trading.protection import resting_protection

UNREACHABLE = "exchange_unreachable"
"""Incident of a cycle that was broken off; the journal has only the first of several in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A cycle with what was known before it and what it left.

    Args:
        report: of the cycle.
        before: the account as it was known before, None for the first time.
        fills: that the journal did not have before.
        closed: trades that ended.
        incidents: that the journal did not have in these words before.
        trouble: what broke the cycle off, see `trouble_of`.
        trouble_before: code of what broke the cycle before it off, None when nothing did.
        halt_before: the halt that was told last.
        halt: the one in force after the cycle.
        resumed: the latest end of a halt.
    """

    report: CycleReport
    before: AccountState | None
    fills: Sequence[Fill]
    closed: Sequence[Trade]
    incidents: Sequence[IncidentSeen]
    trouble: IncidentSeen | None
    trouble_before: str | None
    halt_before: HaltInForce | None
    halt: HaltInForce | None
    resumed: Resumed | None


def trouble_of(report: CycleReport, incidents: Sequence[IncidentSeen]) -> IncidentSeen | None:
    """Return the incident that broke a cycle off or that it found at the exchange, None when there was none.

    Args:
        report: of the cycle.
        incidents: that were written down meanwhile.
    """
    if report.error is None:
        if report.storage is not None:
            return IncidentSeen(Severity.CRITICAL, JOURNAL_UNWRITABLE, report.storage)
        found = report.contradiction
        return None if found is None else IncidentSeen(Severity.CRITICAL, EXCHANGE_CONTRADICTS, found)
    named = (incident for incident in incidents if incident.text == report.error)
    return next(named, IncidentSeen(Severity.WARNING, UNREACHABLE, report.error))


def halt_told(journal: Journal) -> HaltInForce | None:
    """Return the halt that the latest cycles knew of, and have told, whichever process ran them.

    A session that ended counts as well as a cycle, because a quiet cycle is not written down.
    """
    changes = list(journal.entries(Halted, Resumed))
    while changes and not _was_worked_after(journal, changes[-1].seq):
        del changes[-1]
    memory = JournalMemory()
    for change in changes:
        memory.take(change)
    return memory.halt


def _was_worked_after(journal: Journal, seq: int) -> bool:
    return any(True for kind in (CycleEnded, SessionEnded) for _ in journal.entries(kind, after=seq))


def news_of(passage: Passage) -> Iterator[News]:
    """Yield what is worth telling."""
    yield from passage.incidents
    if passage.trouble is None and passage.trouble_before is not None:
        yield IncidentOver(passage.trouble_before)
    elif passage.trouble is not None and passage.trouble not in passage.incidents:
        yield passage.trouble
    yield from _halt_news(passage)
    for trade in passage.closed:
        price = Price(round(trade.exit_product / (Price(1) * trade.amount)))
        yield PositionClosed(trade.side, trade.amount, price, trade.net, trade.exit_reason)
    if passage.report.account is not None:
        for side in PositionSide:
            yield from _position_news(side, passage, passage.report.account)


def _halt_news(passage: Passage) -> Iterator[News]:
    halt, resumed = passage.halt, passage.resumed
    if halt is not None and halt != passage.halt_before:
        yield TradingHalted(halt.by, halt.reason, halt.flatten)
    elif halt is None and passage.halt_before is not None and resumed is not None:
        yield TradingResumed(resumed.by, resumed.reason)


def _position_news(side: PositionSide, passage: Passage, account: AccountState) -> Iterator[News]:
    report, before, position = passage.report, passage.before, account.position(side)
    average = position.average_price
    stop, target = resting_protection(account.open_orders, side)
    trade = None if report.ledger is None else report.ledger.open_trade(side)
    if average is None or (stop is None and trade is None):
        return
    was_bare = before is not None and _is_bare(before, side)
    if before is None:
        is_new = trade is not None and (side, trade.opened_at_ms) in _openings(passage.fills)
    else:
        is_new = not before.position(side).amount
    if is_new:
        yield PositionOpened(side, position.amount, Price(round(average)), stop, target)
    if stop is None:
        yield PositionBare(Severity.CRITICAL if was_bare else Severity.WARNING, side, position.amount)
    elif was_bare or side in report.repaired:
        yield ProtectionRepaired(side, position.amount, stop, "missing")


def _openings(fills: Sequence[Fill]) -> set[tuple[PositionSide | None, int]]:
    return {(fill.position_side, fill.executed_at_ms) for fill in fills if fill.is_opening}


def _is_bare(account: AccountState, side: PositionSide) -> bool:
    return bool(account.position(side).amount) and resting_protection(account.open_orders, side)[0] is None
