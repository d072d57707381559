"""The three engines, each set up as its own documentation proposes.

Run as ``python -m rivals.engines ENGINE SIDE BARS FOLDER`` it answers one question in a process of its own, so that its
peak memory is its own, and leaves the answer and ``figures.json`` in the folder.
"""

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast
from unittest.mock import patch

import numpy as np
import pandas as pd
from backtest import crossing_plan, facts_of, random_bars

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.market.bars import FloatArray
from crypto_kedro.session.backtest import run_backtest
from crypto_kedro.trading.money import UNITS_PER_JPY
from crypto_kedro.trading.orders import PositionSide
from rivals.question import TRADE_COLUMNS, Answer, Question, Side, ask

SATOSHI = 1e-8
SEED = 7
WARM_UP_BARS = 2_000


class Run(NamedTuple):
    """An engine's answer, and its seconds.

    Args:
        answer: trades and equity.
        engine_s: in the engine alone, from arrays and settings to its own records.
        result_s: from the same start until trades and equity curve are there as well.
    """

    answer: Answer
    engine_s: float
    result_s: float


def ours(question: Question) -> Run:
    """Answer through the decision core and the matching engine."""
    bars, plan = question.bars, crossing_plan()
    facts = facts_of(bars)
    # Without any Kelly leverage a short signal ends a long position and opens nothing.
    kelly = np.where((question.signal < 0) & (not question.shorts), 0.0, 2.0)
    begun = time.perf_counter()
    result = run_backtest(BarFeed(bars), facts, kelly, plan)
    seconds = time.perf_counter() - begun
    trades = [
        (
            1 if trade.side is PositionSide.LONG else -1,
            float(trade.amount.decimal),
            trade.opened_at_ms // bars.interval_ms,
            trade.closed_at_ms // bars.interval_ms,
            float(trade.entry_product.decimal / trade.amount.decimal),
            float(trade.exit_product.decimal / trade.amount.decimal),
            float(trade.fees.decimal),
        )
        for trade in result.trades
    ]
    frame = pd.DataFrame(trades, columns=list(TRADE_COLUMNS))
    return Run(Answer(frame, result.equity_units / UNITS_PER_JPY), seconds, seconds)


def backtesting_py(question: Question) -> Run:
    """Answer through backtesting.py in its fractional mode; its statistics count to the result, not to the engine."""
    import backtesting.backtesting as library
    from backtesting import Strategy
    from backtesting.lib import FractionalBacktest

    signal, stop, target = question.signal, question.stop_jpy * SATOSHI, question.target_jpy * SATOSHI

    class Cross(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            pass

        def next(self) -> None:
            bar = len(self.data) - 1
            if signal[bar] > 0 and not self.position.is_long:
                self._enter(self.buy, 1.0, bar)
            elif signal[bar] < 0 and question.shorts and not self.position.is_short:
                self._enter(self.sell, -1.0, bar)
            elif signal[bar] < 0 and self.position.is_long:
                self.position.close()

        def _enter(self, order: Callable[..., object], sign: float, bar: int) -> None:
            close = self.data.Close[-1]
            size = int(self.equity * question.risk / (stop[bar] + question.cost * close))
            order(size=size, sl=close - sign * stop[bar], tp=close + sign * target[bar])

    backtest = FractionalBacktest(
        _prices(question), Cross, cash=question.cash_jpy, commission=question.fee, exclusive_orders=True
    )
    ended: list[float] = []
    statistics = library.compute_stats

    def stop_the_clock(**arguments: Any) -> Any:
        ended.append(time.perf_counter())
        return statistics(**arguments)

    with patch.object(library, "compute_stats", stop_the_clock), warnings.catch_warnings():
        # A position that is still open at the end is counted by its price in every engine here.
        warnings.filterwarnings("ignore", message="Some trades remain open")
        begun = time.perf_counter()
        result = backtest.run()
        result_s = time.perf_counter() - begun
    found = result["_trades"]
    trades = pd.DataFrame(
        {
            "side": np.sign(found.Size).astype(np.int64),
            "amount_btc": found.Size.abs(),
            "entry_bar": found.EntryBar,
            "exit_bar": found.ExitBar,
            "entry_jpy": found.EntryPrice,
            "exit_jpy": found.ExitPrice,
            "fees_jpy": found.Commission,
        }
    )
    return Run(Answer(_by_entry(trades), result["_equity_curve"].Equity.to_numpy()), ended[0] - begun, result_s)


def vectorbt(question: Question) -> Run:
    """Answer through vectorbt's ``from_signals``, whose orders and amounts are columns made beforehand."""
    from vectorbt import Portfolio

    close = question.bars.close
    prices = {name: _prices(question)[name.capitalize()] for name in ("open", "high", "low", "close")}

    def later(column: FloatArray) -> FloatArray:
        return np.concatenate(([np.nan], column[:-1]))

    def run() -> Any:
        signal = later(question.signal)
        return Portfolio.from_signals(
            **prices,
            entries=signal > 0,
            exits=np.zeros(signal.size, dtype=bool) if question.shorts else signal < 0,
            short_entries=signal < 0 if question.shorts else np.zeros(signal.size, dtype=bool),
            short_exits=np.zeros(signal.size, dtype=bool),
            price=prices["open"],
            size=later(question.cash_jpy * question.risk / (question.stop_jpy + question.cost * close)),
            fees=question.fee,
            sl_stop=later(question.stop_jpy / close),
            tp_stop=later(question.target_jpy / close),
            stop_entry_price="price",
            upon_opposite_entry="reverse",
            init_cash=question.cash_jpy,
            freq="1min",
            engine="numba",
        )

    begun = time.perf_counter()
    portfolio = run()
    engine_s = time.perf_counter() - begun
    found, equity = portfolio.exit_trades.records, portfolio.value().to_numpy()
    result_s = time.perf_counter() - begun
    found = found[found["status"] == 1]
    trades = pd.DataFrame(
        {
            "side": np.where(found["direction"] == 0, 1, -1),
            "amount_btc": found["size"],
            "entry_bar": found["entry_idx"],
            "exit_bar": found["exit_idx"],
            "entry_jpy": found["entry_price"],
            "exit_jpy": found["exit_price"],
            "fees_jpy": found["entry_fees"] + found["exit_fees"],
        }
    )
    return Run(Answer(_by_entry(trades), equity), engine_s, result_s)


ENGINES: dict[str, Callable[[Question], Run]] = {
    "crypto-kedro": ours,
    "backtesting.py": backtesting_py,
    "vectorbt": vectorbt,
}


def _prices(question: Question) -> pd.DataFrame:
    bars = question.bars
    index = pd.to_datetime(bars.open_time, unit="ms")
    columns = {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume}
    return pd.DataFrame(columns, index=index)


def _by_entry(trades: pd.DataFrame) -> pd.DataFrame:
    ordered: pd.DataFrame = trades.sort_values(["entry_bar", "exit_bar"], ignore_index=True)
    return ordered


def main(engine: str, side: Side, count: int, folder: Path) -> None:
    """Answer one question and leave the answer with time and peak memory in a folder."""
    answer_by = ENGINES[engine]
    # What compiles or loads at the first call is measured apart, on a market too short to matter.
    begun = time.perf_counter()
    answer_by(ask(random_bars(min(count, WARM_UP_BARS), SEED), side))
    first_call_s = time.perf_counter() - begun
    run = answer_by(ask(random_bars(count, SEED), side))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    run.answer.save(folder)
    figures = {"engine_s": run.engine_s, "result_s": run.result_s, "first_call_s": first_call_s, "peak_mb": peak_mb}
    (folder / "figures.json").write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], cast(Side, sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
