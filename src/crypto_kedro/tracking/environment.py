"""Environment variables that would change the commit that git names, or the place that MLflow writes to."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from crypto_kedro.tracking.target import without_credentials

_GIT_PREFIX = "GIT_"
# `git rev-parse --local-env-vars` and those that steer the search for a repository. The rest, such as GIT_AUTHOR_NAME
# or GIT_SSH_COMMAND, has no part in reading a commit.
_GIT_REPOSITORY = re.compile(
    r"GIT_(ALTERNATE_OBJECT_DIRECTORIES|CEILING_DIRECTORIES|COMMON_DIR|CONFIG(_\w+)?|DIR|DISCOVERY_ACROSS_FILESYSTEM"
    r"|GRAFT_FILE|IMPLICIT_WORK_TREE|INDEX_FILE|INTERNAL_SUPER_PREFIX|NAMESPACE|NO_REPLACE_OBJECTS|OBJECT_DIRECTORY"
    r"|PREFIX|QUARANTINE_PATH|REPLACE_REF_BASE|SHALLOW_FILE|WORK_TREE|(LITERAL|GLOB|NOGLOB|ICASE)_PATHSPECS)"
)
_MLFLOW = re.compile(r"_?MLFLOW_\w+")
_CREDENTIALS = r"MLFLOW_TRACKING_(USERNAME|PASSWORD|TOKEN|AUTH|AWS_SIGV4)"
# Reaching the server that the settings name; every other variable of MLflow, also of a later version, is ignored.
_TRANSPORT = re.compile(
    r"MLFLOW_(TRACKING_(INSECURE_TLS|SERVER_CERT_PATH|CLIENT_CERT_PATH)|(HTTP|S3|GCS|KERBEROS|MYSQL_SSL)_\w+"
    r"|ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT|ALLOW_FILE_STORE|DISABLE_TELEMETRY|LOGGING_LEVEL|CONFIGURE_LOGGING)"
    rf"|_MLFLOW_T(EST|ELEM)\w+|{_CREDENTIALS}"
)
_SERVER_TIMEOUT_S = 8


def git_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which git finds only the repository of its working directory."""
    return {name: value for name, value in environ.items() if not name.startswith(_GIT_PREFIX)}


def overruled_variables(environ: Mapping[str, str], uri: str) -> tuple[str, ...]:
    """Return the names of the variables that the project's settings overrule, sorted.

    Args:
        environ: environment of the process.
        uri: tracking URI of the settings; one with a user name overrules the credentials of the environment, too.
    """
    return tuple(name for name in sorted(environ) if _is_overruled(name, uri))


def clear_environment(uri: str) -> tuple[str, ...]:
    """Remove `overruled_variables` from this process, and so from its children; return their names."""
    names = overruled_variables(os.environ, uri)
    for name in names:
        del os.environ[name]
    return names


@contextmanager
def short_requests() -> Iterator[None]:
    """Let requests to a tracking server fail after one attempt of 8 s; MLflow would retry for minutes."""
    bounds = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(_SERVER_TIMEOUT_S)}
    before = {name: os.environ.get(name) for name in bounds}
    os.environ.update(bounds)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _is_overruled(name: str, uri: str) -> bool:
    if _GIT_REPOSITORY.fullmatch(name):
        return True
    if without_credentials(uri) != uri and re.fullmatch(_CREDENTIALS, name):
        return True
    return bool(_MLFLOW.fullmatch(name)) and not _TRANSPORT.fullmatch(name)
