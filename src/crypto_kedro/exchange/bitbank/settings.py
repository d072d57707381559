"""Settings of the bitbank connector: addresses, patience, and what the API does not say."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.trading.money import Rate

_HALF = Rate(500_000)
_DOMAINS = ("bitbank.cc", "ps.pndsn.com")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ADDRESSES = ("public_url", "private_url", "stream_url", "private_stream_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class BitbankSettings:
    """How to reach bitbank, or an exchange on this machine that stands in for it.

    No other address is taken: a key must not reach anybody else, nor may anybody else tell the price.

    Args:
        pair: market in bitbank's spelling.
        public_url, private_url: REST addresses, without a slash at the end; `private_url` without ``/v1``.
        stream_url, private_stream_url: addresses of the streams.
        timeout_s: patience with one request.
        time_window_ms: how long after its signing a request may arrive; the exchange refuses it later.
        settle_ms: time after which an accepted order shows in what the exchange reports.
        search_s: how long a lost order is searched for, beyond the moment at which it must show.
        poll_s: pause between two looks of that search.
        silence_ms: how long the stream is trusted without a message.
        throttle: whether to keep below bitbank's limits of requests a second; off only where there are none.
        lists_sleeping_orders: whether the open orders include sleeping ones; reports differ. When not, a lost
            trigger order that is not found stays unknown.
        max_open_orders: not told by the API.
        crypto_collateral, losscut_threshold: used without credentials; with them the account's own are read.

    Raises:
        ConfigurationError: a value is outside its range, or an address is neither bitbank's nor on this machine.
    """

    pair: str = "btc_jpy"
    public_url: str = "https://public.bitbank.cc"
    private_url: str = "https://api.bitbank.cc"
    stream_url: str = "https://stream.bitbank.cc"
    private_stream_url: str = "https://ps.pndsn.com"
    timeout_s: float = 10.0
    time_window_ms: int = 5_000
    settle_ms: int = 2_000
    search_s: float = 10.0
    poll_s: float = 1.0
    silence_ms: int = 10_000
    throttle: bool = True
    lists_sleeping_orders: bool = True
    max_open_orders: int = 30
    crypto_collateral: Rate = _HALF
    losscut_threshold: Rate = _HALF

    def __post_init__(self) -> None:
        for name in _ADDRESSES:
            if not (_is_bitbank(getattr(self, name)) or _is_loopback(getattr(self, name))):
                raise ConfigurationError(
                    f"bitbank: {name} (session.bitbank.{name.removesuffix('_url')}) leads neither to bitbank over "
                    "https nor to this machine over http, and a key must not reach anybody else; leave it out, or give "
                    "an address such as http://127.0.0.1:8900"
                )
        if self.pair != "btc_jpy":
            raise ConfigurationError(f"bitbank: pair is {self.pair!r}; only 'btc_jpy' can be traded")
        if not 0 < self.time_window_ms <= 60_000:
            raise ConfigurationError(f"bitbank: time_window_ms must lie in 1..60000, got {self.time_window_ms}")
        if min(self.timeout_s, self.poll_s) <= 0 or min(self.settle_ms, self.search_s, self.silence_ms) < 0:
            raise ConfigurationError(
                "bitbank: timeout_s and poll_s must be positive, settle_ms, search_s and silence_ms not negative, got "
                f"{self.timeout_s}, {self.poll_s}, {self.settle_ms}, {self.search_s} and {self.silence_ms}"
            )

    @property
    def is_local(self) -> bool:
        """Whether every address is on this machine."""
        return all(_is_loopback(getattr(self, name)) for name in _ADDRESSES)

    @property
    def is_bitbank(self) -> bool:
        """Whether every address is bitbank's own."""
        return all(_is_bitbank(getattr(self, name)) for name in _ADDRESSES)


def _is_bitbank(address: str) -> bool:
    scheme, host = _parts(address)
    return scheme == "https" and any(host == domain or host.endswith(f".{domain}") for domain in _DOMAINS)


def _is_loopback(address: str) -> bool:
    scheme, host = _parts(address)
    return scheme == "http" and host in _LOOPBACK


def _parts(address: str) -> tuple[str, str]:
    """Return scheme and host in small letters, both empty for what is no plain address."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "", ""
    return ("", "") if "@" in parts.netloc else (parts.scheme, parts.hostname or "")
