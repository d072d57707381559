"""Matching against trades and the top of the book."""

from scenarios import Story, request

from crypto_kedro.trading.money import Btc, Price, Rate
from crypto_kedro.trading.orders import Side
from crypto_kedro.trading.quotes import BookTop, TradePrint


class Tape(Story):
    """A story told in trades and book tops, one millisecond after the other."""

    def trades(self, side: str, amount: str, price: int) -> None:
        """Let the market trade; ``side`` is the taker's."""
        self.clock += 1
        self.engine.advance_trade(TradePrint(self.clock, price, Btc.of(amount).lots, Side(side)))

    def book(self, bid: int, ask: int, amount: str = "1") -> None:
        """Show a new top of the book with the same amount on both sides."""
        self.clock += 1
        lots = Btc.of(amount).lots
        self.engine.advance_book(BookTop(self.clock, bid, lots, ask, lots))


def opened(**settings: object) -> Tape:
    """A tape whose last trade was at 1,000,000 between a bid of 999,900 and an ask of 1,000,100."""
    tape = Tape(**settings)  # type: ignore[arg-type]
    tape.trades("buy", "0.1", 1_000_000)
    tape.book(999_900, 1_000_100)
    return tape


def test_market_orders_take_the_touch_of_their_side() -> None:
    tape = opened()
    tape.send("buy long 0.1 market")
    tape.book(999_900, 1_000_100)
    tape.send("sell long 0.1 market")
    tape.book(999_900, 1_000_100)

    assert tape.executions() == ["taker 0.1000 @ 1000100", "taker 0.1000 @ 999900"]


def test_market_order_beyond_the_shown_amount_is_rejected() -> None:
    tape = opened()
    tape.send("buy long 0.1001 market")
    tape.book(999_900, 1_000_100, amount="0.1")

    assert tape.statuses() == "REJECTED"


def test_orders_share_the_amount_shown_until_the_book_is_shown_again() -> None:
    tape = opened()
    tape.send("buy long 0.6 market")
    tape.send("buy long 0.6 market")
    tape.trades("buy", "0.1", 1_000_000)
    tape.send("buy long 0.6 market")
    tape.book(999_900, 1_000_100)

    assert tape.statuses() == "FULLY_FILLED REJECTED FULLY_FILLED"


def test_market_order_beyond_the_shown_amount_fills_when_depth_is_assumed() -> None:
    tape = opened(touch_limits_takers=False, slippage_ticks=Price(50))
    tape.send("buy long 0.5 market")
    tape.book(999_900, 1_000_100, amount="0.1")

    assert tape.executions() == ["taker 0.5000 @ 1000150"]


def test_resting_limit_fills_only_on_a_trade_through_it_by_the_other_side() -> None:
    tape = opened()
    tape.send("buy long 0.1 limit", price=999_800)
    tape.trades("sell", "1", 999_800)
    tape.trades("buy", "1", 999_799)
    assert tape.executions() == []

    tape.trades("sell", "0.06", 999_799)
    tape.trades("sell", "0.06", 999_790)
    assert tape.executions() == ["maker 0.0600 @ 999800", "maker 0.0400 @ 999800"]


def test_resting_limit_fills_at_touch_when_so_configured() -> None:
    tape = opened(fill_at_touch=True)
    tape.send("sell short 0.1 limit", price=1_000_200)
    tape.trades("buy", "0.1", 1_000_200)

    assert tape.executions() == ["maker 0.1000 @ 1000200"]


def test_a_share_of_the_traded_amount_limits_fills() -> None:
    tape = opened(volume_share=Rate.of("0.5"))
    tape.send("buy long 0.1 limit", price=999_800)
    tape.trades("sell", "0.1", 999_700)

    assert tape.executions() == ["maker 0.0500 @ 999800"]


def test_limit_that_meets_the_ask_takes_what_is_shown_and_rests_with_the_remainder() -> None:
    tape = opened()
    tape.send("buy long 0.3 limit", price=1_000_100)
    tape.book(999_900, 1_000_100, amount="0.1")

    assert tape.executions() == ["taker 0.1000 @ 1000100"]
    assert tape.statuses() == "PARTIALLY_FILLED"


def test_post_only_that_meets_the_ask_is_cancelled_and_joining_the_bid_is_fine() -> None:
    tape = opened()
    tape.send("buy long 0.1 limit", price=1_000_100, post_only=True)
    tape.send("buy long 0.1 limit", price=999_900, post_only=True)
    tape.book(999_900, 1_000_100)

    assert tape.statuses() == "CANCELED_UNFILLED UNFILLED"


def test_stop_fires_on_the_last_trade_and_sells_at_the_bid() -> None:
    tape = opened()
    tape.send("buy long 0.1 market")
    tape.book(999_900, 1_000_100)
    tape.send("sell long 0.1 stop", trigger=990_000)
    tape.book(985_000, 985_100)
    assert tape.statuses() == "FULLY_FILLED INACTIVE"

    tape.trades("sell", "0.1", 990_000)
    assert tape.executions()[1] == "taker 0.1000 @ 985000"


def test_position_is_liquidated_at_the_trade_that_passes_the_losscut() -> None:
    # 60,000 - 120.012 - (1,000,100 - p) * 0.1 is below a quarter of 100,010 from p = 651,325 down.
    tape = opened(cash="60000")
    tape.send("buy long 0.1 market")
    tape.book(999_900, 1_000_100)
    tape.book(651_000, 651_400)
    tape.trades("sell", "0.1", 651_326)
    assert tape.statuses() == "FULLY_FILLED"

    tape.trades("sell", "0.1", 651_325)
    assert tape.executions()[1] == "taker 0.1000 @ 651000"


def test_a_request_meets_the_market_of_its_arrival() -> None:
    tape = opened(latency_ms=2)
    tape.send("buy long 0.1 market")
    tape.book(999_900, 1_000_100)
    assert tape.executions() == []

    tape.book(1_000_000, 1_000_200)
    assert tape.executions() == ["taker 0.1000 @ 1000200"]


def test_interest_is_charged_by_the_clock_of_trades_too() -> None:
    tape = opened()
    tape.send("buy long 0.1 market")
    tape.book(999_900, 1_000_100)
    tape.jump_to("2025-06-02T15:00")
    tape.book(999_900, 1_000_100)

    assert str(tape.engine.account().long.unrealized_interest) == "40.004"


def test_without_a_book_takers_get_the_last_price() -> None:
    tape = Tape()
    tape.trades("buy", "0.1", 1_000_000)
    tape.engine.place(request("buy long 0.1 market", None, None, False))
    tape.trades("sell", "0.1", 1_000_500)

    assert tape.executions() == ["taker 0.1000 @ 1000500"]


def test_a_book_is_enough_to_start_trading() -> None:
    tape = Tape()
    tape.book(999_900, 1_000_100)
    tape.send("buy long 0.1 market")
    tape.book(999_900, 1_000_100)

    assert tape.executions() == ["taker 0.1000 @ 1000100"]
