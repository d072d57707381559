"""Exporting: the same bytes for the same recipe, the same probabilities as the ensemble, all or nothing."""

from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError
from taught_market import SMALL_RULE, feature_manager, fit_small, small_ensemble, taught_examples

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.bundle_dataset import BundleDataset
from crypto_kedro.learning.ensemble import ProductionEnsemble
from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.serving.bundle import load_bundle


def content(ensemble: ProductionEnsemble) -> BundleContent:
    return BundleContent(
        ensemble=ensemble,
        confidence_threshold=0.65,
        data_source="synthetic",
        trained_from="2024-01-01T00:00:00Z",
        trained_to="2024-01-30T00:00:00Z",
        provenance={"data_sha256": "ab12"},
    )


def files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_given_the_same_rows_and_recipe_when_trained_and_exported_twice_then_the_bytes_are_the_same(
    tmp_path: Path,
) -> None:
    for name in ("once", "again"):
        write_bundle(tmp_path / name, content(fit_small(taught_examples(days=10))))
    assert files(tmp_path / "once") == files(tmp_path / "again")


def test_given_a_bundle_when_listed_then_it_holds_checkpoints_and_json_only(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", content(small_ensemble()))
    expected = {"bundle.json", "lightgbm.treelite", "xgboost.treelite", "random_forest.treelite"}
    assert set(files(tmp_path / "bundle")) == expected


def test_given_fresh_rows_when_served_then_bundle_and_ensemble_agree_to_a_millionth(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", content(small_ensemble()))
    bundle = load_bundle(tmp_path / "bundle")
    rows = taught_examples(days=30, seed=9).features
    values = rows[list(bundle.feature_names)].to_numpy()

    np.testing.assert_allclose(bundle.predict_proba(values), small_ensemble().predict_proba(rows), atol=1e-6, rtol=0)
    original = small_ensemble().predict_by_model(rows)
    for name, probabilities in bundle.predict_by_model(values).items():
        np.testing.assert_allclose(probabilities, original[name], atol=1e-6, rtol=0)


def test_given_a_bundle_when_loaded_then_it_tells_what_was_exported(tmp_path: Path) -> None:
    digest = write_bundle(tmp_path / "bundle", content(small_ensemble()))
    bundle = load_bundle(tmp_path / "bundle")
    feature_set = feature_manager().feature_set
    assert bundle.digest == digest
    assert (bundle.feature_set, bundle.feature_set_hash) == (feature_set.name, feature_set.hash)
    assert bundle.feature_names == feature_set.names
    assert [(model.name, model.weight) for model in bundle.models] == list(SMALL_RULE.weights.items())
    assert (bundle.confidence_threshold, bundle.data_source) == (0.65, "synthetic")
    assert bundle.training_window == {"from": "2024-01-01T00:00:00Z", "to": "2024-01-30T00:00:00Z"}
    assert bundle.provenance == {"data_sha256": "ab12"}


def test_given_an_export_that_fails_when_a_bundle_stood_there_then_it_stays_whole_and_nothing_is_left_over(
    tmp_path: Path,
) -> None:
    write_bundle(tmp_path / "bundle", content(small_ensemble()))
    before = files(tmp_path / "bundle")

    with pytest.raises(LearningError):
        write_bundle(tmp_path / "bundle", content(ProductionEnsemble(SMALL_RULE, feature_manager())))

    assert files(tmp_path / "bundle") == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_given_a_bundle_that_stood_there_when_exported_again_then_it_is_replaced(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", content(small_ensemble()))
    digest = write_bundle(tmp_path / "bundle", content(fit_small(taught_examples(days=10, seed=4))))
    assert load_bundle(tmp_path / "bundle").digest == digest
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_given_the_catalog_entry_when_saved_then_it_loads_the_verified_bundle(tmp_path: Path) -> None:
    dataset = BundleDataset(filepath=str(tmp_path / "06_models" / "bundle"))
    assert not dataset.exists()

    dataset.save(content(small_ensemble()))

    assert dataset.exists()
    assert dataset.load().path == tmp_path / "06_models" / "bundle"
    (tmp_path / "06_models" / "bundle" / "xgboost.treelite").unlink()
    with pytest.raises(DatasetError, match=r"cannot read xgboost\.treelite"):
        dataset.load()
