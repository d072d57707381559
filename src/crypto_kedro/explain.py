"""``kedro explain``: read one decision of the evaluation on disk, and print it gate by gate."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.io import DatasetError

from crypto_kedro.errors import ConfigurationError, DataError, LineageError
from crypto_kedro.evaluation.explain import Explanation, explain_decision
from crypto_kedro.evaluation.model_trader import model_trader
from crypto_kedro.evaluation.span import build_span, model_names
from crypto_kedro.learning.opportunities import find_opportunities
from crypto_kedro.market.resample import DECISION_MS
from crypto_kedro.parameters import validate_parameters
from crypto_kedro.pipelines.evaluation.nodes import check_belonging, set_conditions
from crypto_kedro.project import project_context

_TABLES = ("signals", "oos_predictions", "labels", "bars_1m", "bars_15m")
_EVALUATED = ("bar_reasons", "trades")


def explain_moment(
    project_path: Path, at: str, env: str | None = None, runtime_params: dict[str, Any] | None = None
) -> Explanation:
    """Explain the decision of a moment from what training and evaluation left on disk.

    Args:
        project_path: root of the Kedro project.
        at: the moment, see `parse_moment`.
        env: configuration environment.
        runtime_params: parameters that the evaluation was run with beside the configuration.

    Raises:
        ConfigurationError: the moment cannot be read, or a parameter is wrong.
        DataError: the moment lies outside the evaluation, or a file cannot be read.
        LineageError: there is no evaluation, or what is on disk does not belong together.
    """
    asked_ms = parse_moment(at)
    with project_context(project_path, env, runtime_params) as context:
        return _explain(context, asked_ms)


def parse_moment(text: str) -> int:
    """Return a moment in ISO 8601 as Unix milliseconds; without an offset it is UTC.

    Raises:
        ConfigurationError: the text is no moment.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ConfigurationError(
            f"--at is {text!r}; write a moment as 2018-07-24T16:00Z or 2018-07-25T01:00+09:00"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _explain(context: KedroContext, asked_ms: int) -> Explanation:
    parameters = validate_parameters(context.config_loader["parameters"])
    _require(context, (*_TABLES, "training_report"), "kedro run")
    _require(context, _EVALUATED, "kedro run --pipelines evaluation")
    tables = {name: _load(context, name) for name in _TABLES}
    training_report = _load(context, "training_report")
    check_belonging(tables, training_report)
    conditions = set_conditions(
        training_report,
        parameters.evaluation,
        parameters.training,
        parameters.labels,
        parameters.trading,
        parameters.costs,
    )
    signals = tables["signals"]
    span = build_span(tables["bars_1m"], tables["bars_15m"], signals)
    opportunities = find_opportunities(tables["oos_predictions"], tables["labels"], DECISION_MS, conditions.costs)
    return explain_decision(
        span,
        model_trader(span, opportunities, conditions),
        conditions,
        _load(context, "bar_reasons"),
        _load(context, "trades"),
        tuple(model_names(signals)),
        asked_ms,
    )


def _require(context: KedroContext, names: tuple[str, ...], remedy: str) -> None:
    missing = [name for name in names if not context.catalog.exists(name)]
    if missing:
        raise LineageError(f"explain: {', '.join(missing)} not on disk yet; run `{remedy}` first")


def _load(context: KedroContext, name: str) -> Any:
    try:
        return context.catalog.load(name)
    except DatasetError as error:
        raise DataError(f"explain: {name} cannot be read, its file is damaged; run `kedro run` again") from error
