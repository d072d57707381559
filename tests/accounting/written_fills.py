"""Fills and coin trades written by hand, in JPY and BTC, at moments in Japan."""

from datetime import datetime
from decimal import Decimal

from crypto_kedro.accounting.calendar import JST
from crypto_kedro.accounting.trades import CoinTrade
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import Fill, Liquidity, OrderType, PositionSide, Side

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
BUY, SELL = Side.BUY, Side.SELL


def at(text: str) -> int:
    """Return a moment in Japan as Unix milliseconds UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=JST).timestamp() * 1000)


def fill(
    trade_id: int,
    moment: str,
    side: Side,
    position_side: PositionSide | None,
    amount: str,
    price: int,
    occurred: str = "0",
    charged: str = "0",
    interest: str = "0",
    net: str = "0",
) -> Fill:
    return Fill(
        trade_id,
        trade_id + 1000,
        at(moment),
        side,
        position_side,
        OrderType.MARKET,
        Liquidity.TAKER,
        Price(price),
        Btc.of(amount),
        Jpy.of(occurred),
        Jpy.of(charged),
        Jpy.of(interest),
        Jpy.of(net),
    )


def bought(moment: str, btc: str, product: str, fee: str = "0") -> CoinTrade:
    return CoinTrade(at(moment), BUY, int(Decimal(btc) * 10**8), Jpy.of(product), Jpy.of(fee))


def sold(moment: str, btc: str, product: str, fee: str = "0") -> CoinTrade:
    return CoinTrade(at(moment), SELL, int(Decimal(btc) * 10**8), Jpy.of(product), Jpy.of(fee))


OPEN_LONG = fill(1, "2026-09-20T10:00", BUY, LONG, "0.01", 15_000_000, occurred="150")
CLOSE_LONG = fill(
    2,
    "2026-09-21T23:59:59.999",
    SELL,
    LONG,
    "0.01",
    15_100_000,
    occurred="151",
    charged="301",
    interest="60",
    net="639",
)
OPEN_SHORT = fill(3, "2026-09-22T00:00", SELL, SHORT, "0.02", 15_000_000, occurred="300")
CLOSE_SHORT = fill(
    4, "2026-10-02T09:00", BUY, SHORT, "0.02", 15_200_000, occurred="304", charged="604", interest="120", net="-4724"
)
ROUND_TRIPS = (OPEN_LONG, CLOSE_LONG, OPEN_SHORT, CLOSE_SHORT)
