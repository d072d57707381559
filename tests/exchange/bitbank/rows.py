"""bitbank's JSON rows as its documentation and recordings show them."""

from typing import Any

NOW_MS = 1_700_000_000_000


def order_row(**changes: Any) -> dict[str, Any]:
    """A resting limit order that opens a long position."""
    row = {
        "order_id": 60_000_000_001,
        "pair": "btc_jpy",
        "side": "buy",
        "position_side": "long",
        "type": "limit",
        "start_amount": "0.0100",
        "remaining_amount": "0.0100",
        "executed_amount": "0.0000",
        "price": "15000000",
        "post_only": True,
        "user_cancelable": True,
        "average_price": "0",
        "ordered_at": NOW_MS,
        "expire_at": NOW_MS + 15_552_000_000,
        "status": "UNFILLED",
    } | changes
    return {name: value for name, value in row.items() if value is not ...}


def trade_row(**changes: Any) -> dict[str, Any]:
    """The fill of a market order that opens a long position."""
    row = {
        "trade_id": 1_500_000_001,
        "pair": "btc_jpy",
        "order_id": 60_000_000_001,
        "side": "buy",
        "position_side": "long",
        "type": "market",
        "amount": "0.0100",
        "price": "15000000",
        "maker_taker": "taker",
        "fee_amount_base": "0.00000000",
        "fee_amount_quote": "0.0000",
        "fee_occurred_amount_quote": "150.0000",
        "profit_loss": "0.0000",
        "interest": "0.0000",
        "executed_at": NOW_MS,
    } | changes
    return {name: value for name, value in row.items() if value is not ...}


def position_row(side: str, amount: str = "0.0000", price: str = "0", product: str = "0.0000") -> dict[str, Any]:
    """A row of ``/user/margin/positions``."""
    return {
        "pair": "btc_jpy",
        "position_side": side,
        "open_amount": amount,
        "product": product,
        "average_price": price,
        "unrealized_fee_amount": "0.0000",
        "unrealized_interest_amount": "0.0000",
    }


def margin_positions(**changes: Any) -> dict[str, Any]:
    """``/user/margin/positions`` of an account without positions."""
    return {
        "notice": {"what": None, "occurred_at": None, "amount": None, "due_date_at": None},
        "payables": {"amount": "0.0000"},
        "positions": [position_row("long"), position_row("short")],
        "losscut_threshold": {"individual": "0.5", "company": "0.5"},
    } | changes


def margin_status(**changes: Any) -> dict[str, Any]:
    """``/user/margin/status`` of an account without positions."""
    return {
        "status": "NORMAL",
        "total_margin_balance_percentage": None,
        "total_margin_balance": "100000.0000",
        "margin_position_profit_loss": "0.0000",
        "unrealized_cost": "0.0000",
        "total_margin_position_product": "0.0000",
        "open_margin_position_product": "0.0000",
        "open_margin_order_product": "0.0000",
        "margin_call_percentage": None,
        "losscut_percentage": None,
        "buy_credit": "500000",
        "sell_credit": "30000000",
        "available_balances": [
            {"pair": "btc_jpy", "long": "200000.0000", "short": "190000.0000"},
            {"pair": "eth_jpy", "long": "1.0000", "short": "1.0000"},
        ],
    } | changes


def asset_row(name: str, onhand: str, locked: str) -> dict[str, Any]:
    """A row of ``/user/assets``."""
    return {
        "asset": name,
        "free_amount": "0",
        "onhand_amount": onhand,
        "locked_amount": locked,
        "withdrawing_amount": "0",
        "collateral_ratio": "1" if name == "jpy" else "0.5",
        "amount_precision": 4 if name == "jpy" else 8,
    }


def assets() -> dict[str, Any]:
    """``/user/assets`` with amounts finer than one lot."""
    rows = [asset_row("jpy", "100000.1234", "15.0001"), asset_row("btc", "0.12345678", "0.00010001")]
    return {"assets": [*rows, asset_row("eth", "1.0", "0")]}


def pair_row(**changes: Any) -> dict[str, Any]:
    """The row of BTC/JPY in ``/spot/pairs`` as recorded in September 2026."""
    return {
        "name": "btc_jpy",
        "base_asset": "btc",
        "quote_asset": "jpy",
        "maker_fee_rate_base": "0",
        "taker_fee_rate_base": "0",
        "maker_fee_rate_quote": "0",
        "taker_fee_rate_quote": "0.001",
        "margin_open_maker_fee_rate_quote": "0",
        "margin_open_taker_fee_rate_quote": "0.001",
        "margin_close_maker_fee_rate_quote": "0",
        "margin_close_taker_fee_rate_quote": "0.001",
        "margin_long_interest": "0.0004",
        "margin_short_interest": "0.0004",
        "margin_current_individual_ratio": "0.5",
        "margin_current_individual_until": None,
        "margin_current_company_ratio": "0.0818",
        "margin_next_individual_ratio": "0.5",
        "unit_amount": "0.0001",
        "limit_max_amount": "1000",
        "market_max_amount": "10",
        "market_allowance_rate": "0.2",
        "price_digits": 0,
        "amount_digits": 4,
        "is_enabled": True,
        "stop_order": False,
        "stop_order_and_cancel": False,
        "stop_market_order": False,
        "stop_margin_long_order": False,
    } | changes


def status_row(**changes: Any) -> dict[str, Any]:
    """The row of BTC/JPY in ``/spot/status``."""
    return {"pair": "btc_jpy", "status": "NORMAL", "min_amount": "0.0001"} | changes
