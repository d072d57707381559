"""Catalog entries whose saving is an act in MLflow, remembered in a small JSON file beside the models."""

from abc import abstractmethod
from typing import Any

from crypto_kedro.datasets import AtomicJSONDataset
from crypto_kedro.tracking.registry import record_verdict, register


class _RecordedAct(AtomicJSONDataset):
    """Saving performs the act and writes down its outcome; loading tells the outcome of the last one."""

    @abstractmethod
    def _perform(self, data: Any) -> dict[str, Any]:
        """Act on ``data`` and return the outcome as JSON-able values."""

    def save(self, data: Any) -> None:
        """Act on ``data`` in the active MLflow run and keep the outcome."""
        super().save(self._perform(data))


class RegisteredModelDataset(_RecordedAct):
    """Saving a `tracking.registry.Candidate` logs and registers it; loading tells which version it became."""

    def _perform(self, data: Any) -> dict[str, Any]:
        return register(data)


class PromotionDataset(_RecordedAct):
    """Saving what `pass_verdict` returns logs it; the alias moves if every gate passed."""

    def _perform(self, data: Any) -> dict[str, Any]:
        return record_verdict(data["registered"], data["gates"], data["evaluation"], data["settings"])
