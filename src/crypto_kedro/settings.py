"""Kedro's settings: hooks, configuration loader and privacy."""

import os
import warnings

from crypto_kedro.catalog import ProjectCatalog
from crypto_kedro.configuration import ProjectConfigLoader
from crypto_kedro.hooks import ConfigurationHooks, CredentialsHooks, SummaryHooks, TrackingHooks
from crypto_kedro.stages import StageHooks

# Nothing that runs here reports home unless the user says otherwise.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

# Kedro still registers its resolvers under OmegaConf's older name.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated", category=UserWarning)

HOOKS = (StageHooks(), ConfigurationHooks(), CredentialsHooks(), TrackingHooks(), SummaryHooks())

DATA_CATALOG_CLASS = ProjectCatalog

CONFIG_LOADER_CLASS = ProjectConfigLoader

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "config_patterns": {"run": ["run*"]},
    # A local file names only what it changes.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
}
