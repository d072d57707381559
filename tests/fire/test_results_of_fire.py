"""The results of a proof survive its interruption, and nothing that was found is forgotten."""

import json
from pathlib import Path
from typing import Any

import pytest
from results import Results, StaleResultsError

PROOF = {"git_sha": "one", "source": "a", "machine": "m", "seed": 1, "share": 1.0}
COUNTS = dict.fromkeys(
    ("duplicate_orders", "unannounced_orders", "lost_fills", "unprotected", "fenced_orders", "equity"), 0
)


def siege(seed: int, **more: Any) -> dict[str, Any]:
    return {
        "times": 10,
        "seed": seed,
        "survived": True,
        "counts": COUNTS,
        "findings": {},
        "traders": 11,
        "orders": 5,
        "fills": 4,
        "faults": {"cut": 2},
        "market_hours": 1.5,
        "slowest_end_seconds": 0.5,
        "seconds": 9.0,
    } | more


def test_given_an_interruption_then_sieges_that_were_judged_are_kept_and_added_up(tmp_path: Path) -> None:
    Results.open(tmp_path / "proof", PROOF, afresh=False).add("kills", siege(7), "then")
    results = Results.open(tmp_path / "proof", PROOF | {"git_sha": "two"}, afresh=False)
    assert results.has("kills", 7)
    assert not results.has("kills", 8)
    results.add("kills", siege(8), "now")
    kept = json.loads((tmp_path / "proof.json").read_text())["scenarios"]["kills"]
    assert (kept["times"], kept["fills"], kept["faults"]) == (20, 8, {"cut": 4})
    assert "| kills | 20 | 22 | 3.0 | 10 | 8 | 0 | 0 | 0 | 0 | 0 | 0 |" in (tmp_path / "proof.md").read_text()


def test_given_something_found_then_it_is_kept_and_the_proof_fails(tmp_path: Path) -> None:
    found = siege(7, survived=False, counts=COUNTS | {"lost_fills": 1})
    Results.open(tmp_path / "proof", PROOF, afresh=False).add("kills", found, "then")
    results = Results.open(tmp_path / "proof", PROOF, afresh=False)
    assert results.has("kills", 7)
    assert not results.survived


def test_given_a_siege_that_broke_off_then_it_is_played_again_and_told_of(tmp_path: Path) -> None:
    broken = {"times": 10, "seed": 7, "survived": False, "broke_off": "killed"}
    results = Results.open(tmp_path / "proof", PROOF, afresh=False)
    results.add("kills", broken, "then")
    assert not results.has("kills", 7)
    assert not results.survived
    results.add("kills", siege(7), "now")
    assert results.survived
    assert "kills, seed 7: broke off once." in (tmp_path / "proof.md").read_text()


@pytest.mark.parametrize("other", [{"source": "b"}, {"seed": 2}, {"machine": "n"}])
def test_given_results_of_another_proof_then_they_are_not_gone_on_with(tmp_path: Path, other: dict[str, Any]) -> None:
    Results.open(tmp_path / "proof", PROOF, afresh=False).add("kills", siege(7), "then")
    with pytest.raises(StaleResultsError, match=next(iter(other))):
        Results.open(tmp_path / "proof", PROOF | other, afresh=False)
    assert not Results.open(tmp_path / "proof", PROOF | other, afresh=True).has("kills", 7)
