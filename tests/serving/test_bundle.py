"""Loading a bundle: whatever is missing, altered or foreign is refused before a tree is read."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from taught_market import feature_manager, small_ensemble

from crypto_kedro.errors import BundleError, FeatureError
from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.serving.bundle import description_digest, load_bundle

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
