"""The record of a decision as one sentence, Japanese and English."""

from collections.abc import Mapping
from typing import Any

from crypto_kedro.reporting.messages.reasons import reason_words
from crypto_kedro.reporting.messages.settings import Language
from crypto_kedro.trading.decision import Action, Reason

_ACTIONS = {
    Language.ENGLISH: {
        Action.STAY_FLAT: "Stays flat: {reason}",
        Action.OPEN: "Opens {side} {amount_btc} BTC: {reason}; stop {stop}, take-profit {take_profit}",
        Action.HOLD: "Holds {side} {amount_btc} BTC: {reason}; stop {stop}, take-profit {take_profit}",
        Action.CLOSE: "Closes the position: {reason}",
    },
    Language.JAPANESE: {
        Action.STAY_FLAT: "見送り: {reason}",
        Action.OPEN: "新規{side} {amount_btc} BTC: {reason}。逆指値 {stop}、利確 {take_profit}",
        Action.HOLD: "{side} {amount_btc} BTC を保有: {reason}。逆指値 {stop}、利確 {take_profit}",
        Action.CLOSE: "建玉を決済: {reason}",
    },
}
_SIDES = {
    Language.ENGLISH: {"long": "long", "short": "short"},
    Language.JAPANESE: {"long": "ロング", "short": "ショート"},
}
_YEN = {Language.ENGLISH: "{:,} JPY", Language.JAPANESE: "{:,}円"}
_NONE = {Language.ENGLISH: "none", Language.JAPANESE: "なし"}
_UNKNOWN = {Language.ENGLISH: "unknown", Language.JAPANESE: "不明"}
_GATE = {
    Language.ENGLISH: "{words} ({name} is {value}, must be {rule} {threshold})",
    Language.JAPANESE: "{words}({name} は {value}、条件は {rule} {threshold})",
}
_RULES = {"<=": "\N{LESS-THAN OR EQUAL TO}", ">=": "\N{GREATER-THAN OR EQUAL TO}"}
_WORDS_OF_THEIR_OWN = frozenset(Reason)


def decision_words(record: Mapping[str, Any], language: Language) -> str:
    """Return what was decided and why.

    Args:
        record: as `Decision.as_dict` gives it.
        language: of the sentence.
    """
    target = record["target"]
    values = {"reason": _reason(record, language)}
    if target is not None:
        values |= {
            "side": _SIDES[language][target["side"]],
            "amount_btc": target["amount_btc"],
            "stop": _price(target["stop_jpy"], language),
            "take_profit": _price(target["take_profit_jpy"], language),
        }
    return _ACTIONS[language][Action(record["action"])].format_map(values)


def _reason(record: Mapping[str, Any], language: Language) -> str:
    reason = record["reason"]
    words = reason_words(reason, language)
    if reason in _WORDS_OF_THEIR_OWN:
        return words
    gate = next(gate for gate in record["gates"] if gate["name"] == reason)
    return _GATE[language].format(
        words=words,
        name=reason,
        value=_number(gate["value"], language),
        rule=_RULES.get(gate["rule"], gate["rule"]),
        threshold=_number(gate["threshold"], language),
    )


def _price(text: str | None, language: Language) -> str:
    return _NONE[language] if text is None else _YEN[language].format(int(text))


def _number(value: float | None, language: Language) -> str:
    if value is None:
        return _UNKNOWN[language]
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
