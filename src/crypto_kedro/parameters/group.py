"""What all groups of parameters share."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from crypto_kedro.trading.money import Rate

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class ParameterGroup(BaseModel):
    """Base of all groups: frozen, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def exact_rate(value: float) -> Rate:
    """Return a fraction from YAML as a rate; ``repr`` of a float is its shortest decimal."""
    return Rate.of(Decimal(repr(value)))
