"""The values of ``globals.yml``, which parameters and the catalog share."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from crypto_kedro.parameters.group import ParameterGroup
from crypto_kedro.parameters.research import CandleParameters
from crypto_kedro.parameters.sentences import SourceOf, validate


class RegistryParameters(ParameterGroup):
    """The registry of models."""

    registered_model: str = Field(min_length=1)


class Globals(ParameterGroup):
    """All of ``conf/*/globals.yml``."""

    data: CandleParameters
    tracking: RegistryParameters


def validate_globals(raw: Mapping[str, Any], source_of: SourceOf | None = None) -> dict[str, Any]:
    """Return the values as plain ones of the right type.

    Raises:
        ConfigurationError: a key is unknown (the nearest known one is named), missing, or has a value out of range.
    """
    return validate(Globals, raw, "globals", source_of).model_dump(mode="json")
