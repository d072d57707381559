"""The pipelines by name; ``kedro run`` runs ``__default__``."""

from kedro.pipeline import Pipeline

from crypto_kedro.pipelines import data, evaluation, features, gate_trial, trading, training


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by the name that ``kedro run --pipelines`` takes."""
    pipelines = {
        "data": data.create_pipeline(),
        "features": features.create_pipeline(),
        "training": training.create_pipeline(),
        "evaluation": evaluation.create_pipeline(),
    }
    apart = {"gate_trial": gate_trial.create_pipeline(), "trading": trading.create_pipeline()}
    return {"__default__": sum(pipelines.values(), Pipeline([])), **pipelines, **apart}
