"""The error of a configuration that cannot be used."""

import click

from crypto_kedro.errors import ConfigurationError


class ConfigurationRefusedError(ConfigurationError, click.ClickException):
    """A configuration file cannot be used; every command of Kedro prints it as one sentence and exits with 1."""
