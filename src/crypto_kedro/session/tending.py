"""Sending what is missing between the account and the wish, and closing what cannot be protected."""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from crypto_kedro.exchange.port import RefusedError
from crypto_kedro.session.cycle_log import CycleLog
from crypto_kedro.session.dispatch import Dispatcher, Progress, StepResult
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.known_rules import KnownRules
from crypto_kedro.session.ownership import Ownership
from crypto_kedro.session.reconcile import TRIGGER_MET, Step, Wish, closable, leaving, reconcile
from crypto_kedro.session.records import Purpose
from crypto_kedro.session.standing import Standing
from crypto_kedro.session.truth import Truth, View
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.decision import Reason
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import Order, PositionSide, RefusalCode
from crypto_kedro.trading.protection import resting_protection

_MOST_PASSES = 6


class Tending:
    """Looks after positions, pass after pass, until nothing is missing.

    Args:
        rules: of the market.
        journal: of the account.
        log: of the cycle.
        truth: reads the account.
        ownership: tells own from foreign.
        standing: what is wished.
        dispatcher: sends.
        now_ms: the session's clock, Unix milliseconds UTC.
        limit_target: rest the target as a limit order rather than as a take-profit order.
        bare_ms: how long a position may wait for a stop that is refused for the time being, or of which nobody knows
            whether it rests.
    """

    def __init__(
        self,
        rules: KnownRules,
        journal: Journal,
        log: CycleLog,
        truth: Truth,
        ownership: Ownership,
        standing: Standing,
        dispatcher: Dispatcher,
        now_ms: Callable[[], int],
        *,
        limit_target: bool,
        bare_ms: int,
    ) -> None:
        self._rules = rules
        self._journal = journal
        self._log = log
        self._truth = truth
        self._ownership = ownership
        self._standing = standing
        self._dispatcher = dispatcher
        self._now_ms = now_ms
        self._limit_target = limit_target
        self._bare_ms = bare_ms
        self._lacking_since_ms: dict[PositionSide, int] = {}

    async def tend(self, view: View, reason: str, *, may_enter: bool, flatten: bool = False) -> View:
        """Send what is missing, and read again, until nothing is missing or nothing can be done about it.

        Args:
            view: as just read.
            reason: for the orders that are missing.
            may_enter: whether anything may be opened.
            flatten: close what is open; a halt may ask for it as well.

        Returns:
            The account as it was read last.

        Raises:
            ExchangeError: the exchange does not answer.
            LeaseLostError: this process may no longer send.
            JournalError: another process has taken over, so nothing more is sent.
        """
        standing, halt = self._standing, self._journal.halt()
        flattens = flatten or (halt is not None and halt.flatten)
        self._lacking_since_ms = {
            side: at_ms for side, at_ms in self._lacking_since_ms.items() if view.account.position(side).amount
        }
        given_up: set[PositionSide] = set()
        for _ in range(_MOST_PASSES):
            rules = await self._rules.known() if standing.needs_rules(view.account) else None
            wish = standing.wish(view.account, view.ledger, rules, reason, flatten=flattens)
            wish = self._possible(wish, given_up, may_enter=may_enter and halt is None)
            foreign = self._ownership.foreign(view.account)
            steps = reconcile(view.account, wish, limit_target=self._limit_target, foreign=foreign)
            if not steps or not await self._carry_out(steps, view, given_up):
                break
            view = await self._truth.read()
        return view

    def _possible(self, wish: Wish, given_up: set[PositionSide], *, may_enter: bool) -> Wish:
        """Return the part of a wish that may be fulfilled now."""
        positions = [
            replace(position, leave=None) if self._ownership.is_claimed(position.side) else position
            for position in wish.positions
            if position.side not in given_up
        ]
        return Wish(wish.entry if may_enter else None, tuple(positions))

    def is_covered(self, view: View) -> bool:
        """Whether a stop rests that closes all of every position of this trader's, as far as it was seen."""
        orders, own = self._own_orders(view.account), {side: self._own_amount(side, view) for side in PositionSide}
        return all(not amount or _is_covered(orders, side, amount) for side, amount in own.items())

    async def _carry_out(self, steps: tuple[Step, ...], view: View, given_up: set[PositionSide]) -> bool:
        """Do the steps; return whether any of them changed anything."""
        moved = False
        for step in steps:
            side = None if step.request is None else step.request.position_side
            if side in given_up:
                continue
            result = await self._do(step, view)
            moved = moved or result.progress is Progress.DONE
            if side is None:
                continue
            if result.progress is Progress.UNKNOWN:
                given_up.add(side)
            else:
                self._standing.sent(step, result.progress is Progress.DONE)
                self._note_repair(step, side, result, view.account)
            reason = self._reason_to_flee(step, result)
            if reason is not None:
                given_up.add(side)
                moved = await self._flee(side, reason, view) or moved
        return moved

    async def _do(self, step: Step, view: View) -> StepResult:
        """Do one step, unless an order like it may exist already."""
        if self._dispatcher.awaits(step) is not None:
            return StepResult(Progress.UNKNOWN)
        self._log.begin()
        return await self._dispatcher.carry_out(step, self._log.cycle_id, view.account)

    def _reason_to_flee(self, step: Step, result: StepResult) -> str | None:
        """Return why a position must be closed because an order that protects it does not rest."""
        if step.purpose not in (Purpose.STOP, Purpose.TARGET):
            return None
        if result.trigger_met:
            return TRIGGER_MET
        if step.purpose is Purpose.TARGET or result.progress not in (Progress.UNKNOWN, Progress.REFUSED):
            return None
        is_final = isinstance(result.error, RefusedError) and not _may_pass(result.error)
        return Reason.NO_PROTECTION if is_final or self._lacks_for_long(step) else None

    def _lacks_for_long(self, step: Step) -> bool:
        """Whether a stop has been refused, or has had no answer, for too long already."""
        request, now_ms = step.request, self._now_ms()
        assert request is not None  # it was sent
        assert request.position_side is not None
        since_ms = self._lacking_since_ms.setdefault(request.position_side, self._dispatcher.awaits(step) or now_ms)
        return now_ms - since_ms >= self._bare_ms

    async def _flee(self, side: PositionSide, reason: str, view: View) -> bool:
        """Close a position that cannot be protected, unless a stop that covers all of it still rests."""
        orders = self._own_orders(view.account)
        own = self._own_amount(side, view)
        if reason == Reason.NO_PROTECTION and _is_covered(orders, side, own):
            return False
        amount = min(own, closable(orders, view.account.position(side)))
        if not amount:
            return False
        moved = False
        for step in leaving(orders, side, amount, reason):
            result = await self._do(step, view)
            moved = moved or result.progress is Progress.DONE
        return moved

    def _own_orders(self, account: AccountState) -> tuple[Order, ...]:
        foreign = self._ownership.foreign(account)
        return tuple([order for order in account.open_orders if order.order_id not in foreign])

    def _own_amount(self, side: PositionSide, view: View) -> Btc:
        amount, share = view.account.position(side).amount, self._ownership.share(side, view.ledger)
        return amount if share is None else min(share, amount)

    def _note_repair(self, step: Step, side: PositionSide, result: StepResult, account: AccountState) -> None:
        """Remember that a stop was set right which had rested before."""
        if step.purpose is not Purpose.STOP or result.progress is not Progress.DONE:
            return
        self._lacking_since_ms.pop(side, None)
        if self._standing.rested.get(side) is not None and resting_protection(account.open_orders, side)[0] is None:
            self._log.repaired.append(side)
        self._standing.rested[side] = True


def _may_pass(error: RefusedError) -> bool:
    """Whether a refusal may be over in a moment: right after a fill the order engine may not know the position yet."""
    return error.code == RefusalCode.EXCEEDS_POSITION


def _is_covered(orders: Iterable[Order], side: PositionSide, amount: Btc) -> bool:
    """Whether a stop rests that closes all of an amount."""
    return any(
        resting_protection((order,), side)[0] is not None
        and (not order.remaining_amount or order.remaining_amount >= amount)
        for order in orders
    )
