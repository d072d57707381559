"""The sentence of verdict follows from the gates and the figures."""

from typing import Any

import pytest

from crypto_kedro.reporting.page import Tone
from crypto_kedro.reporting.verdict import state_verdict

NOTHING = {"low": -0.01, "high": 0.01, "level": 0.95}
SOMETHING = {"low": 0.001, "high": 0.01, "level": 0.95}


def evaluation(
    *,
    net_profit: float = 0.1,
    trades: int = 250,
    source: str = "file",
    direction: object = NOTHING,
    loss: object = NOTHING,
) -> dict[str, Any]:
    return {
        "data_source": source,
        "classification": {"intervals": {"direction_log_loss_gain": direction, "log_loss_gain": loss}},
        "trading": {
            "confidence_threshold": 0.65,
            "bars": 12_000,
            "highest_probability": 0.41,
            "strategy": {
                "trades": trades,
                "net_profit": net_profit,
                "net_profit_interval": {"low": -0.05, "high": 0.25, "level": 0.95} if trades else None,
            },
            "baselines": {"random_entries": {"share_beaten": 0.8 if trades else None}},
        },
    }


def gates(*failed: str) -> dict[str, Any]:
    return {"passed": not failed, "failed": list(failed)}


def test_all_gates_passed_is_an_edge_with_its_figures() -> None:
    verdict = state_verdict(evaluation(), gates())
    assert verdict.tone is Tone.GOOD
    assert verdict.text == (
        "Edge found out of sample: at a confidence of 0.65 the model's 250 trades in 12,000 bars earned 10.0% "
        "after costs (95% interval -5.0% to +25.0%). That beats 80% of random traders with as many trades. "
        "Every gate is passed."
    )


def test_no_trade_is_no_edge_and_names_the_highest_probability() -> None:
    verdict = state_verdict(evaluation(trades=0, net_profit=0.0), gates("enough_trades", "profitable"))
    assert verdict.tone is Tone.NEUTRAL
    assert verdict.text == (
        "No edge found: at a confidence of 0.65 the model asked for 0 trades in 12,000 bars; the highest probability "
        "that it gave to a side is 0.41. Its probabilities are not measurably better than the class shares of the "
        "training data."
    )


@pytest.mark.parametrize("gate", ["profitable", "beats_random_entries"])
def test_a_strategy_that_does_not_earn_or_is_no_better_than_luck_has_no_edge(gate: str) -> None:
    assert state_verdict(evaluation(), gates(gate)).text.startswith("No edge found: ")


def test_a_loss_is_called_a_loss() -> None:
    assert "lost 10.0% after costs" in state_verdict(evaluation(net_profit=-0.1), gates("profitable")).text


def test_one_trade_is_not_called_trades() -> None:
    assert "the model's 1 trade in" in state_verdict(evaluation(trades=1), gates("profitable")).text


def test_merit_without_every_gate_is_not_proof_and_the_gates_are_named() -> None:
    verdict = state_verdict(evaluation(), gates("enough_trades", "calibrated"))
    assert verdict.text.startswith("Edge not proven: ")
    assert verdict.text.endswith("It fails these gates: enough trades, calibrated.")


@pytest.mark.parametrize(
    ("direction", "loss", "words"),
    [
        (NOTHING, NOTHING, "not measurably better"),
        (None, None, "not measurably better"),
        (NOTHING, SOMETHING, "tell when the market will move, but not measurably in which direction"),
        (SOMETHING, NOTHING, "tell the direction better"),
    ],
)
def test_without_an_edge_the_verdict_says_what_the_probabilities_know(
    direction: object, loss: object, words: str
) -> None:
    assert words in state_verdict(evaluation(direction=direction, loss=loss), gates("profitable")).text


def test_a_model_of_the_synthetic_market_found_what_was_planted_and_says_nothing_of_a_market() -> None:
    verdict = state_verdict(evaluation(source="synthetic"), gates("real_data"))
    assert verdict.tone is Tone.NEUTRAL
    assert verdict.text.startswith("The generator's planted signal was found: ")
    assert verdict.text.endswith("The candles are synthetic, so this says nothing about a market.")


def test_a_demonstration_that_allows_synthetic_candles_still_says_what_they_are() -> None:
    assert state_verdict(evaluation(source="synthetic"), gates()).text.endswith("this says nothing about a market.")
