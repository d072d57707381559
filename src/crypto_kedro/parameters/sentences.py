"""Validation of a group, and the one sentence about what is wrong in it."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from crypto_kedro.errors import ConfigurationError

Group = TypeVar("Group", bound=BaseModel)
SourceOf = Callable[[tuple[str, ...]], str]


def validate(group: type[Group], raw: Mapping[str, Any], title: str, source_of: SourceOf | None = None) -> Group:
    """Return the typed group.

    Args:
        group: type of the whole tree.
        raw: as read.
        title: kind of configuration, the first word of the sentence.
        source_of: gives the file that sets a path of keys.

    Raises:
        ConfigurationError: a key is unknown (the nearest known one is named), missing, or has a value out of range.
    """
    try:
        return group.model_validate(raw)
    except ValidationError as error:
        problems = error.errors()
        more = f" ({len(problems) - 1} more after this one)" if len(problems) > 1 else ""
        source = "" if source_of is None else source_of(tuple(map(str, problems[0]["loc"])))
        found_in = f" (in {source})" if "/" in source else ""
        raise ConfigurationError(f"{title}: {_sentence(group, dict(problems[0]))}{found_in}{more}") from None


def _sentence(group: type[BaseModel], problem: Mapping[str, Any]) -> str:
    path = [str(step) for step in problem["loc"]]
    name = ".".join(path)
    if problem["type"] == "extra_forbidden":
        known = _keys_at(group, path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1)
        hint = f"did you mean {'.'.join([*path[:-1], near[0]])}?" if near else f"known here: {', '.join(known)}"
        return f"unknown key {name}; {hint}"
    if problem["type"] == "missing":
        return f"{name} is missing; set it in conf/local or restore conf/base"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    reason = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{name} is {problem['input']!r}, but {reason}; correct it in conf/ or in --params"


def _keys_at(root: type[BaseModel], path: list[str]) -> list[str]:
    """Return the keys that the group at ``path`` knows."""
    group: Any = root
    for step in path:
        if step.isdigit():
            continue
        group = _group_of(group.model_fields[step].annotation)
    return list(group.model_fields)


def _group_of(annotation: Any) -> Any:
    """Return the group inside ``Group``, ``tuple[Group, ...]`` or ``Group | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(_group_of, get_args(annotation)) if found is not None), None)
