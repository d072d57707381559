"""What a gate is: the evidence it judges, the limits it holds it against, and the result it gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from crypto_kedro.learning.intervals import Interval


class GateVerdict(StrEnum):
    """Outcome of a gate; there is no third one."""

    PASS = "pass"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an evaluation has measured out of sample, after costs; None is what it could not measure.

    Args:
        data_source: kind of the source of the candles, such as ``bitbank``, ``file`` or ``synthetic``.
        halt_share: share of the minutes that no candle covers.
        foresight: largest rank correlation of a feature with the next bar's return.
        foresight_limit: the one that the training allowed.
        features_match: whether data, model and predictions name the same hash of the feature set.
        inference_difference: largest difference between the probabilities of the bundle and of the models it was
            exported from.
        trades, days: closed trades and UTC days of the model's trader over all windows.
        folds_better_than_prior: share of the test windows in which the model's log-loss of the direction, given that
            the market moves, is below the prior's; volatility alone, which is easy to predict, does not count.
        net_profit: of the account, as a fraction of the capital.
        stressed_net_profit: the same where everything costs half as much again.
        sharpe, buy_and_hold_sharpe: annualised Sharpe ratios of the model's trader and of holding.
        deflated_sharpe: probability that the Sharpe ratio is more than the best of all trials without skill.
        overfitting: probability of backtest overfitting of the choice of this trader.
        random_net_profits: profits of the random-entry traders, as fractions; empty if there were none.
        max_drawdown: as a fraction of the peak.
        windows_profitable: share of the windows with trades that earned.
        regimes_profitable: share of the volatility regimes with trades whose trades earned together.
        largest_trade_share: net of the best trade over the net of all; None if they earned nothing.
        calibration_error: expected calibration error of the calibrated probabilities.
        overconfidence: by how much, at the least, the executed trades fell short of their mean probability: the lower
            end of an interval.
        final_net_profit: profit in the untouched final window, as a fraction.
        final_floor: what as many days of the windows before would have brought at the worst in 95 of 100 cases.
        champion: ``none``, or the version that is compared.
        champion_net_profit: profit of the champion in the same final window.
        intervals: of the figures above that have one, by name.
    """

    data_source: str | None
    halt_share: float | None
    foresight: float | None
    foresight_limit: float | None
    features_match: bool | None
    inference_difference: float | None
    trades: int | None
    days: int | None
    folds_better_than_prior: float | None
    net_profit: float | None
    stressed_net_profit: float | None
    sharpe: float | None
    buy_and_hold_sharpe: float | None
    deflated_sharpe: float | None
    overfitting: float | None
    random_net_profits: Sequence[float]
    max_drawdown: float | None
    windows_profitable: float | None
    regimes_profitable: float | None
    largest_trade_share: float | None
    calibration_error: float | None
    overconfidence: float | None
    final_net_profit: float | None
    final_floor: float | None
    champion: str | None
    champion_net_profit: float | None
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLimits:
    """Thresholds of the gates, as fractions where they are not counts.

    Args:
        allow_synthetic: let a model of the synthetic market pass the first gate, for a demonstration only.
        max_halt_share: largest share of minutes without a candle.
        max_inference_difference: largest difference between bundle and models.
        min_trades, min_days: fewest trades and days that count as evidence.
        min_folds_better_than_prior: smallest share of windows that beat the prior.
        min_net_profit, min_stressed_net_profit: the trader must earn more than this, at costs as they are and at half
            as much again.
        min_deflated_sharpe: smallest probability that the Sharpe ratio is no accident of so many trials.
        max_overfitting: largest probability of backtest overfitting.
        random_percentile: percentile of the random traders (0 to 100) that the profit must exceed.
        max_drawdown: largest fall that is tolerated.
        min_windows_profitable, min_regimes_profitable: smallest shares that must have earned.
        max_largest_trade_share: largest part of the profit that one trade may have made.
        max_calibration_error: largest expected calibration error that is tolerated.
        max_overconfidence: how far executed trades may fall short of their probability.
    """

    allow_synthetic: bool = False
    max_halt_share: float = 0.02
    max_inference_difference: float = 1e-6
    min_trades: int = 100
    min_days: int = 90
    min_folds_better_than_prior: float = 0.8
    min_net_profit: float = 0.0
    min_stressed_net_profit: float = 0.0
    min_deflated_sharpe: float = 0.95
    max_overfitting: float = 0.2
    random_percentile: float = 95.0
    max_drawdown: float = 0.2
    min_windows_profitable: float = 0.6
    min_regimes_profitable: float = 0.6
    max_largest_trade_share: float = 0.25
    max_calibration_error: float = 0.05
    max_overconfidence: float = 0.05


@dataclass(frozen=True, slots=True)
class GateResult:
    """Verdict of one gate and what it rests on.

    Args:
        name: of the gate.
        value: what was measured; None if nothing could be.
        threshold: what it was held against, in words that include the comparison.
        interval: of the value, where there is one.
        verdict: pass or fail.
        explanation: one sentence.
    """

    name: str
    value: float | int | str | None
    threshold: str
    interval: Interval | None
    verdict: GateVerdict
    explanation: str

    @property
    def passed(self) -> bool:
        """Whether the verdict is a pass."""
        return self.verdict is GateVerdict.PASS


def verdict(passed: bool) -> GateVerdict:
    """Return a pass or a fail."""
    return GateVerdict.PASS if passed else GateVerdict.FAIL


def unmeasured(name: str, threshold: str, reason: str) -> GateResult:
    """Return the failure of a gate that has nothing to judge."""
    explanation = f"Not measured, which fails the gate: {reason}."
    return GateResult(name, None, threshold, None, GateVerdict.FAIL, explanation)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A gate that holds one figure against one limit.

    Args:
        name: of the gate.
        figure: field of `Evidence`.
        symbol: ``>=``, ``>`` or ``<=``.
        limit: field of `GateLimits`.
        form: how a figure is written, such as ``{:.1%}``.
        meaning: what follows the figure in the explanation.
        missing: why there may be no figure.
    """

    name: str
    figure: str
    symbol: str
    limit: str
    form: str
    meaning: str
    missing: str = "the evaluation holds no such figure"

    def __call__(self, evidence: Evidence, limits: GateLimits) -> GateResult:
        """Judge the figure."""
        value, limit = getattr(evidence, self.figure), getattr(limits, self.limit)
        threshold = f"{self.symbol} {self.form.format(limit)}"
        if value is None:
            return unmeasured(self.name, threshold, self.missing)
        passed = {">=": value >= limit, ">": value > limit, "<=": value <= limit}[self.symbol]
        explanation = f"{self.form.format(value)} {self.meaning}."
        interval = evidence.intervals.get(self.figure)
        return GateResult(self.name, value, threshold, interval, verdict(passed), explanation)
