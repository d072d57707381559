"""A session beside the backtest of its days: every difference between them, with its cause."""

from crypto_kedro.session.parity.comparison import Parity, compare
from crypto_kedro.session.parity.difference import Cause, Difference, Kind
from crypto_kedro.session.parity.expected import Expected, expected_of, replay_period, stretch_of
from crypto_kedro.session.parity.live import LivePeriod, read_period

__all__ = [
    "Cause",
    "Difference",
    "Expected",
    "Kind",
    "LivePeriod",
    "Parity",
    "compare",
    "expected_of",
    "read_period",
    "replay_period",
    "stretch_of",
]
