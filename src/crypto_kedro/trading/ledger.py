"""What the account went through, folded from fills: losses, streaks and drawdown that a restart cannot forget."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.market.bars import DAY_MS, JST_OFFSET_MS
from crypto_kedro.market.moments import utc_text
from crypto_kedro.trading.money import Btc, Jpy
from crypto_kedro.trading.orders import Fill, PositionSide

_NONE = Jpy(0)
_DAYS_FROM_MONDAY = 3  # 1970-01-01 was a Thursday


class LedgerError(CryptoKedroError):
    """The history of the account is out of order or incomplete, so no guard can be computed from it."""


class Transfer(Struct, frozen=True):
    """JPY that came into the account (positive) or left it, at a moment in Unix milliseconds UTC."""

    at_ms: int
    amount: Jpy


class EquityPoint(Struct, frozen=True):
    """What the account was worth, open positions included, at a moment in Unix milliseconds UTC."""

    at_ms: int
    equity: Jpy


class DrawdownReset(Struct, frozen=True):
    """A human looked at the drawdown and allowed trading again, at a moment in Unix milliseconds UTC."""

    at_ms: int


LedgerEvent = Fill | Transfer | EquityPoint | DrawdownReset


class OpenTrade(Struct, frozen=True):
    """A position that is not closed yet.

    Args:
        amount: BTC open.
        opened_at_ms: first fill, Unix milliseconds UTC.
        net: what the closing fills so far brought, after fees and interest.
    """

    amount: Btc
    opened_at_ms: int
    net: Jpy


def jst_day(moment_ms: int) -> int:
    """Return the number of the JST day, counted from 1970-01-01."""
    return (moment_ms + JST_OFFSET_MS) // DAY_MS


def jst_day_start_ms(day: int) -> int:
    """Return the first moment of a JST day, Unix milliseconds UTC."""
    return day * DAY_MS - JST_OFFSET_MS


def jst_week(day: int) -> int:
    """Return the number of the week, from Monday, that a JST day lies in."""
    return (day + _DAYS_FROM_MONDAY) // 7


def next_week_start_ms(day: int) -> int:
    """Return the first moment of the week after the one that a JST day lies in, Unix milliseconds UTC."""
    return jst_day_start_ms((jst_week(day) + 1) * 7 - _DAYS_FROM_MONDAY)


class TradeLedger(Struct, frozen=True):
    """The account's history as the guards need it; immutable, and of constant size however long the history.

    A trade runs from the first fill that opens a position to the fill that leaves it empty. Fills are counted when they
    happen, with the net result that the exchange reports; spot fills are not trades of this trader and are passed over.

    Args:
        started_at_ms: when the history begins, with no position open.
        balance: starting capital plus transfers plus the net result of all closing fills.
        peak: highest balance or equity point since the last reset, scaled with transfers.
        deepest_drawdown: largest fall from the peak since the last reset, as a fraction of the peak.
        long, short: the trades that are open.
        day, week: JST day and week of the last trade fill.
        day_net, week_net: net results within them.
        day_trades: trades opened within the day.
        loss_streak: losing trades since the last one that did not lose.
        last_loss_ms: when the last losing trade ended, 0 before the first.
        closed_trades: count.
        last_event_ms, last_trade_id: how far the history has been folded.
    """

    started_at_ms: int
    balance: Jpy
    peak: Jpy
    deepest_drawdown: float
    long: OpenTrade | None
    short: OpenTrade | None
    day: int
    day_net: Jpy
    day_trades: int
    week: int
    week_net: Jpy
    loss_streak: int
    last_loss_ms: int
    closed_trades: int
    last_event_ms: int
    last_trade_id: int

    @classmethod
    def start(cls, at_ms: int, capital: Jpy) -> "TradeLedger":
        """Begin a history with what the account is worth, no position being open."""
        day = jst_day(at_ms)
        return cls(at_ms, capital, capital, 0.0, None, None, day, _NONE, 0, jst_week(day), _NONE, 0, 0, 0, at_ms, -1)

    @classmethod
    def replay(cls, at_ms: int, capital: Jpy, events: Iterable[LedgerEvent]) -> "TradeLedger":
        """Fold a whole history, oldest event first; the result equals the one folded event by event.

        Raises:
            LedgerError: see `after`.
        """
        ledger = cls.start(at_ms, capital)
        for event in events:
            ledger = ledger.after(event)
        return ledger

    def after(self, event: LedgerEvent) -> "TradeLedger":
        """Return the ledger with one more event.

        Raises:
            LedgerError: the event is older than the last one, a fill repeats, or it closes more than is open.
        """
        if isinstance(event, Fill):
            self._require_order(event.executed_at_ms)
            if event.trade_id <= self.last_trade_id:
                raise LedgerError(
                    f"ledger: trade {event.trade_id} comes after trade {self.last_trade_id}; "
                    "give each fill once, in the order of its id"
                )
            if event.position_side is None:
                return replace(self, last_event_ms=event.executed_at_ms, last_trade_id=event.trade_id)
            return self._after_fill(event)
        self._require_order(event.at_ms)
        if isinstance(event, EquityPoint):
            return self._marked(event.at_ms, self.balance, event.equity)
        if isinstance(event, Transfer):
            return self._after_transfer(event)
        return replace(self, peak=self.balance, deepest_drawdown=0.0, last_event_ms=event.at_ms)

    def day_net_at(self, now_ms: int) -> Jpy:
        """Return the net result of the JST day that ``now_ms`` lies in."""
        return self.day_net if jst_day(now_ms) <= self.day else _NONE

    def week_net_at(self, now_ms: int) -> Jpy:
        """Return the net result of the JST week that ``now_ms`` lies in."""
        return self.week_net if jst_week(jst_day(now_ms)) <= self.week else _NONE

    def trades_at(self, now_ms: int) -> int:
        """Return how many trades were opened in the JST day that ``now_ms`` lies in."""
        return self.day_trades if jst_day(now_ms) <= self.day else 0

    def open_trade(self, side: PositionSide) -> OpenTrade | None:
        """Return the open trade of one side."""
        return self.long if side.is_long else self.short

    def _require_order(self, at_ms: int) -> None:
        if at_ms < self.last_event_ms:
            raise LedgerError(
                f"ledger: an event of {utc_text(at_ms)} comes after one of {utc_text(self.last_event_ms)}; "
                "sort the history by time and start it before its first fill"
            )

    def _after_fill(self, fill: Fill) -> "TradeLedger":
        at_ms = fill.executed_at_ms
        is_long = fill.position_side is PositionSide.LONG
        trade = self.long if is_long else self.short
        net = fill.profit_loss
        day, day_net, trades, week, week_net = self._period_of(at_ms)
        if net.units:
            day_net, week_net = day_net + net, week_net + net
        streak, last_loss_ms, closed = self.loss_streak, self.last_loss_ms, self.closed_trades
        left: OpenTrade | None
        if fill.is_opening:
            if trade is None:
                trades += 1
                left = OpenTrade(fill.amount, at_ms, net)
            else:
                left = OpenTrade(trade.amount + fill.amount, trade.opened_at_ms, trade.net + net)
        else:
            left, result = self._reduced(trade, fill)
            if left is None:
                closed += 1
                streak = streak + 1 if result.units < 0 else 0
                last_loss_ms = at_ms if result.units < 0 else last_loss_ms
        balance = self.balance + net if net.units else self.balance
        peak, deepest = self._drawdown(balance)
        long, short = (left, self.short) if is_long else (self.long, left)
        return TradeLedger(
            self.started_at_ms, balance, peak, deepest, long, short, day, day_net, trades, week, week_net,
            streak, last_loss_ms, closed, at_ms, fill.trade_id,
        )  # fmt: skip

    def _period_of(self, at_ms: int) -> tuple[int, Jpy, int, int, Jpy]:
        """Return the JST day of a moment with its net result and trades so far, and the week with its net result."""
        day = jst_day(at_ms)
        if day == self.day:
            return day, self.day_net, self.day_trades, self.week, self.week_net
        week = jst_week(day)
        return day, _NONE, 0, week, self.week_net if week == self.week else _NONE

    @staticmethod
    def _reduced(trade: OpenTrade | None, fill: Fill) -> tuple[OpenTrade | None, Jpy]:
        """Return what a closing fill leaves of a trade, and the trade's net result so far."""
        held = trade.amount if trade else Btc(0)
        if trade is None or fill.amount > held:
            raise LedgerError(
                f"ledger: trade {fill.trade_id} at {utc_text(fill.executed_at_ms)} closes {fill.amount} BTC "
                f"{fill.position_side}, but the fills before it opened only {held}; load the fills from an earlier day"
            )
        net = trade.net + fill.profit_loss
        left = held - fill.amount
        return (OpenTrade(left, trade.opened_at_ms, net) if left else None), net

    def _after_transfer(self, transfer: Transfer) -> "TradeLedger":
        """Scale the peak with the balance, so that money moved is neither a loss nor a gain."""
        before, balance = self.balance.units, self.balance + transfer.amount
        peak = Jpy(-(-self.peak.units * balance.units // before)) if before > 0 and balance.units > 0 else balance
        return replace(self, balance=balance, peak=peak, last_event_ms=transfer.at_ms)

    def _marked(self, at_ms: int, balance: Jpy, equity: Jpy) -> "TradeLedger":
        peak, deepest = self._drawdown(equity)
        return replace(self, balance=balance, peak=peak, deepest_drawdown=deepest, last_event_ms=at_ms)

    def _drawdown(self, worth: Jpy) -> tuple[Jpy, float]:
        if worth.units >= self.peak.units:
            return worth, self.deepest_drawdown
        return self.peak, max(self.deepest_drawdown, fall_from(self.peak.units, worth.units))


def fall_from(peak_units: int, worth_units: int) -> float:
    """Return the fall from the peak as a fraction of it; 0 when there is none, 1 when the peak is not positive."""
    if worth_units >= peak_units > 0:
        return 0.0
    return (peak_units - worth_units) / peak_units if peak_units > 0 else 1.0
