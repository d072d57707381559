"""The connector to bitbank."""

from crypto_kedro.exchange.bitbank.connector import BitbankExchange
from crypto_kedro.exchange.bitbank.credentials import Credentials
from crypto_kedro.exchange.bitbank.market_data import BitbankMarketData
from crypto_kedro.exchange.bitbank.settings import BitbankSettings

__all__ = ["BitbankExchange", "BitbankMarketData", "BitbankSettings", "Credentials"]
