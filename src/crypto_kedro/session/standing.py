"""What a session wants of its positions between two decisions of the core."""

from collections.abc import Callable

from msgspec.structs import replace

from crypto_kedro.session.reconcile import PositionWish, Step, Wish, is_leaving
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.decision import Action, Decision, Reason, Target
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import PositionSide
from crypto_kedro.trading.protection import (
    Barriers,
    Protection,
    entry_price,
    nearer_profit,
    protect,
    resting_protection,
)
from crypto_kedro.trading.rules import MarketRules
from crypto_kedro.trading.settings import BarrierRule

FLATTEN = "flatten"
"""Reason of an exit that a human asked for with a halt."""


class Standing:
    """The last decision's wishes, as far as they still hold.

    Args:
        rule: gives the time limit of a trade.
        share: how much of a position of that side, by that ledger, is this trader's; None is all of it.

    A stop only ever moves towards profit: none is desired that secures less than one that rests for the position.

    Attributes:
        rested: sides for which a stop has been accepted since the position was opened.
    """

    def __init__(self, rule: BarrierRule, share: Callable[[PositionSide, TradeLedger], Btc | None]) -> None:
        self._rule = rule
        self._share = share
        self._entry: Target | None = None
        self._barriers: Barriers | None = None
        self._protections: dict[PositionSide, Protection] = {}
        self._leave: dict[PositionSide, str] = {}
        self._bare_since_ms: int | None = None
        self.rested: dict[PositionSide, bool] = {}

    def follow(self, decision: Decision, *, may_enter: bool) -> None:
        """Take over a decision.

        Args:
            decision: of the core.
            may_enter: whether anything may be opened.
        """
        target = decision.target
        self._entry = None
        self._leave = {}
        if decision.action is Action.OPEN and target is not None and may_enter:
            self._entry, self._barriers = target, target.barriers
        elif decision.action is Action.HOLD and target is not None:
            self._protections[target.side] = target.protection
        elif decision.action is Action.CLOSE:
            self._leave = dict.fromkeys(PositionSide, str(decision.reason))

    def recall(self, decision: Decision, ledger: TradeLedger) -> None:
        """Take over the protections of a decision that an earlier process took; it is not carried out again.

        Args:
            decision: the last one.
            ledger: the history up to now.
        """
        target = decision.target
        if target is None:
            return
        if decision.action is Action.OPEN:
            self._barriers = target.barriers
        elif ledger.open_trade(target.side) is not None:
            self._protections[target.side] = target.protection

    def sent(self, step: Step, was_accepted: bool) -> None:
        """Take note that an order was sent: an entry is tried once, an exit until one is accepted."""
        request = step.request
        if step.purpose is Purpose.ENTRY:
            self._entry = None
        elif step.purpose is Purpose.EXIT and was_accepted and request is not None and request.position_side:
            self._leave.pop(request.position_side, None)

    def needs_rules(self, account: AccountState) -> bool:
        """Whether a position has just been opened, whose protection is to be reckoned in steps of the price."""
        return any(account.position(side).amount and side not in self._protections for side in PositionSide)

    def wish(
        self, account: AccountState, ledger: TradeLedger, rules: MarketRules | None, reason: str, *, flatten: bool
    ) -> Wish:
        """Return what the account should come to.

        Args:
            account: as the exchange reports it.
            ledger: its history.
            rules: in force, where `needs_rules`.
            reason: for the orders that are missing.
            flatten: close everything that is this trader's.
        """
        positions = []
        for side in PositionSide:
            if not account.position(side).amount:
                self._protections.pop(side, None)
                self._leave.pop(side, None)
                self.rested.pop(side, None)
                continue
            if side not in self._protections and rules is not None:
                fresh = self._fresh(side, account, ledger, rules)
                if fresh is not None:
                    self._protections[side] = fresh
            if is_leaving(account.open_orders, side):
                # An exit that was accepted answers the decision, also one that was sent before it.
                self._leave.pop(side, None)
            leave = FLATTEN if flatten else self._leave.get(side)
            protection = self._protections.get(side)
            if protection is not None:
                resting, _ = resting_protection(account.open_orders, side)
                protection = replace(protection, stop=nearer_profit(side, protection.stop, resting))
            positions.append(PositionWish(side, protection, reason, leave, self._share(side, ledger)))
        return Wish(self._entry, tuple(positions))

    def is_bare(self, account: AccountState, ledger: TradeLedger) -> bool:
        """Whether an own position is open of which this process does not know what should rest for it."""
        bare = any(
            account.position(side).amount and side not in self._protections and self._share(side, ledger) != Btc(0)
            for side in PositionSide
        )
        if not bare:
            self._bare_since_ms = None
        return bare

    def wait_bare(self, account: AccountState, now_ms: int, most_ms: int) -> None:
        """Give a position up that has no stop at all and for which none can be reckoned in time."""
        bare = [
            side
            for side in PositionSide
            if account.position(side).amount
            and side not in self._protections
            and resting_protection(account.open_orders, side)[0] is None
        ]
        if not bare:
            return
        self._bare_since_ms = now_ms if self._bare_since_ms is None else self._bare_since_ms
        if now_ms - self._bare_since_ms >= most_ms:
            self._leave.update(dict.fromkeys(bare, str(Reason.NO_PROTECTION)))

    def _fresh(
        self, side: PositionSide, account: AccountState, ledger: TradeLedger, rules: MarketRules
    ) -> Protection | None:
        """Return the protection of a position that has just been opened, at the price it was opened at."""
        trade = ledger.open_trade(side)
        if self._barriers is None or trade is None:
            return None
        step = rules.price_step
        entry = entry_price(account.position(side), step)
        return protect(side, entry, self._barriers, self._rule.expires_at_ms(trade.opened_at_ms), step)
