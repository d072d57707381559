"""Whether the exchange accepts a request: the checks of bitbank's order endpoint with its error codes."""

from crypto_kedro.exchange.ledger import PositionBook
from crypto_kedro.exchange.margin_clock import MarginClock
from crypto_kedro.exchange.order_desk import OrderDesk
from crypto_kedro.exchange.working_order import WorkingOrder
from crypto_kedro.trading.account import MarginState
from crypto_kedro.trading.money import Btc, Jpy
from crypto_kedro.trading.orders import OrderRequest, OrderType, Refusal, RefusalCode, Side
from crypto_kedro.trading.rules import MarketRules

# Python 3.11 searches an enum for its member each time, which every order would do dozens of times.
_LOSSCUT = OrderType.LOSSCUT
_TAKE_PROFIT = OrderType.TAKE_PROFIT
_BUY = Side.BUY


def malformed(request: OrderRequest, rules: MarketRules, last: int) -> Refusal | None:
    """Return why a request cannot be an order, None when it can.

    Args:
        request: the order asked for.
        rules: rules in force.
        last: last traded price in ticks, the reference of triggers.
    """
    return _wrong_form(request, rules) or _wrong_size(request, rules) or _wrong_trigger(request, last)


def without_room(order: WorkingOrder, desk: OrderDesk, clock: MarginClock, last: int) -> Refusal | None:
    """Return why the account cannot carry an order, None when it can.

    Args:
        order: the order, not yet registered.
        desk: the account with its ledger, open orders and rules.
        clock: knows the health of the margin account.
        last: last traded price in ticks, which sizes orders without a limit price.
    """
    if len(desk.open_orders) >= desk.rules.max_open_orders:
        return Refusal(RefusalCode.TOO_MANY_ORDERS, f"{len(desk.open_orders)} orders are already open")
    if order.position is None:
        return None if order.type.has_trigger else _no_funds(order, desk, last)
    if order.opens:
        return _no_margin(order, desk, clock.state(), last)
    return _no_position(order, order.position)


def _wrong_form(request: OrderRequest, rules: MarketRules) -> Refusal | None:
    kind, price, trigger = request.type, request.price, request.trigger_price
    if kind is _LOSSCUT:
        return Refusal(RefusalCode.TYPE_INVALID, "losscut orders are placed by the exchange alone")
    if request.amount is None and kind is not _TAKE_PROFIT and kind is not OrderType.STOP_LOSS:
        return Refusal(RefusalCode.AMOUNT_MISSING, f"a {kind} order needs an amount")
    if (price is not None) is not kind.has_price:
        if price is None:
            return Refusal(RefusalCode.PRICE_MISSING, f"a {kind} order needs a price")
        return Refusal(RefusalCode.PRICE_INVALID, f"a {kind} order takes no price, got {price}")
    if (trigger is not None) is not kind.has_trigger:
        if trigger is None:
            return Refusal(RefusalCode.TRIGGER_MISSING, f"a {kind} order needs a trigger price")
        return Refusal(RefusalCode.TRIGGER_INVALID, f"a {kind} order takes no trigger price, got {trigger}")
    if request.post_only and kind is not OrderType.LIMIT:
        return Refusal(RefusalCode.POST_ONLY_INVALID, f"post_only belongs to limit orders, not to {kind}")
    step = rules.price_step.ticks
    if price is not None and (price.ticks <= 0 or price.ticks % step):
        return Refusal(RefusalCode.PRICE_INVALID, f"price {price} is not a positive multiple of {step}")
    if trigger is not None and (trigger.ticks <= 0 or trigger.ticks % step):
        return Refusal(RefusalCode.TRIGGER_INVALID, f"trigger price {trigger} is not a positive multiple of {step}")
    return None


def _wrong_size(request: OrderRequest, rules: MarketRules) -> Refusal | None:
    if request.amount is None:
        return None
    lots = request.amount.lots
    if lots <= 0 or lots % rules.amount_step.lots:
        detail = f"amount {request.amount} BTC is not a positive multiple of {rules.amount_step}"
        return Refusal(RefusalCode.AMOUNT_INVALID, detail)
    if lots < rules.min_amount.lots:
        detail = f"amount {request.amount} BTC is below the minimum of {rules.min_amount}"
        return Refusal(RefusalCode.UNDER_MINIMUM, detail)
    if request.type.has_price:
        if lots > rules.max_limit_amount.lots:
            detail = f"amount {request.amount} BTC is above the limit orders' maximum of {rules.max_limit_amount}"
            return Refusal(RefusalCode.OVER_LIMIT, detail)
    elif lots > rules.max_market_amount.lots:
        detail = f"amount {request.amount} BTC is above the market orders' maximum of {rules.max_market_amount}"
        return Refusal(RefusalCode.OVER_MARKET_LIMIT, detail)
    return None


def _wrong_trigger(request: OrderRequest, last: int) -> Refusal | None:
    if request.trigger_price is None:
        return None
    takes_profit = request.type is _TAKE_PROFIT
    if request.opens:
        if takes_profit or request.type is OrderType.STOP_LOSS:
            return Refusal(RefusalCode.WRONG_SIDE, f"a {request.type} order must close, {request.side} opens")
        return Refusal(RefusalCode.STOP_CANNOT_OPEN, f"a {request.type} order cannot open a margin position")
    if request.position_side is None and (takes_profit or request.type is OrderType.STOP_LOSS):
        return Refusal(RefusalCode.WRONG_SIDE, f"a {request.type} order closes a margin position; name its side")
    trigger = request.trigger_price.ticks
    fires_up = (request.side is _BUY) is not takes_profit
    if last >= trigger if fires_up else last <= trigger:
        return Refusal(RefusalCode.TRIGGER_WOULD_FIRE, f"trigger price {trigger} is met by the last price {last}")
    return None


def _no_funds(order: WorkingOrder, desk: OrderDesk, last: int) -> Refusal | None:
    ledger = desk.ledger
    needed = desk.quantity_to_hold(order, order.price or last)
    if order.is_buy and needed > ledger.cash - ledger.cash_held:
        free = Jpy(ledger.cash - ledger.cash_held)
        return Refusal(RefusalCode.INSUFFICIENT_FUNDS, f"the buy needs {Jpy(needed)} JPY, {free} are free")
    if not order.is_buy and needed > ledger.btc_lots - ledger.btc_held:
        free_btc = Btc(ledger.btc_lots - ledger.btc_held)
        return Refusal(RefusalCode.INSUFFICIENT_FUNDS, f"the sale needs {Btc(needed)} BTC, {free_btc} are free")
    return None


def _no_margin(order: WorkingOrder, desk: OrderDesk, state: MarginState, last: int) -> Refusal | None:
    if state is not MarginState.NORMAL:
        return Refusal(RefusalCode.OPENING_RESTRICTED, f"the margin account is in state {state}")
    product = desk.quantity_to_hold(order, order.price or last)
    ledger, rules = desk.ledger, desk.rules
    available = ledger.available_to_open(rules, ledger.margin_balance(rules, last))
    if product > available:
        detail = f"the order opens {Jpy(product)} JPY, {Jpy(available)} are available"
        return Refusal(RefusalCode.EXCEEDS_AVAILABLE_MARGIN, detail)
    return None


def _no_position(order: WorkingOrder, position: PositionBook) -> Refusal | None:
    # A sleeping order locks nothing, so it is measured against the whole position.
    closable = position.lots if order.type.has_trigger else position.lots - position.held
    if max(order.remaining, 1) > closable:
        detail = f"the order closes {order.start or 'all'}, {Btc(closable)} BTC can be closed"
        return Refusal(RefusalCode.EXCEEDS_POSITION, detail)
    return None
