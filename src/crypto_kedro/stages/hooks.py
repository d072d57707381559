"""Kedro hooks: inputs are compared before a stage works on them, and each result gets its origin."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from crypto_kedro.stages.comparison import StoredResults
from crypto_kedro.stages.origin import Origin, content_sha256

STAGES = ("data", "features", "training", "evaluation")
_PARAMETERS = "params:"


class StageHooks:
    """Keep the stored results of the stages of research together; sessions and other pipelines are left alone."""

    def __init__(self) -> None:
        self._data = Path()
        self._parameters: dict[str, Any] = {}
        self._makers: dict[str, Node] = {}
        self._files: dict[str, Path] = {}
        self._results = StoredResults({}, {})
        self._origins: dict[str, Origin] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the parameters as plain values, before Kedro puts typed ones in their place."""
        self._data = context.project_path / "data"
        self._parameters = json.loads(json.dumps(context.config_loader["parameters"], default=str))

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Compare all that this run takes from earlier ones, before anything is written.

        Raises:
            LineageError: see `StoredResults.check`.
        """
        pipeline = Pipeline([node for node in pipeline.nodes if _stage_of(node)])
        self._makers = {_plain(name): node for node in pipeline.nodes for name in node.outputs}
        paths = {_plain(name): getattr(catalog[name], "_filepath", None) for name in pipeline.datasets() & set(catalog)}
        self._files = {name: Path(path) for name, path in paths.items() if path is not None}
        stored = _stored(catalog, self._data) if self._makers else {}
        self._results = StoredResults(stored, self._parameters)
        self._results.check({_plain(name) for name in pipeline.inputs()}, set(self._makers))

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Compare what a node is about to read, and note what it makes its results of.

        Raises:
            LineageError: see `StoredResults.check`.
        """
        stage = _stage_of(node)
        if stage is None:
            return
        self._results.check({_plain(name) for name in node.inputs})
        inputs, groups = self._made_of(node)
        hashes = {name: content_sha256(self._files[name]) for name in sorted(inputs)}
        parameters = {group: self._parameters.get(group) for group in sorted(groups)}
        together = tuple(name for name in map(_plain, node.outputs) if name in self._results.paths)
        execution = uuid4().hex
        for name in together:
            self._origins[name] = Origin(stage, "", hashes, parameters, execution, together)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Write the origin of a result next to it."""
        name = _plain(dataset_name)
        origin = self._origins.get(name)
        if origin is not None:
            path = self._results.paths[name]
            replace(origin, sha256=content_sha256(path)).write(path)

    def _made_of(self, node: Node) -> tuple[set[str], set[str]]:
        """Return stored datasets and groups of parameters behind a node, through results that are kept in memory."""
        inputs: set[str] = set()
        groups: set[str] = set()
        for name in map(_plain, node.inputs):
            if name.startswith(_PARAMETERS):
                groups.add(name.removeprefix(_PARAMETERS).partition(".")[0])
            elif name in self._files:
                inputs.add(name)
            elif name in self._makers:
                further = self._made_of(self._makers[name])
                inputs |= further[0]
                groups |= further[1]
        return inputs, groups


def _stage_of(node: Node) -> str | None:
    return next((stage for stage in STAGES if stage in node.tags), None)


def _stored(catalog: DataCatalog, folder: Path) -> dict[str, Path]:
    """Return the datasets of the catalog that lie in the folder of data."""
    paths = {name: getattr(catalog[name], "_filepath", None) for name in catalog if not name.startswith("param")}
    files = {_plain(name): Path(path) for name, path in paths.items() if path is not None}
    return {name: path for name, path in files.items() if path.is_relative_to(folder)}


def _plain(name: str) -> str:
    return name.partition("@")[0]
