"""The feature catalogue: ordered sets of features, read from one JSON and identified by a hash."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

from crypto_kedro.errors import FeatureError
from crypto_kedro.features.dependency import Dependency
from crypto_kedro.features.kernels import KERNELS, Kernel

Source = Literal["decision", "context"]
Category = Literal["basic", "technical", "calculations"]

_SET_KEYS = ("description", "count", "features")
_FEATURE_KEYS = ("name", "category", "source", "kernel", "parameters", "lookback")


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature of a set.

    Args:
        name: the column it becomes.
        category: the group it is shown in.
        source: which bars it is computed from: those of the decision (15 minutes) or of the context (4 hours).
        kernel: name of its formula in `KERNELS`.
        parameters: arguments of the formula.
        lookback: most bars of its source that one value depends on.
    """

    name: str
    category: Category
    source: Source
    kernel: str
    parameters: Mapping[str, int | float]
    lookback: int

    @property
    def dependency(self) -> Dependency:
        """Which bars one value depends on."""
        return KERNELS[self.kernel].depends_on(**self.parameters)


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """An ordered set of features; the order is the order of a model's inputs."""

    name: str
    features: tuple[FeatureSpec, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def decision_window_bars(self) -> int:
        """Decision bars, the newest included, that a live process must hold."""
        return max((feature.lookback for feature in self.features if feature.source == "decision"), default=1)

    @property
    def context_window_bars(self) -> int:
        """Closed context bars that a live process must hold, 0 if the set looks at none."""
        return max((feature.lookback for feature in self.features if feature.source == "context"), default=0)

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over everything that decides the values: names, order, kernels, versions, parameters."""
        content = {
            "name": self.name,
            "features": [
                {
                    "name": feature.name,
                    "category": feature.category,
                    "source": feature.source,
                    "kernel": feature.kernel,
                    "kernel_version": KERNELS[feature.kernel].version,
                    "parameters": dict(feature.parameters),
                    "lookback": feature.lookback,
                }
                for feature in self.features
            ],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def load_feature_set(catalogue: Path | str | Mapping[str, Any], name: str) -> FeatureSet:
    """Read one set of the feature catalogue.

    Args:
        catalogue: the JSON file, or its content.
        name: the set, such as ``stationary12``.

    Raises:
        FeatureError: the file cannot be read, the set is not in it, or an entry is malformed.
    """
    content = catalogue if isinstance(catalogue, Mapping) else _read(Path(catalogue))
    if name not in content:
        raise FeatureError(f"feature set {name!r} is not in the catalogue; it holds {_listed(content)}")
    where = f"feature set {name!r}"
    entry = _mapping(content[name], where)
    _check_keys(entry, _SET_KEYS, where)
    if not isinstance(entry["features"], list):
        raise FeatureError(f"{where}: 'features' is not a list; write one object a feature")
    features = tuple(_feature(item, f"{where}, feature {at}") for at, item in enumerate(entry["features"], start=1))
    if len(features) != entry["count"]:
        raise FeatureError(f"{where} lists {len(features)} features and counts {entry['count']!r}; make them agree")
    names = [feature.name for feature in features]
    twice = sorted({feature for feature in names if names.count(feature) > 1})
    if twice:
        raise FeatureError(f"{where} names {_listed(twice)} more than once; every feature needs its own name")
    return FeatureSet(name, features)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8")), str(path))
    except OSError as error:
        raise FeatureError(f"feature catalogue {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise FeatureError(f"feature catalogue {path} is not JSON: {error}") from error


def _feature(item: object, where: str) -> FeatureSpec:
    entry = _mapping(item, where)
    _check_keys(entry, _FEATURE_KEYS, where)
    name = entry["name"]
    if not isinstance(name, str) or not name.isidentifier() or name == "timestamp":
        raise FeatureError(f"{where}: {name!r} cannot be the name of a feature; use letters, digits and underscores")
    where = f"feature {name!r}"
    _check_choice(entry["category"], get_args(Category), where, "category")
    _check_choice(entry["source"], get_args(Source), where, "source")
    _check_choice(entry["kernel"], KERNELS, where, "kernel")
    kernel = KERNELS[entry["kernel"]]
    parameters = _parameters(kernel, _mapping(entry["parameters"], where), where)
    lookback = kernel.depends_on(**parameters).lookback
    if entry["lookback"] != lookback:
        raise FeatureError(f"{where} says lookback {entry['lookback']!r}; its kernel looks back {lookback} bars")
    return FeatureSpec(
        name=name,
        category=cast(Category, entry["category"]),
        source=cast(Source, entry["source"]),
        kernel=entry["kernel"],
        parameters=MappingProxyType(parameters),
        lookback=lookback,
    )


def _parameters(kernel: Kernel, given: Mapping[str, Any], where: str) -> dict[str, int | float]:
    _check_keys(given, tuple(kernel.parameters), where)
    return {
        name: _number(given[name], kind, kernel.least, f"{where}, {name}") for name, kind in kernel.parameters.items()
    }


def _number(value: object, kind: type[int] | type[float], least: int, where: str) -> int | float:
    if kind is int:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise FeatureError(f"{where}: {value!r} is not a whole number of at least {least}")
        return value
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0.0 < value < float("inf"):
        raise FeatureError(f"{where}: {value!r} is not a number greater than zero")
    return float(value)


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FeatureError(f"{where}: {value!r} is not an object with named entries")
    return value


def _check_keys(entry: Mapping[str, Any], expected: tuple[str, ...], where: str) -> None:
    missing = [key for key in expected if key not in entry]
    unknown = [key for key in entry if key not in expected]
    if missing:
        raise FeatureError(f"{where} lacks {_listed(missing)}")
    if unknown:
        raise FeatureError(f"{where} has the unknown entry {_listed(unknown)}; it may have {_listed(expected)}")


def _check_choice(value: object, choices: Iterable[str], where: str, what: str) -> None:
    known = list(choices)
    if value not in known:
        raise FeatureError(f"{where}: {value!r} is not a known {what}; choose one of {_listed(known)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
