"""What goes wrong while traders are under siege: every fault that the simulator knows and a trader can meet."""

from typing import Any

from crypto_kedro.exchange.simulator.faults import FaultKind

CANNOT_MEET_US = frozenset({FaultKind.NONCE_REJECTED})
"""Befalls only requests that are signed by nonce; the connector signs by time window."""

BAD_DAYS: tuple[dict[str, Any], ...] = (
    {"kind": "answer_lost", "probability": 0.1, "where": "/v1/user/spot/order", "ms": 1},
    {"kind": "answer_lost", "probability": 0.1, "where": "/v1/user/spot/cancel", "ms": 1},
    {"kind": "fill_during_cancel", "probability": 0.1, "where": "/v1/user/spot/cancel"},
    {"kind": "cut", "probability": 0.01},
    {"kind": "server_error", "probability": 0.01},
    {"kind": "garbled", "probability": 0.01},
    {"kind": "too_frequent", "probability": 0.01},
    {"kind": "timeout", "probability": 0.005, "ms": 1},
    {"kind": "clock_skew", "probability": 0.005, "ms": 10_000},
    {"kind": "clock_skew", "probability": 0.005, "ms": -10_000},
    {"kind": "slow", "probability": 0.005, "ms": 10},
    {"kind": "maintenance", "probability": 0.0005, "ms": 300_000},
    {"kind": "silent", "probability": 0.1},
    {"kind": "stale", "probability": 0.2},
    {"kind": "out_of_order", "probability": 0.2},
    {"kind": "twice", "probability": 0.2},
)

NO_ANSWER: tuple[dict[str, Any], ...] = ({"kind": "timeout", "ms": 1},)
A_WRONG_CLOCK: tuple[dict[str, Any], ...] = ({"kind": "clock_skew", "ms": -10_000},)
NO_NETWORK: tuple[dict[str, Any], ...] = (
    {"kind": "cut", "probability": 0.7},
    {"kind": "server_error", "probability": 1.0},
)


def garbled(share: float) -> tuple[dict[str, Any], ...]:
    """Return faults that garble a share of all answers and news."""
    return ({"kind": "garbled", "probability": share},)
