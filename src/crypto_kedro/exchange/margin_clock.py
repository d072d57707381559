"""What happens by the clock: interest at 00:00 JST, the daily margin-call judgement, and changes of the rules."""

from crypto_kedro.exchange.execution import Execution
from crypto_kedro.exchange.ledger import NEVER_ABOVE
from crypto_kedro.exchange.order_desk import OrderDesk
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, JST_OFFSET_MS
from crypto_kedro.trading.account import MarginState
from crypto_kedro.trading.rules import RuleSchedule

# Python 3.11 searches an enum for its member each time, which every order would do dozens of times.
_NORMAL = MarginState.NORMAL


class MarginClock:
    """Moves the account through time; all moments are Unix milliseconds UTC.

    Args:
        desk: orders and ledger of the account.
        execution: liquidates when a margin call is not met.
        schedule: rules by date.
        now: moment at which it starts.

    Attributes:
        call_due_at: when a standing margin call must be met, None without one.

    Source: bitbank charges interest on positions open at 00:00 JST and judges margin calls once a day.
    """

    __slots__ = ("_desk", "_execution", "_next_judgement", "_next_midnight", "_next_rules", "_schedule", "call_due_at")

    def __init__(self, desk: OrderDesk, execution: Execution, schedule: RuleSchedule, now: int) -> None:
        self._desk = desk
        self._execution = execution
        self._schedule = schedule
        self._next_midnight = _next_daily(-JST_OFFSET_MS, now)
        self._next_judgement = _next_daily(desk.settings.judgement_hour_jst * HOUR_MS - JST_OFFSET_MS, now)
        self._next_rules = schedule.next_change_after(now) or NEVER_ABOVE
        self.call_due_at: int | None = None

    def next_moment(self) -> int:
        """Return the first moment at which the clock may change anything, or a bound that is never reached."""
        ledger = self._desk.ledger
        if not (ledger.long.lots or ledger.short.lots):
            return self._next_rules
        return min(self._next_rules, self._next_midnight, self._next_judgement)

    def accrue(self, now: int) -> None:
        """Charge the interest of every midnight up to ``now``, each at its own day's rules, then adopt the rules."""
        if now < self._next_midnight and now < self._next_rules:
            return
        desk = self._desk
        while self._next_midnight <= now:
            if not desk.ledger.has_position:
                self._next_midnight = _next_daily(-JST_OFFSET_MS, now)
                break
            desk.ledger.accrue_interest(self._schedule.at(self._next_midnight))
            self._next_midnight += DAY_MS
            desk.note_ledger_change()
        if self._next_rules <= now:
            desk.rules = self._schedule.at(now)
            self._next_rules = self._schedule.next_change_after(now) or NEVER_ABOVE
            desk.note_ledger_change()

    def judge(self, now: int, bid: int, ask: int, mark: int) -> None:
        """Carry out the daily judgement if its hour has passed: call, release, or liquidate an unmet call."""
        desk = self._desk
        if self.call_due_at is not None and not desk.ledger.has_position:
            self.call_due_at = None
        if now < self._next_judgement:
            return
        self._next_judgement += (now - self._next_judgement) // DAY_MS * DAY_MS + DAY_MS
        if not desk.ledger.has_position:
            return
        desk.revision += 1
        if not desk.ledger.is_below(desk.rules.margin_call.ppm, desk.rules, mark):
            self.call_due_at = None
        elif self.call_due_at is None:
            judged_at = self._next_judgement - DAY_MS
            self.call_due_at = judged_at + desk.settings.call_grace_hours * HOUR_MS
        elif now >= self.call_due_at:
            self.call_due_at = None
            self._execution.liquidate(bid, ask, now)

    def state(self) -> MarginState:
        """Return the health of the margin account."""
        ledger = self._desk.ledger
        if ledger.payable:
            return MarginState.DEBT
        if self.call_due_at is not None and ledger.has_position:
            return MarginState.CALL
        return _NORMAL


def _next_daily(offset_ms: int, now: int) -> int:
    """Return the first moment after ``now`` that lies ``offset_ms`` past midnight UTC."""
    return now - (now - offset_ms) % DAY_MS + DAY_MS
