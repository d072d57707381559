"""Our backtest beside backtesting.py and vectorbt: speed, and every yen by which their results differ."""
