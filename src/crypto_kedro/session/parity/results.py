"""What it came to in both: round trips and the account's worth."""

from dataclasses import dataclass

import numpy as np

from crypto_kedro.session.parity.account_causes import account_cause, position_cause
from crypto_kedro.session.parity.difference import Cause, Findings, Kind, Why
from crypto_kedro.session.parity.expected import Expected
from crypto_kedro.session.parity.live import LivePeriod
from crypto_kedro.session.parity.pairs import TradePair
from crypto_kedro.session.records import Trade
from crypto_kedro.trading.money import Jpy

ROUNDING = Jpy.of("0.01")
"""Sums that differ by less are equal: the exchange reports four decimals, rounded in its favour."""


@dataclass(frozen=True, slots=True)
class EquityCurves:
    """Equity of both at the decision bars that the session decided.

    Args:
        at_ms: Unix milliseconds UTC, ascending, at least one.
        live, backtest: JPY, as many.
    """

    at_ms: tuple[int, ...]
    live: tuple[Jpy, ...]
    backtest: tuple[Jpy, ...]

    @property
    def gap(self) -> Jpy:
        """How much the session's account was worth more than the backtest's at the end."""
        return self.live[-1] - self.backtest[-1]


def equity_curves(live: LivePeriod, expected: Expected) -> EquityCurves:
    """Return what the session observed and the backtest's equity at the same closes."""
    closes = expected.result.bar_close_ms
    moments = tuple(at for at in live.bars if closes[0] <= at <= closes[-1])
    rows = np.searchsorted(closes, np.array(moments))
    return EquityCurves(
        moments,
        tuple(live.bars[at].observation.account.equity for at in moments),
        tuple(Jpy(int(units)) for units in expected.result.equity_units[rows]),
    )


class ResultComparison:
    """Compares round trips and the equity at the end.

    Args:
        live: what the session did.
        expected: what the backtest does.
        findings: takes the differences.
    """

    def __init__(self, live: LivePeriod, expected: Expected, findings: Findings) -> None:
        self._live = live
        self._expected = expected
        self._findings = findings

    def compare_trip(self, pair: TradePair) -> None:
        """Compare two round trips, or tell that there is only one."""
        live, backtest = pair.live, pair.backtest
        if live is not None and backtest is not None and _is_same(live, backtest):
            return
        bar_ms = self._expected.bar_ms
        opened_ms = pair.opened_at_ms // bar_ms * bar_ms
        why = position_cause(self._live, self._findings, opened_ms, pair.closed_at_ms, None)
        self._findings.add(Kind.ROUND_TRIP, pair.closed_at_ms, "result", _words(live), _words(backtest), why)

    def compare_equity(self, curves: EquityCurves) -> None:
        """Compare what both accounts were worth at the last bar that was decided."""
        if abs(curves.gap.units) < ROUNDING.units:
            return
        at_ms = curves.at_ms[-1]
        self._findings.add(
            Kind.EQUITY, at_ms, "at the end", f"{curves.live[-1].floor(2)}", f"{curves.backtest[-1].floor(2)}",
            self._why_other_equity(at_ms, curves.gap),
        )  # fmt: skip

    def _why_other_equity(self, at_ms: int, gap: Jpy) -> Why:
        """Return why; without positions the fills of both and the money that moved must make up all of it."""
        live, result = self._live, self._expected.result
        account = live.bars[at_ms].observation.account
        opened = next(iter(live.bars.values())).observation.account
        is_flat = not any(side.amount for one in (account, opened, result.account) for side in (one.long, one.short))
        if is_flat:
            begun_ms = live.first.started_at_ms
            gained = sum(f.profit_loss.units for f in live.fills if begun_ms <= f.executed_at_ms < at_ms)
            gained -= sum(f.profit_loss.units for f in result.fills if f.executed_at_ms < at_ms)
            moved = sum(transfer.amount.units for transfer in live.moved if transfer.at_ms <= at_ms)
            rest = gap.units - gained - moved
            if abs(rest) >= ROUNDING.units:
                return Why(Cause.UNEXPLAINED, f"fills and money moved leave {Jpy(rest)} JPY of it unexplained.")
        elif account.mark.ticks != self._close_at(at_ms) and self._findings.first() is None:
            return Why(
                Cause.MOMENT, f"the position was valued at {account.mark}, the bar closed at {self._close_at(at_ms)}."
            )
        return account_cause(live, self._findings, at_ms)

    def _close_at(self, at_ms: int) -> int:
        minute = self._expected.minute_at(at_ms - 1)
        assert minute is not None  # the curve ends within the feed
        return minute.close_ticks


def _is_same(live: Trade, backtest: Trade) -> bool:
    sums = zip(
        (live.entry_product, live.exit_product, live.fees, live.interest, live.net),
        (backtest.entry_product, backtest.exit_product, backtest.fees, backtest.interest, backtest.net),
        strict=True,
    )
    close = all(abs(one.units - other.units) < ROUNDING.units for one, other in sums)
    return close and live.amount == backtest.amount and live.exit_reason == backtest.exit_reason


def _words(trade: Trade | None) -> str | None:
    if trade is None:
        return None
    return f"{trade.side} {trade.amount} BTC, {trade.net.floor(2)} JPY net ({trade.exit_reason})"
