"""What a trading session says of its model, compared with what the registry knows of it."""

from collections.abc import Mapping

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from crypto_kedro.errors import LineageError
from crypto_kedro.tracking.target import without_credentials


def confirm_claims(model_version: str, claims: Mapping[str, str]) -> None:
    """Check that a registered version is what a session says that it traded with.

    Args:
        model_version: such as ``btc-jpy-ensemble version 3``.
        claims: ``run_id`` and tags of the version, such as ``bundle_digest`` and ``data_sha256``, as the session says.

    Raises:
        LineageError: the registry does not know the version, or says otherwise.
    """
    name, _, number = model_version.rpartition(" version ")
    try:
        version = MlflowClient().get_model_version(name, number)
    except MlflowException as error:
        raise LineageError(
            f"{model_version}: the registry at {without_credentials(mlflow.get_tracking_uri())} does not know it; "
            "name the store that the model was registered in as tracking.uri"
        ) from error
    known = {**version.tags, "run_id": version.run_id}
    for claim, value in claims.items():
        if known.get(claim) != value:
            raise LineageError(
                f"{model_version}: its {claim} is {known.get(claim)} in the registry, and {value} in the journal; "
                "one of the two was altered, or another store is meant"
            )
