"""Figures of an account: by hand where they are money, and as empyrical reckons them where they are statistics."""

import empyrical
import numpy as np
import pandas as pd
import pytest

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.intervals import wilson_interval
from crypto_kedro.learning.performance import (
    AccountHistory,
    by_jst_hour,
    by_month,
    by_volatility,
    daily_growth,
    max_drawdown,
    measure_account,
    sharpe_ratio,
)

CAPITAL = 100_000.0
HOUR = pd.Timedelta(hours=1)


def equity_frame(values: list[float] | np.ndarray, *, start: str = "2018-01-01", step: str = "1D") -> pd.DataFrame:
    at = pd.date_range(start, periods=len(values), freq=step, tz="UTC").as_unit("ms")
    return pd.DataFrame({"timestamp": at, "equity_jpy": values, "position_btc": 0.0, "close_jpy": 1_000_000.0})


def trade_frame(*trades: dict[str, object]) -> pd.DataFrame:
    usual = {
        "side": 1,
        "opened_at": "2018-01-01T01:00Z",
        "closed_at": "2018-01-01T02:00Z",
        "entry_price_jpy": 1_000_000.0,
        "exit_price_jpy": 1_000_000.0,
        "amount_btc": 0.01,
        "gross_jpy": 0.0,
        "fee_jpy": 0.0,
        "interest_jpy": 0.0,
        "exit_reason": "take_profit",
        "mae_jpy": 0.0,
        "mfe_jpy": 0.0,
    }
    frame = pd.DataFrame([usual | trade for trade in trades] or [usual])
    frame["net_jpy"] = frame["gross_jpy"] - frame["fee_jpy"] - frame["interest_jpy"]
    for column in ("opened_at", "closed_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True).dt.as_unit("ms")
    return frame if trades else frame.iloc[:0]


def random_account(days: int = 200) -> AccountHistory:
    returns = np.random.default_rng(7).normal(0.001, 0.02, days)
    return AccountHistory(equity_frame(CAPITAL * np.cumprod(1 + returns)), trade_frame(), CAPITAL)


def test_three_trades_are_summed_by_hand() -> None:
    trades = trade_frame(
        {"exit_price_jpy": 1_060_000.0, "gross_jpy": 600.0, "fee_jpy": 20.0, "mae_jpy": -50.0, "mfe_jpy": 700.0},
        {"side": -1, "exit_price_jpy": 1_030_000.0, "gross_jpy": -300.0, "fee_jpy": 20.0, "interest_jpy": 4.0},
        {"gross_jpy": 10.0, "fee_jpy": 20.0, "mae_jpy": -10.0, "mfe_jpy": 20.0},
    )
    equity = equity_frame([CAPITAL, CAPITAL + 580, CAPITAL + 256, CAPITAL + 246], step="15min")
    equity["position_btc"] = [0.01, 0.0, -0.01, 0.0]
    figures = measure_account(AccountHistory(equity, trades, CAPITAL))
    assert (figures.gross_jpy, figures.fee_jpy, figures.interest_jpy, figures.net_jpy) == (310.0, 60.0, 4.0, 246.0)
    assert figures.net_profit_jpy == pytest.approx(246.0, abs=1e-9)
    assert figures.net_profit == pytest.approx(0.00246, abs=1e-12)
    assert figures.profit_factor == pytest.approx(580 / 334, abs=1e-12)
    assert figures.expectancy_jpy == 82.0
    assert (figures.trades, figures.hits, figures.hit_rate) == (3, 1, 1 / 3)
    assert figures.hit_rate_interval == wilson_interval(1, 3, 0.95)
    assert figures.exposure == 0.5
    # 20,600 + 20,300 + 20,000 JPY bought and sold, mean equity 100,270.5 JPY.
    assert figures.turnover == pytest.approx(60_900 / 100_270.5, abs=1e-12)
    assert (figures.mean_mae_jpy, figures.mean_mfe_jpy) == (-20.0, 240.0)


def test_a_drawdown_is_measured_from_its_peak_and_in_time_below_it() -> None:
    equity = equity_frame([110_000.0, 99_000.0, 105_000.0, 110_000.0, 120_000.0, 114_000.0], step="12h")
    figures = measure_account(AccountHistory(equity, trade_frame(), CAPITAL))
    assert figures.max_drawdown == pytest.approx(0.1, abs=1e-12)
    assert figures.longest_drawdown_days == 1.0


def test_a_loss_in_the_first_bar_falls_from_the_capital() -> None:
    figures = measure_account(AccountHistory(equity_frame([90_000.0, 95_000.0, 99_000.0]), trade_frame(), CAPITAL))
    assert figures.max_drawdown == pytest.approx(0.1, abs=1e-12)
    assert figures.longest_drawdown_days == 3.0


def test_without_trades_nothing_is_claimed() -> None:
    figures = measure_account(AccountHistory(equity_frame([CAPITAL] * 40), trade_frame(), CAPITAL))
    undefined = (figures.sharpe, figures.sortino, figures.calmar, figures.hit_rate, figures.profit_factor)
    assert undefined == (None,) * 5
    assert (figures.expectancy_jpy, figures.mean_mae_jpy) == (None, None)
    assert (figures.net_profit, figures.max_drawdown, figures.turnover, figures.exposure) == (0.0, 0.0, 0.0, 0.0)
    assert (figures.hit_rate_interval.low, figures.hit_rate_interval.high) == (0.0, 1.0)


def test_a_record_of_days_is_not_stretched_to_a_year() -> None:
    rising = CAPITAL * 1.01 ** np.arange(1, 31)
    short = measure_account(AccountHistory(equity_frame(rising[:29]), trade_frame(), CAPITAL))
    enough = measure_account(AccountHistory(equity_frame(rising), trade_frame(), CAPITAL))
    assert short.cagr is None
    assert enough.cagr == pytest.approx(1.01**365 - 1, rel=1e-9)


def test_an_account_that_lost_everything_has_no_returns() -> None:
    equity = np.full(40, CAPITAL)
    equity[20:] = [-500.0] * 20
    figures = measure_account(AccountHistory(equity_frame(equity), trade_frame(), CAPITAL))
    assert (figures.cagr, figures.sharpe, figures.sortino, figures.calmar) == (None, None, None, None)
    assert figures.net_profit_jpy == -100_500.0
    assert figures.max_drawdown == pytest.approx(1.005, abs=1e-12)


def test_the_figures_agree_with_empyrical_on_the_same_daily_series() -> None:
    history = random_account()
    figures, returns = measure_account(history), daily_series(history)
    assert figures.sharpe == pytest.approx(empyrical.sharpe_ratio(returns, annualization=365), abs=1e-9)
    assert figures.sortino == pytest.approx(empyrical.sortino_ratio(returns, annualization=365), abs=1e-9)
    assert figures.cagr == pytest.approx(empyrical.cagr(returns, annualization=365), abs=1e-9)
    assert figures.calmar == pytest.approx(empyrical.calmar_ratio(returns, annualization=365), abs=1e-9)
    assert -figures.max_drawdown == pytest.approx(empyrical.max_drawdown(returns), abs=1e-9)
    assert figures.net_profit == pytest.approx(empyrical.cum_returns_final(returns), abs=1e-9)


def daily_series(history: AccountHistory) -> "pd.Series[float]":
    return pd.Series(daily_growth(history), index=pd.DatetimeIndex(history.equity["timestamp"]).tz_localize(None))


def test_bars_within_a_day_make_one_return_a_utc_day() -> None:
    equity = equity_frame([101_000.0, 102_000.0, 103_000.0, 102_000.0, 104_040.0], start="2018-01-01T16:00", step="4h")
    growth = daily_growth(AccountHistory(equity, trade_frame(), CAPITAL))
    assert growth == pytest.approx([0.02, 0.02], abs=1e-12)


def test_months_add_up_to_the_account_and_hold_their_own_trades() -> None:
    equity = equity_frame([101_000.0, 110_000.0, 99_000.0, 104_500.0], start="2018-01-30")
    trades = trade_frame(
        {"closed_at": "2018-01-31T23:59Z", "gross_jpy": 10_000.0},
        {"closed_at": "2018-02-01T00:00Z", "gross_jpy": -5_500.0},
    )
    months = by_month(AccountHistory(equity, trades, CAPITAL))
    assert months["month"].tolist() == ["2018-01", "2018-02"]
    assert months["profit_jpy"].tolist() == [10_000.0, -5_500.0]
    assert months["profit"].tolist() == pytest.approx([0.1, -0.05])
    assert months["max_drawdown"].tolist() == pytest.approx([0.0, 0.1])
    assert months["trades"].tolist() == [1, 1]
    assert months["net_jpy"].tolist() == [10_000.0, -5_500.0]


def test_hours_are_those_of_japan() -> None:
    trades = trade_frame(
        {"opened_at": "2018-01-01T15:30Z", "gross_jpy": 5.0}, {"opened_at": "2018-01-02T15:00Z", "gross_jpy": -3.0}
    )
    hours = by_jst_hour(AccountHistory(equity_frame([CAPITAL] * 3), trades, CAPITAL))
    assert hours["group"].tolist() == list(range(24))
    midnight = hours.iloc[0]
    assert (midnight["trades"], midnight["hit_rate"], midnight["net_jpy"], midnight["expectancy_jpy"]) == (2, 0.5, 2, 1)
    assert hours["trades"].sum() == 2


def calm_then_wild() -> pd.DataFrame:
    equity = equity_frame([CAPITAL] * 90, step="1h")
    step = np.repeat([0.0001, 0.001, 0.01], 30) * np.tile([1, -1], 45)
    return equity.assign(close_jpy=1_000_000 * np.exp(np.cumsum(step)))


def test_a_trade_belongs_to_the_volatility_that_was_known_when_it_opened() -> None:
    equity = calm_then_wild()
    opened = [equity["timestamp"].iloc[row] + HOUR for row in (1, 15, 45, 75)]
    trades = trade_frame(*({"opened_at": at, "gross_jpy": 1.0} for at in opened))
    regimes = by_volatility(AccountHistory(equity, trades, CAPITAL), window=4)
    assert regimes["group"].tolist() == ["low", "medium", "high"]
    assert regimes["trades"].tolist() == [1, 1, 1]


def test_bars_after_the_opening_do_not_move_a_trades_volatility() -> None:
    equity = calm_then_wild()
    # The bar of row 60 is the first wild one; it closes a millisecond after this trade opened.
    opened = equity["timestamp"].iloc[60] + HOUR - pd.Timedelta(milliseconds=1)
    regimes = by_volatility(AccountHistory(equity, trade_frame({"opened_at": opened}), CAPITAL), window=4)
    assert regimes["trades"].tolist() == [0, 1, 0]


def test_a_history_shorter_than_the_window_has_no_regimes() -> None:
    history = AccountHistory(equity_frame([CAPITAL] * 3), trade_frame({"gross_jpy": 1.0}), CAPITAL)
    assert by_volatility(history)["trades"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("equity", "trades", "capital", "message"),
    [
        (equity_frame([1.0, 2.0]).drop(columns="close_jpy"), trade_frame(), 1.0, "equity: the frame lacks close_jpy"),
        (equity_frame([1.0, 2.0]), trade_frame().drop(columns="mae_jpy"), 1.0, "trades: the frame lacks mae_jpy"),
        (equity_frame([1.0, 2.0]).iloc[::-1], trade_frame(), 1.0, "oldest first"),
        (equity_frame([1.0]), trade_frame(), 1.0, "two bars or more"),
        (equity_frame([1.0, 2.0]), trade_frame(), 0.0, "give a capital above 0"),
        (equity_frame([1.0, 2.0]), trade_frame({}).assign(net_jpy=1.0), 1.0, "net_jpy is not gross less"),
        (equity_frame([1.0, 2.0]), trade_frame({}).assign(net_jpy=np.nan), 1.0, "net_jpy is not gross less"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    equity: pd.DataFrame, trades: pd.DataFrame, capital: float, message: str
) -> None:
    with pytest.raises(LearningError, match=message):
        AccountHistory(equity, trades, capital)


def test_drawdown_counts_from_the_highest_capital_so_far_including_the_start() -> None:
    assert max_drawdown(np.array([0.9, 1.2, 0.6, 1.5])) == pytest.approx(0.5)
    assert max_drawdown(np.array([0.9, 0.95])) == pytest.approx(0.1)


def test_sharpe_ratio_is_annualised_over_365_days_and_undefined_without_variation() -> None:
    assert sharpe_ratio(np.array([0.01, 0.03])) == pytest.approx(0.02 / np.sqrt(0.0002) * np.sqrt(365))
    assert sharpe_ratio(np.array([0.01, 0.01, 0.01])) is None
    assert sharpe_ratio(np.array([0.01])) is None
