"""What the exchange allows at the moment: load, halts, stopped kinds of orders and maintenance."""

from dataclasses import dataclass
from enum import StrEnum

from crypto_kedro.exchange.simulator.codes import ErrorCode
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side


class MarketStatus(StrEnum):
    """Load of the market in bitbank's words, with the least amount of an order under it."""

    NORMAL = "NORMAL", Btc.of("0.0001")
    BUSY = "BUSY", Btc.of("0.001")
    VERY_BUSY = "VERY_BUSY", Btc.of("0.01")
    HALT = "HALT", Btc.of("0.0001")

    usual_minimum: Btc

    def __new__(cls, word: str, usual_minimum: Btc) -> "MarketStatus":
        """Make a member of its word and its minimum."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.usual_minimum = usual_minimum
        return member


class StopFlag(StrEnum):
    """What ``/spot/pairs`` reports as suspended; the margin flags suspend opening."""

    ORDER = "stop_order"
    ORDER_AND_CANCEL = "stop_order_and_cancel"
    MARKET_ORDER = "stop_market_order"
    STOP_ORDER = "stop_stop_order"
    STOP_LIMIT_ORDER = "stop_stop_limit_order"
    MARGIN_LONG_ORDER = "stop_margin_long_order"
    MARGIN_SHORT_ORDER = "stop_margin_short_order"
    BUY_ORDER = "stop_buy_order"
    SELL_ORDER = "stop_sell_order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """State of the service, replaced as a whole when it changes.

    Args:
        status: load of the market.
        min_amount: least amount of an order; None takes the usual one of the status.
        stopped: what is suspended.
        maintenance_until_ms: end of the maintenance, Unix milliseconds UTC of market time; None for none.
    """

    status: MarketStatus = MarketStatus.NORMAL
    min_amount: Btc | None = None
    stopped: frozenset[StopFlag] = frozenset()
    maintenance_until_ms: int | None = None

    @property
    def least_amount(self) -> Btc:
        """Least amount of an order that is accepted now."""
        return self.status.usual_minimum if self.min_amount is None else self.min_amount

    def in_maintenance(self, now_ms: int) -> bool:
        """Whether the service is down at a moment."""
        return self.maintenance_until_ms is not None and now_ms < self.maintenance_until_ms

    def lets_trade(self, now_ms: int) -> bool:
        """Whether the market trades at a moment."""
        return self.status is not MarketStatus.HALT and not self.in_maintenance(now_ms)

    def against_cancels(self) -> int | None:
        """Return the code with which every cancel is refused, None if they are accepted."""
        if self.status is MarketStatus.HALT or StopFlag.ORDER_AND_CANCEL in self.stopped:
            return ErrorCode.ORDERS_AND_CANCELS_STOPPED
        return None

    def against(self, request: OrderRequest) -> int | None:
        """Return the code with which an order is refused at the moment, None if it is accepted."""
        barred = self.against_cancels()
        if barred is not None:
            return barred
        for flag, code in _CODES.items():
            if flag in self.stopped and _concerns(flag, request):
                return code
        if request.amount is not None and _NORMAL_MINIMUM <= request.amount < self.least_amount:
            return ErrorCode.MINIMUM_RAISED
        return None


_NORMAL_MINIMUM = MarketStatus.NORMAL.usual_minimum
_CODES = {
    StopFlag.ORDER: ErrorCode.ORDERS_STOPPED,
    StopFlag.MARKET_ORDER: ErrorCode.MARKET_ORDERS_STOPPED,
    StopFlag.STOP_ORDER: ErrorCode.STOPS_STOPPED,
    StopFlag.STOP_LIMIT_ORDER: ErrorCode.STOP_LIMITS_STOPPED,
    StopFlag.MARGIN_LONG_ORDER: ErrorCode.LONG_OPENING_STOPPED,
    StopFlag.MARGIN_SHORT_ORDER: ErrorCode.SHORT_OPENING_STOPPED,
    StopFlag.BUY_ORDER: ErrorCode.BUYING_STOPPED,
    StopFlag.SELL_ORDER: ErrorCode.SELLING_STOPPED,
}


def _concerns(flag: StopFlag, request: OrderRequest) -> bool:
    if flag is StopFlag.MARKET_ORDER:
        return request.type is OrderType.MARKET
    if flag is StopFlag.STOP_ORDER:
        return request.type is OrderType.STOP
    if flag is StopFlag.STOP_LIMIT_ORDER:
        return request.type is OrderType.STOP_LIMIT
    if flag is StopFlag.MARGIN_LONG_ORDER:
        return request.opens and request.position_side is PositionSide.LONG
    if flag is StopFlag.MARGIN_SHORT_ORDER:
        return request.opens and request.position_side is PositionSide.SHORT
    if flag is StopFlag.BUY_ORDER:
        return request.side is Side.BUY
    return flag is StopFlag.ORDER or request.side is Side.SELL
