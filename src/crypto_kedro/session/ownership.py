"""Whose an order, a fill or a position is: this trader's, as its journal tells, or somebody else's on the account."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Answered, FillSeen, Incident, Intended, MoneyMoved, Outcome, Record
from crypto_kedro.session.notice import Severity
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.ledger import TradeLedger, Transfer
from crypto_kedro.trading.money import Btc, Jpy
from crypto_kedro.trading.orders import Fill, Order, OrderRequest, OrderType, PositionSide

FOREIGN_FILL = "foreign_fill"
_LAG_MS = 60_000
"""How much later than its own moment a fill may show in the account's history."""


class ForeignOrders(StrEnum):
    """What becomes of orders and positions that the journal does not know.

    Attributes:
        RESPECT: they are left alone; while a position is not explained by the journal, nothing is opened.
        ADOPT: they are treated as this trader's own.
    """

    RESPECT = "respect"
    ADOPT = "adopt"


class _Entry(NamedTuple):
    """An own entry of which no fill has been seen."""

    side: PositionSide
    amount: Btc
    at_ms: int


class Ownership:
    """Tells own from foreign.

    Args:
        journal: of the account; what it holds is taken in.
        rule: what becomes of what is foreign.
        since_ms: start of the history, Unix milliseconds UTC; earlier fills are not asked for.
    """

    def __init__(self, journal: Journal, rule: ForeignOrders, since_ms: int) -> None:
        self._journal = journal
        self._rule = rule
        self._since_ms = since_ms
        self._ids: set[int] = set()
        self._hidden: frozenset[int] = frozenset()
        self._entries: dict[int, _Entry] = {}
        self._foreign_trades: set[int] = set()
        self._waiting: set[int] = set()
        self._moved_ms = -1
        self._recover()
        self._held_back_ms = min([*self._unanswered_ms(), self._since_ms])

    @property
    def ids(self) -> frozenset[int]:
        """Ids of all orders that are known: own ones, and those that `shown` left out last."""
        return self._hidden.union(self._ids)

    def placed(self, order: Order, purpose: Purpose, at_ms: int) -> None:
        """Take note of an own order."""
        self._ids.add(order.order_id)
        side, amount = order.request.position_side, order.request.amount
        if purpose is Purpose.ENTRY and side is not None and amount is not None:
            self._entries[order.order_id] = _Entry(side, amount, at_ms)

    def foreign(self, account: AccountState) -> frozenset[int]:
        """Return the ids of the open orders that must be left alone."""
        if self._rule is ForeignOrders.ADOPT:
            return frozenset()
        return frozenset(
            order.order_id
            for order in account.open_orders
            if order.order_id not in self._ids and order.request.type is not OrderType.LOSSCUT
        )

    def shown(self, account: AccountState) -> AccountState:
        """Return the account without the orders by which others close positions.

        They do not protect this trader's part, nor tell where it should end. One that may be its own, since it looks
        like an order whose outcome is unknown, stays; so does what would open a position, which keeps this trader out.

        Args:
            account: as the exchange reports it.
        """
        foreign = self.foreign(account)
        sent = [intent.intent.request for intent in self._journal.unanswered()] if foreign else []
        self._hidden = frozenset(
            order.order_id
            for order in account.open_orders
            if order.order_id in foreign
            and order.request.closes
            and not any(request is not None and _is_alike(order.request, request) for request in sent)
        )
        if not self._hidden:
            return account
        return replace(account, open_orders=tuple([o for o in account.open_orders if o.order_id not in self._hidden]))

    def share(self, side: PositionSide, ledger: TradeLedger) -> Btc | None:
        """Return how much of a position is at most this trader's; None is all of it.

        An own entry whose fills are not seen yet counts as if it had been filled, so that it is protected.
        """
        if self._rule is ForeignOrders.ADOPT:
            return None
        trade = ledger.open_trade(side)
        return (trade.amount if trade else Btc(0)) + self._claimed(side)

    def is_claimed(self, side: PositionSide) -> bool:
        """Whether it is not known yet how much of a position is this trader's, so that none of it may be closed."""
        return self._rule is ForeignOrders.RESPECT and bool(self._claimed(side))

    @property
    def awaits_fills(self) -> bool:
        """Whether an own entry may have been filled without a fill that was seen."""
        return bool(self._entries)

    def drop_claims(self, account: AccountState, now_ms: int) -> None:
        """Forget entries that came to nothing: not open any more, and without a fill for a while."""
        still_open = {order.order_id for order in account.open_orders}
        self._entries = {
            order_id: entry
            for order_id, entry in self._entries.items()
            if order_id in still_open or now_ms - entry.at_ms < _LAG_MS
        }

    def fills_from_ms(self) -> int:
        """Return the moment from which the account's fills are to be asked for, Unix milliseconds UTC."""
        oldest = min(self._held_back_ms, *self._unanswered_ms(), self._since_ms)
        return max(oldest - _LAG_MS, 0)

    def records_of(
        self, fills: Iterable[Fill], ledger: TradeLedger, account: AccountState | None
    ) -> tuple[Record, ...]:
        """Return what is to be written down of fills, ascending by id, that the exchange reports.

        The result of a foreign fill is money moved: it changes the balance without being this trader's gain or loss.
        A foreign order closes this trader's position as far as the account holds less than the history says; it is
        judged when it was reported before the account was read, and nothing new beside it. While the outcome of an
        order is unknown, a fill of an unknown order may be its own and waits.

        Args:
            fills: that the exchange reported after the account.
            ledger: the history so far.
            account: as read before the fills, None when it was not.
        """
        records: list[Record] = []
        held = {side: trade.amount if (trade := ledger.open_trade(side)) else Btc(0) for side in PositionSide}
        closings: list[Fill] = []
        self._held_back_ms = self._since_ms
        for fill, side in self._unseen(fills):
            if self._is_own(fill) and (fill.is_opening or fill.amount <= held[side]):
                held[side] = held[side] + fill.amount if fill.is_opening else held[side] - fill.amount
                self._entries.pop(fill.order_id, None)
                records.append(FillSeen(fill))
            elif fill.executed_at_ms <= self._moved_ms:
                # An earlier process has written down its result.
                continue
            elif fill.is_opening:
                records += self._foreign_records(fill)
            else:
                closings.append(fill)
                self._hold_back(fill)
                continue
            self._since_ms = max(self._since_ms, fill.executed_at_ms)
        reported = {fill.trade_id for fill in closings}
        if account is None or records or reported != self._waiting:
            self._waiting = reported
            return tuple(records)
        self._waiting = set()
        for fill in closings:
            records += self._closing_records(fill, held, account)
        return tuple(records)

    @property
    def is_waiting(self) -> bool:
        """Whether fills wait to be judged by an account that is read after them."""
        return bool(self._waiting)

    def _unseen(self, fills: Iterable[Fill]) -> Iterator[tuple[Fill, PositionSide]]:
        is_unclear = any(intent.intent.request is not None for intent in self._journal.unanswered())
        for fill in fills:
            side = fill.position_side
            if side is None or fill.trade_id in self._foreign_trades or self._journal.has_fill(fill.trade_id):
                continue
            if self._is_own(fill) or not is_unclear:
                yield fill, side
            else:
                self._hold_back(fill)

    def _hold_back(self, fill: Fill) -> None:
        """Ask for a fill again, also once later ones are written down."""
        self._held_back_ms = min(self._held_back_ms, fill.executed_at_ms)

    def _unanswered_ms(self) -> list[int]:
        return [intent.intended_at_ms for intent in self._journal.unanswered()]

    def _closing_records(self, fill: Fill, held: dict[PositionSide, Btc], account: AccountState) -> list[Record]:
        """Return the records of a fill that closes what may be foreign or this trader's, or a part of each."""
        side = fill.position_side
        assert side is not None  # it closes a position
        self._since_ms = max(self._since_ms, fill.executed_at_ms)
        amount = min(max(held[side] - account.position(side).amount, Btc(0)), fill.amount)
        if not amount:
            return self._foreign_records(fill)
        held[side] = held[side] - amount
        own = fill if amount == fill.amount else _part_of(fill, amount)
        text = (
            f"Trade {fill.trade_id} of order {fill.order_id}, which is not this trader's, closed {amount} BTC of its "
            f"{side} position; the result counts as this trader's."
        )
        records: list[Record] = [Incident(Severity.WARNING, FOREIGN_FILL, text), FillSeen(own)]
        rest = fill.profit_loss - own.profit_loss
        if rest.units:
            records.append(MoneyMoved(Transfer(fill.executed_at_ms, rest)))
        return records

    def _is_own(self, fill: Fill) -> bool:
        if self._rule is ForeignOrders.ADOPT or fill.order_type is OrderType.LOSSCUT:
            return True
        return fill.order_id in self._ids

    def _foreign_records(self, fill: Fill) -> list[Record]:
        self._foreign_trades.add(fill.trade_id)
        text = (
            f"Trade {fill.trade_id} of order {fill.order_id} ({fill.side} {fill.amount} BTC, {fill.position_side}) is "
            "not this trader's, or closes what it did not open; its result counts as money moved."
        )
        records: list[Record] = [Incident(Severity.WARNING, FOREIGN_FILL, text)]
        if fill.profit_loss.units:
            records.append(MoneyMoved(Transfer(fill.executed_at_ms, fill.profit_loss)))
        return records

    def _claimed(self, side: PositionSide) -> Btc:
        """Return what own entries may have opened without a fill that was seen."""
        claimed = [entry.amount for entry in self._entries.values() if entry.side is side]
        for intent in self._journal.unanswered():
            request = intent.intent.request
            if intent.intent.purpose is Purpose.ENTRY and request is not None and request.position_side is side:
                claimed.append(request.amount or Btc(0))
        return sum(claimed, start=Btc(0))

    def _recover(self) -> None:
        """Take in what earlier sessions wrote down."""
        purposes: dict[str, Purpose] = {}
        for entry in self._journal.entries(Intended, Answered, FillSeen, MoneyMoved):
            match entry.record:
                case Intended(intent_id=intent_id, purpose=purpose):
                    purposes[intent_id] = purpose
                case Answered(intent_id=intent_id, outcome=Outcome.PLACED, order=order) if order is not None:
                    self.placed(order, purposes[intent_id], entry.at_ms)
                case FillSeen(fill):
                    self._entries.pop(fill.order_id, None)
                    self._since_ms = max(self._since_ms, fill.executed_at_ms)
                case MoneyMoved(transfer):
                    self._moved_ms = max(self._moved_ms, transfer.at_ms)


def _is_alike(found: OrderRequest, sent: OrderRequest) -> bool:
    """Whether a found order may be the one that was sent; of its amount the exchange may tell more than was said."""
    return replace(found, amount=sent.amount) == sent


def _part_of(fill: Fill, amount: Btc) -> Fill:
    """Return the part of a fill that a smaller amount has; costs and result are shared in proportion."""

    def share(money: Jpy) -> Jpy:
        return Jpy(money.units * amount.lots // fill.amount.lots)

    return replace(
        fill,
        amount=amount,
        fee_occurred=share(fill.fee_occurred),
        fee_charged=share(fill.fee_charged),
        interest=share(fill.interest),
        profit_loss=share(fill.profit_loss),
    )
