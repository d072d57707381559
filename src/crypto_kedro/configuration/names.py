"""File names in the folders of configuration: a misspelt one would be read by nothing."""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from fsspec.utils import glob_translate

from crypto_kedro.configuration.refusal import ConfigurationRefusedError

READ_SUFFIXES = (".yml", ".yaml", ".json")
_MISTAKEN_SUFFIXES = (".yml", ".yaml", ".txt", ".toml", ".ini", ".cfg", "")
# Python's logging is configured by the file that KEDRO_LOGGING_CONFIG names, which may lie here.
_ELSEWHERE = "logging"


def refuse_unread(folder: str, paths: Iterable[str], patterns: Mapping[str, list[str]]) -> None:
    """Refuse a file that looks like configuration and is read by nothing.

    Args:
        folder: where the files lie, for people.
        paths: from that folder.
        patterns: of file names, by kind of configuration.

    Raises:
        ConfigurationRefusedError: the file and the nearest name that is read.
    """
    known = [re.compile(glob_translate(pattern)) for several in patterns.values() for pattern in several]
    for text in paths:
        path = PurePosixPath(text)
        suffix = path.suffix.lower()
        is_known = any(pattern.match(text) for pattern in known)
        if is_known and path.suffix in READ_SUFFIXES:
            continue
        near = difflib.get_close_matches(path.stem.lower(), patterns, n=1, cutoff=0.75)
        is_config = suffix in (".yml", ".yaml") or (suffix == ".json" and near)
        is_mistaken = bool(near) and suffix in _MISTAKEN_SUFFIXES and not _is_folder(text, paths)
        if path.stem.startswith(_ELSEWHERE) or not (is_config or is_mistaken):
            continue
        hint = (
            f"did you mean {near[0]}.yml?" if near else f"known here: {', '.join(f'{kind}.yml' for kind in patterns)}"
        )
        raise ConfigurationRefusedError(f"{folder}/{text} is read by nothing; {hint} rename it, or move it elsewhere")


def _is_folder(path: str, paths: Iterable[str]) -> bool:
    return any(other.startswith(f"{path}/") for other in paths)
