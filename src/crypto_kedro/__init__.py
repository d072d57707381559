"""From bitbank BTC/JPY candles to an honest, registered model."""

__version__ = "0.1.0"
