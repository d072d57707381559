"""The model that a session trades, read from MLflow with all that leads back to its making."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kedro.io import AbstractDataset
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from crypto_kedro.errors import LineageError
from crypto_kedro.serving.bundle import ModelBundle
from crypto_kedro.tracking.registry import GATE_TAG, VERDICT_TAG, registered_bundle

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


@dataclass(frozen=True, slots=True)
class ModelShelf:
    """The versions of one registered model."""

    registered_model: str

    def first_of(self, aliases: Sequence[str]) -> TradedModel | None:
        """Return the version of the first alias that exists, None when none does.

        Raises:
            LineageError: the version, its run or its bundle cannot be read.
        """
        client = MlflowClient()
        for alias in aliases:
            try:
                version = client.get_model_version_by_alias(self.registered_model, alias)
            except MlflowException:
                continue
            return self._traded(client, alias, version)
        return None

    def _traded(self, client: MlflowClient, alias: str, version: Any) -> TradedModel:
        name = f"{version.name} version {version.version}"
        try:
            evaluated = version.tags.get("evaluation_run_id")
            metrics = {} if evaluated is None else client.get_run(evaluated).data.metrics
        except MlflowException as error:
            raise LineageError(
                f"{name} names an evaluation that MLflow does not know ({error}); move the alias {alias}"
            ) from error
        bundle = registered_bundle(version.name, version.version)
        return TradedModel(alias, name, version.run_id, version.tags, bundle, metrics.get(_KELLY_METRIC))


class ModelShelfDataset(AbstractDataset[None, ModelShelf]):
    """Loading gives the shelf; what stands on it is read when it is asked for.

    Args:
        registered_model: name in the registry.
        metadata: for kedro viz.
    """

    def __init__(self, registered_model: str, metadata: dict[str, Any] | None = None) -> None:
        self._registered_model = registered_model
        self.metadata = metadata

    def load(self) -> ModelShelf:
        """Return the shelf."""
        return ModelShelf(self._registered_model)

    def save(self, data: None) -> None:  # noqa: ARG002  (Kedro prescribes the signature)
        """Refuse: versions are registered by training."""
        raise LineageError("model shelf: versions are registered by training; save nothing here")

    def _describe(self) -> dict[str, Any]:
        return {"registered_model": self._registered_model}
