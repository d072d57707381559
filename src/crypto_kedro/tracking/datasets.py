"""Catalog entries whose saving is an act in MLflow, remembered in a small JSON file beside the models."""

import json
import os
from abc import abstractmethod
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from crypto_kedro.tracking.registry import record_verdict, register


class _RecordedAct(AbstractDataset[Any, dict[str, Any]]):
    """Saving performs the act and writes down its outcome; loading tells the outcome of the last one."""

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    @abstractmethod
    def _perform(self, data: Any) -> dict[str, Any]:
        """Act on ``data`` and return the outcome as JSON-able values."""

    def save(self, data: Any) -> None:
        """Act on ``data`` in the active MLflow run and keep the outcome."""
        outcome = self._perform(data)
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        partial = self._filepath.with_name(f".{self._filepath.name}.{os.getpid()}.part")
        partial.write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
        partial.replace(self._filepath)

    def load(self) -> dict[str, Any]:
        """Return the outcome of the last act."""
        outcome: dict[str, Any] = json.loads(self._filepath.read_text(encoding="utf-8"))
        return outcome

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class RegisteredModelDataset(_RecordedAct):
    """Saving a `tracking.registry.Candidate` logs and registers it; loading tells which version it became."""

    def _perform(self, data: Any) -> dict[str, Any]:
        return register(data)


class PromotionDataset(_RecordedAct):
    """Saving a dict of ``registered``, ``gates`` and ``evaluation`` logs it; the alias moves if every gate passed."""

    def _perform(self, data: Any) -> dict[str, Any]:
        return record_verdict(data["registered"], data["gates"], data["evaluation"])
