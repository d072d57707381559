"""From predictions to figures and evidence: noise is not rewarded, knowledge is, and nothing is left blank."""

import json
from typing import Any

import pytest
from judged import RESAMPLING, known, run

from crypto_kedro.errors import LineageError
from crypto_kedro.evaluation.record import agreed_source, combine, evidence_of, score_predictions
from crypto_kedro.learning.gate_rules import GateLimits
from crypto_kedro.learning.gates import NO_CHAMPION, all_passed, judge
from crypto_kedro.learning.metrics import METRICS


@pytest.fixture(scope="module")
def scores() -> dict[str, Any]:
    return score_predictions(known(0.75), RESAMPLING)


LINEAGE = {
    "data_source": "file",
    "halt_share": 0.0,
    "foresight": 0.02,
    "foresight_limit": 0.25,
    "features_match": True,
    "inference_difference": 0.0,
}
NOBODY = {"version": NO_CHAMPION, "net_profit": None}


def evaluate(knowledge: float, source: str | None = "file") -> dict[str, Any]:
    scores = score_predictions(known(knowledge), RESAMPLING)
    return combine(run(knowledge).figures, scores, LINEAGE | {"data_source": source})


def test_given_a_model_that_knows_much_then_it_earns_beats_random_traders_and_passes_every_gate() -> None:
    evaluation = evaluate(0.75)
    assert evaluation["trading"]["baselines"]["random_entries"]["share_beaten"] == 1.0
    assert evaluation["classification"]["folds_better_than_prior"] == 1.0
    assert all_passed(judge(evidence_of(evaluation, NOBODY), GateLimits(min_days=30)))


def test_every_metric_has_an_interval_that_holds_its_estimate(scores: dict[str, Any]) -> None:
    assert set(scores["model"]) == set(METRICS)
    for name in set(METRICS) - {"ece"}:
        interval = scores["intervals"][name]
        assert interval["low"] < scores["model"][name] < interval["high"], name
    gain = scores["prior"]["log_loss"] - scores["model"]["log_loss"]
    assert scores["intervals"]["log_loss_gain"]["low"] < gain < scores["intervals"]["log_loss_gain"]["high"]
    assert scores["intervals"]["ece"]["high"] > scores["model"]["ece"]


def test_the_record_is_json() -> None:
    evaluation = evaluate(0.75)
    assert json.loads(json.dumps(evaluation, allow_nan=False)) == evaluation


def test_given_no_signal_then_what_needs_trades_is_not_measured() -> None:
    evaluation = evaluate(0.05)
    trading = evaluation["trading"]
    assert (trading["signals"], trading["strategy"]["trades"]) == (0, 0)
    assert trading["highest_probability"] == known(0.05)[["p_short", "p_long"]].to_numpy().max()
    assert trading["strategy"]["net_profit_interval"] is None
    assert trading["baselines"]["random_entries"]["share_beaten"] is None
    assert evidence_of(evaluation, NOBODY).final_net_profit is None


def test_given_no_source_then_the_evidence_says_none() -> None:
    assert evidence_of(evaluate(0.75, source=None), NOBODY).data_source is None


def test_given_training_and_features_of_different_sources_then_it_is_an_error() -> None:
    manifest = {"data": {"source": "file"}}
    assert agreed_source({"data_source": "file"}, manifest) == "file"
    with pytest.raises(LineageError, match="trained on candles of source 'synthetic'"):
        agreed_source({"data_source": "synthetic"}, manifest)
