"""What an account earned, at what risk and cost: figures of an equity series and of the trades behind it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from crypto_kedro.errors import LearningError
from crypto_kedro.learning.intervals import Interval, wilson_interval
from crypto_kedro.market.bars import DAY_MS, FloatArray
from crypto_kedro.market.frame import TIMESTAMP_DTYPE, open_times

EQUITY_COLUMNS = ("timestamp", "equity_jpy", "position_btc", "close_jpy")
TRADE_COLUMNS = (
    "side",
    "opened_at",
    "closed_at",
    "entry_price_jpy",
    "exit_price_jpy",
    "amount_btc",
    "gross_jpy",
    "fee_jpy",
    "interest_jpy",
    "net_jpy",
    "exit_reason",
    "mae_jpy",
    "mfe_jpy",
)
REGIMES = ("low", "medium", "high")
DAYS_PER_YEAR = 365
LEAST_DAYS_TO_ANNUALISE = 30
_YEN_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class AccountHistory:
    """The record of one account, without money moved in or out.

    Args:
        equity: one row a bar, oldest first: ``timestamp`` (UTC, the bar's open time), ``equity_jpy`` at its close (cash
            and open position), ``position_btc`` at its close (negative for short), ``close_jpy`` (price of 1 BTC).
        trades: one row a closed trade: ``side`` (1 long, -1 short), ``opened_at`` and ``closed_at`` (UTC), average
            ``entry_price_jpy`` and ``exit_price_jpy``, ``amount_btc``, ``gross_jpy`` (from the prices of the fills, so
            after spread and slippage), ``fee_jpy`` and ``interest_jpy`` (positive when paid),
            ``net_jpy`` (gross less both), ``exit_reason``, ``mae_jpy`` (deepest loss while it was open, 0 or
            negative) and ``mfe_jpy`` (highest gain while it was open, 0 or positive).
        capital_jpy: what the account held before the first bar.

    Raises:
        LearningError: a column is missing, the bars are too few or out of order, the capital is not positive, or a
            trade's net is not its gross less its costs.
    """

    equity: pd.DataFrame
    trades: pd.DataFrame
    capital_jpy: float

    def __post_init__(self) -> None:
        for name, frame, columns in (("equity", self.equity, EQUITY_COLUMNS), ("trades", self.trades, TRADE_COLUMNS)):
            missing = [column for column in columns if column not in frame.columns]
            if missing:
                raise LearningError(f"{name}: the frame lacks {', '.join(missing)}; run the backtest again")
        if len(self.equity) < 2 or np.any(np.diff(open_times(self.equity)) <= 0):
            raise LearningError("equity: it needs two bars or more, oldest first, none twice; run the backtest again")
        if self.capital_jpy <= 0:
            raise LearningError(f"equity: it starts from {self.capital_jpy:g} JPY; give a capital above 0")
        trades = self.trades
        error = trades["gross_jpy"] - trades["fee_jpy"] - trades["interest_jpy"] - trades["net_jpy"]
        if np.any(~(np.abs(error.to_numpy(dtype=np.float64)) <= _YEN_TOLERANCE)):
            raise LearningError("trades: net_jpy is not gross less fee and interest; run the backtest again")

    @property
    def bar_ms(self) -> int:
        """Length of a bar in milliseconds: the shortest step between two bars."""
        return int(np.diff(open_times(self.equity)).min())

    @property
    def growth(self) -> FloatArray:
        """Equity as a multiple of the starting capital, shape (bars,)."""
        growth: FloatArray = self.equity["equity_jpy"].to_numpy(dtype=np.float64) / self.capital_jpy
        return growth


@dataclass(frozen=True, slots=True)
class AccountPerformance:
    """Figures of an `AccountHistory`; None where a figure is undefined. Ratios rest on daily (UTC) returns.

    Args:
        days: UTC days with a bar.
        net_profit_jpy, net_profit: of the account, an open position included; the second as a fraction of the capital.
        cagr: compound growth a year of 365 days; None below `LEAST_DAYS_TO_ANNUALISE` days.
        sharpe, sortino: annualised over 365 days, target return 0.
        max_drawdown: deepest fall from a peak, fraction of the peak, marked at every bar's close.
        calmar: CAGR over `max_drawdown`.
        longest_drawdown_days: longest uninterrupted time below a peak.
        trades, hits: closed trades, and those with a positive net.
        hit_rate, hit_rate_interval: share of hits, and its interval by Wilson.
        profit_factor: net of the winning trades over that of the losing ones.
        expectancy_jpy: mean net of a trade.
        exposure: share of the bars that close with a position.
        turnover: notional bought and sold over the mean equity.
        gross_jpy, fee_jpy, interest_jpy, net_jpy: sums over the closed trades.
        mean_mae_jpy, mean_mfe_jpy: mean deepest loss and mean highest gain of a trade while it was open.
    """

    days: int
    net_profit_jpy: float
    net_profit: float
    cagr: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    calmar: float | None
    longest_drawdown_days: float
    trades: int
    hits: int
    hit_rate: float | None
    hit_rate_interval: Interval
    profit_factor: float | None
    expectancy_jpy: float | None
    exposure: float
    turnover: float
    gross_jpy: float
    fee_jpy: float
    interest_jpy: float
    net_jpy: float
    mean_mae_jpy: float | None
    mean_mfe_jpy: float | None


def measure_account(history: AccountHistory, level: float = 0.95) -> AccountPerformance:
    """Summarise an account; ``level`` is that of the hit rate's interval.

    An account that was ever worth nothing has no returns, and so no CAGR and no ratio.
    """
    growth, trades = history.growth, history.trades
    solvent = bool(np.all(growth > 0))
    returns = daily_growth(history) if solvent else np.empty(0)
    deepest = max_drawdown(growth)
    yearly = compound_growth(returns)
    net = trades["net_jpy"].to_numpy(dtype=np.float64)
    hits, count = int(np.sum(net > 0)), len(trades)
    notional = trades["amount_btc"] * (trades["entry_price_jpy"] + trades["exit_price_jpy"])
    return AccountPerformance(
        days=_count_days(history),
        net_profit_jpy=float(history.equity["equity_jpy"].iloc[-1] - history.capital_jpy),
        net_profit=float(growth[-1] - 1.0),
        cagr=yearly,
        sharpe=sharpe_ratio(returns),
        sortino=sortino_ratio(returns),
        max_drawdown=deepest,
        calmar=yearly / deepest if yearly is not None and deepest > 0 else None,
        longest_drawdown_days=longest_drawdown_days(history),
        trades=count,
        hits=hits,
        hit_rate=hits / count if count else None,
        hit_rate_interval=wilson_interval(hits, count, level),
        profit_factor=profit_factor(net),
        expectancy_jpy=_mean(net),
        exposure=float(np.mean(history.equity["position_btc"] != 0)),
        turnover=float(notional.sum() / history.equity["equity_jpy"].mean()) if count else 0.0,
        gross_jpy=float(trades["gross_jpy"].sum()),
        fee_jpy=float(trades["fee_jpy"].sum()),
        interest_jpy=float(trades["interest_jpy"].sum()),
        net_jpy=float(net.sum()),
        mean_mae_jpy=_mean(trades["mae_jpy"].to_numpy(dtype=np.float64)),
        mean_mfe_jpy=_mean(trades["mfe_jpy"].to_numpy(dtype=np.float64)),
    )


def daily_growth(history: AccountHistory) -> FloatArray:
    """Return the return of each UTC day that has a bar, shape (days,); the first starts from the capital."""
    day = open_times(history.equity) // DAY_MS
    closing = history.growth[np.append(day[1:] != day[:-1], True)]
    returns: FloatArray = closing / np.append(1.0, closing[:-1]) - 1.0
    return returns


def sharpe_ratio(returns: FloatArray) -> float | None:
    """Return the annualised Sharpe ratio of daily returns, 365 days a year, or None if they do not vary."""
    if returns.size < 2 or np.ptp(returns) == 0:
        return None
    return float(np.mean(returns) / np.std(returns, ddof=1) * np.sqrt(DAYS_PER_YEAR))


def max_drawdown(equity: FloatArray) -> float:
    """Return the largest fall from a peak (the starting capital of 1 included), as a fraction of the peak."""
    peak = np.maximum(1.0, np.maximum.accumulate(equity))
    return float(np.max(1.0 - equity / peak))


def compound_growth(returns: FloatArray) -> float | None:
    """Return the compound growth a year of daily returns, None below `LEAST_DAYS_TO_ANNUALISE` days."""
    if returns.size < LEAST_DAYS_TO_ANNUALISE:
        return None
    return float(np.prod(1.0 + returns) ** (DAYS_PER_YEAR / returns.size) - 1.0)


def sortino_ratio(returns: FloatArray) -> float | None:
    """Return the annualised mean of daily returns over their downside deviation from 0; None if no day lost.

    Source: Sortino and Price, "Performance measurement in a downside risk framework" (1994); days that gained count
    as deviations of 0.
    """
    downside = np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)) if returns.size else 0.0
    return float(np.mean(returns) / downside * np.sqrt(DAYS_PER_YEAR)) if downside > 0 else None


def longest_drawdown_days(history: AccountHistory) -> float:
    """Return the longest uninterrupted time that the account spent below a peak, the capital being the first, in days.

    It runs from the open of the first bar that closes below the peak to the close of the last one.
    """
    growth, opened = history.growth, open_times(history.equity)
    below = growth < np.maximum(1.0, np.maximum.accumulate(growth))
    edges = np.diff(np.concatenate(([False], below, [False])).astype(np.int8))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    if first.size == 0:
        return 0.0
    return float(np.max(opened[last] + history.bar_ms - opened[first]) / DAY_MS)


def profit_factor(net: FloatArray) -> float | None:
    """Return what the winners brought over what the losers took; None without a loser."""
    lost = -float(net[net < 0].sum())
    return float(net[net > 0].sum()) / lost if lost > 0 else None


def by_month(history: AccountHistory) -> pd.DataFrame:
    """Return one row a UTC month that has a bar, a trade counting in the month of its close.

    Columns: ``month`` (YYYY-MM), ``profit_jpy`` and ``profit`` (of the account; a fraction of the month's first
    equity, NaN if that is not positive), ``max_drawdown`` (within the month), and those of `trade_groups`.
    """
    month = history.equity["timestamp"].dt.strftime("%Y-%m")
    opening, rows = history.capital_jpy, []
    for name, equity in history.equity["equity_jpy"].groupby(month, sort=True):
        closing = float(equity.iloc[-1])
        solvent = opening > 0
        rows.append(
            {
                "month": name,
                "profit_jpy": closing - opening,
                "profit": closing / opening - 1.0 if solvent else np.nan,
                "max_drawdown": max_drawdown(equity.to_numpy(dtype=np.float64) / opening) if solvent else np.nan,
            }
        )
        opening = closing
    months = pd.DataFrame(rows)
    groups = trade_groups(history.trades, history.trades["closed_at"].dt.strftime("%Y-%m"), list(months["month"]))
    return months.merge(groups.rename(columns={"group": "month"}), on="month")


def by_jst_hour(history: AccountHistory) -> pd.DataFrame:
    """Return `trade_groups` of the 24 hours of the day in Japan, a trade counting in the hour of its opening."""
    opened = history.trades["opened_at"].dt.tz_convert("Asia/Tokyo").dt.hour
    return trade_groups(history.trades, opened, list(range(24)))


def by_volatility(history: AccountHistory, window: int = 96) -> pd.DataFrame:
    """Return `trade_groups` of the three volatility regimes, a trade counting in that of its opening.

    The volatility of a bar is the standard deviation of the last ``window`` log returns of the close; the regimes cut
    all bars of the history in three equal parts. A trade takes the last bar that closed by its opening, and is left
    out where that bar has no volatility yet.
    """
    log_return = np.log(history.equity["close_jpy"]).diff()
    volatility = log_return.rolling(window).std().to_numpy(dtype=np.float64)
    known = volatility[np.isfinite(volatility)]
    if known.size == 0:
        return trade_groups(history.trades.iloc[:0], pd.Series(dtype="str"), list(REGIMES))
    cuts = np.quantile(known, [1 / 3, 2 / 3])
    opened = history.trades["opened_at"].astype(TIMESTAMP_DTYPE).astype("int64").to_numpy()
    bar = np.searchsorted(open_times(history.equity) + history.bar_ms, opened, side="right") - 1
    at_opening = np.where(bar >= 0, volatility[bar], np.nan)
    regime = np.array(REGIMES)[np.searchsorted(cuts, at_opening, side="left").clip(0, 2)]
    measured = np.isfinite(at_opening)
    return trade_groups(history.trades[measured], pd.Series(regime[measured]), list(REGIMES))


def trade_groups(trades: pd.DataFrame, group: "pd.Series[str] | pd.Series[int]", names: list[object]) -> pd.DataFrame:
    """Return one row a group, in the order of ``names``, groups without a trade included.

    Columns: ``group``, ``trades``, ``hit_rate`` (NaN without trades), ``net_jpy``, ``expectancy_jpy`` (NaN without).
    """
    net = pd.Series(trades["net_jpy"].to_numpy(dtype=np.float64))
    by_group = net.groupby(group.to_numpy())
    table = pd.DataFrame(
        {
            "trades": by_group.size(),
            "hit_rate": (net > 0).groupby(group.to_numpy()).mean(),
            "net_jpy": by_group.sum(),
            "expectancy_jpy": by_group.mean(),
        }
    ).reindex(names)
    table[["trades", "net_jpy"]] = table[["trades", "net_jpy"]].fillna(0)
    return table.astype({"trades": "int64"}).rename_axis("group").reset_index()


def _count_days(history: AccountHistory) -> int:
    return int(np.unique(open_times(history.equity) // DAY_MS).size)


def _mean(values: FloatArray) -> float | None:
    return float(np.mean(values)) if values.size else None
