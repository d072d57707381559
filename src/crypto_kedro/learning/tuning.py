"""Tuning: each window chooses the settings of its models on inner splits of its own training rows."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from crypto_kedro.errors import ConfigurationError, LearningError
from crypto_kedro.features.manager import FeatureManager
from crypto_kedro.learning.ensemble import EnsembleRule
from crypto_kedro.learning.metrics import direction_log_loss, log_loss
from crypto_kedro.learning.models import model_parameters
from crypto_kedro.learning.splits import Fold, WalkForward
from crypto_kedro.learning.walk_forward import Examples, predicted_classes, walk_forward
from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.frame import open_times

_ERROR, _LOG_LOSS = "error", "log_loss"
_INTERRUPTED = "interrupted before its end"


@dataclass(frozen=True, slots=True)
class SearchRange:
    """Values that one setting may take, both ends included; ``log`` searches its orders of magnitude evenly."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, slots=True)
class TuningRule:
    """How a window's settings are searched.

    Args:
        space: range of each setting by model and name; a setting that is not named stays as configured.
        trials: settings tried a window, the configured ones first.
        seconds: no further trial of a window begins after this time, earlier runs included; None for no limit. At
            least one trial is made.
        inner_folds: test windows inside the training rows, at least 2; they fill the later half.
        seed: of the search.

    Raises:
        ConfigurationError: a setting is unknown, or a range or number is impossible.
    """

    space: Mapping[str, Mapping[str, SearchRange]]
    trials: int
    seconds: float | None
    inner_folds: int
    seed: int

    def __post_init__(self) -> None:
        for path, span in self.ranges().items():
            if not span.low < span.high or (span.log and span.low <= 0):
                raise ConfigurationError(
                    f"tuning.space.{path} goes from {span.low} to {span.high}; "
                    "the second must be the larger, and the first above 0 where log is true"
                )
        if not self.ranges() or self.trials < 1 or self.inner_folds < 2:
            raise ConfigurationError(
                f"tuning: {len(self.ranges())} settings, {self.trials} trials and {self.inner_folds} inner folds; "
                "it needs at least 1, 1 and 2"
            )

    def ranges(self) -> dict[str, SearchRange]:
        """Return the ranges by ``model.setting``."""
        return {f"{model}.{name}": span for model, spans in self.space.items() for name, span in spans.items()}


@dataclass(frozen=True, slots=True)
class TuningTrial:
    """One trial, as it is to be remembered.

    Args:
        window: name of the outer window.
        number: from 0 on.
        settings: value by ``model.setting``.
        direction_log_loss: the objective over all inner test rows, in nats; None if the trial failed.
        log_loss: of the three classes over the same rows, for comparison.
        error: why it failed, or None.
    """

    window: str
    number: int
    settings: Mapping[str, float]
    direction_log_loss: float | None
    log_loss: float | None
    error: str | None


@dataclass(frozen=True, slots=True, eq=False)
class TunedWindow:
    """The settings that a window chose, by model and name, and all of its trials, those of earlier runs included."""

    window: str
    settings: Mapping[str, Mapping[str, float]]
    trials: tuple[TuningTrial, ...]
    best: TuningTrial

    def record(self) -> dict[str, Any]:
        """Return the choice as JSON-able values."""
        return {
            "settings": self.settings,
            "trials": len(self.trials),
            "failed": sum(trial.error is not None for trial in self.trials),
            "direction_log_loss": self.best.direction_log_loss,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Tuner:
    """Searches the settings of the models of one window after another.

    The objective is the log-loss of the direction of the calibrated ensemble: when the market will move is easily
    told and earns nothing, so the loss of all three classes would choose settings for the wrong question.

    Args:
        rule: how to search.
        splitter: the outer windows, whose embargo and longest training window the inner ones share.
        base: the recipe with the settings as configured.
        features: the feature set.
        interval_ms: length of a bar.
        storage: where trials are kept, so that an interrupted search goes on.
        on_trial: hears of each trial that ended now.

    Raises:
        ConfigurationError: a setting of the space is unknown, or its range leaves out the configured value.
    """

    rule: TuningRule
    splitter: WalkForward
    base: EnsembleRule
    features: FeatureManager
    interval_ms: int
    storage: BaseStorage
    on_trial: Callable[[TuningTrial], None]

    def __post_init__(self) -> None:
        for path, span in self.rule.ranges().items():
            model, name = path.split(".")
            if model not in self.base.weights:
                raise ConfigurationError(f"tuning.space.{model} is tuned but does not vote; add it to training.weights")
            model_parameters(model, {name: span.low})
            if not span.low <= self._configured(path) <= span.high:
                raise ConfigurationError(
                    f"tuning.space.{path} goes from {span.low} to {span.high} and leaves out the configured "
                    f"{self._configured(path)}; widen it or change training.models.{path}"
                )

    def tune(self, fold: Fold, examples: Examples) -> TunedWindow:
        """Return the best settings of a window; its test rows are not looked at.

        Raises:
            LearningError: no trial could be trained, or the training rows are too few to split.
        """
        inner = training_part(fold, examples)
        study = optuna.create_study(
            storage=self.storage, study_name=self._study_name(fold, inner), direction="minimize", load_if_exists=True
        )
        self._close_interrupted(study, fold)
        if not study.trials:
            study.enqueue_trial({path: self._configured(path) for path in self.rule.ranges()})
        while self._goes_on(study):
            self._try(study, fold, inner)
        trials = tuple(_remembered(fold.name, trial) for trial in _ended(study))
        trained = [trial for trial in trials if trial.direction_log_loss is not None]
        if not trained:
            raise LearningError(f"tuning: none of {len(trials)} trials of {fold.name} succeeded ({trials[0].error})")
        best = min(trained, key=lambda trial: (trial.direction_log_loss, trial.number))
        return TunedWindow(fold.name, _by_model(best.settings), trials, best)

    def _try(self, study: optuna.Study, fold: Fold, inner: Examples) -> None:
        # A sampler of its own for each trial: a search that goes on draws what an uninterrupted one would have drawn.
        study.sampler = optuna.samplers.TPESampler(seed=self.rule.seed + len(study.trials))
        trial = study.ask()
        settings = {path: self._suggest(trial, path, span) for path, span in self.rule.ranges().items()}
        try:
            direction, all_classes = self._losses(settings, inner)
        except LearningError as error:
            trial.set_user_attr(_ERROR, str(error))
            study.tell(trial, state=TrialState.FAIL)
        else:
            trial.set_user_attr(_LOG_LOSS, all_classes)
            study.tell(trial, direction)
        self.on_trial(_remembered(fold.name, study.trials[trial.number]))

    def _losses(self, settings: Mapping[str, float], inner: Examples) -> tuple[float, float]:
        result = walk_forward(
            inner,
            inner_splitter(self.splitter, inner, self.rule.inner_folds),
            with_settings(self.base, _by_model(settings)),
            self.features,
            self.interval_ms,
        )
        tested = predicted_classes(result.predictions)
        return direction_log_loss(*tested), log_loss(*tested)

    def _suggest(self, trial: optuna.Trial, path: str, span: SearchRange) -> float:
        if isinstance(self._configured(path), int):
            return trial.suggest_int(path, int(span.low), int(span.high), log=span.log)
        return trial.suggest_float(path, span.low, span.high, log=span.log)

    def _configured(self, path: str) -> float:
        model, name = path.split(".")
        value: float = getattr(model_parameters(model, self.base.parameters.get(model, {})), name)
        return value

    def _goes_on(self, study: optuna.Study) -> bool:
        ended = _ended(study)
        spent = sum(trial.duration.total_seconds() for trial in ended if trial.duration)
        in_time = self.rule.seconds is None or spent < self.rule.seconds
        return not ended or (len(ended) < self.rule.trials and in_time)

    def _close_interrupted(self, study: optuna.Study, fold: Fold) -> None:
        """Count trials that a killed run left open as failed, for they were made."""
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            self.storage.set_trial_user_attr(trial._trial_id, _ERROR, _INTERRUPTED)
            study.tell(trial.number, state=TrialState.FAIL)
            self.on_trial(_remembered(fold.name, study.trials[trial.number]))

    def _study_name(self, fold: Fold, inner: Examples) -> str:
        """Name the search by all that its losses depend on; more trials or time continue it."""
        content = {
            "features": frame_sha256(inner.features),
            "labels": frame_sha256(inner.labels),
            "space": {path: asdict(span) for path, span in self.rule.ranges().items()},
            "search": [self.rule.inner_folds, self.rule.seed],
            "base": asdict(self.base),
            "splitter": asdict(self.splitter),
            "feature_names": self.features.get_feature_names(),
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return f"{fold.name}-{digest}"


def study_storage(path: Path) -> BaseStorage:
    """Open, or create, the SQLite file in which trials are kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.RDBStorage(f"sqlite:///{path}")


def training_part(fold: Fold, examples: Examples) -> Examples:
    """Return the training rows of a window as examples of their own; nothing later is in them."""
    features = examples.features.iloc[fold.train].reset_index(drop=True)
    return Examples(features, examples.labels.iloc[fold.train].reset_index(drop=True), features)


def inner_splitter(outer: WalkForward, inner: Examples, inner_folds: int) -> WalkForward:
    """Return the splitter of the training rows: the first half trains, the rest is tested in ``inner_folds`` windows.

    Raises:
        LearningError: there is less than a day for each.
    """
    begun = open_times(inner.labels)
    days = int(np.ceil((begun[-1] - begun[0]) / DAY_MS))
    test_days = (days - days // 2) // inner_folds
    embargo_days = outer.embargo_hours // 24 + 1
    if test_days < 1 or days // 2 <= embargo_days:
        raise LearningError(
            f"tuning: {days} days of training rows are too few for {inner_folds} inner folds; "
            "raise training.min_training_days or lower tuning.inner_folds"
        )
    return replace(
        outer,
        n_folds=inner_folds - 1,
        training_days=max(outer.training_days, days // 2),
        min_training_days=days // 2,
        min_training_share=0.0,
        final_days=test_days,
    )


def with_settings(rule: EnsembleRule, settings: Mapping[str, Mapping[str, float]]) -> EnsembleRule:
    """Return the recipe with settings of models replaced."""
    merged = {name: {**rule.parameters.get(name, {}), **settings.get(name, {})} for name in rule.weights}
    return replace(rule, parameters={**rule.parameters, **merged})


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.FAIL))


def _remembered(window: str, trial: FrozenTrial) -> TuningTrial:
    return TuningTrial(
        window=window,
        number=trial.number,
        settings=trial.params,
        direction_log_loss=trial.value if trial.state == TrialState.COMPLETE else None,
        log_loss=trial.user_attrs.get(_LOG_LOSS),
        error=trial.user_attrs.get(_ERROR),
    )


def _by_model(settings: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    by_model: dict[str, dict[str, Any]] = {}
    for path, value in settings.items():
        model, name = path.split(".")
        by_model.setdefault(model, {})[name] = value
    return by_model
