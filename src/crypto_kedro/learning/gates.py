"""Named yes/no tests that a model must pass before it may become champion."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from crypto_kedro.learning.gate_rules import (
    Comparison,
    Evidence,
    GateLimits,
    GateResult,
    GateVerdict,
    unmeasured,
    verdict,
)
from crypto_kedro.market.candle_set import DataSource

NO_CHAMPION = "none"
_NO_TRADES = "there are too few trades to tell"

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
        return unmeasured("real_data", threshold, "the lineage does not say where the candles come from")
    passed = source != DataSource.SYNTHETIC or limits.allow_synthetic
    if source != DataSource.SYNTHETIC:
        explanation = f"The candles come from the source {source!r}."
    elif passed:
        explanation = "The candles are synthetic, which gates.allow_synthetic permits for a demonstration."
    else:
        explanation = "The candles are synthetic; such a model can never trade."
    return GateResult("real_data", source, threshold, None, verdict(passed), explanation)


def no_foresight(evidence: Evidence, _: GateLimits) -> GateResult:
    """No feature knew the bar after its own."""
    value, limit = evidence.foresight, evidence.foresight_limit
    if value is None or limit is None:
        return unmeasured("no_foresight", "at most the training's limit", "the training left no leakage checks")
    explanation = f"{value:.3f} is the largest rank correlation of a feature with the next bar's return."
    return GateResult("no_foresight", value, f"<= {limit:g}", None, verdict(value <= limit), explanation)


def same_features(evidence: Evidence, _: GateLimits) -> GateResult:
    """Data, model and predictions speak of the same features."""
    name, threshold = "same_features", "one hash"
    if evidence.features_match is None:
        return unmeasured(name, threshold, "the lineage does not name the feature set's hash")
    found = "the same hash" if evidence.features_match else "different hashes"
    explanation = f"Features on disk, model and training name {found} of the feature set."
    return GateResult(name, found, threshold, None, verdict(evidence.features_match), explanation)


def beats_random_entries(evidence: Evidence, limits: GateLimits) -> GateResult:
    """The moments of entry are worth more than random ones under the same rules."""
    name, share = "beats_random_entries", limits.random_percentile / 100
    threshold = f"above the {limits.random_percentile:g}th percentile"
    if evidence.net_profit is None or not evidence.trades or not evidence.random_net_profits:
        return unmeasured(name, threshold, "without trades there is nothing to compare with random entries")
    beaten = sum(profit < evidence.net_profit for profit in evidence.random_net_profits)
    value = beaten / len(evidence.random_net_profits)
    explanation = (
        f"The model's trader earned more than {beaten} of {len(evidence.random_net_profits)} random traders "
        "that wished to trade as often, to the same sides."
    )
    return GateResult(name, value, threshold, None, verdict(value > share), explanation)


def beats_buy_and_hold(evidence: Evidence, _: GateLimits) -> GateResult:
    """The risk was paid better than that of holding."""
    name, held = "beats_buy_and_hold", evidence.buy_and_hold_sharpe
    threshold = "above buy and hold's Sharpe ratio" if held is None else f"> {held:.2f}"
    if evidence.sharpe is None or held is None:
        return unmeasured(name, threshold, "one of the two Sharpe ratios is undefined")
    explanation = f"{evidence.sharpe:.2f} is the Sharpe ratio of the model's trader, {held:.2f} that of holding."
    interval = evidence.intervals.get("sharpe")
    return GateResult(name, evidence.sharpe, threshold, interval, verdict(evidence.sharpe > held), explanation)


def drawdown_within_limit(evidence: Evidence, limits: GateLimits) -> GateResult:
    """The worst fall could be lived through."""
    if not evidence.trades:
        threshold = f"<= {limits.max_drawdown:.2%}"
        return unmeasured("drawdown_within_limit", threshold, "without trades there is no drawdown to judge")
    return _DRAWDOWN(evidence, limits)


def final_window_holds(evidence: Evidence, _: GateLimits) -> GateResult:
    """The window that no choice was made on looks like the ones before it.

    That it earns would be too much to ask of a month: an account with a Sharpe ratio of 3 loses in one of five.
    """
    name, own, floor = "final_window_holds", evidence.final_net_profit, evidence.final_floor
    threshold = "not below what the windows before let expect" if floor is None else f">= {floor:.2%}"
    if own is None or floor is None:
        return unmeasured(name, threshold, "there was no trade in the final window, or too few days before it")
    explanation = (
        f"{own:+.2%} in the final window; the least that the windows before let expect, 0 at most, is {floor:+.2%}."
    )
    return GateResult(name, own, threshold, None, verdict(own >= floor), explanation)


def holds_against_champion(evidence: Evidence, _: GateLimits) -> GateResult:
    """The champion would not have done better in the same untouched window."""
    name, champion = "holds_against_champion", evidence.champion
    if champion is None:
        return unmeasured(name, "at least the champion's", "it is unknown whether there is a champion")
    if champion == NO_CHAMPION:
        return GateResult(name, champion, "no champion yet", None, GateVerdict.PASS, "There is no champion to beat.")
    own, rival = evidence.final_net_profit, evidence.champion_net_profit
    if own is None or rival is None:
        return unmeasured(name, f"at least {champion}'s", f"the final window could not be traded beside {champion}")
    explanation = f"{own:+.2%} in the final window, where {champion} earns {rival:+.2%}."
    return GateResult(name, own, f">= {rival:.2%}", None, verdict(own >= rival), explanation)


_DRAWDOWN = Comparison(
    "drawdown_within_limit", "max_drawdown", "<=", "max_drawdown", "{:.2%}", "is the largest fall from a peak"
)

GATES: tuple[Gate, ...] = (
    real_data,
    Comparison("data_quality", "halt_share", "<=", "max_halt_share", "{:.2%}", "of the minutes have no candle"),
    no_foresight,
    same_features,
    Comparison(
        "inference_parity", "inference_difference", "<=", "max_inference_difference", "{:.1e}",
        "is the largest difference between the bundle's probabilities and its models'",
    ),
    Comparison("enough_trades", "trades", ">=", "min_trades", "{:,.0f}", "trades out of sample"),
    Comparison("enough_days", "days", ">=", "min_days", "{:,.0f}", "days out of sample"),
    Comparison(
        "better_than_prior", "folds_better_than_prior", ">=", "min_folds_better_than_prior", "{:.0%}",
        "of the test windows tell the direction with a log-loss below the prior's",
    ),
    Comparison("profitable", "net_profit", ">", "min_net_profit", "{:.2%}", "is the net profit after costs"),
    Comparison(
        "profitable_at_higher_costs", "stressed_net_profit", ">", "min_stressed_net_profit", "{:.2%}",
        "is the net profit where everything costs half as much again",
    ),
    Comparison(
        "deflated_sharpe", "deflated_sharpe", ">=", "min_deflated_sharpe", "{:.1%}",
        "is the probability that the Sharpe ratio is no accident of so many trials", _NO_TRADES,
    ),
    Comparison(
        "not_overfitted", "overfitting", "<=", "max_overfitting", "{:.1%}",
        "is the probability of backtest overfitting", _NO_TRADES,
    ),
    beats_random_entries,
    beats_buy_and_hold,
    drawdown_within_limit,
    Comparison(
        "stable_over_windows", "windows_profitable", ">=", "min_windows_profitable", "{:.0%}",
        "of the windows with trades earned", _NO_TRADES,
    ),
    Comparison(
        "stable_over_regimes", "regimes_profitable", ">=", "min_regimes_profitable", "{:.0%}",
        "of the volatility regimes with trades earned", _NO_TRADES,
    ),
    Comparison(
        "no_single_trade", "largest_trade_share", "<=", "max_largest_trade_share", "{:.1%}",
        "of the profit was made by one trade", "the trades earned nothing together",
    ),
    Comparison(
        "calibrated", "calibration_error", "<=", "max_calibration_error", "{:.2%}", "is the expected calibration error"
    ),
    Comparison(
        "not_overconfident", "overconfidence", "<=", "max_overconfidence", "{:+.2%}",
        "is how far, at the least, executed trades fell short of their probability", _NO_TRADES,
    ),
    final_window_holds,
    holds_against_champion,
)  # fmt: skip
