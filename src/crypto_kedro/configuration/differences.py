"""Every value that differs from the base configuration, with the file that decides it."""

import json
from dataclasses import dataclass
from typing import Any

from kedro.config import AbstractConfigLoader

from crypto_kedro.configuration.files import CREDENTIALS, leaves
from crypto_kedro.configuration.loader import ProjectConfigLoader
from crypto_kedro.configuration.refusal import ConfigurationRefusedError
from crypto_kedro.tracking.target import without_credentials

_SHOWN_KINDS = {"parameters": "", "run": "run."}
_NAMED_KINDS = ("catalog", CREDENTIALS)


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not that of base.

    Args:
        name: dotted name of the parameter; entries of the catalog and of the credentials begin with their kind.
        source: path of the deciding file from the project's root, or ``--params``.
        value: as text; None where it is not shown, as of credentials.
        base: as text; None where base has no such value.
    """

    name: str
    source: str
    value: str | None = None
    base: str | None = None

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name}, from {self.source}"
        base = "not in base" if self.base is None else f"base {self.base}"
        return f"{self.name} = {self.value} ({base}), from {self.source}"


def differences(loader: AbstractConfigLoader) -> list[Difference]:
    """Return what differs from base, in the order of the configuration.

    Values of parameters are shown without the passwords of addresses in them. Entries of the catalog and of the
    credentials are named only.

    Raises:
        ConfigurationRefusedError: a file cannot be used.
    """
    if not isinstance(loader, ProjectConfigLoader):
        raise ConfigurationRefusedError("CONFIG_LOADER_CLASS in settings.py is another; set ProjectConfigLoader")
    base_loader, found = loader.base_alone(), []
    for kind, prefix in _SHOWN_KINDS.items():
        if loader.files(kind):
            base = dict(leaves(base_loader.merged(kind))) if base_loader.files(kind) else {}
            for path, value in leaves(loader.merged(kind)):
                if path not in base or base[path] != value:
                    before = _text(base[path]) if path in base else None
                    name = prefix + ".".join(path)
                    found.append(Difference(name, loader.source_of(kind, path), _text(value), before))
    for kind in _NAMED_KINDS:
        base_entries = {name: entry for file in base_loader.files(kind) for name, entry in file.plain().items()}
        entries = {name: (entry, file.name) for file in loader.files(kind) for name, entry in file.plain().items()}
        for name, (entry, source) in entries.items():
            if kind == CREDENTIALS or entry != base_entries.get(name):
                found.append(Difference(f"{kind}.{name}", source))
    return found


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # A value of several lines would break the list of one value a line.
    return without_credentials(" ".join(text.split()))
