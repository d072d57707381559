"""Where orders meet the market: the in-process matching engine that backtest and paper trading share."""
