"""A session beside the backtest of its days: every difference, in the order of time, with its cause."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from crypto_kedro.market.moments import utc_iso
from crypto_kedro.session.ownership import FOREIGN_FILL
from crypto_kedro.session.parity.bars import BarComparison
from crypto_kedro.session.parity.difference import Cause, Difference, Findings, Kind, Why, counts
from crypto_kedro.session.parity.expected import Expected
from crypto_kedro.session.parity.fills import FillComparison
from crypto_kedro.session.parity.live import LivePeriod
from crypto_kedro.session.parity.orders import OrderComparison
from crypto_kedro.session.parity.pairs import order_pairs, trade_pairs
from crypto_kedro.session.parity.results import EquityCurves, ResultComparison, equity_curves
from crypto_kedro.trading.money import Jpy


@dataclass(frozen=True, slots=True)
class Compared:
    """How much there was to compare; of each, what the session has and what the backtest has."""

    bars: tuple[int, int]
    orders: tuple[int, int]
    executions: tuple[int, int]
    round_trips: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Parity:
    """What came of comparing a session with its backtest.

    Args:
        live: what the session did.
        compared: how much there was.
        differences: in the order of time.
        curves: equity of both.
        adverse_ppm: mean by which the session's executions were worse than assumed, parts per million; NaN for none.
        spread_ppm: mean spread that was observed, and the one that the backtest assumes; NaN for none.
    """

    live: LivePeriod
    compared: Compared
    differences: tuple[Difference, ...]
    curves: EquityCurves
    adverse_ppm: float
    spread_ppm: tuple[float, float]

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """Differences without evidence for a cause."""
        return tuple(one for one in self.differences if not one.is_explained)

    @property
    def verdict(self) -> str:
        """All of it in one sentence."""
        bars, orders = self.compared.bars[0], self.compared.orders[0]
        fills = self.compared.executions[0]
        if not self.differences:
            return (
                f"The session equals its backtest: {bars} bars, {orders} orders and {fills} executions, no difference."
            )
        n, unexplained = len(self.differences), len(self.unexplained)
        gap = self.curves.gap
        beside = "above" if gap.units >= 0 else "below"
        worth = f"the account ended {Jpy(abs(gap.units)).floor(2)} JPY {beside} the backtest's"
        if unexplained:
            return f"{unexplained} of {n} differences are UNEXPLAINED; {worth}."
        return f"{n} differences, all explained; {worth}."

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        live, curves, compared = self.live, self.curves, self.compared
        sides = ("live", "backtest")
        return {
            "verdict": self.verdict,
            "sessions": [
                {
                    "session_id": one.session_id,
                    "environment": one.start.environment,
                    "model": one.start.lineage.model_version,
                    "started_at": utc_iso(one.started_at_ms),
                    "until": utc_iso(one.until_ms),
                    "ended": one.ended,
                }
                for one in live.sessions
            ],
            "compared": {
                name: dict(zip(sides, getattr(compared, name), strict=True))
                for name in ("bars", "orders", "executions", "round_trips")
            },
            "differences": len(self.differences),
            "unexplained": len(self.unexplained),
            "counts": counts(self.differences),
            "adverse_ppm": _number(self.adverse_ppm),
            "spread_ppm": {"observed": _number(self.spread_ppm[0]), "assumed": _number(self.spread_ppm[1])},
            "equity_gap_jpy": float(curves.gap),
            "list": [one.as_dict() for one in self.differences],
            "equity": {
                "at_ms": list(curves.at_ms),
                "live": [float(one) for one in curves.live],
                "backtest": [float(one) for one in curves.backtest],
            },
        }


def compare(live: LivePeriod, expected: Expected) -> Parity:
    """Compare a session with the backtest of its days.

    Args:
        live: what the session did.
        expected: what the backtest does on the candles of the same days.
    """
    findings = Findings()
    pairs, trips = order_pairs(live, expected), trade_pairs(live, expected)
    bars, orders = BarComparison(live, expected, findings), OrderComparison(live, expected, pairs, findings)
    fills = FillComparison(live, expected, pairs, findings, orders.found)
    results = ResultComparison(live, expected, findings)
    # Whatever follows from something else comes after it.
    happened: list[tuple[int, int, Callable[[], None]]] = []
    closes = {*live.bars, *expected.result.decided_at_ms.tolist()}
    happened += [(at_ms, 0, partial(bars.compare, at_ms)) for at_ms in closes]
    happened += [(pair.sent_at_ms, 1, partial(orders.compare, pair)) for pair in pairs]
    for pair in pairs:
        if pair.executed_at_ms is not None:
            happened.append((pair.executed_at_ms, 2, partial(fills.compare, pair)))
    for at_ms, code, text in live.incidents:
        if code == FOREIGN_FILL:
            happened.append((at_ms, 2, partial(_note_stranger, findings, at_ms, text)))
    happened += [(trip.closed_at_ms, 3, partial(results.compare_trip, trip)) for trip in trips]
    for _, _, compare_it in sorted(happened, key=lambda one: one[:2]):
        compare_it()
    curves = equity_curves(live, expected)
    results.compare_equity(curves)
    executed = [(pair.live and pair.live.execution, pair.backtest and pair.backtest.execution) for pair in pairs]
    return Parity(
        live=live,
        compared=Compared(
            (len(live.bars), expected.result.decided_at_ms.size),
            _both([(pair.live, pair.backtest) for pair in pairs]),
            _both(executed),
            _both([(trip.live, trip.backtest) for trip in trips]),
        ),
        differences=findings.all(),
        curves=curves,
        adverse_ppm=_mean(fills.adverse),
        spread_ppm=(
            _mean([1e6 * bar.observation.facts.spread for bar in live.bars.values()]),
            _mean((1e6 * expected.facts.spread).tolist()),
        ),
    )


def _note_stranger(findings: Findings, at_ms: int, text: str) -> None:
    findings.add(Kind.FILL, at_ms, "foreign", text, None, Why(Cause.FOREIGN_ORDER, "the journal noted it as foreign."))


def _both(pairs: list[tuple[Any, Any]]) -> tuple[int, int]:
    return sum(one is not None for one, _ in pairs), sum(other is not None for _, other in pairs)


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
