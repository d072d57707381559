"""What a trader says of itself at one moment, and what may be asked of it from outside."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from crypto_kedro.session.journal.entry import HaltInForce
from crypto_kedro.session.journal.records import Lineage, Trigger
from crypto_kedro.session.notice import Severity
from crypto_kedro.session.records import Trade
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.ledger import TradeLedger, fall_from
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import Fill, PositionSide
from crypto_kedro.trading.protection import covered_amount, resting_protection
from crypto_kedro.trading.settings import GuardRule


class HaltState(StrEnum):
    """How far a halt has come: asked for, closing what is open, or in force with nothing left to do."""

    REQUESTED = "requested"
    CLOSING = "closing"
    IN_FORCE = "in_force"


class CycleSeen(Struct, frozen=True):
    """One reconcile pass that is over.

    Args:
        cycle_id: unique in its session; empty when none could begin.
        trigger: what began it.
        started_at_ms, ended_at_ms: Unix milliseconds UTC.
        sent: orders and cancels that went to the exchange.
        error: one sentence when it was broken off, None when it went well.
        contradiction: one sentence about what exchange and journal do not agree on, None while they agree.
        storage: one sentence about why the journal cannot be written, or has no room; None while it can.
    """

    cycle_id: str
    trigger: Trigger
    started_at_ms: int
    ended_at_ms: int
    sent: int
    error: str | None = None
    contradiction: str | None = None
    storage: str | None = None


class CycleCounts(Struct, frozen=True):
    """What the process did since it started: cycles, those of them that were broken off, orders and cancels sent."""

    cycles: int = 0
    failed: int = 0
    sent: int = 0


class HeldPosition(Struct, frozen=True):
    """An open position and what the trader has resting at the exchange for it.

    Args:
        side: long or short.
        amount: BTC.
        average_price: of its opening fills, JPY.
        unrealized: result of the price move so far, before fees and interest.
        costs: fees and interest accrued and not yet charged; negative is a rebate.
        covered: the part of ``amount`` that resting stops close.
        stop, take_profit: nearest trigger or limit price that the trader has resting at the exchange; None without one.
        opened_at_ms: first fill, Unix milliseconds UTC; None when no fill of the history explains the position.
    """

    side: PositionSide
    amount: Btc
    average_price: Decimal
    unrealized: Jpy
    costs: Jpy
    covered: Btc
    stop: Price | None
    take_profit: Price | None
    opened_at_ms: int | None


class AccountSeen(Struct, frozen=True):
    """The account as the exchange last reported it, beside what its history says.

    Args:
        at_ms: moment of the report, Unix milliseconds UTC.
        equity: with open positions, after the costs accrued so far.
        cash: JPY on hand.
        margin_ratio: balance over the product of the positions; None without a position.
        open_orders: orders that rest or sleep at the exchange, without those by which others close positions.
        positions: the open ones, long before short.
        drawdown: fall of ``equity`` from the peak, as a fraction.
        deepest_drawdown: largest such fall since the last reset, this one included.
        day_net, week_net: realised in the JST day and week, after fees and interest.
        day_trades: trades opened in the JST day.
        loss_streak: losing trades since the last one that did not lose.
        closed_trades: count since the history began.
    """

    at_ms: int
    equity: Jpy
    cash: Jpy
    margin_ratio: float | None
    open_orders: int
    positions: tuple[HeldPosition, ...]
    drawdown: float
    deepest_drawdown: float
    day_net: Jpy
    week_net: Jpy
    day_trades: int
    loss_streak: int
    closed_trades: int

    @classmethod
    def of(cls, account: AccountState, ledger: TradeLedger) -> "AccountSeen":
        """Return the account in the light of its history."""
        equity = account.equity
        drawdown = fall_from(ledger.peak.units, equity.units)
        return cls(
            at_ms=account.at_ms,
            equity=equity,
            cash=account.cash,
            margin_ratio=account.margin.ratio,
            open_orders=len(account.open_orders),
            positions=tuple(_held(account, ledger, side) for side in PositionSide if account.position(side).amount),
            drawdown=drawdown,
            deepest_drawdown=max(ledger.deepest_drawdown, drawdown),
            day_net=ledger.day_net_at(account.at_ms),
            week_net=ledger.week_net_at(account.at_ms),
            day_trades=ledger.trades_at(account.at_ms),
            loss_streak=ledger.loss_streak,
            closed_trades=ledger.closed_trades,
        )


def _held(account: AccountState, ledger: TradeLedger, side: PositionSide) -> HeldPosition:
    position = account.position(side)
    average_price = position.average_price
    assert average_price is not None  # the position is not empty
    stop, take_profit = resting_protection(account.open_orders, side)
    trade = ledger.open_trade(side)
    return HeldPosition(
        side=side,
        amount=position.amount,
        average_price=average_price,
        unrealized=position.profit_loss(account.mark),
        costs=position.unrealized_fee + position.unrealized_interest,
        covered=covered_amount(account.open_orders, side, position.amount),
        stop=stop,
        take_profit=take_profit,
        opened_at_ms=None if trade is None else trade.opened_at_ms,
    )


class BarSeen(Struct, frozen=True, array_like=True):
    """One closed decision bar: its open time in Unix milliseconds UTC, and its prices in JPY."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float


class CurvePoint(Struct, frozen=True, array_like=True):
    """What the account was worth, in JPY, at a moment in Unix milliseconds UTC."""

    at_ms: int
    equity: float


class IncidentSeen(Struct, frozen=True):
    """An incident of the journal with its moment, Unix milliseconds UTC."""

    at_ms: int
    severity: Severity
    code: str
    text: str


class TraderStatus(Struct, frozen=True, kw_only=True):
    """A trader at one moment; all moments are Unix milliseconds UTC, and None is what is not known.

    Args:
        environment: ``paper`` or ``live``.
        session_id: of the journal.
        now_ms: moment of this status, on the trader's clock.
        started_at_ms: when the session began.
        lineage: of the model and the code; None before the session is written down.
        funding_stage: capital stage that a human allowed, from 1.
        guards: limits in force.
        lease_held: whether this process may send orders.
        on_tick: whether it works only when it is asked to, and holds the lease only then.
        halted: the halt in force.
        halt_obeyed: whether a cycle has seen that halt.
        counts: since the process started.
        last_cycle: the latest one that is over.
        next_wake_ms: when the next cycle begins by itself; None in tick mode.
        bar_close_ms: close of the latest bar that was observed.
        price: last price in JPY, as of ``account.at_ms``.
        account: as last reported.
        equity_curve: oldest first, as far back as the trader keeps it.
        bars: decision bars that are shown, oldest first.
        fills: executions since the first of ``bars``, oldest first.
        trades: closed in the JST day of ``now_ms``, oldest first.
        funnel: how many decision bars of the JST day had which reason, a gate's name or a `Reason`.
        decision: record of the latest decision, `Decision.as_dict`.
        incidents: at most 50, newest first.
    """

    environment: str
    session_id: str
    now_ms: int
    started_at_ms: int
    lineage: Lineage | None
    funding_stage: int
    guards: GuardRule
    lease_held: bool
    on_tick: bool = False
    halted: HaltInForce | None = None
    halt_obeyed: bool = True
    counts: CycleCounts = CycleCounts()
    last_cycle: CycleSeen | None = None
    next_wake_ms: int | None = None
    bar_close_ms: int | None = None
    price: Price | None = None
    account: AccountSeen | None = None
    equity_curve: tuple[CurvePoint, ...] = ()
    bars: tuple[BarSeen, ...] = ()
    fills: tuple[Fill, ...] = ()
    trades: tuple[Trade, ...] = ()
    funnel: tuple[tuple[str, int], ...] = ()
    decision: Mapping[str, Any] | None = None
    incidents: tuple[IncidentSeen, ...] = ()

    @property
    def data_age_ms(self) -> int | None:
        """How long ago the latest observed bar closed; None before the first."""
        return None if self.bar_close_ms is None else self.now_ms - self.bar_close_ms

    @property
    def halt_state(self) -> HaltState | None:
        """How far the halt in force has come; None while trading is allowed."""
        if self.halted is None:
            return None
        if not self.halt_obeyed:
            return HaltState.REQUESTED
        is_open = self.account is None or bool(self.account.positions)
        return HaltState.CLOSING if self.halted.flatten and is_open else HaltState.IN_FORCE


class WatchedTrader(Protocol):
    """A trader as its HTTP face sees it; all is called on the trader's own event loop."""

    def status(self) -> TraderStatus:
        """Return how it stands now, from memory: no network, no file."""

    async def tick(self) -> Mapping[str, Any]:
        """Run one cycle, after the one that may be running, and return its report as JSON values.

        Raises:
            CryptoKedroError: the cycle was broken off.
        """

    async def stop(self, *, by: str, reason: str, flatten: bool) -> None:
        """Write a halt down, durably, and wake the cycle that obeys it.

        Raises:
            CryptoKedroError: it could not be written down.
        """
