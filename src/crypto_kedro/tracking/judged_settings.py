"""The settings that a version was judged under, kept with it and compared with those that a session would trade by."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from crypto_kedro.errors import LineageError
from crypto_kedro.parameters import (
    CostParameters,
    FeatureParameters,
    LabelParameters,
    MatchingParameters,
    Parameters,
    TradingParameters,
)
from crypto_kedro.tracking.tags import SETTINGS_TAG, VERDICT_TAG
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.settings import TradingSettings

_LOWER: tuple[str, ...] = (
    "sizing.risk_fraction", "sizing.kelly_multiplier", "sizing.max_leverage", "sizing.unproven_kelly",
    "guards.max_data_age_seconds", "guards.max_gap_minutes", "guards.worst_status", "guards.max_spread",
    "guards.max_jump", "guards.max_volatility", "guards.max_daily_loss", "guards.max_weekly_loss",
    "guards.max_drawdown", "guards.max_losses_in_a_row", "guards.max_trades_a_day",
    "stages.capital", "stages.max_drawdown",
)  # fmt: skip
_HIGHER = ("sizing.margin_floor", "guards.loss_pause_hours", "stages.min_trades", "stages.min_days")
_TIGHTER: dict[str, Literal["lower", "higher"]] = {
    **{f"trading.{name}": "lower" for name in _LOWER},
    **{f"trading.{name}": "higher" for name in _HIGHER},
}
"""The risk limits, each with the direction in which it permits less."""


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """One setting that differs.

    Args:
        name: dotted, as in the parameters.
        judged: value that the version was judged under, None where it had none.
        own: value of the session, None where it has none.
        is_tighter: whether it is a risk limit and the session's value permits less.
    """

    name: str
    judged: Any
    own: Any
    is_tighter: bool

    def __str__(self) -> str:
        return f"{self.name} is {_shown(self.own)}, judged under {_shown(self.judged)}"


def settings_of(
    features: FeatureParameters,
    labels: LabelParameters,
    trading: TradingParameters,
    costs: CostParameters,
    matching: MatchingParameters,
) -> dict[str, Any]:
    """Return everything that decides which orders a model leads to and what they are taken to cost.

    Args:
        features: the group ``features``.
        labels: the group ``labels``.
        trading: the group ``trading``.
        costs: the group ``costs``.
        matching: the group ``evaluation.matching``.

    Returns:
        JSON values, nested as in the parameters.
    """
    groups = {"features": features, "labels": labels, "trading": trading, "costs": costs}
    return {
        **{name: group.model_dump(mode="json") for name, group in groups.items()},
        "evaluation": {"matching": matching.model_dump(mode="json")},
    }


def own_settings(parameters: Parameters) -> dict[str, Any]:
    """Return `settings_of` a whole tree of parameters."""
    return settings_of(
        parameters.features, parameters.labels, parameters.trading, parameters.costs, parameters.evaluation.matching
    )


def trading_settings(settings: Mapping[str, Any], confidence_threshold: float) -> TradingSettings:
    """Return `settings_of` in the terms of the decision core.

    Args:
        settings: see `settings_of`.
        confidence_threshold: of the model.
    """
    trading = TradingParameters.model_validate(settings["trading"])
    labels = LabelParameters.model_validate(settings["labels"])
    return trading.settings(labels, confidence_threshold, settings["costs"]["slippage"])


def settings_tag(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the tag that keeps settings with a version."""
    return {SETTINGS_TAG: json.dumps(settings, sort_keys=True, separators=(",", ":"))}


def differences(version: str, tags: Mapping[str, str], own: Mapping[str, Any]) -> tuple[SettingDifference, ...]:
    """Return every setting that is not as the version was judged under, by name.

    A version without a verdict, which only the simulator may trade, is compared with what it was trained for.

    Args:
        version: name and version in the registry.
        tags: of the version.
        own: of the session, see `settings_of`.

    Raises:
        LineageError: the version does not have its settings, or they cannot be read.
    """
    try:
        judged = dict(json.loads(tags[SETTINGS_TAG]))
    except (KeyError, ValueError, TypeError):
        raise LineageError(
            f"{version} does not have the settings that it was judged under; run "
            "`kedro run --pipelines training,evaluation` to train and judge one that has"
        ) from None
    compared = own if VERDICT_TAG in tags else {group: own.get(group) for group in judged}
    before, now = dict(_leaves(judged)), dict(_leaves(compared))
    return tuple(
        SettingDifference(name, before.get(name), now.get(name), _is_tighter(name, before.get(name), now.get(name)))
        for name in sorted(before.keys() | now.keys())
        if name not in before or name not in now or before[name] != now[name]
    )


def accepted_limits(
    version: str, tags: Mapping[str, str], own: Mapping[str, Any], *, accepts_tighter: bool
) -> tuple[str, ...]:
    """Return the tighter risk limits that a session trades by, one sentence each.

    Args:
        version: name and version in the registry.
        tags: of the version.
        own: of the session, see `settings_of`.
        accepts_tighter: whether risk limits may be tighter than those that the version was judged under.

    Raises:
        LineageError: anything else differs, or a limit is tighter and that was not accepted.
    """
    found = differences(version, tags, own)
    refused = [difference for difference in found if not (difference.is_tighter and accepts_tighter)]
    if refused:
        listed = "; ".join(map(str, refused))
        remedy = (
            "add session.accept_tighter_limits=true to trade with the tighter limits, or set them back"
            if all(difference.is_tighter for difference in refused)
            else "set it back, or judge it again under these settings with `kedro run --pipelines training,evaluation`"
        )
        raise LineageError(f"{version} was judged under other settings ({listed}); {remedy}")
    return tuple(map(str, found))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every single value by its dotted name; a list also yields its length, so that an empty one counts."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        yield f"{path}.length", len(value)
        for number, part in enumerate(value):
            yield from _leaves(part, f"{path}.{number}")
    else:
        yield path, value


def _is_tighter(name: str, judged: Any, own: Any) -> bool:
    """Whether a setting is a risk limit whose own value permits less than the judged one."""
    limit = ".".join(part for part in name.split(".") if not part.isdigit())
    direction = _TIGHTER.get(limit)
    if direction is None or judged is None or own is None:
        return False
    if limit == "trading.guards.worst_status":
        judged, own = ExchangeStatus[judged].value, ExchangeStatus[own].value
    return bool(own < judged if direction == "lower" else own > judged)


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)
