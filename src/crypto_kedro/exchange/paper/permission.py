"""What the market's state forbids, as bitbank refuses it."""

from crypto_kedro.exchange.port import MarketStatus
from crypto_kedro.exchange.simulator import conditions
from crypto_kedro.exchange.simulator.codes import ErrorCode
from crypto_kedro.exchange.simulator.conditions import Conditions, StopFlag
from crypto_kedro.trading.observation import ExchangeStatus
from crypto_kedro.trading.orders import OrderRequest, OrderType

_FLAGS = {flag.value: flag for flag in StopFlag}
_ALL_STOPPED = {StopFlag.ORDER, StopFlag.ORDER_AND_CANCEL}


def order_barred(status: MarketStatus, request: OrderRequest) -> int | None:
    """Return bitbank's code with which an order is refused at the moment, None if it is accepted."""
    if status.status is ExchangeStatus.CIRCUIT_BREAK and request.type is OrderType.MARKET:
        return ErrorCode.MARKET_ORDERS_STOPPED
    return _conditions(status).against(request)


def cancel_barred(status: MarketStatus) -> int | None:
    """Return bitbank's code with which a cancel is refused at the moment, None if it is accepted."""
    return _conditions(status).against_cancels()


def _conditions(status: MarketStatus) -> Conditions:
    stopped = frozenset(_FLAGS[name] for name in status.suspended if name in _FLAGS)
    halted = status.status is ExchangeStatus.HALT and not stopped & _ALL_STOPPED
    return Conditions(
        status=conditions.MarketStatus.HALT if halted else conditions.MarketStatus.NORMAL,
        min_amount=status.min_amount,
        stopped=stopped,
    )
