"""One trader: the right to send orders, held for a time, by one process at a time."""

from crypto_kedro.session.lease.fenced_exchange import FencedExchange
from crypto_kedro.session.lease.holding import HeldLease, acquire_within, held_lease, keep_renewed
from crypto_kedro.session.lease.sqlite import SqliteLease
from crypto_kedro.session.lease.tenure import (
    Fence,
    Lease,
    LeaseLostError,
    LeaseStoreError,
    LeaseTerms,
    StoredLease,
    steady_ms,
)

__all__ = [
    "Fence",
    "FencedExchange",
    "HeldLease",
    "Lease",
    "LeaseLostError",
    "LeaseStoreError",
    "LeaseTerms",
    "SqliteLease",
    "StoredLease",
    "acquire_within",
    "held_lease",
    "keep_renewed",
    "steady_ms",
]
