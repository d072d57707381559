"""A listening socket for a server of this process."""

import socket

_WAITING = 128


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens already; port 0 takes a free one.

    Args:
        host: IPv4 address of this machine.
        port: TCP port.

    Raises:
        OSError: the address cannot be used.
    """
    # asyncio switches off Nagle's algorithm, which costs 40 ms an answer, only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_WAITING)
    except OSError:
        listener.close()
        raise
    return listener
