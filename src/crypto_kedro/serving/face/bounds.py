"""Bounds on all that a client may take from the process of its trader."""

import resource
from dataclasses import dataclass, field

_MOST_CONNECTIONS = 64
_FEWEST_CONNECTIONS = 4
_SHARE_OF_DESCRIPTORS = 8


def most_connections() -> int:
    """Return an eighth of the process's descriptors, from 4 to 64: exchange, lease and journal keep the rest."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return min(_MOST_CONNECTIONS, max(_FEWEST_CONNECTIONS, soft // _SHARE_OF_DESCRIPTORS))


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceBounds:
    """Limits of the face's server.

    Args:
        connections: open at once; one more takes the place of the one that waits longest for its client.
        header_bytes: of a request that is not complete.
        request_bytes: of a whole request; what lies beyond the part that is read is discarded as it comes.
        client_s: seconds in which a client has to complete a request, or to read an answer.
        idle_s: seconds for which a connection is kept between two requests.
        wrong_tokens: in a minute, from which on the refusal names their number.
        log_every_s: seconds between two log lines of one kind.
    """

    connections: int = field(default_factory=most_connections)
    header_bytes: int = 32 * 1024
    request_bytes: int = 16 * 1024 * 1024
    client_s: float = 10.0
    idle_s: int = 5
    wrong_tokens: int = 30
    log_every_s: float = 60.0
