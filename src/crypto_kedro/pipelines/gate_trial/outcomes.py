"""Outcomes of judged markets, one small file each, so that an interrupted trial goes on where it stopped."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset

from crypto_kedro.datasets import AtomicJSONDataset
from crypto_kedro.errors import LineageError


@dataclass(frozen=True, slots=True)
class OutcomeStore:
    """A folder with one JSON file for each outcome, named by its key."""

    folder: Path

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the outcome of a key, None if there is none yet.

        Raises:
            LineageError: its file is not JSON.
        """
        file = self._file(key)
        if not file.is_file():
            return None
        try:
            outcome: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise LineageError(
                f"gate_trial: {file} is not JSON ({error}); delete it and run the trial again"
            ) from error
        return outcome

    def put(self, key: str, outcome: dict[str, Any]) -> None:
        """Keep an outcome; its file is there whole or not at all."""
        save_args = {"indent": 2, "allow_nan": False}
        AtomicJSONDataset(filepath=str(self._file(key)), save_args=save_args).save(outcome)

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"


class OutcomeStoreDataset(AbstractDataset[NoReturn, OutcomeStore]):
    """Loading gives the store; the trial writes into it market by market.

    Args:
        filepath: the folder.
        metadata: for plugins such as kedro-viz.
    """

    def __init__(self, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> OutcomeStore:
        """Return the store, which may be empty."""
        return OutcomeStore(self._filepath)

    def save(self, data: NoReturn) -> None:  # noqa: ARG002  (Kedro prescribes the signature)
        """Refuse: outcomes are put one by one."""
        raise LineageError("trial_outcomes: load the store and put outcomes into it")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
