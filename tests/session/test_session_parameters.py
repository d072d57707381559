"""What the group `session` refuses, whom it lets trade, and where the files of a session belong."""

from typing import Any

import pytest
from pydantic import ValidationError

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.session.folder import ENVIRONMENT_FOLDERS

HERE = dict.fromkeys(("public", "private", "stream", "private_stream"), "http://127.0.0.1:8900")


def session(**changes: Any) -> SessionParameters:
    """The environment paper as it ships, with changes."""
    shipped: dict[str, Any] = {
        "environment": "paper",
        "exchange": "simulator",
        "models": ["paper-champion", "champion", "challenger"],
        "simulator": {},
    }
    return SessionParameters(**{**shipped, **changes})


def test_given_the_one_line_that_switches_to_bitbank_when_models_are_chosen_then_the_challenger_is_passed_over() -> (
    None
):
    assert session().tradable_models == ("paper-champion", "champion", "challenger")
    assert session(exchange="bitbank").tradable_models == ("paper-champion", "champion")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exchange": "bitbank", "models": ["challenger"]}, "names the challenger"),
        ({"exchange": "bitbank", "environment": "live"}, "names the challenger"),
        ({"environment": "live", "models": ["champion"]}, "takes paper money alone"),
        ({"simulator": None}, "add the group session.simulator"),
        ({"paper_cash_jpy": 0}, "paper_cash_jpy"),
        ({"bitbank": {"publik": "http://127.0.0.1:8900"}}, "publik"),
    ],
)
def test_given_a_combination_that_must_not_be_when_read_then_it_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        session(**changes)


@pytest.mark.parametrize(
    ("changes", "folder"),
    [
        ({}, "simulator"),
        ({"exchange": "bitbank"}, "paper"),
        ({"exchange": "bitbank", "bitbank": HERE}, "paper-rehearsal"),
        ({"exchange": "bitbank", "bitbank": {"public": HERE["public"]}}, "paper-rehearsal"),
        ({"exchange": "bitbank", "environment": "live", "models": ["champion"]}, "live"),
        ({"exchange": "bitbank", "environment": "live", "models": ["champion"], "bitbank": HERE}, "live-rehearsal"),
    ],
)
def test_given_an_exchange_when_files_are_kept_then_play_rehearsal_and_earnest_are_apart(
    changes: dict[str, Any], folder: str
) -> None:
    chosen = session(**changes)
    assert chosen.folder_name == folder
    assert folder in ENVIRONMENT_FOLDERS[chosen.environment]


def test_given_an_address_that_is_neither_bitbank_nor_here_when_it_is_used_then_it_is_refused() -> None:
    elsewhere = session(exchange="bitbank", bitbank={"public": "https://public.bitbank.example"})
    with pytest.raises(ConfigurationError, match="leads neither to bitbank"):
        elsewhere.bitbank.settings()
