"""The model's trader out of sample beside its baselines and at other costs, as frames and figures."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from crypto_kedro.evaluation.account import account_history
from crypto_kedro.evaluation.baselines import (
    RandomTraders,
    Track,
    buy_and_hold,
    daily_closes,
    stay_flat,
    trade_at_random,
)
from crypto_kedro.evaluation.conditions import Conditions
from crypto_kedro.evaluation.model_trader import account_of, model_trader, signal_rows, trade
from crypto_kedro.evaluation.record import interval_record
from crypto_kedro.evaluation.span import Span
from crypto_kedro.evaluation.validation import (
    TrialRecord,
    ValidationRule,
    candidate_returns,
    executed_calibration,
    returns_of,
    validate,
)
from crypto_kedro.learning.intervals import Resampling, profit_interval
from crypto_kedro.learning.opportunities import Opportunities
from crypto_kedro.learning.performance import (
    AccountHistory,
    AccountPerformance,
    daily_growth,
    max_drawdown,
    measure_account,
    sharpe_ratio,
)
from crypto_kedro.learning.splits import FINAL_WINDOW
from crypto_kedro.market.bars import DAY_MS, FloatArray, IntArray
from crypto_kedro.market.frame import timestamps
from crypto_kedro.session.frames import (
    decisions_frame,
    fills_frame,
    funnel_frame,
    orders_frame,
    refused_frame,
)
from crypto_kedro.session.records import BacktestResult

BAND = {"random_p05": 0.05, "random_p50": 0.5, "random_p95": 0.95}


@dataclass(frozen=True, slots=True)
class Comparison:
    """With what the model's trader is compared.

    Args:
        random_traders: how many random traders.
        cost_scales: multiples of all costs at which it trades again.
        validation: how the result is told from luck; the seed of its resampling also draws the random traders.
        trials: made on the same candles.
    """

    random_traders: int
    cost_scales: tuple[float, ...]
    validation: ValidationRule
    trials: TrialRecord

    @property
    def resampling(self) -> Resampling:
        """Of days, for all intervals."""
        return self.validation.resampling


@dataclass(frozen=True, slots=True, eq=False)
class OutOfSample:
    """What happened out of sample.

    Args:
        frames: by name: ``trades`` and ``equity`` (see `AccountHistory`; trades also have their ``window``),
            ``orders``, ``fills``, ``refused_orders``, ``decisions`` and ``funnel`` (see `session.frames`),
            ``bar_reasons`` (``decided_at``, ``window``, ``reason`` of every decision bar) and ``curves`` (one row a
            UTC day: ``timestamp`` of its last bar, equity in JPY of ``strategy``, ``always_flat``, ``buy_and_hold``,
            and percentiles of the random traders, ``random_p05``, ``random_p50``, ``random_p95``).
        figures: JSON-able.
    """

    frames: dict[str, pd.DataFrame]
    figures: dict[str, Any]


def trade_out_of_sample(
    span: Span,
    opportunities: Opportunities,
    label: IntArray,
    conditions: Conditions,
    comparison: Comparison,
    track: Track = iter,
) -> OutOfSample:
    """Trade the model's word through the decision core and the matching engine, beside its baselines.

    Args:
        span: the history and what the model said about it.
        opportunities: what trades after the predicted bars would have brought, at the costs of the conditions.
        label: class of each of these bars, shape (n,).
        conditions: settings, costs and capital.
        comparison: baselines, cost scales and validation.
        track: passes the random traders' numbers through, so that a caller can show progress.
    """
    trader = model_trader(span, opportunities, conditions)
    result = trade(span, trader, conditions)
    history = account_history(result, span.feed, conditions.capital)
    history.trades["window"] = pd.array(span.window[signal_rows(span, result)], dtype="str")
    performance = measure_account(history, comparison.resampling.level)
    random = trade_at_random(
        span, trader, conditions, opportunities, comparison.random_traders, comparison.resampling.seed, track
    )
    flat, held = stay_flat(span, trader, conditions), buy_and_hold(span.feed, conditions.plan())
    closes = daily_closes(span.feed)
    side_probability = np.nanmax(span.word.calibrated[:, [0, 2]], initial=0.0, axis=1)
    threshold = conditions.settings.signal.confidence_threshold
    figures = {
        "confidence_threshold": threshold,
        "capital_jpy": history.capital_jpy,
        "bars": len(span.window),
        "days": performance.days,
        "signals": int(np.sum(side_probability >= threshold)),
        "highest_probability": float(side_probability.max()),
        "strategy": strategy_record(history, performance, comparison.resampling),
        "baselines": {
            "always_flat": curve_record(flat, history.capital_jpy, closes),
            "buy_and_hold": curve_record(held, history.capital_jpy, closes),
            "random_entries": _random_record(random, performance),
        },
        "cost_sensitivity": list(_cost_sensitivity(span, opportunities, conditions, comparison)),
        "executed_calibration": executed_calibration(span, opportunities, label, result, comparison.resampling.level),
        "validation": validate(
            history,
            candidate_returns(span, opportunities, conditions, random, comparison.validation),
            {
                name: returns_of(curve[closes], history.capital_jpy)
                for name, curve in (("always_flat", flat), ("buy_and_hold", held))
            },
            comparison.trials,
            comparison.validation,
            _final_days(span),
        ),
        "windows": window_records(span, history, trader.kelly_by_window),
    }
    return OutOfSample(_frames(span, result, history, _curves(history, flat, held, random, closes)), figures)


def strategy_record(history: AccountHistory, performance: AccountPerformance, resampling: Resampling) -> dict[str, Any]:
    """Return the figures of the model's trader; ``costs_paid`` is a fraction of the capital."""
    side = history.trades["side"].to_numpy()
    daily = daily_growth(history)
    return {
        **asdict(performance),
        "long_trades": int(np.sum(side > 0)),
        "short_trades": int(np.sum(side < 0)),
        "costs_paid": (performance.fee_jpy + performance.interest_jpy) / history.capital_jpy,
        "net_profit_interval": interval_record(profit_interval(daily, resampling) if performance.trades else None),
    }


def curve_record(equity: FloatArray, capital: float, closes: IntArray) -> dict[str, float | None]:
    """Return net profit, Sharpe ratio and largest drawdown of an equity curve in JPY, by bar."""
    growth = equity / capital
    return {
        "net_profit": float(growth[-1] - 1.0),
        "sharpe": sharpe_ratio(returns_of(equity[closes], capital)),
        "max_drawdown": max_drawdown(growth),
    }


def window_records(span: Span, history: AccountHistory, kelly: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Return, for each window, its trades, the account's profit in it (None without trades) and the leverage.

    A trade belongs to the window that signalled it.
    """
    opened = span.feed.bars.open_time
    edges = [int(np.searchsorted(opened, start)) for start in span.window_starts.values()]
    ends = [*(edge - 1 for edge in edges[1:]), len(opened) - 1]
    equity = history.equity["equity_jpy"].to_numpy(dtype=np.float64)
    records: dict[str, dict[str, Any]] = {}
    opening = history.capital_jpy
    for name, end in zip(span.window_starts, ends, strict=True):
        count = int(np.sum(history.trades["window"] == name))
        profit = float(equity[end] / opening - 1.0)
        records[name] = {"trades": count, "net_profit": profit if count else None, "kelly": kelly[name]}
        opening = float(equity[end])
    return records


def _cost_sensitivity(
    span: Span, opportunities: Opportunities, conditions: Conditions, comparison: Comparison
) -> Iterable[dict[str, Any]]:
    """Yield the figures of the model's trader at each multiple of all costs."""
    for scale in comparison.cost_scales:
        scaled = conditions.at_cost_scale(scale)
        trader = model_trader(span, opportunities.at_cost_scale(scale), scaled)
        performance = measure_account(account_of(span, trader, scaled))
        yield {
            "cost_scale": scale,
            "net_profit": performance.net_profit,
            "sharpe": performance.sharpe,
            "max_drawdown": performance.max_drawdown,
            "trades": performance.trades,
            "hit_rate": performance.hit_rate,
            "gross_jpy": performance.gross_jpy,
            "fee_jpy": performance.fee_jpy,
            "interest_jpy": performance.interest_jpy,
        }


def _final_days(span: Span) -> int:
    """Return the UTC days of the final window, 0 if there is none."""
    start = span.window_starts.get(FINAL_WINDOW)
    return 0 if start is None else int(np.unique(span.opened_ms[span.opened_ms >= start] // DAY_MS).size)


def _random_record(random: RandomTraders, performance: AccountPerformance) -> dict[str, Any]:
    profits = random.net_profit
    return {
        "traders": len(profits),
        "mean_trades": float(random.trades.mean()),
        "net_profit_p05": float(np.quantile(profits, 0.05)),
        "net_profit_p50": float(np.quantile(profits, 0.5)),
        "net_profit_p95": float(np.quantile(profits, 0.95)),
        "share_beaten": random.share_beaten(performance.net_profit) if performance.trades else None,
        "net_profits": sorted(profits.tolist()),
    }


def _curves(
    history: AccountHistory, flat: FloatArray, held: FloatArray, random: RandomTraders, closes: IntArray
) -> pd.DataFrame:
    band = np.quantile(random.daily_equity, list(BAND.values()), axis=0)
    return pd.DataFrame(
        {
            "timestamp": history.equity["timestamp"].iloc[closes].array,
            "strategy": history.equity["equity_jpy"].to_numpy()[closes],
            "always_flat": flat[closes],
            "buy_and_hold": held[closes],
            **dict(zip(BAND, band, strict=True)),
        }
    )


def _frames(
    span: Span, result: BacktestResult, history: AccountHistory, curves: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    return {
        "trades": history.trades,
        "equity": history.equity,
        "orders": orders_frame(result),
        "fills": fills_frame(result),
        "refused_orders": refused_frame(result),
        "decisions": decisions_frame(result),
        "funnel": funnel_frame(result),
        "bar_reasons": pd.DataFrame(
            {
                "decided_at": timestamps(result.decided_at_ms),
                "window": pd.array(span.window, dtype="str"),
                "reason": pd.array(result.reasons, dtype="str"),
            }
        ),
        "curves": curves,
    }
