"""The parameters that data on disk was made with, which a run logs in place of its own."""

from collections.abc import Mapping
from typing import Any

from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Pipeline

_ABSENT: Mapping[str, Any] = {}


def used_parameters(
    parameters: Mapping[str, Any], pipeline: Pipeline, catalog: DataCatalog
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the parameters of everything that a pipeline uses.

    A group that made what the pipeline reads from disk has the values that are stored with it; the configuration of
    today had no part in that. Without stored values the group is left out.

    Args:
        parameters: of the configuration.
        pipeline: that is about to run.
        catalog: with the manifests of candles and features, and the report of a training.

    Returns:
        Parameters by group, and the groups that are left out.
    """
    stored: dict[str, Any] = {}
    read = pipeline.inputs()
    if "data_manifest" in read:
        stored["data"] = _content(catalog, "data_manifest").get("parameters")
    if "feature_manifest" in read:
        manifest = _content(catalog, "feature_manifest")
        stored |= {"features": manifest.get("parameters"), "data": manifest.get("data", _ABSENT).get("parameters")}
    if "training_report" in read:
        groups = _content(catalog, "training_report").get("parameters", _ABSENT)
        stored |= {group: groups.get(group) for group in ("labels", "training")}
    missing = tuple(group for group, values in sorted(stored.items()) if values is None)
    used = {**parameters, **stored}
    return {group: values for group, values in used.items() if group not in missing}, missing


def _content(catalog: DataCatalog, name: str) -> Mapping[str, Any]:
    """Return a JSON dataset; nothing where it cannot be read, which the node that needs it reports."""
    try:
        content = catalog.load(name)
    except DatasetError:
        return _ABSENT
    return content if isinstance(content, Mapping) else _ABSENT
