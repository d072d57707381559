"""What cannot be read on the way to real money becomes one of the reasons, beside all the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from registered_models import SETTINGS

from crypto_kedro.credentials import CredentialStore
from crypto_kedro.errors import LineageError
from crypto_kedro.parameters.session import SessionParameters
from crypto_kedro.real_money import candidacy
from crypto_kedro.session.arming import refusals
from crypto_kedro.tracking.traded_model import TradedModel

HERE = "http://127.0.0.1:8900"
ALL_HERE = dict.fromkeys(("public", "private", "stream", "private_stream"), HERE)


@dataclass(frozen=True)
class BareShelf:
    """A registry without versions, or one that cannot be read."""

    registered_model: str = "btc-jpy-ensemble"
    trouble: str | None = None

    def first_of(self, aliases: Sequence[str]) -> TradedModel | None:
        if self.trouble is not None:
            raise LineageError(self.trouble)
        return None


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no key of the machine's own environment."""
    for name in ("BITBANK_API_KEY", "BITBANK_API_SECRET"):
        monkeypatch.delenv(name, raising=False)


def reasons(
    project: Path, shelf: BareShelf, key: dict[str, str] | None = None, **session: Any
) -> tuple[list[str], TradedModel | None]:
    written = {
        "environment": "live",
        "exchange": "bitbank",
        "models": ["champion"],
        "armed": True,
        "paper_rules": [{"stage": 1, "min_days": 14, "min_trades": 20, "max_drawdown": 0.1}],
        **session,
    }
    store = CredentialStore.of({"bitbank": {"key": "k", "secret": "s"} if key is None else key})
    found = candidacy(project, shelf, SessionParameters.model_validate(written), SETTINGS, store)
    return list(refusals(found.question)), found.model


def test_given_nothing_registered_then_champion_and_paper_are_missing(tmp_path: Path) -> None:
    told, model = reasons(tmp_path, BareShelf())

    assert model is None
    assert [reason.split(";")[0] for reason in told] == [
        "there is no champion",
        "stage 1 needs 14 days and 20 trades of the champion on paper, on bitbank's prices, and there are none",
    ]


def test_given_a_registry_half_a_key_and_an_address_that_fail_then_all_three_are_told(tmp_path: Path) -> None:
    shelf = BareShelf(trouble="the registry is locked; wait")
    told, _ = reasons(tmp_path, shelf, key={"key": "k"}, bitbank={"private": "https://bitbank.example"})

    assert len(told) == 3
    assert "key and secret are both needed" in told[0]
    assert "session.bitbank.private" in told[1]
    assert told[2] == "the registry is locked; wait"


def test_given_addresses_of_which_only_some_are_bitbanks_then_they_are_refused(tmp_path: Path) -> None:
    mixed, _ = reasons(tmp_path, BareShelf(), bitbank={"public": HERE})
    whole, _ = reasons(tmp_path, BareShelf(), bitbank=ALL_HERE)

    assert "some addresses of session.bitbank are bitbank's and others are on this machine" in mixed[0]
    assert len(whole) == len(mixed) - 1
