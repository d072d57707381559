"""What a backtest leaves behind: orders and their purpose, round trips, equity, decisions, and every bar's reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from crypto_kedro.market.bars import IntArray
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.decision import Decision, Reason
from crypto_kedro.trading.gates import ALL_GATES
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.money import PRODUCT_UNITS, Btc, Jpy
from crypto_kedro.trading.orders import Fill, Order, PositionSide, Refusal

REASONS = (*(rule.name for rule in ALL_GATES), *(reason.value for reason in Reason))
"""Every reason a decision can have: the gates in their order, then the words of `Reason`."""

REASON_CODES = {reason: code for code, reason in enumerate(REASONS)}
"""Row of each reason in `REASONS`."""

LOSSCUT = "losscut"


class Purpose(StrEnum):
    """What the driver sent an order for."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    EXIT = "exit"


class Sending(Struct, frozen=True):
    """Why a request was sent.

    Args:
        purpose: what it was for.
        reason: of the decision; ``trigger_met`` for a market order in the place of a trigger order that would fire.
        at_ms: Unix milliseconds UTC of the driver's clock when it was sent.
    """

    purpose: Purpose
    reason: str
    at_ms: int

    @property
    def label(self) -> str:
        """The one word that a round trip keeps: the reason of an exit, else the purpose."""
        return self.reason if self.purpose is Purpose.EXIT else str(self.purpose)


class RefusedRequest(Struct, frozen=True):
    """A request that the exchange did not take, and why."""

    sending: Sending
    refusal: Refusal


class Trade(Struct, frozen=True):
    """One round trip, from the fill that opened the position to the fill that left it empty.

    Args:
        side: long or short.
        amount: BTC opened in all.
        opened_at_ms, closed_at_ms: first and last fill, Unix milliseconds UTC.
        entry_product, exit_product: price times amount of the opening and of the closing fills.
        fees: of all fills; negative is a rebate.
        interest: margin interest.
        net: what the trade added to the balance, after fees and interest.
        exit_reason: ``stop``, ``target``, ``losscut``, ``trigger_met`` or the reason of the decision that closed it.
    """

    side: PositionSide
    amount: Btc
    opened_at_ms: int
    closed_at_ms: int
    entry_product: Jpy
    exit_product: Jpy
    fees: Jpy
    interest: Jpy
    net: Jpy
    exit_reason: str


@dataclass(frozen=True, slots=True, eq=False)
class BacktestResult:
    """Everything that happened.

    Args:
        trades: closed round trips, in the order in which they ended; a position open at the end is in the account.
        orders: every order the exchange accepted, ascending by id.
        sendings: why each was sent, by order id; a loss-cut by the exchange has none.
        refused: requests it did not accept, oldest first.
        fills: every execution, oldest first.
        bar_close_ms: int64, shape (n,): when each execution bar closed, Unix milliseconds UTC.
        equity_units: int64, shape (n,): the account's equity there, in units of 10**-10 JPY.
        decided_at_ms: int64, shape (m,): moment of each decision bar, Unix milliseconds UTC.
        reason_codes: int8, shape (m,): row in `REASONS` of what `decide` says there, whether it was called or not.
        decisions: of the bars at which it was called, oldest first.
        account, ledger: after the last bar.
    """

    trades: tuple[Trade, ...]
    orders: tuple[Order, ...]
    sendings: Mapping[int, Sending]
    refused: tuple[RefusedRequest, ...]
    fills: tuple[Fill, ...]
    bar_close_ms: IntArray
    equity_units: IntArray
    decided_at_ms: IntArray
    reason_codes: NDArray[np.int8]
    decisions: tuple[Decision, ...]
    account: AccountState
    ledger: TradeLedger

    @property
    def reasons(self) -> NDArray[np.object_]:
        """Reason of every decision bar, shape (m,)."""
        names: NDArray[np.object_] = np.array(REASONS, dtype=object)
        return names[self.reason_codes]


def round_trips(fills: Iterable[Fill], sendings: Mapping[int, Sending]) -> tuple[Trade, ...]:
    """Fold margin fills, oldest first, into closed round trips; spot fills are passed over.

    Args:
        fills: of one account that began without a position.
        sendings: why each order was sent, by its id.
    """
    trades: list[Trade] = []
    tallies = {side: _Tally() for side in PositionSide}
    for fill in fills:
        side = fill.position_side
        if side is None:
            continue
        tally = tallies[side]
        tally.add(fill)
        if tally.open_lots == 0:
            sending = sendings.get(fill.order_id)
            trades.append(tally.trade(side, fill.executed_at_ms, sending.label if sending else LOSSCUT))
            tallies[side] = _Tally()
    return tuple(trades)


class _Tally:
    """Sums of one round trip so far, in lots and units of 10**-10 JPY."""

    __slots__ = ("entry", "exit", "fees", "interest", "net", "open_lots", "opened_at_ms", "opened_lots")

    def __init__(self) -> None:
        self.opened_at_ms: int | None = None
        self.opened_lots = self.open_lots = 0
        self.entry = self.exit = self.fees = self.interest = self.net = 0

    def add(self, fill: Fill) -> None:
        lots, product = fill.amount.lots, fill.price.ticks * fill.amount.lots * PRODUCT_UNITS
        if self.opened_at_ms is None:
            self.opened_at_ms = fill.executed_at_ms
        if fill.is_opening:
            self.opened_lots += lots
            self.open_lots += lots
            self.entry += product
            return
        self.open_lots -= lots
        self.exit += product
        self.fees += fill.fee_charged.units
        self.interest += fill.interest.units
        self.net += fill.profit_loss.units

    def trade(self, side: PositionSide, closed_at_ms: int, exit_reason: str) -> Trade:
        opened_at_ms = closed_at_ms if self.opened_at_ms is None else self.opened_at_ms
        return Trade(
            side,
            Btc(self.opened_lots),
            opened_at_ms,
            closed_at_ms,
            Jpy(self.entry),
            Jpy(self.exit),
            Jpy(self.fees),
            Jpy(self.interest),
            Jpy(self.net),
            exit_reason,
        )
