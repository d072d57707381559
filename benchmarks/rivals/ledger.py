"""An independent book-keeper: trades a question by a rulebook, in decimals, one bar after the other.

It shares no code with any of the engines. With `OURS` it must end on our account to the last 0.0001 JPY, the finest
money there is with whole prices, lots and rounded fees; each rule that is replaced turns it one step into another
engine.
"""

from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Literal

import numpy as np
import pandas as pd

from crypto_kedro.market.bars import FloatArray
from rivals.question import TRADE_COLUMNS, Answer, Question

_ZERO = Decimal(0)
_PRECISION = Context(prec=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """What engines do differently.

    Args:
        turns_at_once: a signal against a position closes it and opens the other side at the same open; otherwise it
            only closes, and the other side needs a signal at a later close.
        guards_entry_bar: stop and target can end a trade within the bar that opened it; otherwise they rest from that
            bar's close on.
        leaves_if_met: a stop or target that the entry bar's close has passed is answered by a market order; otherwise
            the next bar decides by its own prices.
        stop_first: a bar that touches both ends at the stop, even if it opened beyond the target.
        stop_outranks_open: a bar that touches stop or target ends the position there, and an order that was to meet
            its open is lost.
        distances_from: the price from which stop and target are measured.
        whole_yen: a stop's distance is floored, a target's and the costs' are raised to whole JPY.
        lot_btc: step to which amounts are floored; None keeps every digit of a float.
        fee_step_jpy: step to which each fee is rounded, half up; None rounds nothing.
        capital: what the risk is a share of.
        price_scale: prices and amounts are held as floats in this unit, in BTC.
        relative_stops: stop and target are floats multiplied out of a fraction of the entry price.
    """

    turns_at_once: bool = False
    guards_entry_bar: bool = False
    leaves_if_met: bool = True
    stop_first: bool = False
    stop_outranks_open: bool = False
    distances_from: Literal["entry", "signal_close"] = "entry"
    whole_yen: bool = True
    lot_btc: Decimal | None = Decimal("0.0001")
    fee_step_jpy: Decimal | None = Decimal("0.0001")
    capital: Literal["capped_equity", "equity", "start"] = "capped_equity"
    price_scale: Decimal = Decimal(1)
    relative_stops: bool = False


OURS = Rulebook()


@dataclass(slots=True)
class _Order:
    """A market order waiting for the next open; side 0 closes only."""

    side: int
    amount: Decimal
    signal_bar: int


@dataclass(slots=True)
class _Position:
    side: int
    amount: Decimal
    bar: int
    entry: float
    stop: float
    target: float
    fee: Decimal

    def exit_price(self, opened: float, high: float, low: float, stop_first: bool) -> float | None:
        """Return where a bar ends the position: at its open if that is beyond, else at the stop before the target."""
        worst, best = (low, high) if self.side > 0 else (high, low)
        if self._beyond_stop(opened) or (not stop_first and self._beyond_target(opened)):
            return opened
        if self._beyond_stop(worst):
            return self.stop
        if self._beyond_target(opened):
            return opened
        return self.target if self._beyond_target(best) else None

    def is_met(self, price: float) -> bool:
        return self._beyond_stop(price) or self._beyond_target(price)

    def _beyond_stop(self, price: float) -> bool:
        return price <= self.stop if self.side > 0 else price >= self.stop

    def _beyond_target(self, price: float) -> bool:
        return price >= self.target if self.side > 0 else price <= self.target


class _Book:
    """One account under one rulebook; amounts are counted in the rulebook's unit."""

    def __init__(self, question: Question, rules: Rulebook) -> None:
        bars, scale = question.bars, float(rules.price_scale)
        self.question, self.rules = question, rules
        self.open, self.high, self.low, self.close = (
            (column * scale).tolist() for column in (bars.open, bars.high, bars.low, bars.close)
        )
        self.stop, self.target = self._distances(scale)
        self.risk_per_unit = self._risks(scale)
        self.fee = Decimal(str(question.fee))
        self.start = self.cash = Decimal(question.cash_jpy)
        self.position: _Position | None = None
        self.order: _Order | None = None
        self.trades: list[tuple[float, ...]] = []
        self.states: list[tuple[float, ...]] = [(-1, question.cash_jpy, 0.0, 0.0)]

    def trade(self) -> None:
        """Go through all bars."""
        signal = self.question.signal.tolist()
        for bar in range(len(signal)):
            if self.position is not None or self.order is not None:
                self._live(bar)
            if signal[bar]:
                self._heed(int(signal[bar]), bar)

    def equity(self, bar: int) -> Decimal:
        """Return equity in JPY with the present position at a bar's close."""
        position = self.position
        if position is None:
            return self.cash
        return self.cash + position.side * position.amount * _difference(self.close[bar], position.entry)

    def curve(self) -> FloatArray:
        """Return equity in JPY at every close, shape (n,)."""
        close = np.asarray(self.close)
        since, cash, held, entry = np.asarray(self.states).T
        state = np.searchsorted(since, np.arange(close.size), side="right") - 1
        curve: FloatArray = cash[state] + held[state] * (close - entry[state])
        return curve

    def _live(self, bar: int) -> None:
        """Let one bar act on the orders and the position."""
        rules, position = self.rules, self.position
        if position is not None and rules.stop_outranks_open:
            price = self._exit_price(position, bar)
            if price is not None:
                self.order = None
                self._leave(position, price, bar)
                return
        self._meet_open(bar)
        position = self.position
        if position is None:
            return
        if position.bar < bar or rules.guards_entry_bar:
            price = self._exit_price(position, bar)
            if price is not None:
                self._leave(position, price, bar)
        elif rules.leaves_if_met and position.is_met(self.close[bar]):
            self.order = _Order(0, _ZERO, bar)

    def _exit_price(self, position: _Position, bar: int) -> float | None:
        return position.exit_price(self.open[bar], self.high[bar], self.low[bar], self.rules.stop_first)

    def _meet_open(self, bar: int) -> None:
        order, self.order = self.order, None
        if order is None:
            return
        if self.position is not None:
            self._leave(self.position, self.open[bar], bar)
        if order.side:
            self._enter(order, bar)

    def _heed(self, signal: int, bar: int) -> None:
        """Send what a signal asks for at the bar's close."""
        opens = signal > 0 or self.question.shorts
        position = self.position
        if position is None:
            if opens:
                self.order = _Order(signal, self._amount(bar), bar)
        elif position.side != signal:
            turns = opens and self.rules.turns_at_once
            self.order = _Order(signal, self._amount(bar), bar) if turns else _Order(0, _ZERO, bar)

    def _amount(self, bar: int) -> Decimal:
        rules = self.rules
        equity = self.equity(bar)
        capital = {"start": self.start, "equity": equity, "capped_equity": min(equity, self.start)}[rules.capital]
        amount = capital * Decimal(str(self.question.risk)) / Decimal(self.risk_per_unit[bar])
        if rules.lot_btc is None:
            return amount
        lot = rules.lot_btc / rules.price_scale
        return (amount / lot).to_integral_value(ROUND_FLOOR) * lot

    def _enter(self, order: _Order, bar: int) -> None:
        entry, side, told = self.open[bar], order.side, order.signal_bar
        stop, target = self.stop[told], self.target[told]
        if self.rules.relative_stops:
            stop_price, target_price = entry * (1 - side * stop), entry * (1 + side * target)
        else:
            base = entry if self.rules.distances_from == "entry" else self.close[told]
            stop_price, target_price = base - side * stop, base + side * target
        fee = self._fee(order.amount, entry)
        self.cash -= fee
        self.position = _Position(side, order.amount, bar, entry, stop_price, target_price, fee)
        self.states.append((bar, float(self.cash), float(side * order.amount), entry))

    def _leave(self, position: _Position, price: float, bar: int) -> None:
        fee = self._fee(position.amount, price)
        self.cash += position.side * position.amount * _difference(price, position.entry) - fee
        self.position = None
        self.states.append((bar, float(self.cash), 0.0, 0.0))
        scale = float(self.rules.price_scale)
        self.trades.append(
            (
                position.side,
                float(position.amount * self.rules.price_scale),
                position.bar,
                bar,
                position.entry / scale,
                price / scale,
                float(position.fee + fee),
            )
        )

    def _fee(self, amount: Decimal, price: float) -> Decimal:
        fee = amount * Decimal(price) * self.fee
        step = self.rules.fee_step_jpy
        return fee if step is None else fee.quantize(step, ROUND_HALF_UP)

    def _distances(self, scale: float) -> tuple[list[float], list[float]]:
        question = self.question
        stop, target = question.stop_jpy, question.target_jpy
        if self.rules.whole_yen:
            stop, target = np.maximum(np.floor(stop), 1.0), np.ceil(target)
        if self.rules.relative_stops:
            return (stop / question.bars.close).tolist(), (target / question.bars.close).tolist()
        return (stop * scale).tolist(), (target * scale).tolist()

    def _risks(self, scale: float) -> list[float]:
        """Return what a stopped trade of one unit costs, by bar."""
        question = self.question
        if self.rules.whole_yen:
            costs = np.ceil(question.bars.close * question.cost)
            risks = (np.maximum(np.floor(question.stop_jpy), 1.0) + costs) * scale
        else:
            risks = question.stop_jpy * scale + question.cost * (question.bars.close * scale)
        return list(risks.tolist())


def keep_books(question: Question, rules: Rulebook) -> Answer:
    """Return trades and equity curve under a rulebook."""
    with localcontext(_PRECISION):
        book = _Book(question, rules)
        book.trade()
    return Answer(pd.DataFrame(book.trades, columns=list(TRADE_COLUMNS)), book.curve())


def _difference(later: float, earlier: float) -> Decimal:
    return Decimal(later) - Decimal(earlier)
