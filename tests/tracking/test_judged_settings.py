"""The settings that a version was judged under against those of a session."""

import re
from typing import Any

import pytest
from registered_models import SETTINGS, settings_with

from crypto_kedro.errors import LineageError
from crypto_kedro.tracking.judged_settings import accepted_limits, differences, settings_tag
from crypto_kedro.tracking.tags import SETTINGS_TAG, VERDICT_TAG

NAME = "btc-jpy-ensemble version 3"
JUDGED = {**settings_tag(SETTINGS), VERDICT_TAG: "version 3 is champion: every gate passed"}


def test_the_judged_settings_are_traded() -> None:
    assert accepted_limits(NAME, JUDGED, SETTINGS, accepts_tighter=False) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("labels.stop_loss_atr", 2.5),
        ("labels.take_profit_atr", 9.0),
        ("labels.max_bars", 7),
        ("trading.trailing_atr", 1.5),
        ("trading.min_agreement", 0.7),
        ("trading.min_expected_value", 0.01),
        ("trading.sizing.risk_fraction", 0.02),
        ("trading.sizing.margin_floor", 0.5),
        ("trading.guards.worst_status", "BUSY"),
        ("trading.guards.loss_pause_hours", 1),
        ("trading.stages.0.capital", 20_000),
        ("trading.stages", []),
        ("costs.slippage", 0.0),
        ("costs.half_spread", 0.0),
        ("costs.rates", []),
        ("features.max_gap_minutes", 1),
        ("evaluation.matching.limit_target", True),
        ("trading.guards.unheard_of", 1),
    ],
)
def test_what_changes_trades_is_refused_even_when_tighter_limits_are_accepted(name: str, value: Any) -> None:
    with pytest.raises(LineageError, match=re.escape(name)):
        accepted_limits(NAME, JUDGED, settings_with({name: value}), accepts_tighter=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trading.sizing.risk_fraction", 0.002),
        ("trading.sizing.margin_floor", 0.9),
        ("trading.guards.max_daily_loss", 0.01),
        ("trading.guards.loss_pause_hours", 48),
        ("trading.stages.1.max_drawdown", 0.05),
        ("trading.stages.1.min_days", 60),
    ],
)
def test_a_tighter_risk_limit_needs_the_parameter(name: str, value: Any) -> None:
    own = settings_with({name: value})

    with pytest.raises(LineageError, match=r"session\.accept_tighter_limits=true"):
        accepted_limits(NAME, JUDGED, own, accepts_tighter=False)

    (accepted,) = accepted_limits(NAME, JUDGED, own, accepts_tighter=True)
    assert accepted.startswith(f"{name} is {value}, judged under ")


def test_the_worst_status_is_tighter_when_it_is_calmer() -> None:
    tags = {**settings_tag(settings_with({"trading.guards.worst_status": "VERY_BUSY"})), VERDICT_TAG: "so"}

    (difference,) = differences(NAME, tags, settings_with({"trading.guards.worst_status": "BUSY"}))

    assert difference.is_tighter


def test_a_version_without_a_verdict_is_compared_with_its_training() -> None:
    tags = settings_tag({"labels": SETTINGS["labels"]})

    assert differences(NAME, tags, settings_with({"costs.slippage": 0.0})) == ()
    with pytest.raises(LineageError, match=r"labels\.stop_loss_atr"):
        accepted_limits(NAME, tags, settings_with({"labels.stop_loss_atr": 9.0}), accepts_tighter=True)


@pytest.mark.parametrize("tags", [{}, {SETTINGS_TAG: "{"}, {SETTINGS_TAG: "7"}, {SETTINGS_TAG: "null"}])
def test_a_version_without_readable_settings_is_refused(tags: dict[str, str]) -> None:
    with pytest.raises(LineageError, match="does not have the settings"):
        accepted_limits(NAME, {**tags, VERDICT_TAG: "so"}, SETTINGS, accepts_tighter=True)
