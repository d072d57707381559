"""The origin of a stored result: the hashes of its inputs and the parameters that made it, in a file next to it."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

# Of a manifest: how the candles were fetched, which differs from run to run while the candles are the same.
_VOLATILE = "details"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a stored result was made of.

    Args:
        stage: the pipeline that makes it.
        sha256: of its file or folder.
        inputs: hash by name of each stored dataset that it was made of.
        parameters: groups of parameters that it was made with, by name.
        execution: of the node that made it; all results of one execution share it.
        together: names of the stored results of that node.
    """

    stage: str
    sha256: str
    inputs: Mapping[str, str]
    parameters: Mapping[str, Any]
    execution: str
    together: tuple[str, ...]

    @classmethod
    def of(cls, stored: Path) -> Self | None:
        """Return the origin of a file or folder, None where none is recorded or it cannot be read."""
        try:
            return cls(**json.loads(_file_of(stored).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, stored: Path) -> None:
        """Record it next to the file or folder, as a whole or not at all."""
        target = _file_of(stored)
        partial = target.with_name(f"{target.name}.{os.getpid()}.part")
        partial.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")
        partial.replace(target)


def content_sha256(stored: Path) -> str:
    """Return a hash of a file or of all files of a folder, in 64 hexadecimal digits; of what is absent, of nothing."""
    digest = hashlib.sha256()
    files = sorted(path for path in stored.rglob("*") if path.is_file()) if stored.is_dir() else [stored]
    for file in files:
        if file.is_file():
            digest.update(file.relative_to(stored.parent).as_posix().encode())
            digest.update(_content(file))
    return digest.hexdigest()


def _content(file: Path) -> bytes:
    content = file.read_bytes()
    if file.suffix != ".json":
        return content
    try:
        return json.dumps(_lasting(json.loads(content)), sort_keys=True).encode()
    except ValueError:
        return content


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(held) for key, held in value.items() if key != _VOLATILE}
    return value


def _file_of(stored: Path) -> Path:
    return stored.with_name(f".{stored.name}.origin.json")
