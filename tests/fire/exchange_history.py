"""The exchange's own account of what happened, played again from the commands in its state file."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from crypto_kedro.exchange.simulator.bitbank import SimulatedBitbank
from crypto_kedro.exchange.simulator.commands import decode_command
from crypto_kedro.exchange.simulator.events import Event, OrderChanged, OrderFilled, PositionChanged
from crypto_kedro.exchange.simulator.price_source import PriceSource
from crypto_kedro.exchange.simulator.rendering import wire_order_id, wire_trade_id
from crypto_kedro.exchange.simulator.settings import SimulatorSettings
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import Fill, Order, OrderType, PositionSide

_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.STOP_LOSS)


@dataclass(frozen=True)
class Span:
    """A stretch of market time, Unix milliseconds UTC."""

    from_ms: int
    until_ms: int


@dataclass(frozen=True)
class Unprotected:
    """For so long a position was larger than what its stops would close."""

    side: PositionSide
    span: Span


@dataclass
class ExchangeHistory:
    """What the exchange knows at its end; ids are those that clients see.

    Args:
        orders: as they ended, by id.
        fills: in their order.
        unprotected: spans without enough stops.
        second_entries: orders that would open a position beside another one, or beside an order that would.
        account: at the end.
        ends_ms: market time there.
    """

    orders: dict[int, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    unprotected: list[Unprotected] = field(default_factory=list)
    second_entries: list[Order] = field(default_factory=list)
    account: AccountState = None  # type: ignore[assignment]  # known once everything was played
    ends_ms: int = 0


def play_again(state: Path, source: PriceSource, settings: SimulatorSettings) -> ExchangeHistory:
    """Play a state file again from its beginning.

    Args:
        state: written by a `RunningExchange`.
        source: its market.
        settings: its settings.
    """
    with closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as database:
        commands = database.execute("SELECT at_ms, command FROM command ORDER BY number").fetchall()
        [(ends_ms,)] = database.execute("SELECT at_ms FROM clock").fetchall()
    exchange = SimulatedBitbank(source, settings)
    witness = _Witness(exchange)
    exchange.events.subscribe(witness.see)
    for at_ms, text in commands:
        exchange.advance_to(at_ms)
        exchange.carry_out(decode_command(text))
    exchange.advance_to(ends_ms)
    return witness.end()


class _Witness:
    """Watches an exchange while it is played."""

    def __init__(self, exchange: SimulatedBitbank) -> None:
        self._exchange = exchange
        self._history = ExchangeHistory()
        self._bare_since: dict[PositionSide, int] = {}

    def see(self, event: Event) -> None:
        if isinstance(event, OrderChanged):
            order_id = wire_order_id(event.order.order_id)
            order = replace(event.order, order_id=order_id)
            self._history.orders[order_id] = order
            if event.is_new and order.request.opens and self._has_entry_beside(event.order.order_id):
                self._history.second_entries.append(order)
        elif isinstance(event, OrderFilled):
            fill = event.fill
            told = replace(fill, trade_id=wire_trade_id(fill.trade_id), order_id=wire_order_id(fill.order_id))
            self._history.fills.append(told)
        if isinstance(event, OrderChanged | PositionChanged):
            self._look_at_stops()

    def end(self) -> ExchangeHistory:
        for side in tuple(self._bare_since):
            self._close(side)
        self._history.account = self._exchange.account()
        self._history.ends_ms = self._exchange.now_ms
        return self._history

    def _has_entry_beside(self, order_id: int) -> bool:
        account = self._exchange.account()
        others = [order for order in account.open_orders if order.order_id != order_id and order.request.opens]
        return bool(others) or any(account.position(side).amount for side in PositionSide)

    def _look_at_stops(self) -> None:
        account = self._exchange.account()
        for side in PositionSide:
            if account.position(side).amount.lots <= _covered(account, side).lots:
                self._close(side)
            else:
                self._bare_since.setdefault(side, self._exchange.now_ms)

    def _close(self, side: PositionSide) -> None:
        since_ms = self._bare_since.pop(side, None)
        if since_ms is not None and since_ms < self._exchange.now_ms:
            self._history.unprotected.append(Unprotected(side, Span(since_ms, self._exchange.now_ms)))


def _covered(account: AccountState, side: PositionSide) -> Btc:
    """Return how much of a position its stops would close, or are closing."""
    covered = Btc(0)
    for order in account.open_orders:
        request = order.request
        if request.position_side is side and request.closes and request.type in (*_STOPS, OrderType.LOSSCUT):
            remaining = order.remaining_amount
            covered = covered + (account.position(side).amount if remaining is None else remaining)
    return covered
