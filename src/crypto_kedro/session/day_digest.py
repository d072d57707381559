"""One day of a session in figures, for the daily digest."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from crypto_kedro.accounting.trades import margin_results
from crypto_kedro.session.journal import Entry, Journal
from crypto_kedro.session.journal.records import Decided, EquityMarked, FillSeen, Incident, Observed, Record
from crypto_kedro.session.notice import DayClosed
from crypto_kedro.session.records import round_trips
from crypto_kedro.trading.decision import Action
from crypto_kedro.trading.ledger import EquityPoint, jst_day
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Fill

_NOTHING = Jpy(0)
_CURVE_POINTS = 200
_LATE_ENTRIES = 10_000
"""Entries of a journal among which those of the latest days are; a day has one or two thousand."""


def day_of_journal(path: Path, day: int) -> DayClosed:
    """Return the figures of a JST day as a journal tells them; it is read beside whoever writes it.

    Args:
        path: the journal's file.
        day: number of the JST day, counted from 1970-01-01.

    Raises:
        JournalError: the journal cannot be read.
        CryptoKedroError: its fills do not add up.
    """
    with Journal.open(path, read_only=True) as journal:
        ledger = journal.ledger()
        told = _Told(day)
        for entry in journal.entries(
            Observed, Decided, EquityMarked, Incident, after=max(journal.head.seq - _LATE_ENTRIES, 0)
        ):
            told.take(entry)
        return day_closed(
            day,
            [entry.record.fill for entry in journal.entries(FillSeen)],
            sorted(told.equity, key=lambda point: point.at_ms),
            bars=len(told.reasons),
            refusals=[reason for reason in told.reasons.values() if reason is not None],
            drawdown=0.0 if ledger is None else ledger.deepest_drawdown,
            incidents=told.incidents,
        )


class _Told:
    """What the entries of one day say.

    Attributes:
        equity: what the account was worth.
        reasons: of each decision bar the reason to stay flat, None when something was done.
        incidents: how many there were.
    """

    def __init__(self, day: int) -> None:
        self._day = day
        self.equity: list[EquityPoint] = []
        self.reasons: dict[int, str | None] = {}
        self.incidents = 0

    def take(self, entry: Entry[Record]) -> None:
        if jst_day(entry.at_ms) != self._day:
            return
        match entry.record:
            case Observed(observation=observation):
                self.equity.append(EquityPoint(observation.account.at_ms, observation.account.equity))
            case EquityMarked(point):
                self.equity.append(point)
            case Decided(record=record):
                is_flat = record["action"] == Action.STAY_FLAT
                # A bar that is decided again keeps its first reason.
                self.reasons.setdefault(int(record["bar"]["bar_close_ms"]), record["reason"] if is_flat else None)
            case Incident():
                self.incidents += 1
            case _:
                pass


def day_closed(
    day: int,
    fills: Sequence[Fill],
    equity: Sequence[EquityPoint],
    *,
    bars: int,
    refusals: Sequence[str],
    drawdown: float,
    incidents: int,
) -> DayClosed:
    """Return the figures of a JST day.

    Args:
        day: its number, counted from 1970-01-01; see `jst_day`.
        fills: of the account, oldest first, from a moment without a position on; of other days too.
        equity: what the account was worth, oldest first; of other days too. The last point up to the end of the day
            is the day's equity.
        bars: decision bars of the day.
        refusals: reasons of the decisions that stayed flat, one for each such bar of the day.
        drawdown: deepest fall from the peak so far, as a fraction.
        incidents: of the day.
    """
    results = [result for result in margin_results(fills) if jst_day(result.at_ms) == day]
    closed = [trade for trade in round_trips(fills, {}) if jst_day(trade.closed_at_ms) == day]
    won = sum(trade.net.units > 0 for trade in closed)
    known = [point for point in equity if jst_day(point.at_ms) <= day]
    return DayClosed(
        day=day,
        equity=known[-1].equity if known else None,
        net=sum((result.net for result in results), _NOTHING),
        fees=sum((result.fees for result in results), _NOTHING),
        interest=sum((result.interest for result in results), _NOTHING),
        opened=_opened(day, fills),
        won=won,
        lost=len(closed) - won,
        drawdown=drawdown,
        bars=bars,
        funnel=tuple(Counter(refusals).most_common()),
        incidents=incidents,
        curve=tuple((point.at_ms, float(point.equity)) for point in _thinned(day, known)),
    )


def _opened(day: int, fills: Sequence[Fill]) -> int:
    """Count the positions whose first fill lies in the day."""
    held = {True: 0, False: 0}
    opened = 0
    for fill in fills:
        if fill.position_side is None:
            continue
        is_long = fill.position_side.is_long
        if fill.is_opening:
            opened += held[is_long] == 0 and jst_day(fill.executed_at_ms) == day
            held[is_long] += fill.amount.lots
        else:
            held[is_long] -= fill.amount.lots
    return opened


def _thinned(day: int, points: Sequence[EquityPoint]) -> Sequence[EquityPoint]:
    """Return the points of a day, no more than a small chart shows, the first and the last among them."""
    of_day = [point for point in points if jst_day(point.at_ms) == day]
    if len(of_day) <= _CURVE_POINTS:
        return of_day
    last = len(of_day) - 1
    return [of_day[number * last // (_CURVE_POINTS - 1)] for number in range(_CURVE_POINTS)]
