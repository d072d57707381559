"""News in words, Japanese and English."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN

from crypto_kedro.reporting.messages.incidents import incident_words
from crypto_kedro.reporting.messages.outbox import Telling
from crypto_kedro.reporting.messages.reasons import reason_words
from crypto_kedro.reporting.messages.settings import Language
from crypto_kedro.session.ending import EndReason
from crypto_kedro.session.notice import (
    DayClosed,
    Exposure,
    IncidentOver,
    IncidentSeen,
    News,
    PositionClosed,
    PositionOpened,
    SessionBegan,
    SessionFailed,
    SessionOver,
    Severity,
    TradingHalted,
)
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import PositionSide

LONGEST_TITLE, LONGEST_TEXT = 100, 480
_JST = timezone(timedelta(hours=9), "JST")
_EPOCH = date(1970, 1, 1)
_FUNNEL_ROWS = 4


@dataclass(frozen=True, slots=True)
class Message:
    """One notice in words.

    Args:
        severity: how soon a human should look.
        title: a few words, at most `LONGEST_TITLE` characters.
        text: lines, at most `LONGEST_TEXT` characters; may be empty.
        at_ms: when it happened, Unix milliseconds UTC.
        environment: ``paper`` or ``live``.
        code: kind of the news.
        curve: equity to draw, (Unix milliseconds UTC, JPY); empty for none.
    """

    severity: Severity
    title: str
    text: str
    at_ms: int
    environment: str
    code: str
    curve: tuple[tuple[int, float], ...] = ()


_ENGLISH = {
    "session_began": ("Trading begins", "Model {model}, stage {stage}, equity {equity}\nSession {session_id}{halt}"),
    "session_over": ("Trading ends", "{reason}; equity {equity}\nSession {session_id}"),
    "session_failed": ("Trading ended by a fault", "{error}\n{exposure}\nSession {session_id}"),
    "position_opened": ("Opened {side} {amount} at {price}", "Stop {stop}, take-profit {take_profit}"),
    "position_bare": ("No stop: {side} {amount}", "No stop rests at the exchange for this position"),
    "position_closed": ("Closed {side} {amount} at {price}: {net}", "{reason}"),
    "protection_repaired": ("Protection repaired", "{side} {amount}: {fault}; the stop rests at {stop} now"),
    "trading_halted": ("Trading is halted", "{reason} (by {by}){flatten}"),
    "trading_resumed": ("Trading goes on", "{reason} (by {by})"),
    "lease_lost": ("Lease lost", "This process sends nothing more (token {token})"),
    "incident": ("Incident: {incident}", "{text}"),
    "incident_over": ("Over: {incident}", ""),
    "day_closed": (
        "{day}: {net}",
        "Equity {equity}, deepest fall {drawdown}\nOpened {opened}, won {won}, lost {lost}\n"
        "Fees {fees}, interest {interest}, incidents {incidents}\n{funnel}",
    ),
    "greeting": ("Test message", "This channel is told of what is {least} and above"),
}
_JAPANESE = {
    "session_began": ("取引を開始", "モデル {model}、ステージ {stage}、純資産 {equity}\nセッション {session_id}{halt}"),
    "session_over": ("取引を終了", "{reason}、純資産 {equity}\nセッション {session_id}"),
    "session_failed": ("障害により取引を終了", "{error}\n{exposure}\nセッション {session_id}"),
    "position_opened": ("新規 {side} {amount} @ {price}", "逆指値 {stop}、利確 {take_profit}"),
    "position_bare": ("逆指値なし: {side} {amount}", "この建玉の逆指値が取引所にありません"),
    "position_closed": ("決済 {side} {amount} @ {price}: {net}", "{reason}"),
    "protection_repaired": ("逆指値を修復", "{side} {amount}: {fault}。逆指値は {stop} に設定済み"),
    "trading_halted": ("取引を停止", "{reason}({by}){flatten}"),
    "trading_resumed": ("取引を再開", "{reason}({by})"),
    "lease_lost": ("リースを喪失", "このプロセスは以後何も送信しません(トークン {token})"),
    "incident": ("障害: {incident}", "{text}"),
    "incident_over": ("解消: {incident}", ""),
    "day_closed": (
        "{day}: {net}",
        "純資産 {equity}、最大下落率 {drawdown}\n新規 {opened}、勝ち {won}、負け {lost}\n"
        "手数料 {fees}、金利 {interest}、障害 {incidents}\n{funnel}",
    ),
    "greeting": ("テスト通知", "このチャンネルには {least} 以上の通知が届きます"),
}
_NEWS = {Language.ENGLISH: _ENGLISH, Language.JAPANESE: _JAPANESE}
_SIDES = {
    Language.ENGLISH: {PositionSide.LONG: "long", PositionSide.SHORT: "short"},
    Language.JAPANESE: {PositionSide.LONG: "ロング", PositionSide.SHORT: "ショート"},
}
_YEN = {Language.ENGLISH: "{:,} JPY", Language.JAPANESE: "{:,}円"}
_NOTHING = {Language.ENGLISH: "none", Language.JAPANESE: "なし"}
_UNKNOWN = {Language.ENGLISH: "unknown", Language.JAPANESE: "不明"}
_NO_STOP = {Language.ENGLISH: "none yet", Language.JAPANESE: "未設定"}
_HALTED = {Language.ENGLISH: "\nTrading is halted: {halt}", Language.JAPANESE: "\n取引は停止中: {halt}"}
_FLATTEN = {Language.ENGLISH: "\nThe position is closed too", Language.JAPANESE: "\n建玉も決済します"}
_REPEATED = {
    Language.ENGLISH: "\nSeen {times} times since {since} JST",
    Language.JAPANESE: "\n{since} JST 以降 {times} 回",
}
_LOST = {
    Language.ENGLISH: "{lost} earlier messages could not be delivered; the journal has them",
    Language.JAPANESE: "これより前の通知 {lost} 件は届けられませんでした(記録はジャーナルにあります)",
}
_ENDS = {
    EndReason.ASKED: "終了の要求",
    EndReason.TIME_OVER: "session.minutes の時間が経過",
    EndReason.ONE_CYCLE: "1 サイクルのみの実行",
    EndReason.TICK_OVER: "ティックの完了",
    EndReason.BROKEN_OFF: "期限内に終えるため中断",
    EndReason.EXCHANGE_FAILED: "セッション内の取引所に障害",
    EndReason.FAULT: "障害による終了",
}
_EXPOSURES = {
    Language.ENGLISH: {
        Exposure.FLAT: "Nothing is open",
        Exposure.PROTECTED: "A stop rests for every open position",
        Exposure.UNPROTECTED: "A position is open without a stop: look at the exchange now",
        Exposure.UNKNOWN: "Whether a position is open is not known: look at the exchange now",
    },
    Language.JAPANESE: {
        Exposure.FLAT: "建玉なし",
        Exposure.PROTECTED: "すべての建玉に逆指値あり",
        Exposure.UNPROTECTED: "逆指値のない建玉があります。すぐに取引所を確認してください",
        Exposure.UNKNOWN: "建玉の有無は不明です。すぐに取引所を確認してください",
    },
}
_NO_ENTRY = {
    Language.ENGLISH: "Not entered, of {bars} bars: {reasons}",
    Language.JAPANESE: "見送り(全 {bars} 本): {reasons}",
}


def message_of(telling: Telling, language: Language) -> Message:
    """Return a notice in words."""
    notice = telling.notice
    news = notice.news
    title, text = _NEWS[language][notice.code]
    values = _values(news, language)
    text = text.format_map(values)
    if telling.times > 1:
        text += _REPEATED[language].format(times=telling.times, since=jst_clock(telling.since_ms))
    return Message(
        notice.severity,
        shortened(title.format_map(values), LONGEST_TITLE),
        shortened(text.strip(), LONGEST_TEXT),
        notice.at_ms,
        notice.environment,
        notice.code,
        news.curve if isinstance(news, DayClosed) else (),
    )


def lost_words(lost: int, language: Language) -> str:
    """Return the sentence about messages that never arrived; empty when all did."""
    return _LOST[language].format(lost=lost) if lost else ""


def jst_clock(at_ms: int) -> str:
    """Return a moment as month, day, hour and minute in Japan."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_JST):%m-%d %H:%M}"


def shortened(text: str, longest: int) -> str:
    """Return a text cut to a length, with an ellipsis where something is missing."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _values(news: News, language: Language) -> dict[str, str]:
    """Return every field of the news in words."""
    values = {name: _word(getattr(news, name), language) for name in news.__struct_fields__}
    match news:
        case DayClosed():
            values["day"] = (_EPOCH + timedelta(days=news.day)).isoformat()
            values["equity"] = _UNKNOWN[language] if news.equity is None else _word(news.equity, language)
            values["net"] = _gain(news.net, language)
            values["drawdown"] = f"{news.drawdown:.1%}"
            values["funnel"] = _funnel(news, language)
        case SessionBegan():
            values["halt"] = "" if news.halt is None else _HALTED[language].format(halt=news.halt)
        case SessionOver() if language is Language.JAPANESE and news.reason in set(EndReason):
            values["reason"] = _ENDS[EndReason(news.reason)]
        case SessionFailed():
            values["exposure"] = _EXPOSURES[language][news.exposure]
        case PositionOpened(stop=None):
            values["stop"] = _NO_STOP[language]
        case IncidentSeen() | IncidentOver():
            values["incident"] = incident_words(news.incident, language)
        case PositionClosed():
            values["net"] = _gain(news.net, language)
            values["reason"] = reason_words(news.reason, language)
        case TradingHalted():
            values["flatten"] = _FLATTEN[language] if news.flatten else ""
    return values


def _word(value: object, language: Language) -> str:
    match value:
        case Jpy():
            return _YEN[language].format(_whole(value))
        case Price():
            return _YEN[language].format(value.ticks)
        case Btc():
            return f"{value} BTC"
        case PositionSide():
            return _SIDES[language][value]
        case None:
            return _NOTHING[language]
    return str(value)


def _gain(net: Jpy, language: Language) -> str:
    sign = "+" if _whole(net) > 0 else ""
    return sign + _word(net, language)


def _whole(sum_of_money: Jpy) -> int:
    return int(sum_of_money.decimal.to_integral_value(ROUND_HALF_EVEN))


def _funnel(day: DayClosed, language: Language) -> str:
    """Return why most bars brought no entry."""
    if not day.funnel:
        return ""
    rows = (f"{reason_words(reason, language)} {bars}" for reason, bars in day.funnel[:_FUNNEL_ROWS])
    return _NO_ENTRY[language].format(bars=day.bars, reasons=", ".join(rows))
