"""Metrics as Prometheus itself reads them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from shown_trader import LEDGER, NOW_MS, STOP, account, status

from crypto_kedro.serving.face.metrics import metrics_text
from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.journal import HaltInForce
from crypto_kedro.session.status import AccountSeen, TraderStatus
from crypto_kedro.trading.money import Btc

FACE = FaceSettings()


def read(shown: TraderStatus) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name, without the prefix, and its labels."""
    families = text_string_to_metric_families(metrics_text(shown, FACE))
    return {
        (sample.name.removeprefix("crypto_kedro_"), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(shown: TraderStatus, name: str, **labels: str) -> float:
    return read(shown)[name, frozenset(labels.items())]


def test_the_account_is_told_in_yen_and_bitcoin() -> None:
    shown = status()
    assert shown.account is not None
    assert value(shown, "equity_jpy") == pytest.approx(float(shown.account.equity))
    assert value(shown, "position_btc", side="long") == 0.024
    assert value(shown, "position_btc", side="short") == 0
    assert value(shown, "drawdown_ratio") == shown.account.drawdown
    assert value(shown, "data_age_seconds") == 72
    assert value(shown, "last_cycle_duration_seconds") == pytest.approx(0.059)


def test_the_bars_of_the_day_are_told_by_their_reason() -> None:
    shown = status(funnel=(("confidence", 41), ("signal", 4)))
    assert value(shown, "bars_today", reason="confidence") == 41
    assert value(shown, "bars_today", reason="signal") == 4


def test_counters_only_ever_grow_and_say_that_they_are_counters() -> None:
    families = {family.name: family for family in text_string_to_metric_families(metrics_text(status(), FACE))}
    assert families["crypto_kedro_cycles"].type == "counter"
    assert value(status(), "requests_sent_total") == 41


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({"lease_held": False}, "ready", 0),
        ({"lease_held": False}, "lease_held", 0),
        ({}, "ready", 1),
        ({}, "halted", 0),
        ({"halted": HaltInForce("a", "b", False, NOW_MS)}, "halted", 1),
        ({"account": AccountSeen.of(account(orders=()), LEDGER)}, "positions_without_stop", 1),
        ({"account": AccountSeen.of(account(orders=(STOP,)), LEDGER)}, "positions_without_stop", 0),
        ({"account": AccountSeen.of(account((), Btc(0)), LEDGER)}, "positions_without_stop", 0),
    ],
)
def test_what_an_alarm_hangs_on_is_told_as_zero_or_one(changes: dict[str, object], name: str, expected: int) -> None:
    assert value(status(**changes), name) == expected


def test_what_is_not_known_is_left_out_and_never_a_zero() -> None:
    names = {name for name, _ in read(status(account=None, price=None, bar_close_ms=None, last_cycle=None))}
    assert not names & {
        "equity_jpy",
        "price_jpy",
        "data_age_seconds",
        "last_cycle_ok",
        "position_btc",
        "drawdown_ratio",
    }
    assert {"ready", "lease_held", "halted"} <= names


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc"), include_characters='\n"\\{},')))
def test_any_label_is_read_back_as_it_was(session_id: str) -> None:
    labels = next(dict(labels) for name, labels in read(status(session_id=session_id)) if name == "info")
    assert labels["session_id"] == session_id
