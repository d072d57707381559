"""Replays history through the decision core and the matching engine, visiting only the bars that can matter."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np

from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.market.bars import DAY_MS, JST_OFFSET_MS, FloatArray, IntArray
from crypto_kedro.session.decision_rows import DecisionRows
from crypto_kedro.session.equity import EquityLines
from crypto_kedro.session.order_sender import OrderSender
from crypto_kedro.session.plan import BacktestPlan
from crypto_kedro.session.records import REASON_CODES, BacktestResult, round_trips
from crypto_kedro.trading.account import AccountState, Position
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.decision import Action, Decision, Reason
from crypto_kedro.trading.guards import next_wake
from crypto_kedro.trading.ledger import EquityPoint, TradeLedger
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import Fill
from crypto_kedro.trading.protection import Barriers, Protection, entry_price, protect
from crypto_kedro.trading.signal import SignalFacts

Wake = Literal["event", "every_bar"]

_HOLDING = REASON_CODES[Reason.WITHIN_BARRIERS]
_ENDED_BY_TIME_ALONE = frozenset(
    ("margin_state", "funding_stage", "drawdown", "weekly_loss", "daily_loss", "loss_pause_ms", "trades_today")
)
"""Gates that keep refusing a flat account, whatever the bar, until `next_wake`; none before them depends on the bar."""


def run_backtest(
    feed: BarFeed,
    facts: SignalFacts[FloatArray],
    kelly: float | FloatArray,
    plan: BacktestPlan,
    wake: Wake = "event",
) -> BacktestResult:
    """Trade history and return all that happened.

    At each execution bar: the engine fills what the bar allows; fills are folded into the ledger and answered with
    protection at the bar's close; a JST midnight marks equity; then, if a decision bar closes there, the core decides
    and its orders meet the next execution bar.

    Args:
        feed: the execution bars, for example of one minute.
        facts: float64 columns of m decision bars, each closing together with an execution bar; ``age_ms`` is 0.
        kelly: leverage of full Kelly by the model's out-of-sample outcomes, one value or one for each decision bar.
        plan: settings, rules, cash and how the exchange behaves.
        wake: ``event`` visits only bars at which something can happen; ``every_bar`` visits them all, with the same
            trades, equity and reasons, and more decision records.

    Raises:
        DataError: facts and feed do not fit together, see `DecisionRows`.
    """
    rows = DecisionRows(feed, facts, kelly, plan.schedule, plan.settings)
    with _no_garbage_collection():
        return _Replay(feed, rows, plan, every_bar=wake == "every_bar").run()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Hold the cyclic collector: the replay makes no cycles, and it would go through every record again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if gc.get_freeze_count() == 0:
                # Together these make what is new old without going through it, where collecting would walk it all.
                gc.freeze()
                gc.unfreeze()
            gc.enable()


class _Replay:
    """One run; its state is what a live trader would read from the exchange before each cycle."""

    def __init__(self, feed: BarFeed, rows: DecisionRows, plan: BacktestPlan, *, every_bar: bool) -> None:
        start_ms = int(feed.bars.open_time[0])
        self._feed = feed
        self._rows = rows
        self._plan = plan
        self._every_bar = every_bar
        self._trails = plan.settings.barriers.trailing_atr is not None
        self._engine = MatchingEngine(plan.schedule, plan.engine, cash=plan.cash, start_ms=start_ms)
        self._sender = OrderSender(self._engine, limit_target=plan.limit_target, latency_ms=plan.engine.latency_ms)
        self._ledger = TradeLedger.start(start_ms, plan.cash)
        self._equity = EquityLines(plan.cash.units)
        self._reasons = rows.first_failed.copy()
        self._decisions: list[Decision] = []
        self._midnights = [*_midnight_bars(feed).tolist(), len(feed)]
        self._settled: bool | None = None
        self._position: Position | None = None
        self._protection: Protection | None = None
        self._barriers: Barriers | None = None
        self._expiry_row = 0
        self._revision = -1
        self._traded_at_ms = start_ms
        self._row = 0
        self._refused: tuple[int, int] | None = None

    def run(self) -> BacktestResult:
        feed, engine, rows, midnights = self._feed, self._engine, self._rows, self._midnights
        last = len(feed) - 1
        bar, midnight = -1, 0
        wake_bar = rows.bar[self._wake_row()]
        while bar < last:
            stop = bar + 1 if self._every_bar else min(wake_bar, midnights[midnight], last)
            bar = engine.next_event(feed, bar + 1, stop)
            self._visit(bar)
            if bar >= midnights[midnight]:
                midnight += 1
                self._mark_equity()
            wake_bar = rows.bar[self._wake_row()]
            if wake_bar == bar:
                self._decide()
                wake_bar = rows.bar[self._wake_row()]
        self._pass_rows(last + 1)
        return self._result()

    def _visit(self, bar: int) -> None:
        """Let one execution bar act, and answer what it changed."""
        quote = self._feed.row(bar)
        fills = self._engine.advance(quote)
        if not quote.is_halted:
            self._traded_at_ms = quote.open_time_ms
            if not self._settled:
                self._settled = None
        self._pass_rows(bar)
        if self._engine.revision != self._revision:
            self._answer(bar, fills)

    def _pass_rows(self, bar: int) -> None:
        """Fill in the reasons of the decision rows before a bar, by what holds since the last visit."""
        first = self._row
        if self._rows.bar[first] >= bar:
            return
        end = self._row = self._rows.first_of_bar[bar]
        if self._position is not None:
            self._reasons[first:end] = _HOLDING
        elif self._refused is not None:
            reasons = self._reasons[first:end]
            reasons[reasons < 0] = self._refused[0]

    def _answer(self, bar: int, fills: list[Fill]) -> None:
        """Fold fills into the ledger, and let the orders at the exchange fit the position."""
        for fill in fills:
            self._ledger = self._ledger.after(fill)
        if fills:
            self._refused = None
        settled = None
        account = self._engine.account()
        position = self._position = _open_position(account)
        self._equity.change(bar, account)
        if position is None:
            self._protection = None
            self._sender.drop_closing_orders(account)
        else:
            protection = self._protection or self._fresh_protection(position)
            if protection is not None:
                self._keep(protection)
                settled = self._sender.protect(account, position, protection, "position")
        self._note_sent(settled)

    def _fresh_protection(self, position: Position) -> Protection | None:
        """Return the protection of a position that has just been opened, at the price it was opened at."""
        trade = self._ledger.open_trade(position.side)
        if self._barriers is None or trade is None:
            return None
        step = self._plan.schedule.at(self._engine.now_ms).price_step
        expires_at_ms = self._plan.settings.barriers.expires_at_ms(trade.opened_at_ms)
        return protect(position.side, entry_price(position, step), self._barriers, expires_at_ms, step)

    def _keep(self, protection: Protection) -> None:
        if self._protection is None or self._protection.expires_at_ms != protection.expires_at_ms:
            self._expiry_row = self._rows.first_at(protection.expires_at_ms)
        self._protection = protection

    def _note_sent(self, settled: bool | None = None) -> None:
        """Take note that what was sent since the last visit is no news; it moves neither equity nor the position."""
        self._revision = self._engine.revision
        self._settled = settled

    def _mark_equity(self) -> None:
        """Remember equity at a JST midnight; without a position the balance has already been remembered."""
        if self._position is not None:
            account = self._engine.account()
            self._ledger = self._ledger.after(EquityPoint(account.at_ms, account.equity))

    def _wake_row(self) -> int:
        """Return the first row not yet passed at which `decide` may say or do anything new."""
        row, rows = self._row, self._rows
        if self._every_bar:
            return row
        position = self._position
        if position is None:
            return rows.next_passed[max(row, self._refused[1]) if self._refused else row]
        if self._trails or not self._is_settled(position):
            return row
        return min(rows.next_against[position.side][row], max(self._expiry_row, row))

    def _is_settled(self, position: Position) -> bool:
        settled = self._settled
        if settled is None:
            settled = self._sender.is_settled(self._engine.account(), position, self._traded_at_ms)
            self._settled = settled
        return settled

    def _decide(self) -> None:
        """Let the core decide at the close of the row that is due, and carry its decision out."""
        row, plan = self._row, self._plan
        account = self._engine.account()
        moment = int(self._rows.close_ms[row])
        observation = Observation(
            self._rows.facts(row),
            self._rows.kelly[row],
            account,
            self._ledger,
            plan.schedule.at(moment),
            plan.funding_stage,
        )
        decision = decide(plan.settings, observation)
        self._decisions.append(decision)
        self._reasons[row] = REASON_CODES[decision.reason]
        self._row = row + 1
        self._carry_out(decision, account)
        self._note_sent()

    def _carry_out(self, decision: Decision, account: AccountState) -> None:
        action, target, position = decision.action, decision.target, self._position
        self._refused = None
        if action is Action.OPEN and target is not None:
            self._barriers = target.barriers
            self._sender.enter(target)
        elif action is Action.STAY_FLAT and decision.reason in _ENDED_BY_TIME_ALONE:
            self._refused = REASON_CODES[decision.reason], self._end_of_refusal(decision.at_ms)
        elif action is Action.CLOSE and position is not None:
            self._sender.leave(account, position, decision.reason)
        elif action is Action.HOLD and target is not None and position is not None:
            self._keep(target.protection)
            self._sender.protect(account, position, target.protection, decision.reason)

    def _end_of_refusal(self, now_ms: int) -> int:
        """Return the first row at which a guard that refuses now may let an entry pass."""
        plan = self._plan
        moment = next_wake(plan.settings, self._ledger, now_ms, plan.funding_stage)
        return len(self._rows) if moment is None else self._rows.first_at(moment)

    def _result(self) -> BacktestResult:
        engine, feed, sendings = self._engine, self._feed, self._sender.sendings
        fills = tuple(engine.fills)
        return BacktestResult(
            trades=round_trips(fills, sendings),
            orders=tuple(engine.orders()),
            sendings=sendings,
            refused=tuple(self._sender.refused),
            fills=fills,
            bar_close_ms=feed.bars.close_time,
            equity_units=self._equity.at_closes(feed.close_ticks),
            decided_at_ms=self._rows.close_ms,
            reason_codes=self._reasons,
            decisions=tuple(self._decisions),
            account=engine.account(),
            ledger=self._ledger,
        )


def _open_position(account: AccountState) -> Position | None:
    """Return the position that is open; the long one when both are."""
    if account.long.amount.lots:
        return account.long
    return account.short if account.short.amount.lots else None


def _midnight_bars(feed: BarFeed) -> IntArray:
    """Return the bars during which, or at whose close, a new JST day begins."""
    opened, closed = feed.bars.open_time + JST_OFFSET_MS, feed.bars.close_time + JST_OFFSET_MS
    bars: IntArray = np.flatnonzero(opened // DAY_MS != closed // DAY_MS)
    return bars
