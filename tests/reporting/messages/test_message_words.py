"""Specifies how news reads in both languages, and that Discord takes whatever is told."""

import pytest
from discord_server import discord_faults
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from told_news import ALL_NEWS, AT_MS, BEGAN, CLOSED, DAY, HALTED, LONG, OPENED, SHORT, incident, notice

from crypto_kedro.reporting.messages.body import body_of
from crypto_kedro.reporting.messages.outbox import Batch, Telling
from crypto_kedro.reporting.messages.reasons import reason_words
from crypto_kedro.reporting.messages.settings import Channel, ChannelKind, Language, WebhookAddress
from crypto_kedro.reporting.messages.words import Message, message_of
from crypto_kedro.session.ending import EndReason
from crypto_kedro.session.notice import IncidentSeen, News, PositionOpened, SessionOver, Severity
from crypto_kedro.session.records import LOSSCUT, REASONS, Purpose
from crypto_kedro.trading.money import Btc, Jpy, Price

ADDRESS = WebhookAddress("alerts", "https://example.com/hook")


def said(news: News, language: Language, times: int = 1) -> Message:
    return message_of(Telling(notice(news), times, AT_MS), language)


@pytest.mark.parametrize("language", Language)
def test_every_kind_of_news_has_words(language: Language) -> None:
    # A test may have made a kind of its own.
    kinds = {kind for kind in News.__subclasses__() if kind.__module__ == News.__module__}
    assert {type(news) for news in ALL_NEWS} == kinds
    for news in ALL_NEWS:
        message = said(news, language)
        assert message.title
        assert "{" not in message.title + message.text


@pytest.mark.parametrize("language", Language)
def test_every_reason_of_a_decision_or_an_exit_has_words_of_its_own(language: Language) -> None:
    reasons = [*REASONS, Purpose.STOP, Purpose.TARGET, LOSSCUT, "trigger_met"]

    words = [reason_words(reason, language) for reason in reasons]

    assert len(set(words)) == len(reasons)
    assert not any("_" in word for word in words)


def test_every_reason_of_an_end_is_given_in_the_language_of_the_channel() -> None:
    for reason in EndReason:
        japanese = said(SessionOver("s-1", reason, Jpy.of("100000")), Language.JAPANESE)
        assert str(reason) not in japanese.text
        assert str(reason) in said(SessionOver("s-1", reason, Jpy.of("100000")), Language.ENGLISH).text


@pytest.mark.parametrize(
    ("news", "language", "title", "text"),
    [
        (OPENED, Language.JAPANESE, "新規 ロング 0.0012 BTC @ 15,000,000円", "逆指値 14,800,000円、利確 15,300,000円"),
        (CLOSED, Language.JAPANESE, "決済 ショート 0.0012 BTC @ 14,900,000円: -1,235円", "時間切れ"),
        (CLOSED, Language.ENGLISH, "Closed short 0.0012 BTC at 14,900,000 JPY: -1,235 JPY", "time limit"),
        (HALTED, Language.JAPANESE, "取引を停止", "going on holiday(maria)\n建玉も決済します"),
        (
            DAY,
            Language.JAPANESE,
            "2026-09-21: +720円",
            "純資産 100,720円、最大下落率 3.5%\n新規 3、勝ち 2、負け 1\n手数料 30円、金利 4円、障害 0\n"
            "見送り(全 96 本): モデルの確信度が不足 80, スプレッドが広い 10",
        ),
    ],
)
def test_news_reads_like_this(news: News, language: Language, title: str, text: str) -> None:
    message = said(news, language)

    assert (message.title, message.text) == (title, text)


def test_an_entry_without_take_profit_says_so() -> None:
    opened = PositionOpened(SHORT, Btc.of("1"), Price(1), Price(2), None)

    assert said(opened, Language.ENGLISH).text == "Stop 2 JPY, take-profit none"


def test_a_position_that_has_no_stop_yet_says_so() -> None:
    assert said(replace(OPENED, stop=None), Language.JAPANESE).text == "逆指値 未設定、利確 15,300,000円"


def test_a_session_that_begins_halted_says_so() -> None:
    halted = replace(BEGAN, halt="maria: going on holiday")

    assert said(halted, Language.JAPANESE).text.endswith("セッション s-1\n取引は停止中: maria: going on holiday")


@pytest.mark.parametrize(
    ("code", "language", "title"),
    [
        ("foreign_fill", Language.JAPANESE, "障害: 口座に他者の約定"),
        ("foreign_fill", Language.ENGLISH, "Incident: trade of somebody else on the account"),
        ("never_seen_before", Language.JAPANESE, "障害: never_seen_before"),
    ],
)
def test_an_incident_is_named_in_words_where_it_has_some(code: str, language: Language, title: str) -> None:
    assert said(incident(code=code), language).title == title


def test_a_plain_webhook_is_given_the_code_of_an_incident() -> None:
    channel = Channel(kind=ChannelKind.WEBHOOK, address=ADDRESS)

    body = body_of(Batch((Telling(notice(incident(code="foreign_fill")), 1, AT_MS),), 0), channel)

    assert body.payload["notices"][0]["incident"] == "foreign_fill"


def test_a_day_of_unknown_equity_says_so() -> None:
    assert said(replace(DAY, equity=None), Language.JAPANESE).text.startswith("純資産 不明、")


def test_news_seen_often_says_how_often_and_since_when() -> None:
    assert said(incident(5), Language.JAPANESE, times=12).text == "the last bar is 5 s old\n09-21 23:13 JST 以降 12 回"


ANY_NEWS = st.one_of(
    st.sampled_from(ALL_NEWS),
    st.builds(IncidentSeen, st.sampled_from(Severity), st.text(max_size=300), st.text(max_size=3000)),
    st.builds(
        PositionOpened,
        st.just(LONG),
        st.integers(0, 10**12).map(Btc),
        st.integers(0, 10**12).map(Price),
        st.integers(0, 10**12).map(Price),
        st.none(),
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_NEWS, min_size=1, max_size=10), st.integers(0, 10**6), st.sampled_from(Language))
def test_whatever_is_told_discord_takes_it(news: list[News], lost: int, language: Language) -> None:
    channel = Channel(kind=ChannelKind.DISCORD, address=ADDRESS, language=language, mention="12345678901234567890")
    batch = Batch(tuple(Telling(notice(one), 3, AT_MS) for one in news), lost)

    body = body_of(batch, channel)

    assert discord_faults(body.payload, {name for name, _ in body.files}) == []


def test_a_text_from_outside_calls_nobody_and_marks_nothing_up() -> None:
    news = IncidentSeen(Severity.CRITICAL, "odd", "@everyone <@1> **bold** [link](https://example.com)")
    channel = Channel(kind=ChannelKind.DISCORD, address=ADDRESS)

    body = body_of(Batch((Telling(notice(news), 1, AT_MS),), 0), channel)

    assert body.payload["allowed_mentions"] == {"parse": [], "users": []}
    assert body.payload["embeds"][0]["description"] == (
        "@everyone \\<@1\\> \\*\\*bold\\*\\* \\[link\\](https://example.com)"
    )
