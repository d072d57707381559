"""Decisions of the core in one sentence of each language."""

import re

import pytest
from shown_trader import TARGET, account, decided

from crypto_kedro.reporting.messages.settings import Language
from crypto_kedro.serving.face.decision_words import decision_words
from crypto_kedro.trading.money import Btc

FLAT = account(orders=(), amount=Btc(0))
SURE = {"short": 0.1, "flat": 0.1, "long": 0.8, "models": ((0.1, 0.1, 0.8),) * 3}


def said(record: dict[str, object]) -> tuple[str, str]:
    return decision_words(record, Language.ENGLISH), decision_words(record, Language.JAPANESE)


def test_a_gate_that_failed_is_said_with_its_value_and_its_rule() -> None:
    assert said(decided(FLAT)) == (
        "Stays flat: model not sure enough (confidence is 0.45, must be \N{GREATER-THAN OR EQUAL TO} 0.65)",
        "見送り: モデルの確信度が不足(confidence は 0.45、条件は \N{GREATER-THAN OR EQUAL TO} 0.65)",
    )


def test_a_value_that_is_not_known_is_said_to_be_so() -> None:
    english, japanese = said(decided(FLAT, spread=float("nan"), **SURE))
    assert "(expected_value is unknown, must be > 0)" in english
    assert "(expected_value は 不明、条件は > 0)" in japanese


def test_an_entry_is_said_with_its_side_its_amount_and_its_protection() -> None:
    record = decided(FLAT, **SURE)
    english, japanese = said(record)
    stop = f"{int(record['target']['stop_jpy']):,}"
    assert re.fullmatch(rf"Opens long 0\.0\d{{3}} BTC: signal; stop {stop} JPY, take-profit [\d,]+ JPY", english)
    assert re.fullmatch(rf"新規ロング 0\.0\d{{3}} BTC: シグナル。逆指値 {stop}円、利確 [\d,]+円", japanese)


def test_an_exit_is_said_with_its_reason() -> None:
    record = decided(account(orders=(TARGET,)), atr=float("nan"))
    assert said(record) == ("Closes the position: no protection possible", "建玉を決済: 逆指値を置けない")


@pytest.mark.parametrize("language", list(Language))
def test_a_missing_take_profit_is_said_to_be_none(language: Language) -> None:
    record = decided(account())
    record["target"] |= {"take_profit_jpy": None}
    assert decision_words(record, language).endswith({"en": "take-profit none", "ja": "利確 なし"}[language])
