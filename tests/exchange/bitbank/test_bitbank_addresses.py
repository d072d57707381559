"""To whom a key may be sent, and who may tell the price: bitbank over https, or this machine."""

import pytest

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.bitbank.settings import BitbankSettings

HERE = "http://127.0.0.1:8900"


def test_given_no_address_then_all_are_bitbanks() -> None:
    assert BitbankSettings().is_bitbank
    assert not BitbankSettings().is_local


@pytest.mark.parametrize("address", [HERE, "http://localhost:1", "http://[::1]:8900"])
def test_given_addresses_on_this_machine_then_they_are_taken_and_are_not_bitbank(address: str) -> None:
    settings = BitbankSettings(public_url=address, private_url=address, stream_url=address, private_stream_url=address)

    assert settings.is_local
    assert not settings.is_bitbank


def test_given_some_of_both_then_it_is_neither() -> None:
    mixed = BitbankSettings(public_url=HERE)

    assert not mixed.is_local
    assert not mixed.is_bitbank


@pytest.mark.parametrize("name", ["public_url", "private_url", "stream_url", "private_stream_url"])
@pytest.mark.parametrize(
    "address",
    [
        "https://bitbank.example",
        "https://bitbank.cc.example",
        "https://notbitbank.cc",
        "http://api.bitbank.cc",
        "https://127.0.0.1@bitbank.example",
        "http://127.0.0.1:80@bitbank.example",
        "https://api.bitbank.cc@bitbank.example",
        "http://10.0.0.7:8900",
        "http://127.0.0.1.example",
        "api.bitbank.cc",
        "https://[bitbank.cc",
        "",
    ],
)
def test_given_anybody_elses_address_then_it_is_refused_and_the_parameter_named(name: str, address: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"session\.bitbank\.{name.removesuffix('_url')}\) leads neither"):
        BitbankSettings(**{name: address})  # type: ignore[arg-type]
