"""The typed parameters of a loader."""

from functools import partial

from kedro.config import AbstractConfigLoader

from crypto_kedro.configuration.loader import ProjectConfigLoader
from crypto_kedro.configuration.refusal import ConfigurationRefusedError
from crypto_kedro.errors import ConfigurationError
from crypto_kedro.parameters import Parameters, validate_parameters


def checked_parameters(loader: AbstractConfigLoader) -> Parameters:
    """Return the typed parameters.

    Raises:
        ConfigurationRefusedError: a key is unknown, missing, or has a value out of range; its file is named.
    """
    source_of = partial(loader.source_of, "parameters") if isinstance(loader, ProjectConfigLoader) else None
    try:
        return validate_parameters(loader["parameters"], source_of)
    except ConfigurationError as error:
        raise ConfigurationRefusedError(str(error)) from None
