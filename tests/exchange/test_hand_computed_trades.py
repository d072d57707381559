"""Trades computed by hand.

Unless a story says otherwise: 1,000,000 JPY, taker 0.12%, maker -0.02%, interest 0.04% a night; 0.1 BTC at
1,000,000 JPY is a product of 100,000 JPY, which costs 120 JPY as taker and brings 20 as maker.
"""

from collections.abc import Callable

import pytest
from scenarios import RULES, Expected, Story, ms, rules_with, worked_out

from crypto_kedro.exchange.settings import StopConflict
from crypto_kedro.trading.money import Price, Rate
from crypto_kedro.trading.rules import RuleSchedule

Told = tuple[Story, Expected]
TRADES: list[Callable[[], Told]] = []


def trade(tell: Callable[[], Told]) -> Callable[[], Told]:
    """Put a story into the table."""
    TRADES.append(tell)
    return tell


def with_position(side: str, story: Story | None = None) -> Story:
    """A story that has just opened 0.1 BTC at 1,000,000 by a market order."""
    story = story or Story()
    story.flat(1_000_000)
    story.send(f"{'buy' if side == 'long' else 'sell'} {side} 0.1 market")
    story.flat(1_000_000)
    return story


@trade
def long_closed_at_market_with_profit() -> Told:
    story = with_position("long")
    story.send("sell long 0.1 market")
    story.flat(1_050_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 1050000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 + (1050000 - 1000000) * 0.1 - 100000 * 0.0012 - 105000 * 0.0012",
    )


@trade
def short_closed_at_market_with_profit() -> Told:
    story = with_position("short")
    story.send("buy short 0.1 market")
    story.flat(950_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 950000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 + (1000000 - 950000) * 0.1 - 120 - 95000 * 0.0012",
    )


@trade
def long_stopped_within_a_bar() -> Told:
    story = with_position("long")
    story.send("sell long 0.1 stop", trigger=980_000)
    story.bar(1_000_000, 1_005_000, 975_000, 990_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 980000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - (1000000 - 980000) * 0.1 - 120 - 98000 * 0.0012",
    )


@trade
def long_gaps_through_its_stop_and_fills_at_the_open() -> Told:
    story = with_position("long")
    story.send("sell long 0.1 stop", trigger=980_000)
    story.bar(950_000, 960_000, 940_000, 955_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 950000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - (1000000 - 950000) * 0.1 - 120 - 95000 * 0.0012",
    )


@trade
def short_gaps_through_its_stop_and_fills_at_the_open() -> Told:
    story = with_position("short")
    story.send("buy short 0.1 stop", trigger=1_020_000)
    story.bar(1_050_000, 1_060_000, 1_040_000, 1_045_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 1050000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - (1050000 - 1000000) * 0.1 - 120 - 105000 * 0.0012",
    )


@trade
def a_bar_that_touches_stop_and_target_stops_and_the_target_finds_no_position() -> Told:
    story = with_position("long")
    story.send("sell long 0.1 take_profit", trigger=1_030_000)
    story.send("sell long 0.1 stop", trigger=980_000)
    story.bar(1_000_000, 1_040_000, 970_000, 1_035_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 980000"],
        statuses="FULLY_FILLED CANCELED_UNFILLED FULLY_FILLED",
        cash="1000000 - 2000 - 120 - 98000 * 0.0012",
    )


@trade
def a_gap_beyond_the_target_is_known_at_the_open_and_comes_before_the_stop() -> Told:
    story = with_position("long")
    story.send("sell long 0.1 take_profit", trigger=1_030_000)
    story.send("sell long 0.1 stop", trigger=980_000)
    story.bar(1_040_000, 1_045_000, 970_000, 975_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 1040000"],
        statuses="FULLY_FILLED FULLY_FILLED CANCELED_UNFILLED",
        cash="1000000 + 4000 - 120 - 104000 * 0.0012",
    )


@trade
def whole_position_stop_loss_closes_what_was_added_later() -> Told:
    story = with_position("long")
    story.send("sell long all stop_loss", trigger=980_000)
    story.send("buy long 0.05 market")
    story.flat(1_000_000)
    story.bar(1_000_000, 1_000_000, 975_000, 976_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.0500 @ 1000000", "taker 0.1500 @ 980000"],
        statuses="FULLY_FILLED FULLY_FILLED FULLY_FILLED",
        cash="1000000 - (1000000 - 980000) * 0.15 - 150000 * 0.0012 - 147000 * 0.0012",
    )


@trade
def whole_position_stop_loss_that_finds_no_position_is_cancelled() -> Told:
    story = with_position("long")
    story.send("sell long all stop_loss", trigger=980_000)
    story.send("sell long 0.1 market")
    story.flat(1_000_000)
    story.bar(1_000_000, 1_000_000, 975_000, 976_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 1000000"],
        statuses="FULLY_FILLED CANCELED_UNFILLED FULLY_FILLED",
        cash="1000000 - 120 - 120",
    )


@trade
def stops_and_targets_of_one_bar_each_go_in_the_order_in_which_the_price_meets_them() -> Told:
    story = with_position("long")
    story.send("sell long 0.03 stop", trigger=970_000)
    story.send("sell long 0.01 stop", trigger=980_000)
    story.send("sell long 0.01 stop", trigger=975_000)
    story.send("sell long 0.02 take_profit", trigger=1_020_000)
    story.send("sell long 0.03 take_profit", trigger=1_010_000)
    story.bar(1_000_000, 1_020_000, 970_000, 1_000_000)
    return story, Expected(
        fills=[
            "taker 0.1000 @ 1000000",
            "taker 0.0100 @ 980000",
            "taker 0.0100 @ 975000",
            "taker 0.0300 @ 970000",
            "taker 0.0300 @ 1010000",
            "taker 0.0200 @ 1020000",
        ],
        statuses="FULLY_FILLED FULLY_FILLED FULLY_FILLED FULLY_FILLED FULLY_FILLED FULLY_FILLED",
        cash="1000000 - 200 - 250 - 900 + 300 + 400 - 120 - (9800 + 9750 + 29100 + 30300 + 20400) * 0.0012",
    )


@trade
def limit_entry_and_limit_exit_earn_the_maker_rebate_twice() -> Told:
    story = Story()
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=990_000)
    story.bar(1_000_000, 1_000_000, 989_999, 995_000)
    story.send("sell long 0.1 limit", price=1_010_000)
    story.bar(995_000, 1_010_001, 995_000, 1_000_000)
    return story, Expected(
        fills=["maker 0.1000 @ 990000", "maker 0.1000 @ 1010000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 + (1010000 - 990000) * 0.1 + 99000 * 0.0002 + 101000 * 0.0002",
    )


@trade
def limit_that_is_only_touched_does_not_fill() -> Told:
    story = Story()
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=990_000)
    story.bar(1_000_000, 1_000_000, 990_000, 995_000)
    return story, Expected(fills=[], statuses="UNFILLED", cash="1000000")


@trade
def limit_that_is_only_touched_fills_when_so_configured() -> Told:
    story = Story(fill_at_touch=True)
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=990_000)
    story.bar(1_000_000, 1_000_000, 990_000, 995_000)
    return story, Expected(fills=["maker 0.1000 @ 990000"], statuses="FULLY_FILLED", cash="1000000")


@trade
def resting_limit_that_the_market_gaps_past_fills_at_the_worst_price_of_the_bar() -> Told:
    story = Story()
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=990_000)
    story.flat(1_000_000)
    story.bar(980_000, 985_000, 975_000, 980_000)
    story.send("sell long 0.1 market")
    story.flat(985_000)
    return story, Expected(
        fills=["maker 0.1000 @ 985000", "taker 0.1000 @ 985000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 + 98500 * 0.0002 - 98500 * 0.0012",
    )


@trade
def limit_above_the_market_takes_at_the_open() -> Told:
    story = Story()
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=1_010_000)
    story.bar(1_001_000, 1_020_000, 1_000_000, 1_015_000)
    story.send("sell long 0.1 market")
    story.flat(1_001_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1001000", "taker 0.1000 @ 1001000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - 100100 * 0.0012 * 2",
    )


@trade
def post_only_that_would_take_is_cancelled() -> Told:
    story = Story()
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=1_010_000, post_only=True)
    story.bar(1_001_000, 1_020_000, 1_000_000, 1_015_000)
    return story, Expected(fills=[], statuses="CANCELED_UNFILLED", cash="1000000")


@trade
def post_only_that_rests_fills_as_maker() -> Told:
    story = Story()
    story.flat(1_000_000)
    story.send("sell short 0.1 limit", price=1_010_000, post_only=True)
    story.bar(1_001_000, 1_020_000, 1_000_000, 1_000_000)
    story.send("buy short 0.1 market")
    story.flat(1_000_000)
    return story, Expected(
        fills=["maker 0.1000 @ 1010000", "taker 0.1000 @ 1000000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 + (1010000 - 1000000) * 0.1 + 101000 * 0.0002 - 100000 * 0.0012",
    )


@trade
def limit_fills_in_parts_as_far_as_its_share_of_the_volume() -> Told:
    story = Story(volume_share=Rate.of("0.1"))
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=990_000)
    story.bar(1_000_000, 1_000_000, 980_000, 985_000, volume="0.6")
    story.bar(985_000, 985_000, 980_000, 985_000, volume="0.3")
    story.bar(985_000, 991_000, 985_000, 985_000, volume="5")
    return story, Expected(
        fills=["maker 0.0600 @ 990000", "maker 0.0300 @ 985000", "maker 0.0100 @ 990000"],
        statuses="FULLY_FILLED",
        cash="1000000",
    )


@trade
def partly_filled_order_is_cancelled() -> Told:
    story = Story(volume_share=Rate.of("0.1"))
    story.flat(1_000_000)
    order = story.send("buy long 0.1 limit", price=990_000)
    story.bar(1_000_000, 1_000_000, 980_000, 990_000, volume="0.4")
    story.engine.cancel(order.order_id)
    story.send("sell long 0.04 market")
    story.bar(1_000_000, 1_000_000, 1_000_000, 1_000_000, volume="0.4")
    return story, Expected(
        fills=["maker 0.0400 @ 990000", "taker 0.0400 @ 1000000"],
        statuses="CANCELED_PARTIALLY_FILLED FULLY_FILLED",
        cash="1000000 + (1000000 - 990000) * 0.04 + 39600 * 0.0002 - 40000 * 0.0012",
    )


@trade
def market_order_beyond_the_volume_is_rejected_whole() -> Told:
    story = Story(volume_share=Rate.of("0.1"))
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.bar(1_000_000, 1_000_000, 1_000_000, 1_000_000, volume="0.9999")
    return story, Expected(fills=[], statuses="REJECTED", cash="1000000")


@trade
def orders_share_the_volume_of_one_bar() -> Told:
    story = Story(volume_share=Rate.of("0.1"))
    story.flat(1_000_000)
    story.send("buy long 0.06 market")
    story.send("sell short 0.06 market")
    story.bar(1_000_000, 1_000_000, 1_000_000, 1_000_000, volume="1")
    return story, Expected(fills=["taker 0.0600 @ 1000000"], statuses="FULLY_FILLED REJECTED", cash="1000000")


@trade
def stop_limit_fills_at_its_trigger_when_the_limit_allows_it() -> Told:
    story = with_position("long")
    story.send("sell long 0.1 stop_limit", price=975_000, trigger=980_000)
    story.bar(1_000_000, 1_000_000, 970_000, 972_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 980000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - 2000 - 120 - 98000 * 0.0012",
    )


@trade
def stop_limit_does_not_fill_after_a_gap_below_its_limit() -> Told:
    story = with_position("long")
    story.send("sell long 0.1 stop_limit", price=975_000, trigger=980_000)
    story.bar(950_000, 960_000, 940_000, 955_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000"],
        statuses="FULLY_FILLED UNFILLED",
        cash="1000000",
    )


@trade
def stop_limit_left_by_a_gap_fills_as_maker_when_the_price_comes_back() -> Told:
    story = with_position("long")
    story.send("sell long 0.1 stop_limit", price=975_000, trigger=980_000)
    story.bar(950_000, 960_000, 940_000, 955_000)
    story.bar(955_000, 975_001, 955_000, 970_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "maker 0.1000 @ 975000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - 2500 - 120 + 97500 * 0.0002",
    )


@trade
def interest_of_two_nights_is_charged_when_closing() -> Told:
    story = with_position("long", Story(start="2025-06-02T14:58"))
    story.jump_to("2025-06-03T15:00")
    story.send("sell long 0.1 market")
    story.flat(1_000_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 1000000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - 120 - 120 - 2 * 100000 * 0.0004",
    )


@trade
def position_opened_at_midnight_and_closed_before_the_next_pays_no_interest() -> Told:
    story = with_position("short", Story(start="2025-06-02T14:59"))
    story.jump_to("2025-06-03T14:59")
    story.send("buy short 0.1 market")
    story.flat(1_000_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 1000000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - 120 - 120",
    )


@trade
def partial_close_pays_its_share_of_fee_and_interest() -> Told:
    story = with_position("short", Story(start="2025-06-02T14:58"))
    story.flat(1_000_000)
    story.send("buy short 0.04 market")
    story.flat(990_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.0400 @ 990000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 + 10000 * 0.04 - 120 * 0.4 - 39600 * 0.0012 - 40 * 0.4",
    )


@trade
def two_entries_are_averaged() -> Told:
    story = with_position("long")
    story.send("buy long 0.2 market")
    story.flat(1_030_000)
    story.send("sell long 0.3 market")
    story.flat(1_040_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.2000 @ 1030000", "taker 0.3000 @ 1040000"],
        statuses="FULLY_FILLED FULLY_FILLED FULLY_FILLED",
        cash="1000000 + 1040000 * 0.3 - 100000 - 206000 - (100000 + 206000 + 312000) * 0.0012",
    )


@trade
def long_and_short_of_one_pair_are_separate_positions() -> Told:
    story = with_position("long")
    story.send("sell short 0.2 market")
    story.flat(1_010_000)
    story.send("sell long 0.1 market")
    story.send("buy short 0.2 market")
    story.flat(1_000_000)
    return story, Expected(
        fills=[
            "taker 0.1000 @ 1000000",
            "taker 0.2000 @ 1010000",
            "taker 0.1000 @ 1000000",
            "taker 0.2000 @ 1000000",
        ],
        statuses="FULLY_FILLED FULLY_FILLED FULLY_FILLED FULLY_FILLED",
        cash="1000000 + 10000 * 0.2 - (100000 + 202000 + 100000 + 200000) * 0.0012",
    )


@trade
def long_is_liquidated_at_a_quarter_of_its_product() -> Told:
    # 60,000 - 120 - (1,000,000 - p) * 0.1 falls below 25,000 at p < 651,200, so first at 651,199.
    story = with_position("long", Story(cash="60000"))
    story.send("sell long 0.1 stop", trigger=640_000)
    story.bar(1_000_000, 1_000_000, 600_000, 700_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 651199"],
        statuses="FULLY_FILLED CANCELED_UNFILLED FULLY_FILLED",
        cash="60000 - (1000000 - 651199) * 0.1 - 120 - 78.1439",
    )


@trade
def short_is_liquidated_at_a_quarter_of_its_product() -> Told:
    # 60,000 - 120 - (p - 1,000,000) * 0.1 falls below 25,000 at p > 1,348,800, so first at 1,348,801.
    story = with_position("short", Story(cash="60000"))
    story.bar(1_000_000, 1_400_000, 1_000_000, 1_300_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 1348801"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="60000 - (1348801 - 1000000) * 0.1 - 120 - 161.8561",
    )


@trade
def a_stop_nearer_than_the_losscut_comes_first() -> Told:
    story = with_position("long", Story(cash="60000"))
    story.send("sell long 0.1 stop", trigger=700_000)
    story.bar(1_000_000, 1_000_000, 600_000, 650_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 700000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="60000 - 30000 - 120 - 70000 * 0.0012",
    )


@trade
def a_short_stop_nearer_than_the_losscut_comes_first() -> Told:
    story = with_position("short", Story(cash="60000"))
    story.send("buy short 0.1 stop", trigger=1_300_000)
    story.bar(1_000_000, 1_400_000, 1_000_000, 1_350_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 1300000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="60000 - 30000 - 120 - 130000 * 0.0012",
    )


@trade
def a_liquidation_cancels_the_margin_orders_and_leaves_spot_alone() -> Told:
    story = with_position("long", Story(cash="60000", btc="0.001"))
    story.send("buy long 0.01 limit", price=500_000)
    story.send("sell spot 0.001 limit", price=1_100_000)
    story.bar(600_000, 600_000, 600_000, 600_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 600000"],
        statuses="FULLY_FILLED CANCELED_UNFILLED UNFILLED FULLY_FILLED",
        cash="60000 - 40000 - 120 - 60000 * 0.0012",
    )


@trade
def a_sale_of_btc_pays_the_debt_of_a_liquidation() -> Told:
    # The gap leaves a debt of 70,000 + 120 + 36 - 60,000 = 10,156; 0.05 BTC at 300,000 brings 15,000 less 18.
    story = with_position("long", Story(cash="60000", btc="0.05"))
    story.flat(300_000)
    story.send("sell spot 0.05 market")
    story.flat(300_000)
    assert story.engine.account().payable.decimal == 0
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 300000", "taker 0.0500 @ 300000"],
        statuses="FULLY_FILLED FULLY_FILLED FULLY_FILLED",
        cash="15000 - 18 - 10156",
    )


@trade
def a_hedge_that_is_liquidated_pays_the_loss_of_the_other_side() -> Told:
    # 0.08 BTC net long lose 56,000 of 61,000: the long ends 9,156 in debt, the short then brings 14,000 - 24 - 7.2.
    story = with_position("long", Story(cash="61000"))
    story.send("sell short 0.02 market")
    story.flat(1_000_000)
    story.flat(300_000)
    assert story.engine.account().payable.decimal == 0
    return story, Expected(
        fills=[
            "taker 0.1000 @ 1000000",
            "taker 0.0200 @ 1000000",
            "taker 0.1000 @ 300000",
            "taker 0.0200 @ 300000",
        ],
        statuses="FULLY_FILLED FULLY_FILLED FULLY_FILLED FULLY_FILLED",
        cash="14000 - 24 - 7.2 - 9156",
    )


@trade
def a_gap_past_the_losscut_leaves_no_cash_below_zero() -> Told:
    story = with_position("long", Story(cash="60000"))
    story.bar(300_000, 310_000, 290_000, 300_000)
    assert story.engine.account().payable.decimal == worked_out("(1000000 - 300000) * 0.1 + 120 + 36 - 60000")
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 300000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="0",
    )


@trade
def an_entry_within_a_bar_that_falls_past_the_losscut_is_liquidated_at_its_low() -> Told:
    # Bought at 900,000 for 90,000: 60,000 + 18 - (900,000 - p) * 0.1 is below 22,500 from p = 524,819 down.
    story = Story(cash="60000")
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=900_000)
    story.bar(1_000_000, 1_000_000, 400_000, 800_000)
    return story, Expected(
        fills=["maker 0.1000 @ 900000", "taker 0.1000 @ 400000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="60000 - 50000 + 90000 * 0.0002 - 40000 * 0.0012",
    )


@trade
def an_entry_within_a_bar_that_rises_past_the_losscut_is_liquidated_at_its_high() -> Told:
    # Sold at 1,100,000 for 110,000: 60,000 + 22 - (p - 1,100,000) * 0.1 is below 27,500 from p = 1,425,221 up.
    story = Story(cash="60000")
    story.flat(1_000_000)
    story.send("sell short 0.1 limit", price=1_100_000)
    story.bar(1_000_000, 1_500_000, 1_000_000, 1_100_000)
    return story, Expected(
        fills=["maker 0.1000 @ 1100000", "taker 0.1000 @ 1500000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="60000 - 40000 + 110000 * 0.0002 - 150000 * 0.0012",
    )


@trade
def a_margin_call_ends_with_its_position() -> Told:
    story = with_position("long", Story(cash="52000", start="2025-06-02T05:50"))
    story.jump_to("2025-06-02T06:00")
    story.flat(970_000)
    story.send("sell long 0.1 market")
    story.flat(970_000)
    story.send("buy long 0.05 market")
    story.flat(970_000)
    assert story.engine.account().margin.call_due_at_ms is None
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 970000", "taker 0.0500 @ 970000"],
        statuses="FULLY_FILLED FULLY_FILLED FULLY_FILLED",
        cash="52000 - 3000 - 120 - 97000 * 0.0012",
    )


@trade
def unmet_margin_call_is_liquidated_a_day_later() -> Told:
    # 52,000 - 120 - 3,000 of loss is below half of 100,000 at 15:00 JST (06:00 UTC) on two days; one night costs 40.
    story = with_position("long", Story(cash="52000", start="2025-06-02T05:50"))
    story.jump_to("2025-06-02T06:00")
    story.flat(970_000)
    assert story.engine.account().margin.call_due_at_ms == ms("2025-06-03T06:00")
    story.jump_to("2025-06-03T06:00")
    story.flat(970_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 970000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="52000 - 3000 - 120 - 97000 * 0.0012 - 40",
    )


@trade
def margin_call_ends_when_the_ratio_has_recovered() -> Told:
    story = with_position("long", Story(cash="52000", start="2025-06-02T05:50"))
    story.jump_to("2025-06-02T06:00")
    story.flat(970_000)
    story.jump_to("2025-06-03T06:00")
    story.flat(990_000)
    assert story.engine.account().margin.call_due_at_ms is None
    return story, Expected(fills=["taker 0.1000 @ 1000000"], statuses="FULLY_FILLED", cash="52000")


@trade
def fees_of_both_sides_follow_their_own_dates() -> Told:
    later = rules_with(
        margin_open_taker_fee=Rate.of("0.001"),
        margin_close_taker_fee=Rate.of("0.001"),
        long_interest_per_day=Rate.of("0.0005"),
    )
    schedule = RuleSchedule((0, ms("2026-02-01T15:00")), (RULES, later))
    story = with_position("long", Story(rules=schedule, start="2026-01-31T14:58"))
    story.jump_to("2026-02-01T15:00")
    story.send("sell long 0.1 market")
    story.flat(1_000_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 1000000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - 120 - 100000 * 0.001 - 100000 * 0.0004 - 100000 * 0.0005",
    )


@trade
def spot_is_bought_and_sold_with_a_fee_each() -> Told:
    story = Story()
    story.flat(1_000_000)
    story.send("buy spot 0.5 market")
    story.flat(1_000_000)
    story.send("sell spot 0.5 market")
    story.flat(1_100_000)
    return story, Expected(
        fills=["taker 0.5000 @ 1000000", "taker 0.5000 @ 1100000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - 500000 - 600 + 550000 - 660",
    )


@trade
def spot_limit_takes_all_the_cash_that_it_locked() -> Told:
    story = Story(cash="100120")
    story.flat(1_000_000)
    story.send("buy spot 0.1 limit", price=1_000_000)
    story.bar(1_000_000, 1_000_000, 999_999, 1_000_000)
    return story, Expected(
        fills=["maker 0.1000 @ 1000000"],
        statuses="FULLY_FILLED",
        cash="100120 - 100000 + 20",
    )


@trade
def spot_limit_that_a_risen_fee_puts_out_of_reach_is_cancelled() -> Told:
    schedule = RuleSchedule((0, ms("2025-06-02T00:02")), (RULES, rules_with(spot_maker_fee=Rate.of("0.005"))))
    story = Story(cash="100120", rules=schedule)
    story.flat(1_000_000)
    story.send("buy spot 0.1 limit", price=1_000_000)
    story.flat(1_000_000)
    story.bar(1_000_000, 1_000_000, 999_999, 1_000_000)
    return story, Expected(fills=[], statuses="CANCELED_UNFILLED", cash="100120")


@trade
def spot_market_buy_that_outgrew_the_cash_is_rejected() -> Told:
    story = Story(cash="121000")
    story.flat(1_000_000)
    story.send("buy spot 0.1 market")
    story.flat(1_300_000)
    return story, Expected(fills=[], statuses="REJECTED", cash="121000")


@trade
def a_margin_loss_drops_the_spot_buy_that_it_leaves_without_cover() -> Told:
    # The spot buy holds 48,000 * 1.0012 = 48,057.6 JPY; the loss leaves 44,826.
    story = with_position("long", Story(cash="100000"))
    story.send("buy spot 0.12 limit", price=400_000)
    story.send("sell long 0.1 stop", trigger=900_000)
    story.bar(450_000, 460_000, 440_000, 450_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 450000"],
        statuses="FULLY_FILLED CANCELED_UNFILLED FULLY_FILLED",
        cash="100000 - 55000 - 120 - 45000 * 0.0012",
    )


@trade
def takers_lose_the_slippage_rounded_up_to_a_tick() -> Told:
    story = Story(slippage=Rate.of("0.0005"), slippage_ticks=Price(3))
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.flat(1_000_001)
    story.send("sell long 0.1 market")
    story.flat(1_000_001)
    return story, Expected(
        fills=["taker 0.1000 @ 1000505", "taker 0.1000 @ 999497"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - (1000505 - 999497) * 0.1 - 120.0606 - 119.9396",
    )


@trade
def slippage_of_a_taking_limit_ends_at_its_limit() -> Told:
    story = Story(slippage=Rate.of("0.01"))
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=1_005_000)
    story.flat(1_000_000)
    return story, Expected(fills=["taker 0.1000 @ 1005000"], statuses="FULLY_FILLED", cash="1000000")


@trade
def with_latency_an_order_misses_the_next_open() -> Told:
    story = Story(latency_ms=1)
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.flat(1_010_000)
    story.flat(1_020_000)
    return story, Expected(fills=["taker 0.1000 @ 1020000"], statuses="FULLY_FILLED", cash="1000000")


@trade
def with_latency_a_stop_does_not_protect_before_it_has_arrived() -> Told:
    story = Story(latency_ms=1)
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.flat(1_000_000)
    story.flat(1_000_000)
    story.send("sell long 0.1 stop", trigger=980_000)
    story.bar(975_000, 1_000_000, 970_000, 1_000_000)
    story.bar(1_000_000, 1_000_000, 979_000, 990_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 980000"],
        statuses="FULLY_FILLED FULLY_FILLED",
        cash="1000000 - 2000 - 120 - 98000 * 0.0012",
    )


@trade
def with_latency_a_stop_does_not_fire_within_the_bar_of_its_arrival() -> Told:
    story = Story(latency_ms=1)
    story.flat(1_000_000)
    story.send("buy long 0.1 market")
    story.flat(1_000_000)
    story.flat(1_000_000)
    story.send("sell long 0.1 stop", trigger=980_000)
    story.bar(1_000_000, 1_000_000, 970_000, 1_000_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000"],
        statuses="FULLY_FILLED INACTIVE",
        cash="1000000",
    )


@trade
def with_latency_a_limit_does_not_fill_before_it_has_arrived() -> Told:
    story = Story(latency_ms=1)
    story.flat(1_000_000)
    story.send("buy long 0.1 limit", price=980_000)
    story.bar(975_000, 1_000_000, 970_000, 1_000_000)
    story.bar(1_000_000, 1_000_000, 979_999, 990_000)
    return story, Expected(fills=["maker 0.1000 @ 980000"], statuses="FULLY_FILLED", cash="1000000")


@trade
def with_latency_a_cancel_comes_too_late() -> Told:
    story = Story(latency_ms=500)
    story.flat(1_000_000)
    order = story.send("buy long 0.1 limit", price=990_000)
    story.flat(1_000_000)
    story.flat(1_000_000)
    story.engine.cancel(order.order_id)
    story.bar(1_000_000, 1_000_000, 980_000, 990_000)
    return story, Expected(fills=["maker 0.1000 @ 990000"], statuses="FULLY_FILLED", cash="1000000")


@trade
def nothing_fills_in_a_halt_and_the_stop_fires_at_the_reopening() -> Told:
    story = with_position("long")
    story.send("sell long 0.1 stop", trigger=980_000)
    story.send("buy long 0.1 market")
    story.bar(1_000_000, 1_000_000, 1_000_000, 1_000_000, volume="0", gap=2)
    story.bar(1_000_000, 1_000_000, 1_000_000, 1_000_000, volume="0", gap=2)
    story.bar(940_000, 945_000, 930_000, 945_000, gap=2)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 940000"],
        statuses="FULLY_FILLED FULLY_FILLED REJECTED",
        cash="1000000 - 6000 - 120 - 94000 * 0.0012",
    )


@trade
def a_fired_stop_whose_amount_a_limit_holds_leaves_the_position_open() -> Told:
    story = with_position("long")
    story.send("sell long 0.1 limit", price=1_030_000)
    story.send("sell long 0.1 stop", trigger=980_000)
    story.bar(1_000_000, 1_000_000, 970_000, 975_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000"],
        statuses="FULLY_FILLED UNFILLED CANCELED_UNFILLED",
        cash="1000000",
    )


@trade
def a_fired_stop_takes_its_amount_back_from_a_limit_when_so_configured() -> Told:
    story = with_position("long", Story(stop_conflict=StopConflict.YIELD))
    story.send("sell long 0.1 limit", price=1_030_000)
    story.send("sell long 0.1 stop", trigger=980_000)
    story.bar(1_000_000, 1_000_000, 970_000, 975_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 980000"],
        statuses="FULLY_FILLED CANCELED_UNFILLED FULLY_FILLED",
        cash="1000000 - 2000 - 120 - 98000 * 0.0012",
    )


@trade
def sleeping_orders_fall_with_their_position_when_so_configured() -> Told:
    story = with_position("long", Story(cancel_orphans=True))
    story.send("sell long 0.1 take_profit", trigger=1_030_000)
    story.send("sell long 0.1 stop", trigger=980_000)
    story.bar(1_000_000, 1_000_000, 970_000, 975_000)
    return story, Expected(
        fills=["taker 0.1000 @ 1000000", "taker 0.1000 @ 980000"],
        statuses="FULLY_FILLED CANCELED_UNFILLED FULLY_FILLED",
        cash="1000000 - 2000 - 120 - 98000 * 0.0012",
    )


@pytest.mark.parametrize("tell", [pytest.param(tell, id=tell.__name__) for tell in TRADES])
def test_trade_matches_the_hand_computed_one(tell: Callable[[], Told]) -> None:
    story, expected = tell()

    assert story.executions() == expected.fills
    assert story.statuses() == expected.statuses
    assert story.cash == worked_out(expected.cash)
