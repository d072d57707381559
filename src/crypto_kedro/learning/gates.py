"""Named yes/no tests that a model must pass before it may become champion."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from crypto_kedro.market.candle_set import DataSource


class GateVerdict(StrEnum):
    """Outcome of a gate; there is no third one."""

    PASS = "pass"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an evaluation has measured out of sample; None is what it could not measure.

    Args:
        data_source: kind of the source of the candles, such as ``bitbank``, ``file`` or ``synthetic``.
        trades: trades of the threshold strategy over all windows.
        folds_better_than_prior: share of the test windows in which the model's log-loss of the direction, given that
            the market moves, is below the prior's; volatility alone, which is easy to predict, does not count.
        net_profit: compounded profit of the strategy after costs, as a fraction.
        random_net_profits: profits of the random-entry traders, as fractions; empty if there were none.
        max_drawdown: of the strategy, as a fraction of the peak.
        calibration_error: expected calibration error of the calibrated probabilities.
        final_net_profit: profit in the untouched final window, as a fraction.
    """

    data_source: str | None
    trades: int | None
    folds_better_than_prior: float | None
    net_profit: float | None
    random_net_profits: Sequence[float]
    max_drawdown: float | None
    calibration_error: float | None
    final_net_profit: float | None


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Thresholds of the gates, as fractions where they are not counts.

    Args:
        allow_synthetic: let a model of the synthetic market pass the first gate, for a demonstration only.
        min_trades: fewest trades that count as evidence.
        min_folds_better_than_prior: smallest share of windows that beat the prior.
        min_net_profit: the strategy must earn more than this.
        random_percentile: percentile of the random traders (0 to 100) that the profit must exceed.
        max_drawdown: largest fall that is tolerated.
        max_calibration_error: largest expected calibration error that is tolerated.
        min_final_net_profit: smallest profit of the final window.
    """

    allow_synthetic: bool = False
    min_trades: int = 100
    min_folds_better_than_prior: float = 0.6
    min_net_profit: float = 0.0
    random_percentile: float = 95.0
    max_drawdown: float = 0.2
    max_calibration_error: float = 0.05
    min_final_net_profit: float = 0.0


@dataclass(frozen=True, slots=True)
class GateResult:
    """Verdict of one gate and what it rests on.

    Args:
        name: of the gate.
        value: what was measured; None if nothing could be.
        threshold: what it was held against, in words that include the comparison.
        verdict: pass or fail.
        explanation: one sentence.
    """

    name: str
    value: float | int | str | None
    threshold: str
    verdict: GateVerdict
    explanation: str

    @property
    def passed(self) -> bool:
        """Whether the verdict is a pass."""
        return self.verdict is GateVerdict.PASS


Gate = Callable[[Evidence, GateLimits], GateResult]


def judge(evidence: Evidence, limits: GateLimits) -> list[GateResult]:
    """Return the result of every gate; what cannot be measured fails."""
    return [gate(evidence, limits) for gate in GATES]


def all_passed(results: Sequence[GateResult]) -> bool:
    """Tell whether there are results and each is a pass."""
    return bool(results) and all(result.passed for result in results)


def gate_record(results: Sequence[GateResult]) -> dict[str, Any]:
    """Return the results as JSON-able values: ``passed``, ``failed`` (names) and ``gates`` (one dict a gate)."""
    return {
        "passed": all_passed(results),
        "failed": [result.name for result in results if not result.passed],
        "gates": [{**asdict(result), "verdict": result.verdict.value} for result in results],
    }


def real_data(evidence: Evidence, limits: GateLimits) -> GateResult:
    """The candles come from a market, not from the generator."""
    source = evidence.data_source
    threshold = "any source" if limits.allow_synthetic else f"not {DataSource.SYNTHETIC}"
    if not source:
        return _unmeasured("real_data", threshold, "the lineage does not say where the candles come from")
    passed = source != DataSource.SYNTHETIC or limits.allow_synthetic
    if source != DataSource.SYNTHETIC:
        explanation = f"The candles come from the source {source!r}."
    elif passed:
        explanation = "The candles are synthetic, which gates.allow_synthetic permits for a demonstration."
    else:
        explanation = "The candles are synthetic; such a model can never trade."
    return GateResult("real_data", source, threshold, _verdict(passed), explanation)


def enough_trades(evidence: Evidence, limits: GateLimits) -> GateResult:
    """There are enough trades to judge by."""
    return _at_least("enough_trades", evidence.trades, limits.min_trades, "trades out of sample", "{:,.0f}")


def better_than_prior(evidence: Evidence, limits: GateLimits) -> GateResult:
    """The probabilities know the direction in most windows."""
    return _at_least(
        "better_than_prior",
        evidence.folds_better_than_prior,
        limits.min_folds_better_than_prior,
        "of the test windows tell the direction with a log-loss below the prior's",
        "{:.0%}",
    )


def profitable(evidence: Evidence, limits: GateLimits) -> GateResult:
    """The strategy earns money after costs."""
    name, threshold = "profitable", f"> {limits.min_net_profit:.2%}"
    if evidence.net_profit is None:
        return _unmeasured(name, threshold, "the net profit is unknown")
    explanation = f"The net profit after costs is {evidence.net_profit:+.2%}."
    return GateResult(
        name, evidence.net_profit, threshold, _verdict(evidence.net_profit > limits.min_net_profit), explanation
    )


def beats_random_entries(evidence: Evidence, limits: GateLimits) -> GateResult:
    """The moments of entry are worth more than random ones under the same rules."""
    name, share = "beats_random_entries", limits.random_percentile / 100
    threshold = f"above the {limits.random_percentile:g}th percentile"
    if evidence.net_profit is None or not evidence.trades or not evidence.random_net_profits:
        return _unmeasured(name, threshold, "without trades there is nothing to compare with random entries")
    beaten = sum(profit < evidence.net_profit for profit in evidence.random_net_profits)
    value = beaten / len(evidence.random_net_profits)
    explanation = (
        f"The strategy earned more than {beaten} of {len(evidence.random_net_profits)} random traders "
        "with as many trades of the same sides."
    )
    return GateResult(name, value, threshold, _verdict(value > share), explanation)


def drawdown_within_limit(evidence: Evidence, limits: GateLimits) -> GateResult:
    """The worst fall could be lived through."""
    if not evidence.trades:
        return _unmeasured(
            "drawdown_within_limit", f"<= {limits.max_drawdown:.2%}", "without trades there is no drawdown to judge"
        )
    return _at_most(
        "drawdown_within_limit", evidence.max_drawdown, limits.max_drawdown, "is the largest fall from a peak"
    )


def calibrated(evidence: Evidence, limits: GateLimits) -> GateResult:
    """A probability means what it says."""
    return _at_most(
        "calibrated", evidence.calibration_error, limits.max_calibration_error, "is the expected calibration error"
    )


def final_window_holds(evidence: Evidence, limits: GateLimits) -> GateResult:
    """The window that no choice was made on does not lose money."""
    name, limit = "final_window_holds", limits.min_final_net_profit
    if evidence.final_net_profit is None:
        return _unmeasured(name, f">= {limit:.2%}", "there was no trade in the final window")
    return _at_least(name, evidence.final_net_profit, limit, "net profit in the final window", "{:.2%}")


GATES: tuple[Gate, ...] = (
    real_data,
    enough_trades,
    better_than_prior,
    profitable,
    beats_random_entries,
    drawdown_within_limit,
    calibrated,
    final_window_holds,
)


def _verdict(passed: bool) -> GateVerdict:
    return GateVerdict.PASS if passed else GateVerdict.FAIL


def _unmeasured(name: str, threshold: str, reason: str) -> GateResult:
    return GateResult(name, None, threshold, GateVerdict.FAIL, f"Not measured, which fails the gate: {reason}.")


def _at_least(name: str, value: float | None, limit: float, meaning: str, form: str) -> GateResult:
    threshold = f">= {form.format(limit)}"
    if value is None:
        return _unmeasured(name, threshold, "the evaluation holds no such figure")
    return GateResult(name, value, threshold, _verdict(value >= limit), f"{form.format(value)} {meaning}.")


def _at_most(name: str, value: float | None, limit: float, meaning: str) -> GateResult:
    threshold = f"<= {limit:.2%}"
    if value is None:
        return _unmeasured(name, threshold, "the evaluation holds no such figure")
    return GateResult(name, value, threshold, _verdict(value <= limit), f"{value:.2%} {meaning}.")
