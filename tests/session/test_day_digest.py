"""Specifies the figures of one JST day."""

from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.session.day_digest import day_closed
from crypto_kedro.session.notice import DayClosed
from crypto_kedro.trading.ledger import EquityPoint, jst_day_start_ms
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import Fill, Liquidity, OrderType, PositionSide, Side

DAY = 20_717  # 2026-09-21
MIDNIGHT_MS = jst_day_start_ms(DAY)
HOUR_MS = DAY_MS // 24
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def fill(hour: float, side: Side, position: PositionSide | None, lots: int, net: int = 0, fee: int = 0) -> Fill:
    return Fill(
        round(hour * 1000), 1, round(MIDNIGHT_MS + hour * HOUR_MS), side, position, OrderType.MARKET, Liquidity.TAKER,
        Price(15_000_000), Btc(lots), Jpy(0), Jpy.of(fee), Jpy.of(fee // 10), Jpy.of(net),
    )  # fmt: skip


def point(hour: float, equity: int) -> EquityPoint:
    return EquityPoint(round(MIDNIGHT_MS + hour * HOUR_MS), Jpy.of(equity))


def digest(fills: list[Fill], equity: list[EquityPoint], refusals: tuple[str, ...] = ()) -> DayClosed:
    return day_closed(DAY, fills, equity, bars=96, refusals=refusals, drawdown=0.05, incidents=2)


def test_given_trades_around_midnight_when_the_day_is_closed_then_each_counts_where_it_belongs() -> None:
    fills = [
        fill(-5, Side.BUY, LONG, 10),
        fill(-4, Side.SELL, LONG, 10, net=7777, fee=30),
        fill(-1, Side.BUY, LONG, 10),
        fill(0, Side.SELL, LONG, 4, net=-100, fee=10),
        fill(1, Side.SELL, LONG, 6, net=400, fee=20),
        fill(2, Side.SELL, SHORT, 5),
        fill(3, Side.SELL, SHORT, 5),
        fill(4, Side.BUY, SHORT, 10, net=-250, fee=40),
        fill(5, Side.BUY, None, 100),
        fill(23, Side.BUY, LONG, 3),
        fill(24, Side.SELL, LONG, 3, net=9999, fee=50),
    ]

    found = digest(fills, [])

    assert (found.net, found.fees, found.interest) == (Jpy.of(50), Jpy.of(70), Jpy.of(7))
    assert (found.opened, found.won, found.lost) == (2, 1, 1)


def test_given_equity_points_when_the_day_is_closed_then_the_last_one_up_to_its_end_counts() -> None:
    found = digest([], [point(-1, 900), point(0, 1000), point(23.9, 1100), point(24, 5000)])

    assert found.equity == Jpy.of(1100)
    assert found.curve == ((MIDNIGHT_MS, 1000.0), (MIDNIGHT_MS + round(23.9 * HOUR_MS), 1100.0))


def test_given_no_point_in_the_day_then_its_equity_is_that_of_the_day_before() -> None:
    found = digest([], [point(-1, 900)])

    assert (found.equity, found.curve) == (Jpy.of(900), ())


def test_given_no_point_at_all_then_the_equity_is_unknown() -> None:
    assert digest([], [point(25, 900)]).equity is None


def test_given_a_point_every_30_seconds_then_the_curve_keeps_200_with_both_ends() -> None:
    points = [point(24 * number / 2880, number) for number in range(2880)]

    curve = digest([], points).curve

    assert len(curve) == 200
    assert (curve[0][1], curve[-1][1]) == (0.0, 2879.0)
    assert len(set(curve)) == 200


def test_given_reasons_for_staying_flat_then_the_most_frequent_comes_first() -> None:
    found = digest([], [], ("spread", *["confidence"] * 3, "spread", "drawdown"))

    assert found.funnel == (("confidence", 3), ("spread", 2), ("drawdown", 1))
    assert (found.bars, found.drawdown, found.incidents) == (96, 0.05, 2)
