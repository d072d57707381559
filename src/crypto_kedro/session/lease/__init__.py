"""One trader: the right to send orders, held for a time, by one process at a time."""

from crypto_kedro.session.lease.fenced_exchange import FencedExchange
from crypto_kedro.session.lease.sqlite import SqliteLease
from crypto_kedro.session.lease.tenure import (
    Fence,
    Lease,
    LeaseLostError,
    LeaseStoreError,
    LeaseTerms,
    StoredLease,
    acquire_within,
    keep_renewed,
    steady_ms,
)

__all__ = [
    "Fence",
    "FencedExchange",
    "Lease",
    "LeaseLostError",
    "LeaseStoreError",
    "LeaseTerms",
    "SqliteLease",
    "StoredLease",
    "acquire_within",
    "keep_renewed",
    "steady_ms",
]
