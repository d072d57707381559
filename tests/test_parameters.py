"""Parameters are typed once, at the edge; a mistake gets one sentence that names the key."""

import copy
from pathlib import Path
from typing import Any

import pytest

from crypto_kedro.configuration import ProjectConfigLoader
from crypto_kedro.errors import ConfigurationError
from crypto_kedro.parameters import validate_parameters
from crypto_kedro.settings import CONFIG_LOADER_ARGS

CONF = Path(__file__).resolve().parents[1] / "conf"


@pytest.fixture
def shipped() -> dict[str, Any]:
    """The parameters as they ship, without anything from conf/local."""
    return copy.deepcopy(ProjectConfigLoader(str(CONF), env="base", **CONFIG_LOADER_ARGS)["parameters"])


def test_the_shipped_parameters_are_valid(shipped: dict[str, Any]) -> None:
    parameters = validate_parameters(shipped)

    assert parameters.training.training_days == 365
    assert parameters.training.confidence_threshold == 0.5
    assert parameters.data.source == "synthetic"


def test_given_a_misspelt_key_then_the_nearest_right_one_is_named(shipped: dict[str, Any]) -> None:
    shipped["training"]["trainning_days"] = 90

    with pytest.raises(ConfigurationError, match=r"training\.trainning_days.*did you mean training\.training_days\?"):
        validate_parameters(shipped)


def test_given_a_misspelt_key_in_a_list_of_groups_then_the_nearest_right_one_is_named(shipped: dict[str, Any]) -> None:
    shipped["costs"]["rates"][0]["makr"] = 0.0

    with pytest.raises(ConfigurationError, match=r"costs\.rates\.0\.makr.*did you mean costs\.rates\.0\.maker\?"):
        validate_parameters(shipped)


def test_given_a_key_like_no_other_then_the_known_ones_are_listed(shipped: dict[str, Any]) -> None:
    shipped["tracking"]["zzz"] = 1

    with pytest.raises(ConfigurationError, match=r"unknown key tracking\.zzz; known here: uri, "):
        validate_parameters(shipped)


def test_given_an_unknown_group_then_it_is_refused(shipped: dict[str, Any]) -> None:
    shipped["traning"] = {}

    with pytest.raises(ConfigurationError, match=r"unknown key traning; did you mean training\?"):
        validate_parameters(shipped)


def test_given_a_value_out_of_range_then_the_value_and_the_rule_are_named(shipped: dict[str, Any]) -> None:
    shipped["training"]["confidence_threshold"] = 1.5

    with pytest.raises(ConfigurationError, match=r"training\.confidence_threshold is 1\.5, but"):
        validate_parameters(shipped)


def test_given_a_missing_key_then_it_is_named(shipped: dict[str, Any]) -> None:
    del shipped["tracking"]["uri"]

    with pytest.raises(ConfigurationError, match=r"tracking\.uri is missing"):
        validate_parameters(shipped)


def test_given_different_limits_of_a_halt_then_all_three_are_named(shipped: dict[str, Any]) -> None:
    shipped["features"]["max_gap_minutes"] = 30

    with pytest.raises(ConfigurationError, match=r"data\.max_gap_minutes=60, features\.max_gap_minutes=30, labels\."):
        validate_parameters(shipped)


def test_given_several_mistakes_then_their_number_is_told(shipped: dict[str, Any]) -> None:
    shipped["training"]["confidence_threshold"] = 1.5
    shipped["tracking"]["zzz"] = 1

    with pytest.raises(ConfigurationError, match=r"\(1 more after this one\)"):
        validate_parameters(shipped)


def test_the_cost_schedule_takes_dates_as_utc_midnights(shipped: dict[str, Any]) -> None:
    schedule = validate_parameters(shipped).costs.schedule(scale=2.0)

    assert schedule.rates[1].since_ms == 1_769_990_400_000  # 2026-02-02T00:00:00Z
    assert schedule.scale == 2.0
