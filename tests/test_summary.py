"""The table at the end of a run names what the run made."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from crypto_kedro.hooks import SummaryHooks

PAPER = Path(__file__).resolve().parents[1] / "conf" / "paper" / "parameters_session.yml"
SESSION = {
    "environment": "paper",
    "session_id": "paper-1",
    "model": "btc-jpy-ensemble version 3",
    "cycles": 1_234,
    "failed_cycles": 2,
    "sent": 7,
    "equity_jpy": "99994.8208",
    "closed_trades": 3,
    "halted": None,
}


def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **made: Any) -> str:
    """What is printed after a run that made these datasets."""
    monkeypatch.setenv("COLUMNS", "160")
    given = {"params:session": yaml.safe_load(PAPER.read_text())["session"], **made}
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in given.items()})
    pipeline = Pipeline([node(lambda: None, None, name, name=f"make_{name}") for name in made])
    SummaryHooks().after_pipeline_run(pipeline, catalog)
    return capsys.readouterr().out


def test_given_a_session_when_it_is_over_then_the_table_says_what_it_came_to_and_how_to_decide_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(capsys, monkeypatch, session_record=SESSION)
    for words in (
        "btc-jpy-ensemble version 3",
        "1,234, 2 of them broken off",
        "7 orders and cancels",
        "99994.8208 JPY",
    ):
        assert words in text
    assert "kedro replay --env simulator --session paper-1" in text
    assert "Halted" not in text


def test_given_a_halted_session_when_it_is_over_then_the_table_says_why(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "a look" in shown(capsys, monkeypatch, session_record={**SESSION, "halted": "a look"})


def test_given_a_comparison_without_a_difference_when_it_is_over_then_the_verdict_is_all_there_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {"verdict": "The session equals its backtest.", "differences": 0, "list": []}
    text = shown(capsys, monkeypatch, parity_record=record)
    assert "The session equals its backtest." in text
    assert "Cause" not in text
