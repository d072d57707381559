"""The lease of traders in the cloud: one object in Google Cloud Storage, written only over the generation last seen.

No clock is compared between machines. A candidate that sees the object unchanged for its whole time, by the
candidate's own clock, may take it; a holder counts from before its last write and ends earlier.

Source: Google Cloud Storage, "Request preconditions".
"""

import os
import platform
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from google.api_core.exceptions import GoogleAPIError, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Blob, Client
from requests.exceptions import RequestException

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.session.lease import LeaseStoreError, LeaseTerms, StoredLease, steady_ms

CLOUD_TERMS = LeaseTerms(ttl_ms=60_000, margin_ms=7_000, renew_every_ms=15_000)
"""Terms at which the writes of a month cost little."""

_PATIENCE_S = 5.0
_ABSENT = 0
"""Generation of an object that does not exist."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The object at one generation; ``owner`` is empty when nobody holds the lease."""

    generation: int
    token: int
    owner: str
    holder: str
    ttl_ms: int


class GcsLease(StoredLease):
    """A lease in an object of a bucket, for processes anywhere.

    A holder that dies without releasing it is succeeded after its whole time, because no other process can see its
    death. The account needs the rights to read and to write the object (roles/storage.objectUser).

    Args:
        client: of the storage.
        bucket: must exist; object versioning is of no use to it.
        name: of the object; made if it is absent.
        terms: for how long the lease is given.
        clock_ms: milliseconds of a clock that is never set.
    """

    def __init__(
        self,
        client: Client,
        bucket: str,
        name: str,
        terms: LeaseTerms = CLOUD_TERMS,
        *,
        clock_ms: Callable[[], int] = steady_ms,
    ) -> None:
        super().__init__(f"gs://{bucket}/{name}", terms, clock_ms)
        self._bucket = client.bucket(bucket)
        self._object = name
        self._owner = uuid.uuid4().hex
        self._holder = f"process {os.getpid()} on {platform.node()}"
        self._watched = _ABSENT
        self._watched_since_ms = 0
        self._written: int | None = None

    @classmethod
    def at(cls, url: str, terms: LeaseTerms = CLOUD_TERMS) -> Self:
        """Make the lease of an address, with the credentials that the machine has.

        Args:
            url: such as ``gs://bucket/live/lease``.
            terms: for how long the lease is given.

        Raises:
            ConfigurationError: the address is none.
            LeaseStoreError: there are no credentials.
        """
        scheme, _, rest = url.partition("://")
        bucket, _, name = rest.partition("/")
        if scheme != "gs" or not bucket or not name:
            raise ConfigurationError(f"lease: {url!r} is not an address such as gs://bucket/live/lease")
        with _store_errors(url):
            client = Client()
        return cls(client, bucket, name, terms)

    def _find_holder(self) -> str | None:
        """Return process and machine of the last known holder, None when it was given back."""
        seen = self._look()
        return seen.holder if seen is not None and seen.owner else None

    def _take(self, above: int) -> int | None:
        seen = self._look()
        if seen is not None and not self._may_take(seen):
            return None
        token = max(above, 0 if seen is None else seen.token) + 1
        taken = self._write(token, self._owner, _ABSENT if seen is None else seen.generation)
        return token if taken else None

    def _may_take(self, seen: _Seen) -> bool:
        # Its own name stands there after a write whose answer was lost.
        if seen.owner in ("", self._owner):
            return True
        if seen.generation != self._watched:
            self._watched, self._watched_since_ms = seen.generation, self._clock_ms()
            return False
        return self._clock_ms() - self._watched_since_ms >= max(seen.ttl_ms, self._terms.ttl_ms)

    def _extend(self, token: int) -> bool:
        # A second attempt is for a write of our own whose answer was lost.
        for _ in range(2):
            generation = self._written if self._written is not None else self._own_generation(token)
            if generation is None:
                return False
            if self._write(token, self._owner, generation):
                return True
        return False

    def _give_back(self, token: int) -> None:
        generation = self._written if self._written is not None else self._own_generation(token)
        if generation is not None:
            self._write(token, "", generation)
        self._written = None

    def _own_generation(self, token: int) -> int | None:
        seen = self._look()
        return seen.generation if seen is not None and (seen.owner, seen.token) == (self._owner, token) else None

    def _look(self) -> _Seen | None:
        with _store_errors(self._name):
            blob = self._bucket.get_blob(self._object, timeout=_PATIENCE_S, retry=None)
        if blob is None:
            return None
        words = blob.metadata or {}
        try:
            token, ttl_ms = int(words["token"]), int(words["ttl_ms"])
            return _Seen(int(blob.generation), token, words["owner"], words["holder"], ttl_ms)
        except (KeyError, ValueError) as error:
            raise LeaseStoreError(
                f"lease {self._name}: the object is no lease of crypto-kedro; name another, the same for all traders "
                "of the account"
            ) from error

    def _write(self, token: int, owner: str, over: int) -> bool:
        """Write over one generation; return whether it was still the newest."""
        self._written = None
        blob = Blob(self._object, self._bucket)
        blob.cache_control = "no-store"
        blob.metadata = {
            "token": str(token),
            "owner": owner,
            "holder": self._holder,
            "ttl_ms": str(self._terms.ttl_ms),
        }
        with _store_errors(self._name):
            try:
                blob.upload_from_string(b"", if_generation_match=over, timeout=_PATIENCE_S, retry=None)
            except PreconditionFailed:
                return False
        self._written = int(blob.generation)
        return True


@contextmanager
def _store_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (GoogleAPIError, GoogleAuthError, RequestException) as error:
        raise LeaseStoreError(
            f"lease {name}: Google Cloud Storage did not answer as it should ({type(error).__name__}: {error}); check "
            "bucket, credentials and network"
        ) from error
