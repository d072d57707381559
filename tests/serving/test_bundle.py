"""Loading a bundle: whatever is missing, altered or foreign is refused before a tree is read."""

import hashlib
import json
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from taught_market import feature_manager, small_ensemble

from crypto_kedro.errors import BundleError, FeatureError
from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.serving.bundle import description_digest, load_bundle
from crypto_kedro.serving.trial import try_bundle

FILES = ["bundle.json", "lightgbm.treelite", "xgboost.treelite", "random_forest.treelite"]


@pytest.fixture
def bundle_path(tmp_path: Path) -> Path:
    content = BundleContent(small_ensemble(), 0.65, "synthetic", "2024-01-01T00:00:00Z", "2024-01-30T00:00:00Z", {})
    write_bundle(tmp_path / "bundle", content)
    return tmp_path / "bundle"


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the description as its writer could, digest included."""
    file = path / "bundle.json"
    description = json.loads(file.read_text())
    change(description)
    description["digest"] = description_digest(description)
    file.write_text(json.dumps(description))


@pytest.mark.parametrize("file", FILES)
def test_given_a_missing_file_when_loaded_then_the_error_names_it(bundle_path: Path, file: str) -> None:
    (bundle_path / file).unlink()
    with pytest.raises(BundleError, match=f"cannot read {file}"):
        load_bundle(bundle_path)


@pytest.mark.parametrize("file", FILES[1:])
def test_given_one_flipped_bit_when_loaded_then_the_error_names_the_file(bundle_path: Path, file: str) -> None:
    content = bytearray((bundle_path / file).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle_path / file).write_bytes(content)
    with pytest.raises(BundleError, match=f"{file} was altered"):
        load_bundle(bundle_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"confidence_threshold": 0.65', '"confidence_threshold": 0.35'), ("synthetic", "bitbank"), ("rsi_14", "rsi_41")],
)
def test_given_an_edited_description_when_loaded_then_it_is_refused(bundle_path: Path, old: str, new: str) -> None:
    text = (bundle_path / "bundle.json").read_text()
    (bundle_path / "bundle.json").write_text(text.replace(old, new))
    with pytest.raises(BundleError, match=r"bundle\.json was altered"):
        load_bundle(bundle_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}"])
def test_given_a_description_that_is_none_when_loaded_then_it_is_refused(bundle_path: Path, text: str) -> None:
    (bundle_path / "bundle.json").write_text(text)
    with pytest.raises(BundleError, match="is not a description of a bundle"):
        load_bundle(bundle_path)


def test_given_another_format_when_loaded_then_the_error_tells_both(bundle_path: Path) -> None:
    rewrite(bundle_path, lambda description: description.update(format=99))
    with pytest.raises(BundleError, match="its format is 99 and this version reads 1"):
        load_bundle(bundle_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda description: description.pop("calibration"),
        lambda description: description["calibration"].update(intercept=[0.0]),
        lambda description: description.update(classes=["long", "flat", "short"]),
        lambda description: description.update(models=[]),
        lambda description: description["features"]["names"].pop(),
        lambda description: description.update(confidence_threshold="high"),
        lambda description: description["models"][0].pop("weight"),
    ],
)
def test_given_a_description_that_lacks_sense_when_loaded_then_it_is_refused(
    bundle_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    rewrite(bundle_path, change)
    with pytest.raises(BundleError, match=r"bundle\.json is incomplete"):
        load_bundle(bundle_path)


def test_given_a_file_that_is_no_checkpoint_when_loaded_then_it_is_refused(bundle_path: Path) -> None:
    (bundle_path / "xgboost.treelite").write_bytes(b"trees")

    def follow(description: dict[str, Any]) -> None:
        entry = next(model for model in description["models"] if model["name"] == "xgboost")
        entry["sha256"] = hashlib.sha256(b"trees").hexdigest()

    rewrite(bundle_path, follow)
    with pytest.raises(BundleError, match=r"xgboost\.treelite is not a treelite checkpoint"):
        load_bundle(bundle_path)


def mutate(path: Path, name: str, change: Callable[[bytearray], object]) -> None:
    """Change a checkpoint and write its hash down again."""
    content = bytearray((path / f"{name}.treelite").read_bytes())
    change(content)
    (path / f"{name}.treelite").write_bytes(content)

    def follow(description: dict[str, Any]) -> None:
        entry = next(model for model in description["models"] if model["name"] == name)
        entry["sha256"] = hashlib.sha256(content).hexdigest()

    rewrite(path, follow)


def put(offset: int, content: bytes) -> Callable[[bytearray], object]:
    def change(checkpoint: bytearray) -> None:
        checkpoint[offset : offset + len(content)] = content

    return change


def circle(checkpoint: bytearray) -> None:
    """Let the root of the first tree of the LightGBM model be its own branch."""
    children = struct.pack("<4i", 4, 3, -1, -1)
    at = checkpoint.index(children)
    checkpoint[at : at + 4] = struct.pack("<i", 0)


def other_leaves(checkpoint: bytearray) -> None:
    """Change some leaves to others that are as plausible."""
    for at in range(len(checkpoint) // 4, len(checkpoint) - 8):
        (value,) = struct.unpack_from("<d", checkpoint, at)
        if -1.0 < value < -0.9:
            struct.pack_into("<d", checkpoint, at, -value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(bytearray.clear, id="nothing"),
        pytest.param(lambda checkpoint: checkpoint.__delitem__(slice(len(checkpoint) // 2, None)), id="half"),
        pytest.param(lambda checkpoint: checkpoint.__setitem__(slice(None), bytes(len(checkpoint))), id="zeros"),
        pytest.param(put(14, b"\xff" * 8), id="huge counts"),
        pytest.param(circle, id="a circle"),
        pytest.param(other_leaves, id="other leaves"),
    ],
)
def test_given_a_damaged_checkpoint_with_its_hash_when_loaded_then_this_process_lives_and_refuses(
    bundle_path: Path, change: Callable[[bytearray], object]
) -> None:
    mutate(bundle_path, "lightgbm", change)
    with pytest.raises(BundleError, match=r"bundle .*; (export|fetch) ") as refusal:
        load_bundle(bundle_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("flips", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_given_flipped_bits_anywhere_when_loaded_then_it_is_refused_or_predicts_probabilities(
    bundle_path: Path, tmp_path: Path, flips: int
) -> None:
    draw = random.Random(flips)

    def load(number: int) -> str:
        copy = tmp_path / str(number)
        shutil.copytree(bundle_path, copy)
        name = draw.choice(["lightgbm", "xgboost", "random_forest"])
        size = (copy / f"{name}.treelite").stat().st_size
        # Counts stand at the beginning, where a flip does most.
        at = draw.randrange(400) if number % 2 else draw.randrange(size)
        mutate(copy, name, lambda content: content.__setitem__(at, content[at] ^ 1 << draw.randrange(8)))
        try:
            votes = load_bundle(copy).predict_proba(np.random.default_rng(number).standard_normal((100, 12)))
        except BundleError as error:
            return str(error)
        np.testing.assert_allclose(votes.sum(axis=1), 1.0)
        return ""

    with ThreadPoolExecutor(2) as pool:
        assert any(list(pool.map(load, range(flips))))


def test_given_trees_that_load_too_slowly_when_tried_then_the_time_limit_ends_it(bundle_path: Path) -> None:
    with pytest.raises(BundleError, match=r"did not load and predict within 0\.01 s"):
        try_bundle(bundle_path, "any", time_limit_s=0.01)


def test_given_a_bundle_that_was_tried_when_loaded_again_then_no_process_is_started(
    bundle_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = load_bundle(bundle_path).digest
    monkeypatch.setattr("crypto_kedro.serving.trial.sys.executable", "/nowhere")
    load_bundle(bundle_path)
    rewrite(bundle_path, lambda description: description.update(data_source="file"))
    with pytest.raises(BundleError, match="no process could be started"):
        load_bundle(bundle_path)
    with pytest.raises(BundleError, match="no process could be started"):
        load_bundle(bundle_path, tried_digest=digest)
    own = json.loads((bundle_path / "bundle.json").read_text())["digest"]
    assert load_bundle(bundle_path, tried_digest=own).data_source == "file"


def test_given_the_features_in_use_when_loaded_then_a_bundle_made_for_others_is_refused(bundle_path: Path) -> None:
    own = feature_manager().feature_set.hash
    assert load_bundle(bundle_path, own).feature_set_hash == own
    with pytest.raises(BundleError, match=f"made for features {own[:12]}.*the catalogue in use is {'0' * 12}"):
        load_bundle(bundle_path, "0" * 64)


@pytest.mark.parametrize("shape", [(12,), (1, 11), (1, 13), (1, 1, 12)])
def test_given_features_of_another_shape_when_predicting_then_it_refuses(
    bundle_path: Path, shape: tuple[int, ...]
) -> None:
    with pytest.raises(FeatureError, match="expected \\(n, 12\\)"):
        load_bundle(bundle_path).predict_proba(np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_given_a_feature_that_is_not_finite_when_predicting_then_the_error_names_it(
    bundle_path: Path, value: float
) -> None:
    features = np.zeros((3, 12))
    features[2, 4] = value
    name = feature_manager().get_feature_names()[4]
    with pytest.raises(FeatureError, match=f"feature {name} is not finite in row 2"):
        load_bundle(bundle_path).predict_proba(features)


def test_given_rows_one_by_one_when_predicted_then_each_gets_what_it_gets_in_a_batch(bundle_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    features = np.random.default_rng(3).standard_normal((50, 12))
    alone = np.vstack([bundle.predict_proba(row[np.newaxis]) for row in features])
    np.testing.assert_array_equal(alone, bundle.predict_proba(features))


def test_given_a_fresh_process_when_a_bundle_predicts_then_no_training_library_and_no_pandas_is_loaded(
    bundle_path: Path,
) -> None:
    script = (
        "import sys, numpy\n"
        "from crypto_kedro.serving.bundle import load_bundle\n"
        "print(load_bundle(sys.argv[1]).predict_proba(numpy.zeros((2, 12))).shape)\n"
        "print(sorted({'sklearn', 'lightgbm', 'xgboost', 'mlflow', 'pandas', 'kedro'} & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, bundle_path], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == ["(2, 3)", "[]"]
