"""Kedro's configuration loader with a third layer: base < environment < local < --params."""

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Self

from fsspec.utils import glob_translate
from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.framework.project import settings
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from crypto_kedro.configuration.files import CREDENTIALS, ConfigFile, first_line, leaves, parse_file, refuse_duplicates
from crypto_kedro.configuration.names import READ_SUFFIXES, refuse_unread
from crypto_kedro.configuration.refusal import ConfigurationRefusedError
from crypto_kedro.errors import ConfigurationError
from crypto_kedro.parameters.globals import validate_globals

_GLOBAL_REFERENCE = re.compile(r"\$\{globals:\s*([\w.]+)")


def open_loader(
    conf_source: str | Path, env: str | None = None, runtime_params: dict[str, Any] | None = None
) -> OmegaConfigLoader:
    """Return the loader that the project's settings name; nothing else constructs one.

    Raises:
        ConfigurationRefusedError: see `ProjectConfigLoader`.
    """
    loader: OmegaConfigLoader = settings.CONFIG_LOADER_CLASS(
        conf_source=str(conf_source), env=env, runtime_params=runtime_params, **settings.CONFIG_LOADER_ARGS
    )
    return loader


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, in which the local folder goes before every environment.

    Without an environment, base and local are read; the environment ``base`` is base alone. Parameters and globals
    merge value by value, every other kind by its top-level keys.

    Raises:
        ConfigurationRefusedError: on construction and on access; a folder or a file cannot be used.
    """

    def __init__(
        self,
        conf_source: str | Path,
        env: str | None = None,
        runtime_params: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self._options = options
        self._files: dict[tuple[str, str], tuple[ConfigFile, ...]] = {}
        self._listed: dict[str, list[str]] = {}
        super().__init__(conf_source, env, runtime_params, **options)
        for layer in self.layers:
            refuse_unread(self._printable(layer), self._listing(layer), self.config_patterns)
            self._refuse_broken_json(layer)

    @property
    def layers(self) -> tuple[str, ...]:
        """Folders in the order of precedence, the weakest first."""
        env = self.env or self.default_run_env
        chosen = (self.base_env,) if env == self.base_env else (self.base_env, env, self.default_run_env)
        return tuple(dict.fromkeys(chosen))

    def base_alone(self) -> Self:
        """Return a loader of base, without the files of other folders and without ``--params``."""
        base = type(self)(self.conf_source, self.base_env, **self._options)
        # What is parsed already need not be parsed again.
        base._files.update(self._files)
        return base

    def __getitem__(self, key: str) -> Any:
        """Return the merged configuration of a kind.

        Raises:
            KeyError: the kind is unknown.
            MissingConfigException: there is no file of it.
            ConfigurationRefusedError: a file of it cannot be used.
        """
        if key in self or key not in self.config_patterns:
            return super().__getitem__(key)
        merged = self.merged(key)
        # Kedro logs the credentials that it takes, at the level DEBUG.
        return HiddenValues(merged) if key == CREDENTIALS else merged

    def files(self, kind: str) -> tuple[ConfigFile, ...]:
        """Return the files of a kind, the weakest first."""
        return tuple(file for layer in self.layers for file in self._files_of(kind, layer))

    def merged(self, kind: str) -> dict[str, Any]:
        """Merge the files of a kind and resolve them; see `__getitem__`."""
        files = self.files(kind)
        if not files:
            if kind == "globals":
                return {}
            if kind == "parameters":
                raise ConfigurationRefusedError(
                    f"{self._printable(self.base_env)} holds no parameters; restore its files"
                )
            raise MissingConfigException(
                f"no files of the kind {kind} in {', '.join(map(self._printable, self.layers))}"
            )
        if kind == "parameters":
            _refuse_armed(files)
            self._refuse_shadowed_globals(files)
        # The resolvers belong to the process, and another loader may have replaced them.
        self._register_globals_resolver()
        self._register_runtime_params_resolver()
        if kind == "globals":
            OmegaConf.clear_resolver("runtime_params")
        resolved = self._resolved(kind, files)
        if kind == "globals":
            try:
                return validate_globals(resolved, partial(self.source_of, kind))
            except ConfigurationError as error:
                raise ConfigurationRefusedError(str(error)) from None
        return resolved

    def source_of(self, kind: str, path: tuple[str, ...]) -> str:
        """Return the file that decides a value, or ``--params``; a value taken from globals has the file of those."""
        if kind == "parameters" and _sets(self.runtime_params, path):
            return "--params"
        setting = [file for file in self.files(kind) if _sets(file.plain(), path)]
        if not setting:
            return "none"
        if kind == "parameters":
            written = dict(leaves(setting[-1].plain())).get(path)
            reference = _GLOBAL_REFERENCE.search(written) if isinstance(written, str) else None
            if reference:
                return self.source_of("globals", tuple(reference.group(1).split(".")))
        return setting[-1].name

    def _resolved(self, kind: str, files: Sequence[ConfigFile]) -> dict[str, Any]:
        try:
            if kind == CREDENTIALS:
                for file in files:
                    self._resolve_environment_variables(file.content)
            merged = self._joined(kind, files)
            if kind == "catalog":
                tree: dict[str, Any] = self._resolve_catalog_config([merged])
            else:
                tree = OmegaConf.to_container(merged, resolve=True)  # type: ignore[assignment]
        except (OmegaConfBaseException, RecursionError, ValueError, TypeError) as error:
            named = ", ".join(file.name for file in files if file.layer != self.base_env) or self._printable("base")
            if kind == CREDENTIALS:
                raise ConfigurationRefusedError(f"{named} cannot be read; correct what stands in ${{...}}") from None
            key = getattr(error, "full_key", None)
            at = f"{key} of " if key else ""
            raise ConfigurationRefusedError(
                f"{kind}: {at}{named} cannot be resolved ({first_line(error)}); correct it"
            ) from None
        return tree if kind == "parameters" else {key: value for key, value in tree.items() if not key.startswith("_")}

    def _joined(self, kind: str, files: Sequence[ConfigFile]) -> DictConfig:
        contents = [file.content for file in files]
        if kind == "parameters":
            contents.append(OmegaConf.create(self.runtime_params))
        if self.merge_strategy.get(kind) == "soft":
            return OmegaConf.merge(*contents)  # type: ignore[return-value]
        return OmegaConf.create({key: value for file in files for key, value in file.plain().items()})

    def _files_of(self, kind: str, layer: str) -> tuple[ConfigFile, ...]:
        if (kind, layer) not in self._files:
            patterns = [re.compile(glob_translate(pattern)) for pattern in self.config_patterns[kind]]
            chosen = [
                path
                for path in self._listing(layer)
                if PurePosixPath(path).suffix in READ_SUFFIXES and any(pattern.match(path) for pattern in patterns)
            ]
            files = tuple(self._parse(kind, layer, path) for path in chosen)
            refuse_duplicates(files, is_deep=self.merge_strategy.get(kind) == "soft")
            self._files[kind, layer] = files
        return self._files[kind, layer]

    def _listing(self, layer: str) -> list[str]:
        """Return what lies in a folder, hidden files left out, as paths from that folder.

        Raises:
            ConfigurationRefusedError: the folder of base or of the environment does not exist.
        """
        if layer not in self._listed:
            folder = PurePosixPath(self._get_conf_env_path(layer))
            self._listed[layer] = []
            if self._fs.isdir(str(folder)):
                found = [PurePosixPath(path).relative_to(folder) for path in self._fs.find(str(folder), withdirs=True)]
                visible = [path for path in found if not any(part.startswith(".") for part in path.parts)]
                self._listed[layer] = sorted(str(path) for path in visible)
            elif self._fs.exists(str(folder)) or layer != self.default_run_env:
                remedy = "check --conf-source" if layer == self.base_env else f"check --env {layer}, or create it"
                raise ConfigurationRefusedError(f"{self._printable(layer)} is no folder of configuration; {remedy}")
        return self._listed[layer]

    def _parse(self, kind: str, layer: str, path: str) -> ConfigFile:
        return parse_file(kind, layer, self._printable(layer, path), self._content(layer, path))

    def _content(self, layer: str, path: str) -> bytes:
        name, full = self._printable(layer, path), f"{self._get_conf_env_path(layer)}/{path}"
        if not self._fs.isfile(full):
            raise ConfigurationRefusedError(f"{name} is not a file that can be read; remove or rename it")
        try:
            content: bytes = self._fs.cat_file(full)
        except OSError as error:
            raise ConfigurationRefusedError(
                f"{name} cannot be read ({error.strerror}); correct its permissions"
            ) from None
        return content

    def _printable(self, layer: str, path: str = "") -> str:
        return str(PurePosixPath(Path(self.conf_source).name, layer, path))

    def _refuse_broken_json(self, layer: str) -> None:
        """Refuse what the catalog names in a folder of configuration, and only a dataset reads."""
        for path in self._listing(layer):
            if PurePosixPath(path).suffix == ".json":
                try:
                    json.loads(self._content(layer, path))
                except ValueError:
                    raise ConfigurationRefusedError(f"{self._printable(layer, path)} is no JSON; correct it") from None

    def _refuse_shadowed_globals(self, files: Sequence[ConfigFile]) -> None:
        """Refuse a parameter that repeats a global in base and is set elsewhere: the catalog would read another."""
        base = [leaf for file in files if file.layer == self.base_env for leaf in leaves(file.plain())]
        shared = {path for path, value in base if isinstance(value, str) and "${globals:" in value}
        for file in files:
            if file.layer != self.base_env:
                for path, _ in leaves(file.plain()):
                    if any(_overlap(path, taken) for taken in shared):
                        where = self._printable(file.layer, "globals.yml")
                        raise ConfigurationRefusedError(
                            f"{file.name} sets {'.'.join(path)}, which the catalog reads from globals.yml; "
                            f"set it in {where}, or with --params"
                        )


class HiddenValues(dict[str, Any]):
    """A mapping of which only the keys are ever printed."""

    def __repr__(self) -> str:
        return f"<{', '.join(sorted(map(str, self)))}: not shown>"

    __str__ = __repr__


def _refuse_armed(files: Sequence[ConfigFile]) -> None:
    """Refuse the arming switch in a file: it holds for one run, and the person who starts that run sets it."""
    for file in files:
        session = file.plain().get("session")
        if isinstance(session, dict) and session.get("armed", False) is not False:
            raise ConfigurationRefusedError(
                f"{file.name} sets session.armed; remove it there and give --params session.armed=true for one run"
            )


def _sets(tree: dict[str, Any], path: tuple[str, ...]) -> bool:
    return any(_overlap(path, leaf) for leaf, _ in leaves(tree))


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
