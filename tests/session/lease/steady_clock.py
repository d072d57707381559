"""A clock that a test moves, and the terms of the leases on it."""

from crypto_kedro.session.lease import LeaseTerms

TERMS = LeaseTerms(ttl_ms=20_000, margin_ms=7_000, renew_every_ms=4_000)


class SteadyClock:
    """Milliseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_ms = 5_000_000

    def __call__(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)
