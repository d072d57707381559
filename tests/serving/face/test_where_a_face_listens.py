"""Where a session's face listens: as its parameters say, or where a container is told to."""

import pytest
from serving_faces import TOKEN

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.parameters.session import FaceParameters
from crypto_kedro.pipelines.trading.showing import face_settings


def test_given_no_variable_then_the_parameters_hold() -> None:
    settings = face_settings(FaceParameters(port=8123, max_data_age_minutes=20, max_cycle_age_minutes=1.5), None, {})
    assert (settings.host, settings.port) == ("127.0.0.1", 8123)
    assert (settings.max_data_age_ms, settings.max_cycle_age_ms) == (1_200_000, 90_000)


def test_given_names_by_which_a_proxy_calls_the_face_then_they_reach_it() -> None:
    face = FaceParameters.model_validate({"allowed_hosts": ["trader.example"]})
    assert face_settings(face, TOKEN, {}).allowed_hosts == ("trader.example",)


def test_given_the_port_of_a_container_then_it_is_taken_on_every_network() -> None:
    settings = face_settings(FaceParameters(port=8123), TOKEN, {"PORT": "9090"})
    assert (settings.host, settings.port) == ("0.0.0.0", 9090)
    assert not settings.is_open


def test_given_the_port_of_a_container_and_no_token_then_nobody_is_let_in() -> None:
    with pytest.raises(ConfigurationError, match="there is no token"):
        face_settings(FaceParameters(), None, {"PORT": "9090"})


@pytest.mark.parametrize("port", ["http", "-1", "8080/tcp"])
def test_given_a_port_that_is_no_number_then_the_variable_is_named(port: str) -> None:
    with pytest.raises(ConfigurationError, match="the variable PORT is"):
        face_settings(FaceParameters(), TOKEN, {"PORT": port})
