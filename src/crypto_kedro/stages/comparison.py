"""Comparison of a stored result with what lies on disk and with the parameters of a run."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crypto_kedro.errors import LineageError
from crypto_kedro.stages.origin import Origin, content_sha256

_SUBJECTS = {"data": "candles", "features": "features", "training": "labels and models", "evaluation": "results"}
# They say where work is done and recorded, never what comes of it.
_IMMATERIAL = frozenset({"compute", "tracking"})


@dataclass(frozen=True, slots=True)
class StoredResults:
    """The stored results of a project.

    Args:
        paths: file or folder by name of the dataset.
        parameters: of the run, all groups.
    """

    paths: Mapping[str, Path]
    parameters: Mapping[str, Any]

    def check(self, names: Collection[str], remade: Collection[str] = ()) -> None:
        """Refuse results that do not belong together or were made with other parameters.

        Args:
            names: of the datasets that are about to be read; those of no stage are passed over.
            remade: datasets that this run writes before they are read.

        Raises:
            LineageError: the stage that is to be run is named.
        """
        seen: set[str] = set()
        waiting = sorted(names)
        while waiting:
            name = waiting.pop(0)
            if name not in seen and name in self.paths and name not in remade:
                seen.add(name)
                origin = self._checked(name, remade)
                waiting.extend(each for each in origin.inputs if self._has_origin(each))

    def _has_origin(self, name: str) -> bool:
        return name in self.paths and Origin.of(self.paths[name]) is not None

    def _checked(self, name: str, remade: Collection[str]) -> Origin:
        path = self.paths[name]
        origin = Origin.of(path)
        if not path.exists():
            stage = f" --pipelines {origin.stage}" if origin else ""
            raise LineageError(f"{name} is not on disk; run `kedro run{stage}`")
        if origin is None:
            raise LineageError(f"{name}: nothing records what it was made of; run `kedro run`")
        remedy = f"run `kedro run --pipelines {origin.stage}`"
        if content_sha256(path) != origin.sha256 or self._is_torn(origin, remade):
            raise LineageError(f"{name} changed or was left unfinished since the stage {origin.stage}; {remedy}")
        for used, sha256 in origin.inputs.items():
            if used not in remade and used in self.paths and content_sha256(self.paths[used]) != sha256:
                raise LineageError(
                    f"The {_SUBJECTS[origin.stage]} on disk ({name}) were made from another "
                    f"{used} ({sha256[:12]}) than the one on disk; {remedy}"
                )
        self._check_parameters(name, origin)
        return origin

    def _is_torn(self, origin: Origin, remade: Collection[str]) -> bool:
        """Return True if another result of the same node is of another execution of it."""
        others = [Origin.of(self.paths[name]) for name in origin.together if name in self.paths and name not in remade]
        return any(other is None or other.execution != origin.execution for other in others)

    def _check_parameters(self, name: str, origin: Origin) -> None:
        for group, made_with in origin.parameters.items():
            if group in _IMMATERIAL:
                continue
            changed = _first_change(made_with, self.parameters.get(group), group)
            if changed:
                key, before, now = changed
                raise LineageError(
                    f"The {_SUBJECTS[origin.stage]} on disk ({name}) were made with {key} = {before}, "
                    f"it is {now} now; run `kedro run --pipelines {origin.stage}`, or give the same --params"
                )


def _first_change(before: Any, now: Any, name: str) -> tuple[str, Any, Any] | None:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            changed = _first_change(before.get(key), now.get(key), f"{name}.{key}")
            if changed:
                return changed
        return None
    return None if before == now else (name, before, now)
