"""The one sentence that an evaluation comes down to; its words follow from the gates and the figures."""

from collections.abc import Mapping
from typing import Any

from crypto_kedro.market.candle_set import DataSource
from crypto_kedro.reporting.page import Tone, Verdict

MERIT_GATES = frozenset({"profitable", "beats_random_entries"})


def state_verdict(evaluation: Mapping[str, Any], gate_results: Mapping[str, Any]) -> Verdict:
    """Return the verdict on a model.

    Args:
        evaluation: record of `learning.evaluation.combine`.
        gate_results: record of `learning.gates.gate_record`.
    """
    trading = evaluation["trading"]
    failed = list(gate_results["failed"])
    result = f"{_traded(trading)} {_compared(trading)}".strip()
    synthetic = evaluation["data_source"] == DataSource.SYNTHETIC
    source = " The candles are synthetic, so this says nothing about a market." if synthetic else ""
    if gate_results["passed"]:
        return Verdict(f"Edge found out of sample: {result} Every gate is passed.{source}", Tone.GOOD)
    if trading["strategy"]["trades"] == 0 or MERIT_GATES.intersection(failed):
        return Verdict(f"No edge found: {result}{_information(evaluation)}{source}", Tone.NEUTRAL)
    if failed == ["real_data"] and synthetic:
        return Verdict(f"The generator's planted signal was found: {result}{source}", Tone.NEUTRAL)
    gates = ", ".join(name.replace("_", " ") for name in failed)
    return Verdict(f"Edge not proven: {result} It fails these gates: {gates}.{source}", Tone.NEUTRAL)


def _traded(trading: Mapping[str, Any]) -> str:
    strategy, threshold = trading["strategy"], trading["confidence_threshold"]
    if strategy["trades"] == 0:
        return (
            f"at a confidence of {threshold:g} the model asked for 0 trades in {trading['bars']:,} bars; "
            f"the highest probability that it gave to a side is {trading['highest_probability']:.2f}."
        )
    outcome = "earned" if strategy["net_profit"] > 0 else "lost"
    count = "1 trade" if strategy["trades"] == 1 else f"{strategy['trades']:,} trades"
    return (
        f"at a confidence of {threshold:g} the model's {count} in {trading['bars']:,} bars "
        f"{outcome} {abs(strategy['net_profit']):.1%} after costs{_interval(strategy['net_profit_interval'])}."
    )


def _compared(trading: Mapping[str, Any]) -> str:
    beaten = trading["baselines"]["random_entries"]["share_beaten"]
    return "" if beaten is None else f"That beats {beaten:.0%} of random traders with as many trades."


def _information(evaluation: Mapping[str, Any]) -> str:
    intervals = evaluation["classification"]["intervals"]
    if _above_zero(intervals["direction_log_loss_gain"]):
        return (
            " Its probabilities tell the direction better than the class shares of the training data, yet too little."
        )
    if _above_zero(intervals["log_loss_gain"]):
        return " Its probabilities tell when the market will move, but not measurably in which direction."
    return " Its probabilities are not measurably better than the class shares of the training data."


def _above_zero(interval: Mapping[str, float] | None) -> bool:
    return interval is not None and interval["low"] > 0


def _interval(interval: Mapping[str, float] | None) -> str:
    if interval is None:
        return ""
    return f" ({interval['level']:.0%} interval {interval['low']:+.1%} to {interval['high']:+.1%})"
