"""The incidents of a session in few words, Japanese and English."""

from crypto_kedro.reporting.messages.settings import Language

_ENGLISH = {
    "exchange_unreachable": "the exchange does not answer",
    "unusable_answer": "the exchange's answer about the account cannot be used",
    "exchange_stopped_trading": "the exchange lets nobody trade",
    "stale_rules": "old market rules in use",
    "foreign_fill": "trade of somebody else on the account",
    "lease_store": "the lease cannot be renewed",
    "half_halted": "the halt is written in one place only",
    "journal_damaged": "the journal is damaged; nothing more is opened",
    "day_digest_failed": "no digest of the day",
    "session_not_begun": "the session could not begin",
    "session_failed": "a fault ended the session",
    "journal_unwritable": "the journal cannot be written",
    "order_adopted": "an order of an earlier session was found",
    "cycle_fault": "a fault of the program, trading is halted",
    "exchange_contradicts": "exchange and journal do not agree",
    "start_delayed": "the start waits for the exchange",
}
_JAPANESE = {
    "exchange_unreachable": "取引所が応答しない",
    "unusable_answer": "口座についての取引所の応答を使用できない",
    "exchange_stopped_trading": "取引所が取引を受け付けない",
    "stale_rules": "古い市場ルールを使用中",
    "foreign_fill": "口座に他者の約定",
    "lease_store": "リースを更新できない",
    "half_halted": "停止の記録が片方だけ",
    "journal_damaged": "取引記録の破損。新規取引を停止",
    "day_digest_failed": "日次ダイジェストを作成できない",
    "session_not_begun": "セッションを開始できない",
    "session_failed": "障害によりセッションが終了",
    "journal_unwritable": "記録を書き込めない",
    "order_adopted": "以前のセッションの注文を発見",
    "cycle_fault": "プログラムの障害、取引を停止",
    "exchange_contradicts": "取引所と記録が一致しない",
    "start_delayed": "取引所の応答を待って開始を延期中",
}
_WORDS = {Language.ENGLISH: _ENGLISH, Language.JAPANESE: _JAPANESE}


def incident_words(code: str, language: Language) -> str:
    """Return an incident's code in words; one that has none is returned as it is."""
    return _WORDS[language].get(code, code)
