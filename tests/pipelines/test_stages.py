"""Stored results of a stage are used only with the inputs and parameters that they were made of."""

import json
from pathlib import Path
from typing import Any

import pytest

from crypto_kedro.errors import LineageError
from crypto_kedro.stages.comparison import StoredResults
from crypto_kedro.stages.origin import Origin, content_sha256

PARAMETERS = {"data": {"synthetic": {"seed": 7}}, "features": {"feature_set": "classic12"}, "compute": {"workers": 2}}
NAMES = ("bars", "features", "manifest")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Candles, and features with their manifest made of them."""
    make(tmp_path, "data", "first", {"bars": "candles of seed 7"}, (), ("data",))
    make(tmp_path, "features", "second", {"features": "f", "manifest": "m"}, ("bars",), ("features", "compute"))
    return tmp_path


def make(
    folder: Path, stage: str, execution: str, written: dict[str, str], inputs: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    """Write results as a node of a stage does."""
    hashes = {name: content_sha256(folder / name) for name in inputs}
    parameters = {group: PARAMETERS[group] for group in groups}
    for name, content in written.items():
        (folder / name).write_text(content)
        origin = Origin(stage, content_sha256(folder / name), hashes, parameters, execution, tuple(written))
        origin.write(folder / name)


def check(folder: Path, *names: str, remade: tuple[str, ...] = (), **changed: Any) -> None:
    paths = {name: folder / name for name in NAMES}
    StoredResults(paths, {**PARAMETERS, **changed}).check(names, remade)


def test_results_that_belong_together_are_taken(folder: Path) -> None:
    check(folder, "features", "manifest", "bars", "params:training")


def test_other_candles_name_the_pipeline_of_the_features(folder: Path) -> None:
    make(folder, "data", "third", {"bars": "candles of seed 8"}, (), ("data",))

    with pytest.raises(LineageError, match=r"The features on disk .* another bars .* `kedro run --pipelines features`"):
        check(folder, "features")
    check(folder, "features", remade=("features",))


def test_the_same_candles_made_again_are_the_same(folder: Path) -> None:
    make(folder, "data", "third", {"bars": "candles of seed 7"}, (), ("data",))

    check(folder, "features", "manifest")


def test_changed_parameters_of_an_earlier_stage_name_it(folder: Path) -> None:
    with pytest.raises(LineageError, match=r"candles .* data\.synthetic\.seed = 7, it is 8 now; run .* data"):
        check(folder, "features", data={"synthetic": {"seed": 8}})


def test_where_work_is_done_does_not_matter(folder: Path) -> None:
    check(folder, "features", compute={"workers": 8})


@pytest.mark.parametrize("name", ["features", "manifest"])
def test_a_crash_between_two_results_of_a_node_is_found(folder: Path, name: str) -> None:
    kept = {path: path.read_bytes() for path in folder.iterdir() if name in path.name}
    make(folder, "features", "third", {"features": "F", "manifest": "M"}, ("bars",), ("features",))
    for path, content in kept.items():
        path.write_bytes(content)

    for read in ("features", "manifest"):
        with pytest.raises(LineageError, match="left unfinished since the stage features; run `kedro run --pipelines"):
            check(folder, read)


def test_a_crash_between_a_result_and_its_origin_is_found(folder: Path) -> None:
    (folder / "features").write_text("F")

    with pytest.raises(LineageError, match="features changed or was left unfinished"):
        check(folder, "features")


@pytest.mark.parametrize("content", [None, "", "[]", "{"])
def test_without_a_readable_origin_nothing_is_taken(folder: Path, content: str | None) -> None:
    origin = folder / ".bars.origin.json"
    origin.unlink() if content is None else origin.write_text(content)

    with pytest.raises(LineageError, match="bars: nothing records what it was made of; run `kedro run`"):
        check(folder, "bars")


def test_an_absent_result_names_its_pipeline(folder: Path) -> None:
    (folder / "bars").unlink()

    with pytest.raises(LineageError, match="bars is not on disk; run `kedro run --pipelines data`"):
        check(folder, "bars")


def test_how_candles_were_fetched_does_not_count(tmp_path: Path) -> None:
    hashes = set()
    for days in (1, 0):
        (tmp_path / "origin.json").write_text(json.dumps({"sha256": "a", "details": {"days_fetched": days}}))
        hashes.add(content_sha256(tmp_path / "origin.json"))

    assert len(hashes) == 1
