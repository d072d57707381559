"""Where a session's face listens: as its parameters say, or where a container is told to."""

import asyncio
import logging
import re

import httpx
import pytest
from serving_faces import TOKEN
from shown_trader import ShownTrader

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.parameters.session import FaceParameters
from crypto_kedro.pipelines.trading.showing import face_settings, shown
from crypto_kedro.serving.face import FaceToken


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


def serve_briefly(token: FaceToken | None, monkeypatch: pytest.MonkeyPatch, printed: pytest.CaptureFixture[str]) -> str:
    """Show a trader, follow a link that was printed, and return what was printed."""
    monkeypatch.delenv("PORT", raising=False)

    async def follow() -> str:
        async with shown(ShownTrader(), FaceParameters(port=0), token):
            text = printed.readouterr().out
            for address, code in re.findall(r"(http://\S+)/#token=(\S+)", text):
                async with httpx.AsyncClient(base_url=address) as client:
                    answer = await client.post("/token", headers={"X-Face-Token": code})
                    stopped = await client.post("/stop", headers={"X-Face-Token": answer.json()["token"]})
                    assert stopped.status_code == 200
            return text

    return asyncio.run(follow())


def test_given_no_token_then_a_link_that_lets_a_browser_stop_is_printed_and_not_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    text = serve_briefly(None, monkeypatch, capsys)
    (code,) = re.findall(r"/#token=(\S+)", text)
    assert code not in caplog.text
    assert code not in serve_briefly(None, monkeypatch, capsys)


def test_given_a_token_then_nothing_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "#" not in serve_briefly(TOKEN, monkeypatch, capsys)
