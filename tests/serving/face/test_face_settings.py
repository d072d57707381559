"""What a face may be set to, and what it says of a setting that makes no sense."""

from typing import Any

import pytest

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.serving.face import FaceSettings, FaceToken

GOOD = "0123456789abcdefghijklmnopqrstuvwxyz"


def test_a_token_is_the_same_as_itself_alone() -> None:
    token = FaceToken(GOOD)
    assert token.is_same(GOOD)
    assert not any(token.is_same(other) for other in ("", GOOD[:-1], GOOD + "x", GOOD.upper(), "\N{SNOWMAN}"))


@pytest.mark.parametrize("secret", ["", "short", GOOD[:31], GOOD + " x", GOOD + "\n", GOOD + "\N{SNOWMAN}"])
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="CRYPTO_KEDRO_FACE_TOKEN") as refused:
        FaceToken(secret)
    assert not secret or secret not in str(refused.value)


def test_the_token_of_the_environment_comes_before_the_configured_one() -> None:
    environment = {"CRYPTO_KEDRO_FACE_TOKEN": GOOD + "\n"}
    assert FaceToken.find({"token": GOOD[::-1]}, environment) == FaceToken(GOOD)
    assert FaceToken.find({"token": GOOD[::-1]}, {}) == FaceToken(GOOD[::-1])
    assert FaceToken.find(None, {}) is FaceToken.find({}, {"CRYPTO_KEDRO_FACE_TOKEN": " "}) is None


def test_the_token_never_shows() -> None:
    assert GOOD not in repr(FaceSettings(token=FaceToken(GOOD)))


@pytest.mark.parametrize(
    ("settings", "is_open"),
    [
        ({}, True),
        ({"host": "localhost"}, True),
        ({"open_reading": False, "token": FaceToken(GOOD)}, False),
        ({"host": "0.0.0.0", "token": FaceToken(GOOD)}, False),
        ({"host": "0.0.0.0", "open_reading": True}, True),
        ({"allowed_hosts": ("trader.example",), "token": FaceToken(GOOD)}, True),
        ({"allowed_hosts": ("trader.example",), "open_reading": True}, True),
    ],
)
def test_figures_are_open_on_this_machine_alone_unless_a_setting_says_otherwise(
    settings: dict[str, Any], is_open: bool
) -> None:
    assert FaceSettings(**settings).is_open is is_open


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"host": "0.0.0.0"}, "there is no token"),
        ({"open_reading": False}, "open_reading false.* there is no token"),
        ({"allowed_hosts": ("trader.example",)}, r"allowed_hosts \['trader.example'\] .* there is no token"),
        ({"allowed_hosts": ("https://trader.example",)}, "allowed_hosts has 'https://trader.example'"),
        ({"allowed_hosts": ("trader.example:443",)}, "allowed_hosts has 'trader.example:443'"),
        ({"allowed_hosts": ("*.example",)}, r"allowed_hosts has '\*.example'"),
        ({"allowed_hosts": ("",)}, "allowed_hosts has ''"),
        ({"port": -1}, "port is -1"),
        ({"port": 65_536}, "port is 65536"),
        ({"max_data_age_ms": 0}, "max_data_age_ms is 0"),
        ({"max_cycle_age_ms": -5}, "max_cycle_age_ms is -5"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        FaceSettings(**settings)
