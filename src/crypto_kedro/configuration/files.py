"""Reading one configuration file; every fault of it is one sentence with the file's name."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from crypto_kedro.configuration.refusal import ConfigurationRefusedError

CREDENTIALS = "credentials"
# The one of libyaml is several times faster, where it is installed.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file of one kind.

    Args:
        layer: folder of the environment that it belongs to.
        name: path from the project's root, for people.
        content: unresolved.
    """

    layer: str
    name: str
    content: DictConfig

    def plain(self) -> dict[str, Any]:
        """Return the content with its interpolations as text."""
        plain: dict[str, Any] = OmegaConf.to_container(self.content, resolve=False)  # type: ignore[assignment]
        return plain


def parse_file(kind: str, layer: str, name: str, content: bytes) -> ConfigFile:
    """Return the mapping of a YAML or JSON file; an empty file is an empty mapping.

    Raises:
        ConfigurationRefusedError: the file is no UTF-8, no YAML, no mapping, or names a key twice. Nothing of a file of
            credentials is shown.
    """
    try:
        text = content.decode("utf-8-sig")
        root = yaml.compose(text, Loader=_Loader)
        if root is not None and not isinstance(root, yaml.MappingNode):
            held = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
            raise ConfigurationRefusedError(f"{name} holds {held} instead of keys with values; write `key: value`")
        loaded = OmegaConf.create() if root is None else OmegaConf.load(io.StringIO(text))
    except UnicodeDecodeError as error:
        raise ConfigurationRefusedError(f"{name} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except (yaml.YAMLError, OmegaConfBaseException, RecursionError, ValueError, TypeError) as error:
        raise ConfigurationRefusedError(f"{name} cannot be read{_place(error, kind)}; correct it") from None
    assert isinstance(loaded, DictConfig)
    if any(not isinstance(key, str) for key in loaded):
        raise ConfigurationRefusedError(f"{name} has a key that is not text; write it in quotes, or remove it")
    return ConfigFile(layer, name, loaded)


def refuse_duplicates(files: Sequence[ConfigFile], is_deep: bool) -> None:
    """Refuse a key that two files of one folder set.

    Args:
        files: of one kind and one folder.
        is_deep: files may share groups, but no value in them.

    Raises:
        ConfigurationRefusedError: the key and both files are named.
    """
    owners: dict[tuple[str, ...], str] = {}
    for file in files:
        plain = file.plain()
        paths = [path for path, _ in leaves(plain)] if is_deep else [(key,) for key in plain]
        for path in paths:
            # Neither file may set a group that the other sets a value of.
            other = next((owners[taken] for taken in owners if taken[: len(path)] == path[: len(taken)]), None)
            if other is not None and not path[0].startswith("_"):
                raise ConfigurationRefusedError(
                    f"{'.'.join(path)} is set in both {other} and {file.name}; remove it from one of them"
                )
        owners.update(dict.fromkeys(paths, file.name))


def leaves(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value with its path; a list and an empty group count as values."""
    for key, value in tree.items():
        here = (*path, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, here)
        else:
            yield here, value


def first_line(error: Exception) -> str:
    """Return what an error is about, without the lines that a library adds to it."""
    return str(error).partition("\n")[0]


def _place(error: Exception, kind: str) -> str:
    mark = getattr(error, "problem_mark", None)
    line = "" if mark is None else f" at line {mark.line + 1}"
    problem = getattr(error, "problem", None)
    # A problem quotes the file.
    return line if kind == CREDENTIALS or not problem else f"{line} ({problem})"
