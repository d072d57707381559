"""Specifies gathering, counting and dropping of news that waits."""

from hypothesis import given, settings
from hypothesis import strategies as st
from told_news import AT_MS, CLOSED, HALTED, OPENED, incident, notice

from crypto_kedro.reporting.messages.outbox import BATCH, Batch, Outbox
from crypto_kedro.reporting.messages.settings import DeliverySettings
from crypto_kedro.session.notice import Severity

SETTINGS = DeliverySettings(gather_s=5.0, repeat_s=600.0, queue=20)


def told(batch: Batch | None) -> list[tuple[str, int]]:
    assert batch is not None
    return [(telling.notice.code, telling.times) for telling in batch.tellings]


def test_news_waits_for_company_and_goes_as_one_batch_in_order() -> None:
    outbox = Outbox(SETTINGS)
    outbox.put(notice(OPENED), 100.0)
    outbox.put(notice(CLOSED), 103.0)

    assert outbox.take(104.9) is None
    assert outbox.due_s() == 105.0
    assert told(outbox.take(105.0)) == [("position_opened", 1), ("position_closed", 1)]
    assert outbox.due_s() is None


def test_critical_news_goes_at_once_and_takes_along_what_waits() -> None:
    outbox = Outbox(SETTINGS)
    outbox.put(notice(OPENED), 100.0)
    outbox.put(notice(HALTED), 101.0)

    batch = outbox.take(101.0)

    assert told(batch) == [("position_opened", 1), ("trading_halted", 1)]
    assert batch is not None
    assert batch.severity is Severity.CRITICAL


def test_the_same_news_is_told_once_then_counted_and_the_count_told_when_its_time_is_over() -> None:
    outbox = Outbox(SETTINGS)
    outbox.put(notice(incident(300)), 0.0)
    outbox.take(5.0)
    for second in range(10, 60, 10):
        outbox.put(notice(incident(300 + second), AT_MS + 1000 * second), float(second))

    assert outbox.take(599.0) is None
    assert outbox.due_s() == 600.0
    assert outbox.take(600.0) is None
    batch = outbox.take(605.0)

    assert told(batch) == [("incident", 5)]
    assert batch is not None
    assert batch.tellings[0].notice.news == incident(350)
    assert batch.tellings[0].since_ms == AT_MS + 10_000


def test_news_that_comes_back_after_its_time_is_told_anew() -> None:
    outbox = Outbox(SETTINGS)
    outbox.put(notice(incident()), 0.0)
    outbox.take(5.0)
    outbox.put(notice(incident()), 600.0)

    assert told(outbox.take(605.0)) == [("incident", 1)]


def test_other_incidents_and_trades_are_never_taken_for_repetitions() -> None:
    outbox = Outbox(SETTINGS)
    for news in (incident(), incident(code="disk_full"), incident(level=Severity.INFO), OPENED, OPENED):
        outbox.put(notice(news), 0.0)

    assert len(told(outbox.take(5.0))) == 5


def test_a_full_queue_drops_the_oldest_of_the_least_urgent_and_says_how_many() -> None:
    outbox = Outbox(SETTINGS)
    outbox.put(notice(incident()), 0.0)
    for number in range(25):
        outbox.put(notice(OPENED, AT_MS + number), 0.0)

    first = outbox.take(5.0)
    second = outbox.take(5.0)

    assert first is not None
    assert second is not None
    assert first.lost == 6
    assert second.lost == 0
    assert first.tellings[0].notice.code == "incident"
    assert first.tellings[1].notice.at_ms == AT_MS + 6
    assert second.tellings[-1].notice.at_ms == AT_MS + 24


def test_a_lost_batch_is_counted_in_the_next_one() -> None:
    outbox = Outbox(SETTINGS)
    outbox.put(notice(OPENED), 0.0)
    outbox.put(notice(CLOSED), 0.0)
    batch = outbox.take(5.0)
    assert batch is not None
    outbox.lose(batch)
    outbox.put(notice(HALTED), 6.0)

    after = outbox.take(6.0)

    assert after is not None
    assert after.lost == 2


def test_a_batch_given_back_comes_first_and_at_once() -> None:
    outbox = Outbox(SETTINGS)
    outbox.put(notice(OPENED), 0.0)
    batch = outbox.take(5.0)
    assert batch is not None
    outbox.put(notice(CLOSED), 5.0)
    outbox.give_back(batch)

    assert told(outbox.take(5.0)) == [("position_opened", 1), ("position_closed", 1)]


EVENT = st.tuples(
    st.sampled_from((OPENED, HALTED, incident(), incident(code="other"), incident(level=Severity.CRITICAL))),
    st.floats(0.0, 400.0),
    st.sampled_from(("deliver", "lose", "give_back", "wait")),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(EVENT, max_size=60))
def test_every_notice_is_told_counted_or_reported_lost(events: list[tuple[object, float, str]]) -> None:
    outbox, now_s, accounted = Outbox(SETTINGS), 0.0, 0
    for news, pause_s, fate in events:
        now_s += pause_s
        outbox.put(notice(news), now_s)  # type: ignore[arg-type]
        batch = outbox.take(now_s) if fate != "wait" else None
        if batch is None:
            continue
        assert 1 <= len(batch.tellings) <= BATCH
        if fate == "deliver":
            accounted += batch.lost + sum(telling.times for telling in batch.tellings)
        elif fate == "lose":
            accounted += sum(telling.times - 1 for telling in batch.tellings)
            outbox.lose(batch)
        else:
            outbox.give_back(batch)
    outbox.put(notice(HALTED), now_s + 700.0)
    for batch in outbox.take_all():
        accounted += batch.lost + sum(telling.times for telling in batch.tellings)

    assert accounted == len(events) + 1
