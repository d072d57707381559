"""How the engine is driven: what it reports, what it refuses to do, and the order of time."""

from decimal import Decimal

import pytest
from scenarios import MINUTE_MS, START, Story, ms, request

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.settings import EngineError, EngineSettings
from crypto_kedro.trading.account import MarginState
from crypto_kedro.trading.money import Btc, Jpy, Price, Rate
from crypto_kedro.trading.orders import OrderStatus, Side
from crypto_kedro.trading.quotes import BarRow, BookTop, TradePrint


def test_an_answer_acknowledges_and_the_next_bar_executes() -> None:
    story = Story()
    story.flat(1_000_000)
    order = story.send("buy long 0.1 market")
    assert order.status is OrderStatus.UNFILLED

    story.flat(1_001_000)
    done = story.engine.order(order.order_id)
    assert done is not None
    assert (done.status, done.average_price, done.ordered_at_ms) == (
        OrderStatus.FULLY_FILLED,
        Decimal(1_001_000),
        ms(START) + MINUTE_MS,
    )
    assert story.engine.order(12345) is None


def test_a_fill_is_reported_as_bitbank_reports_it() -> None:
    # Opening costs nothing yet; closing charges both fees and the interest, and profit_loss is net of them.
    story = Story(start="2025-06-02T14:58")
    story.flat(15_000_000)
    story.send("buy long 0.01 market")
    story.flat(15_000_000)
    story.send("sell long 0.01 market")
    story.flat(15_100_000)
    opening, closing = story.engine.fills

    assert [str(sum_) for sum_ in (opening.fee_occurred, opening.fee_charged, opening.profit_loss)] == ["180", "0", "0"]
    assert str(closing.fee_occurred) == "181.2"
    assert str(closing.fee_charged) == "361.2"
    assert str(closing.interest) == "60"
    assert str(closing.profit_loss) == "578.8"
    assert opening.is_opening
    assert not closing.is_opening


def test_fills_at_the_open_and_within_the_bar_carry_its_first_and_last_millisecond() -> None:
    story = Story()
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.flat(1_000_000)
    story.send("sell long 0.1 stop", trigger=990_000)
    story.bar(1_000_000, 1_000_000, 980_000, 980_000)

    assert [fill.executed_at_ms - ms(START) for fill in story.engine.fills] == [MINUTE_MS, 3 * MINUTE_MS - 1]


def test_the_account_reports_positions_holds_and_margin() -> None:
    story = Story(btc="0.5")
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.flat(1_000_000)
    story.send("sell long 0.04 limit", price=1_100_000)
    story.send("buy long 0.2 limit", price=900_000)
    story.send("sell spot 0.3 limit", price=1_100_000)
    story.send("buy spot 0.1 limit", price=900_000)
    story.flat(1_010_000)
    account = story.engine.account()

    assert account.mark == Price(1_010_000)
    assert account.at_ms == story.clock
    assert account.long.locked_amount == Btc.of("0.04")
    assert account.btc_locked == Btc.of("0.3")
    assert account.cash_locked == Jpy.of("90108")
    assert [order.order_id for order in account.open_orders] == [2, 3, 4, 5]
    margin = account.margin
    # cash + half of the BTC's value + the long's gain - its fee
    assert margin.balance == Jpy.of(1_000_000 + 252_500 + 1_000 - 120)
    assert margin.position_product == Jpy.of(100_000)
    assert margin.open_order_product == Jpy.of(180_000)
    assert margin.available == Jpy.of(2 * 1_253_380 - 100_000 - 180_000)
    assert margin.state is MarginState.NORMAL


def test_a_report_stands_until_something_changes() -> None:
    story = Story()
    story.flat(1_000_000)
    before = story.engine.account()
    assert story.engine.account() is before

    revision = story.engine.revision
    story.send("buy long 0.1 market")
    assert story.engine.revision > revision
    assert len(story.engine.account().open_orders) == 1
    assert before.open_orders == ()


def test_a_report_follows_the_time_the_price_and_every_part_of_a_position() -> None:
    story = Story(start="2025-06-02T14:56")
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.flat(1_000_000)
    first = story.engine.account()
    story.flat(1_000_000)
    assert story.engine.account().at_ms == first.at_ms + MINUTE_MS

    story.send("sell long 0.04 limit", price=1_100_000)
    assert story.engine.account().long.locked_amount == Btc.of("0.04")

    story.flat(1_010_000)
    assert story.engine.account().equity - first.equity == Jpy.of(1_000)

    story.flat(1_010_000)
    assert story.engine.account().long.unrealized_interest == Jpy.of(40)


def test_debt_is_a_margin_state() -> None:
    story = Story(cash="60000")
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.flat(1_000_000)
    story.flat(300_000)

    assert story.engine.account().margin.state is MarginState.DEBT


def test_nothing_is_sent_or_reported_before_a_price_is_known() -> None:
    story = Story()
    with pytest.raises(EngineError, match="no price is known"):
        story.engine.place(request("buy long 0.1 market", None, None, False))
    with pytest.raises(EngineError, match="no price is known"):
        story.engine.account()


def test_time_does_not_run_backwards() -> None:
    story = Story()
    story.flat(1_000_000)
    now = story.engine.now_ms
    early = now - 1

    with pytest.raises(EngineError, match="before"):
        story.engine.advance(BarRow(early, early + MINUTE_MS, 1, 1, 1, 1, 1))
    with pytest.raises(EngineError, match="before"):
        story.engine.advance_book(BookTop(early, 1, 1, 2, 1))
    with pytest.raises(EngineError, match="before"):
        story.engine.place(request("buy long 0.1 market", None, None, False), at_ms=early)


def test_a_request_sent_within_a_bar_meets_the_next_one() -> None:
    story = Story()
    story.flat(1_000_000)
    story.engine.place(request("buy long 0.1 market", None, None, False), at_ms=story.clock + 1)
    story.flat(1_001_000)
    assert story.engine.fills == []

    story.flat(1_002_000)
    assert story.executions() == ["taker 0.1000 @ 1002000"]


def test_a_cancel_sent_within_a_bar_comes_after_the_fills_of_that_bar() -> None:
    story = Story()
    story.flat(1_000_000)
    order = story.send("buy long 0.1 limit", price=990_000)
    story.flat(1_000_000)
    story.engine.cancel(order.order_id, at_ms=story.clock + 1)
    story.bar(1_000_000, 1_000_000, 980_000, 990_000)

    assert story.statuses() == "FULLY_FILLED"


def test_a_negative_start_is_refused() -> None:
    with pytest.raises(EngineError, match="must not be negative"):
        Story(cash="-1")


@pytest.mark.parametrize(
    "settings",
    [
        {"slippage": Rate(-1)},
        {"slippage_ticks": Price(-1)},
        {"latency_ms": -1},
        {"volume_share": Rate(0)},
        {"volume_share": Rate.of("1.1")},
        {"judgement_hour_jst": 24},
        {"call_grace_hours": -1},
    ],
)
def test_settings_outside_their_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="matching engine"):
        EngineSettings(**settings)  # type: ignore[arg-type]


def test_bars_and_trades_may_follow_each_other() -> None:
    story = Story()
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=999_000)
    fills = story.engine.advance_trade(TradePrint(story.clock, 998_000, 10_000, Side.SELL))

    assert [fill.amount for fill in fills] == [Btc.of("0.1")]
