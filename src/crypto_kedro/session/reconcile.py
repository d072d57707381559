"""The difference between an account and what it should be, as steps to carry out; pure, the same in backtest and live.

A stop or a take-profit order closes the whole position, so that it covers what partial fills leave, and sleeping it
holds nothing: it rests until the position is gone, also while an exit is under way.
"""

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.account import AccountState, Position
from crypto_kedro.trading.decision import Reason, Target
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import Order, OrderRequest, OrderStatus, OrderType, PositionSide
from crypto_kedro.trading.protection import Protection

TRIGGER_MET = "trigger_met"
"""Reason of a market order sent because the trigger order in its place would have fired at once."""

LEFT_OVER = "left_over"
"""Reason of cancelling an order that nothing asks for."""

_NOTHING: frozenset[int] = frozenset()
_NO_AMOUNT = Btc(0)
_HOLD_AMOUNT = (OrderType.LIMIT, OrderType.STOP_LIMIT)


class Step(Struct, frozen=True):
    """One thing to do at the exchange.

    Args:
        purpose: what it is for.
        reason: of the decision, or why an order has to go.
        request: order to place, None when orders only have to go.
        first: ids to cancel before; the order waits until all of them have ended.
        then: ids to cancel once the order is accepted, or at once when there is none.
    """

    purpose: Purpose
    reason: str
    request: OrderRequest | None = None
    first: tuple[int, ...] = ()
    then: tuple[int, ...] = ()


class PositionWish(Struct, frozen=True):
    """What should become of an open position.

    Args:
        side: long or short.
        protection: what should rest for it; None leaves what rests as it is.
        reason: why, for the orders that are missing.
        leave: why the position should be closed; None keeps it.
        most: the part of the position to look after at most; None is all of it.
    """

    side: PositionSide
    protection: Protection | None
    reason: str
    leave: str | None = None
    most: Btc | None = None


class Wish(Struct, frozen=True):
    """What the account should come to.

    Args:
        entry: position to open on a flat account.
        positions: what should become of those that are open; one without a wish is left as it is.
    """

    entry: Target | None = None
    positions: tuple[PositionWish, ...] = ()

    def of(self, side: PositionSide) -> PositionWish | None:
        """Return the wish for one side."""
        return next((wish for wish in self.positions if wish.side is side), None)


def reconcile(
    account: AccountState, wish: Wish, *, limit_target: bool = False, foreign: Collection[int] = _NOTHING
) -> tuple[Step, ...]:
    """Return the steps that are missing between the account and the wish; none when it is fulfilled.

    Orders without a position side are spot orders and are not looked at.

    Args:
        account: as the exchange reports it.
        wish: what it should come to.
        limit_target: rest the target as a limit order rather than as a take-profit order.
        foreign: ids of orders that must be left alone.
    """
    steps: list[Step] = []
    is_free = wish.entry is not None
    for side in PositionSide:
        orders = [
            order
            for order in account.open_orders
            if order.request.position_side is side and order.order_id not in foreign
        ]
        position, wanted = account.position(side), wish.of(side)
        is_free = is_free and not position.amount and not orders
        steps += _stray_entries(orders)
        if not position.amount:
            steps += left_over(orders)
        elif wanted is not None:
            steps += _looking_after(orders, position, wanted, limit_target)
    if wish.entry is not None and is_free:
        steps.append(entering(wish.entry))
    return tuple(steps)


def entering(target: Target) -> Step:
    """Return the market order that opens a position."""
    side = target.side
    request = OrderRequest(side=side.opening_side, type=OrderType.MARKET, amount=target.amount, position_side=side)
    return Step(Purpose.ENTRY, Reason.SIGNAL, request)


def leaving(orders: Iterable[Order], side: PositionSide, amount: Btc, reason: str) -> tuple[Step, ...]:
    """Return the market order that closes a position, unless one is under way; what holds its amount goes first.

    Args:
        orders: open ones.
        side: of the position.
        amount: to close.
        reason: why.
    """
    holding = []
    for order in orders:
        request = order.request
        if not request.closes or request.position_side is not side:
            continue
        if request.type is OrderType.MARKET:
            return ()
        if request.type in _HOLD_AMOUNT:
            holding.append(order.order_id)
    request = OrderRequest(side=side.closing_side, type=OrderType.MARKET, amount=amount, position_side=side)
    return (Step(Purpose.EXIT, reason, request, tuple(holding)),)


def protecting(
    orders: Sequence[Order],
    side: PositionSide,
    amount: Btc,
    protection: Protection,
    reason: str,
    *,
    limit_target: bool = False,
    is_whole: bool = True,
    leaves: bool = False,
    closable: Btc | None = None,
    under_way: Collection[int] = _NOTHING,
) -> tuple[Step, ...]:
    """Return what lets one stop and one target rest for a position, the stop alone while an exit is under way.

    A moved stop is sent before the old one is cancelled, so that the position is protected throughout.

    Args:
        orders: open ones of this side.
        side: of the position.
        amount: of the position.
        protection: what should rest.
        reason: why.
        limit_target: rest the target as a limit order, which may fill in parts and holds its amount.
        is_whole: whether ``amount`` is all of the position, for which the orders need not name it.
        leaves: whether the position is to be closed.
        closable: the most that a limit order can close; None is all of the amount.
        under_way: ids of orders whose cancel has been sent.
    """
    closing_side = side.closing_side
    named = None if is_whole else amount
    stop = OrderRequest(
        side=closing_side,
        type=OrderType.STOP_LOSS,
        amount=named,
        trigger_price=protection.stop,
        position_side=side,
    )
    steps = [_resting(orders, stop, amount, Purpose.STOP, reason, under_way)]
    if limit_target and closable is not None:
        amount = min(amount, closable)
    if not leaves and amount and protection.take_profit is not None and not is_leaving(orders, side):
        target = (
            OrderRequest(
                side=closing_side,
                type=OrderType.LIMIT,
                amount=amount,
                price=protection.take_profit,
                position_side=side,
            )
            if limit_target
            else OrderRequest(
                side=closing_side,
                type=OrderType.TAKE_PROFIT,
                amount=named,
                trigger_price=protection.take_profit,
                position_side=side,
            )
        )
        steps.append(_resting(orders, target, amount, Purpose.TARGET, reason, under_way))
    return tuple([step for step in steps if step is not None])


def left_over(orders: Iterable[Order]) -> tuple[Step, ...]:
    """Return the cancels of the orders that a closed position left behind."""
    ids = tuple([order.order_id for order in orders if order.request.closes])
    return (Step(Purpose.STOP, LEFT_OVER, then=ids),) if ids else ()


def closable(orders: Iterable[Order], position: Position) -> Btc:
    """Return how much of a position can be closed once orders that hold some of it are gone.

    What other orders hold, such as those of a human, cannot be closed by anybody else.

    Args:
        orders: open ones that may be cancelled for it.
        position: the open one.
    """
    own = [
        order.remaining_amount or _NO_AMOUNT
        for order in orders
        if order.request.closes and order.request.position_side is position.side and order.request.type in _HOLD_AMOUNT
    ]
    held_by_others = max(position.locked_amount - sum(own, start=_NO_AMOUNT), _NO_AMOUNT)
    return max(position.amount - held_by_others, _NO_AMOUNT)


def is_leaving(orders: Iterable[Order], side: PositionSide) -> bool:
    """Whether a market order that closes a position of that side is under way."""
    return any(
        order.request.type is OrderType.MARKET and order.request.closes and order.request.position_side is side
        for order in orders
    )


def _resting(
    orders: Sequence[Order],
    wanted: OrderRequest,
    amount: Btc,
    purpose: Purpose,
    reason: str,
    under_way: Collection[int],
) -> Step | None:
    """Return the step that lets the wanted order be the only one of its kind, None when it is.

    While one that was triggered executes, the position is being closed: another would close it twice.
    """
    others = []
    is_there = False
    for order in orders:
        request = order.request
        if request.type is not wanted.type or not request.closes:
            continue
        if request.type.has_trigger and order.status is not OrderStatus.INACTIVE:
            return None
        if order.order_id in under_way:
            if request.type is OrderType.LIMIT:
                # It holds the amount until its cancel arrives.
                return None
            continue
        if not is_there and _is_same(order, wanted, amount):
            is_there = True
        else:
            others.append(order.order_id)
    if is_there:
        return Step(purpose, LEFT_OVER, then=tuple(others)) if others else None
    if wanted.type is OrderType.LIMIT:
        return Step(purpose, reason, wanted, first=tuple(others))
    return Step(purpose, reason, wanted, then=tuple(others))


def _is_same(order: Order, wanted: OrderRequest, amount: Btc) -> bool:
    request = order.request
    if request.trigger_price != wanted.trigger_price or request.price != wanted.price:
        return False
    if wanted.amount is None:
        # bitbank does not document what it reports as the amount of an order that was sent without one.
        return not request.amount or order.remaining_amount == amount
    return request.amount is not None and order.remaining_amount == wanted.amount


def _looking_after(orders: Sequence[Order], position: Position, wish: PositionWish, limit_target: bool) -> list[Step]:
    """Return the steps for one open position; closing orders of a kind that is not wanted go."""
    side, amount, whole = position.side, position.amount, True
    if wish.most is not None and wish.most < amount:
        amount, whole = wish.most, False
    if not amount:
        return list(left_over(orders))
    steps: list[Step] = []
    free = closable(orders, position)
    if wish.protection is not None:
        steps += protecting(
            orders,
            side,
            amount,
            wish.protection,
            wish.reason,
            limit_target=limit_target,
            is_whole=whole,
            leaves=wish.leave is not None,
            closable=free,
        )
        target = OrderType.LIMIT if limit_target else OrderType.TAKE_PROFIT
        kept = (OrderType.STOP_LOSS, target, OrderType.MARKET, OrderType.LOSSCUT)
        steps += left_over(order for order in orders if order.request.type not in kept)
    if wish.leave is not None and free:
        steps += leaving(orders, side, min(amount, free), wish.leave)
    return steps


def _stray_entries(orders: Iterable[Order]) -> tuple[Step, ...]:
    """Return the cancels of resting orders that would open a position; this trader rests none."""
    ids = tuple([o.order_id for o in orders if o.request.opens and o.request.type is not OrderType.MARKET])
    return (Step(Purpose.ENTRY, LEFT_OVER, then=ids),) if ids else ()
