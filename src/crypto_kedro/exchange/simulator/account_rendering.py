"""bitbank's JSON of the account: assets, margin status and positions.

Balances and products are rounded down, costs and requirements up, each to 0.0001 JPY, as the exchange documents it.
"""

from decimal import Decimal
from typing import Any

from crypto_kedro.exchange.simulator.bitbank import SimulatedBitbank
from crypto_kedro.exchange.simulator.rendering import Json, amount_text, plain_text, price_text
from crypto_kedro.exchange.simulator.settings import MARGIN_PAIRS, PAIR
from crypto_kedro.market.bars import HOUR_MS
from crypto_kedro.trading.account import AccountState, MarginState, Position
from crypto_kedro.trading.money import Btc, Jpy
from crypto_kedro.trading.orders import PositionSide

_NO_NOTICE: Json = {"what": None, "occurred_at": None, "amount": None, "due_date_at": None}
_NOTHING = Jpy(0)


def assets_json(exchange: SimulatedBitbank) -> Json:
    """Return the balances."""
    account, collateral = exchange.account(), plain_text(exchange.rules.crypto_collateral.decimal)
    jpy = _asset("jpy", account.cash.floor(), account.cash_locked.floor(), 4, "1")
    btc = _asset("btc", _long_btc(account.btc.decimal), _long_btc(account.btc_locked.decimal), 8, collateral)
    jpy["withdrawal_fee"] = {"under": "550", "over": "770", "threshold": "30000"}
    btc["withdrawal_fee"] = {"min": "0.0006", "max": "0.0006"}
    network = {"asset": "btc", "network": "btc", "stop_deposit": False, "stop_withdrawal": False}
    btc["network_list"] = [network | {"withdrawal_fee": "0.0006"}]
    return {"assets": [jpy, btc]}


def margin_status_json(exchange: SimulatedBitbank) -> Json:
    """Return the state of the margin account."""
    account, rules = exchange.account(), exchange.rules
    margin = account.margin
    products = {side: account.position(side).product for side in PositionSide}
    orders = {side: _opening_product(account, side) for side in PositionSide}
    profit = account.long.profit_loss(account.mark) + account.short.profit_loss(account.mark)
    cost = _NOTHING
    for position in (account.long, account.short):
        cost = cost + position.unrealized_fee + position.unrealized_interest
    has_position = bool(margin.position_product)
    available = str(margin.available.floor())

    def required(product: Jpy) -> str:
        return str((product * rules.initial_margin).ceil())

    return {
        "status": margin.state.value,
        "total_margin_balance": str(margin.balance.floor()),
        "total_margin_balance_percentage": _percentage(margin.balance, margin.position_product),
        "margin_position_profit_loss": str(profit.floor()),
        "unrealized_cost": str(cost.ceil()),
        "total_margin_position_product": str(margin.position_product.floor()),
        "open_margin_position_product": str(margin.position_product.floor()),
        "open_margin_order_product": str(margin.open_order_product.floor()),
        "total_position_maintenance_margin": required(margin.position_product),
        "total_long_position_maintenance_margin": required(products[PositionSide.LONG]),
        "total_short_position_maintenance_margin": required(products[PositionSide.SHORT]),
        "total_open_order_maintenance_margin": required(margin.open_order_product),
        "total_long_open_order_maintenance_margin": required(orders[PositionSide.LONG]),
        "total_short_open_order_maintenance_margin": required(orders[PositionSide.SHORT]),
        "margin_call_percentage": plain_text(rules.margin_call.decimal * 100) if has_position else None,
        "losscut_percentage": plain_text(rules.losscut.decimal * 100) if has_position else None,
        "buy_credit": available,
        "sell_credit": available,
        "available_balances": [{"pair": pair, "long": available, "short": available} for pair in MARGIN_PAIRS],
    }


def positions_json(exchange: SimulatedBitbank) -> Json:
    """Return the positions of every margin pair; an empty one is listed with amount zero."""
    account, rules = exchange.account(), exchange.rules
    empty = {side: Position(side, Btc(0), _NOTHING, _NOTHING, _NOTHING, Btc(0)) for side in PositionSide}
    rows = [
        position_json(pair, account.position(side) if pair == PAIR else empty[side])
        for pair in MARGIN_PAIRS
        for side in PositionSide
    ]
    threshold = plain_text(rules.losscut.decimal / rules.margin_call.decimal)
    return {
        "notice": notice_json(exchange),
        "payables": {"amount": str(account.payable.ceil())},
        "positions": rows,
        "losscut_threshold": {"individual": threshold, "company": threshold},
    }


def position_json(pair: str, position: Position) -> Json:
    """Return one position."""
    return {
        "pair": pair,
        "position_side": position.side.value,
        "open_amount": amount_text(position.amount.lots),
        "product": str(position.product.floor()),
        "average_price": price_text(position.average_price),
        "unrealized_fee_amount": str(position.unrealized_fee.ceil()),
        "unrealized_interest_amount": str(position.unrealized_interest.ceil()),
    }


def notice_json(exchange: SimulatedBitbank) -> Json:
    """Return what the exchange asks of the trader: to meet a margin call, to pay a debt, or nothing."""
    account, rules = exchange.account(), exchange.rules
    margin = account.margin
    if margin.state is MarginState.DEBT:
        return _NO_NOTICE | {"what": "debt", "amount": str(account.payable.ceil())}
    if margin.call_due_at_ms is None:
        return _NO_NOTICE
    missing = margin.position_product * rules.margin_call - margin.balance
    return {
        "what": "margin_call",
        "occurred_at": margin.call_due_at_ms - exchange.settings.engine.call_grace_hours * HOUR_MS,
        "amount": str(max(missing, _NOTHING).ceil()),
        "due_date_at": margin.call_due_at_ms,
    }


def _asset(name: str, onhand: Decimal, locked: Decimal, precision: int, collateral: str) -> dict[str, Any]:
    return {
        "asset": name,
        "free_amount": f"{onhand - locked:f}",
        "onhand_amount": f"{onhand:f}",
        "locked_amount": f"{locked:f}",
        "withdrawing_amount": f"{locked - locked:f}",
        "collateral_ratio": collateral,
        "amount_precision": precision,
        "stop_deposit": False,
        "stop_withdrawal": False,
    }


def _long_btc(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.00000001"))


def _opening_product(account: AccountState, side: PositionSide) -> Jpy:
    total = _NOTHING
    for order in account.open_orders:
        request, remaining = order.request, order.remaining_amount
        if request.opens and request.position_side is side and request.price is not None and remaining is not None:
            total = total + request.price * remaining
    return total


def _percentage(balance: Jpy, product: Jpy) -> str | None:
    if not product:
        return None
    hundredths = balance.units * 10_000 // product.units
    return str(Decimal(hundredths).scaleb(-2))
