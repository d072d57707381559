"""A session's words about its model, held against a real registry."""

import mlflow
import pytest
from mlflow import MlflowClient

from crypto_kedro.errors import LineageError
from crypto_kedro.tracking.claims import confirm_claims

TAGS = {"bundle_digest": "b" * 64, "data_sha256": "d" * 64, "git_sha": "a" * 40}


@pytest.fixture(scope="module")
def run_id(store: object) -> str:
    """The run of version 1 of the model ``claimed``."""
    with mlflow.start_run() as run:
        client = MlflowClient()
        client.create_registered_model("claimed")
        client.create_model_version("claimed", run.info.artifact_uri, run.info.run_id, tags=TAGS)
    return str(run.info.run_id)


def test_given_a_version_as_the_session_says_then_it_is_confirmed(run_id: str) -> None:
    confirm_claims("claimed version 1", {**TAGS, "run_id": run_id})


@pytest.mark.parametrize("claim", [*TAGS, "run_id", "feature_set_hash"])
def test_given_a_claim_that_the_registry_contradicts_or_does_not_know_then_it_is_an_error_that_names_it(
    run_id: str, claim: str
) -> None:
    with pytest.raises(LineageError, match=f"its {claim} is .* in the registry, and other in the journal"):
        confirm_claims("claimed version 1", {**TAGS, "run_id": run_id, claim: "other"})


@pytest.mark.parametrize("version", ["claimed version 2", "another version 1", "without a number"])
def test_given_a_version_that_the_registry_does_not_know_then_it_is_an_error(run_id: str, version: str) -> None:
    with pytest.raises(LineageError, match="does not know it"):
        confirm_claims(version, {"run_id": run_id})
