"""What the books are made of: margin results as the exchange reports them, and coins bought and sold."""

from collections.abc import Iterable
from dataclasses import dataclass

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.market.moments import utc_text
from crypto_kedro.trading.money import LOTS_PER_BTC, Jpy
from crypto_kedro.trading.orders import Fill, Side

SATOSHI_PER_BTC = 10**8
SATOSHI_PER_LOT = SATOSHI_PER_BTC // LOTS_PER_BTC


class AccountingError(CryptoKedroError):
    """The history is incomplete or contradicts itself, so no books can be made of it."""


@dataclass(frozen=True, slots=True)
class MarginResult:
    """One execution that closed a margin position, wholly or in part.

    Args:
        at_ms: Unix milliseconds UTC.
        trade_id: at the exchange.
        gross: from prices alone.
        fees: of opening and closing; negative is a rebate.
        interest: margin interest.
        net: ``gross - fees - interest``.
    """

    at_ms: int
    trade_id: int
    gross: Jpy
    fees: Jpy
    interest: Jpy
    net: Jpy


@dataclass(frozen=True, slots=True)
class CoinTrade:
    """BTC bought or sold outright.

    Args:
        at_ms: Unix milliseconds UTC.
        side: buy or sell.
        satoshi: amount in 10**-8 BTC, as other exchanges trade it.
        product: price times amount.
        fee: positive is paid, negative is a rebate.
    """

    at_ms: int
    side: Side
    satoshi: int
    product: Jpy
    fee: Jpy

    def __post_init__(self) -> None:
        if self.satoshi <= 0 or self.product.units < 0:
            raise AccountingError(
                f"accounts: a trade of {utc_text(self.at_ms)} has {self.satoshi} satoshi for {self.product} JPY; "
                "the amount must be positive and the sum not negative"
            )


def unique_fills(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    """Return fills by time, each once.

    Raises:
        AccountingError: two different fills carry the same id.
    """
    known: dict[int, Fill] = {}
    for fill in fills:
        if known.setdefault(fill.trade_id, fill) != fill:
            raise AccountingError(
                f"accounts: two different fills have the id {fill.trade_id}; they are of different accounts, "
                "so make the books of one account, or one session, at a time"
            )
    return tuple(sorted(known.values(), key=lambda fill: (fill.executed_at_ms, fill.trade_id)))


def margin_results(fills: Iterable[Fill]) -> tuple[MarginResult, ...]:
    """Return the realised margin results, in the order of the fills.

    Raises:
        AccountingError: an execution that opened a position carries a result.
    """
    results = []
    for fill in fills:
        if fill.position_side is None:
            continue
        if fill.is_opening:
            if fill.profit_loss or fill.fee_charged or fill.interest:
                raise AccountingError(
                    f"accounts: trade {fill.trade_id} opens a position and yet has a result of {fill.profit_loss} JPY; "
                    "look at it at the exchange"
                )
            continue
        gross = fill.profit_loss + fill.fee_charged + fill.interest
        results.append(
            MarginResult(fill.executed_at_ms, fill.trade_id, gross, fill.fee_charged, fill.interest, fill.profit_loss)
        )
    return tuple(results)


def coin_trades(fills: Iterable[Fill]) -> tuple[CoinTrade, ...]:
    """Return the spot executions, in the order of the fills."""
    return tuple(
        CoinTrade(fill.executed_at_ms, fill.side, fill.amount.lots * SATOSHI_PER_LOT, fill.product, fill.fee_charged)
        for fill in fills
        if fill.position_side is None
    )
