"""What happens by the clock: interest at 00:00 JST, the daily margin-call judgement, and changes of the rules."""

from crypto_kedro.exchange.execution import Execution
from crypto_kedro.exchange.ledger import NEVER_ABOVE
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, JST_OFFSET_MS
from crypto_kedro.trading.account import MarginState
from crypto_kedro.trading.rules import RuleSchedule


class MarginClock:
    """Moves the account through time.

    Args:
        execution: the desk whose ledger and rules it moves.
        schedule: rules by date.
        now: Unix milliseconds UTC at which it starts.

    Source: bitbank charges interest on positions open at 00:00 JST and judges margin calls once a day.
    """

    __slots__ = ("_execution", "_judged_day", "_judgement_ms", "_next_rules", "_night", "_schedule", "call_due_at")

    def __init__(self, execution: Execution, schedule: RuleSchedule, now: int) -> None:
        self._execution = execution
        self._schedule = schedule
        self._judgement_ms = execution.settings.judgement_hour_jst * HOUR_MS - JST_OFFSET_MS
        self._night = _day(now, -JST_OFFSET_MS)
        self._judged_day = _day(now, self._judgement_ms)
        self._next_rules = schedule.next_change_after(now)
        self.call_due_at: int | None = None

    def next_moment(self) -> int:
        """Return the first time at which the clock may change anything, or the largest bound."""
        moment = NEVER_ABOVE if self._next_rules is None else self._next_rules
        if not self._execution.ledger.has_position:
            return moment
        midnight = (self._night + 1) * DAY_MS - JST_OFFSET_MS
        judgement = (self._judged_day + 1) * DAY_MS + self._judgement_ms
        return min(moment, midnight, judgement)

    def accrue(self, now: int) -> None:
        """Charge the interest of every midnight up to ``now``, each at its own day's rules, then adopt the rules."""
        execution = self._execution
        night = _day(now, -JST_OFFSET_MS)
        if night > self._night and execution.ledger.has_position:
            if self._next_rules is None or self._next_rules > now:
                execution.ledger.accrue_interest(execution.rules, night - self._night)
            else:
                for day in range(self._night + 1, night + 1):
                    execution.ledger.accrue_interest(self._schedule.at(day * DAY_MS - JST_OFFSET_MS), 1)
            execution.revision += 1
        self._night = night
        if self._next_rules is not None and now >= self._next_rules:
            execution.rules = self._schedule.at(now)
            execution.revision += 1
            self._next_rules = self._schedule.next_change_after(now)

    def judge(self, now: int, bid: int, ask: int, mark: int) -> None:
        """Carry out the daily judgement if its hour has passed: call, release, or liquidate an unmet call."""
        execution = self._execution
        if self.call_due_at is not None and not execution.ledger.has_position:
            self.call_due_at = None
        day = _day(now, self._judgement_ms)
        if day == self._judged_day:
            return
        self._judged_day = day
        if not execution.ledger.has_position:
            return
        execution.revision += 1
        if not execution.ledger.is_below(execution.rules.margin_call.ppm, execution.rules, mark):
            self.call_due_at = None
        elif self.call_due_at is None:
            judged_at = day * DAY_MS + self._judgement_ms
            self.call_due_at = judged_at + execution.settings.call_grace_hours * HOUR_MS
        elif now >= self.call_due_at:
            self.call_due_at = None
            execution.liquidate(bid, ask, now)

    def state(self) -> MarginState:
        """Return the health of the margin account."""
        ledger = self._execution.ledger
        if ledger.payable:
            return MarginState.DEBT
        if self.call_due_at is not None and ledger.has_position:
            return MarginState.CALL
        return MarginState.NORMAL


def _day(moment: int, offset_ms: int) -> int:
    """Number of the day that a moment lies in, when days begin at ``offset_ms`` past midnight UTC."""
    return (moment - offset_ms) // DAY_MS
