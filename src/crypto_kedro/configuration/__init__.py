"""The configuration of the project: one loader, one rule of precedence, and the source of every value."""

from crypto_kedro.configuration.checked import checked_parameters
from crypto_kedro.configuration.differences import Difference, differences
from crypto_kedro.configuration.loader import ProjectConfigLoader, open_loader
from crypto_kedro.configuration.refusal import ConfigurationRefusedError

__all__ = [
    "ConfigurationRefusedError",
    "Difference",
    "ProjectConfigLoader",
    "checked_parameters",
    "differences",
    "open_loader",
]
