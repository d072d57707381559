"""The model that a session trades, with all that leads back to its making.

Importing MLflow takes three seconds and 150 MiB, which a trader does without: it reads a `KeptShelf`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from crypto_kedro.errors import LineageError
from crypto_kedro.serving.bundle import ModelBundle
from crypto_kedro.tracking.tags import EVALUATION_RUN_TAG, GATE_TAG, VERDICT_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

_KELLY_METRIC = "evaluation.windows.final.kelly"


@dataclass(frozen=True, slots=True, eq=False)
class TradedModel:
    """A registered version with its bundle.

    Args:
        alias: by which it was found.
        version: name and version in the registry.
        run_id: of the run that trained it.
        tags: of the version.
        bundle: verified.
        kelly: leverage of full Kelly by its out-of-sample outcomes, None when its evaluation does not tell.
    """

    alias: str
    version: str
    run_id: str
    tags: Mapping[str, str]
    bundle: ModelBundle
    kelly: float | None

    @property
    def failed_gates(self) -> tuple[str, ...] | None:
        """Gates that it did not pass, None when there was no verdict."""
        if VERDICT_TAG not in self.tags:
            return None
        failed = (tag for tag, verdict in self.tags.items() if tag.startswith(GATE_TAG) and verdict == "fail")
        return tuple(sorted(tag.removeprefix(GATE_TAG) for tag in failed))


class Shelf(Protocol):
    """The versions of one registered model that have an alias."""

    @property
    def registered_model(self) -> str:
        """Name in the registry."""

    def first_of(self, aliases: Sequence[str]) -> TradedModel | None:
        """Return the version of the first alias that exists, None when none does.

        Raises:
            LineageError: the version, its run or its bundle cannot be read.
        """


@dataclass(frozen=True, slots=True)
class ModelShelf:
    """The versions of one registered model, read from MLflow."""

    registered_model: str

    def aliases(self) -> tuple[str, ...]:
        """Return the aliases that exist."""
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            return tuple(sorted(MlflowClient().get_registered_model(self.registered_model).aliases))
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return ()
            raise LineageError(f"{self.registered_model}: MLflow cannot be read ({error})") from error

    def first_of(self, aliases: Sequence[str]) -> TradedModel | None:
        """Return the version of the first alias that exists, None when none does.

        Raises:
            LineageError: the version, its run or its bundle cannot be read.
        """
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client = MlflowClient()
        for alias in aliases:
            try:
                version = client.get_model_version_by_alias(self.registered_model, alias)
            except MlflowException:
                continue
            return _traded(client, alias, version)
        return None


def _traded(client: "MlflowClient", alias: str, version: Any) -> TradedModel:
    from mlflow.exceptions import MlflowException

    from crypto_kedro.tracking.registry import registered_bundle

    name = f"{version.name} version {version.version}"
    try:
        evaluated = version.tags.get(EVALUATION_RUN_TAG)
        metrics: Mapping[str, Any] = {} if evaluated is None else client.get_run(evaluated).data.metrics
    except MlflowException as error:
        raise LineageError(
            f"{name} names an evaluation that MLflow does not know ({error}); move the alias {alias}"
        ) from error
    bundle = registered_bundle(version.name, version.version)
    return TradedModel(alias, name, version.run_id, version.tags, bundle, metrics.get(_KELLY_METRIC))
