"""Reading what a client sent, with the error codes of bitbank for what is missing or makes no sense."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from crypto_kedro.exchange.simulator.codes import ApiError, ErrorCode
from crypto_kedro.exchange.simulator.settings import PAIR
from crypto_kedro.trading.money import Btc, PrecisionError, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, RefusalCode, Side

MOST_IDS = 30
MOST_ROWS = 1_000

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_WHOLE = re.compile(r"[0-9]{1,19}")

Parameters = Mapping[str, Any]
Word = TypeVar("Word", Side, OrderType, PositionSide)


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list a client wants; None leaves a bound open.

    Args:
        count: at most so many.
        from_id, end_id: first and last id.
        since_ms, end_ms: first and last moment, Unix milliseconds UTC.
    """

    count: int | None
    from_id: int | None
    end_id: int | None
    since_ms: int | None
    end_ms: int | None

    def holds(self, row_id: int, at_ms: int) -> bool:
        """Whether a row lies within the bounds."""
        return (
            (self.from_id is None or row_id >= self.from_id)
            and (self.end_id is None or row_id <= self.end_id)
            and (self.since_ms is None or at_ms >= self.since_ms)
            and (self.end_ms is None or at_ms <= self.end_ms)
        )


def require_pair(parameters: Parameters) -> None:
    """Check that the simulated pair is named.

    Raises:
        ApiError: no pair, or another one.
    """
    if _is_absent(parameters.get("pair")):
        raise ApiError(ErrorCode.PAIR_MISSING)
    if parameters["pair"] != PAIR:
        raise ApiError(ErrorCode.PAIR_INVALID)


def read_order(parameters: Parameters) -> OrderRequest:
    """Read a new order; a price or trigger price that its type does not take is ignored, as are unknown keys.

    Raises:
        ApiError: a field is missing or makes no sense.
    """
    require_pair(parameters)
    side = _word(parameters, "side", Side, ErrorCode.SIDE_MISSING, ErrorCode.SIDE_INVALID)
    kind = _word(parameters, "type", OrderType, ErrorCode.TYPE_MISSING, RefusalCode.TYPE_INVALID)
    if kind is OrderType.LOSSCUT:
        raise ApiError(RefusalCode.TYPE_INVALID)
    amount = _amount(parameters)
    if amount is None and kind not in (OrderType.TAKE_PROFIT, OrderType.STOP_LOSS):
        raise ApiError(RefusalCode.AMOUNT_MISSING)
    price = trigger = None
    if kind.has_price:
        price = _price(parameters, "price", RefusalCode.PRICE_MISSING, RefusalCode.PRICE_INVALID)
    if kind.has_trigger:
        trigger = _price(parameters, "trigger_price", RefusalCode.TRIGGER_MISSING, RefusalCode.TRIGGER_INVALID)
    position_side = None
    if parameters.get("position_side") is not None:
        invalid = ErrorCode.POSITION_SIDE_INVALID
        position_side = _word(parameters, "position_side", PositionSide, invalid, invalid)
    return OrderRequest(
        side=side,
        type=kind,
        amount=amount,
        price=price,
        trigger_price=trigger,
        position_side=position_side,
        post_only=_post_only(parameters, kind),
    )


def read_order_id(parameters: Parameters) -> int:
    """Read the id of one order, a number or a string of digits.

    Raises:
        ApiError: it is missing or no id.
    """
    value = parameters.get("order_id")
    if _is_absent(value):
        raise ApiError(ErrorCode.ORDER_ID_MISSING)
    order_id = _whole(value)
    if order_id is None:
        raise ApiError(ErrorCode.ORDER_ID_INVALID)
    return order_id


def read_order_ids(parameters: Parameters, most: int = MOST_ROWS) -> list[int]:
    """Read several ids.

    Raises:
        ApiError: they are missing, not a list of ids, or too many.
    """
    values = parameters.get("order_ids")
    if values is None:
        raise ApiError(ErrorCode.ORDER_IDS_MISSING)
    if not isinstance(values, list) or not values:
        raise ApiError(ErrorCode.ORDER_IDS_INVALID)
    if len(values) > most:
        raise ApiError(ErrorCode.TOO_MANY_IDS)
    return list(_ids(values))


def read_page(parameters: Parameters) -> Page:
    """Read the bounds of a list.

    Raises:
        ApiError: a bound is no number.
    """
    count = _bound(parameters, "count", ErrorCode.COUNT_INVALID)
    return Page(
        count,
        _bound(parameters, "from_id", ErrorCode.FROM_ID_INVALID),
        _bound(parameters, "end_id", ErrorCode.END_ID_INVALID),
        _bound(parameters, "since", ErrorCode.SINCE_INVALID),
        _bound(parameters, "end", ErrorCode.END_INVALID),
    )


def _is_absent(value: object) -> bool:
    return value is None or value == ""


def _word(parameters: Parameters, name: str, words: type[Word], missing: int, invalid: int) -> Word:
    value = parameters.get(name)
    if _is_absent(value):
        raise ApiError(missing)
    for word in words:
        if word == value:
            return word
    raise ApiError(invalid)


def _decimal(parameters: Parameters, name: str, invalid: int) -> Decimal | None:
    value = parameters.get(name)
    if _is_absent(value):
        return None
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        value = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise ApiError(invalid)
    return Decimal(value)


def _amount(parameters: Parameters) -> Btc | None:
    number = _decimal(parameters, "amount", RefusalCode.AMOUNT_INVALID)
    try:
        return None if number is None else Btc.of(number)
    except PrecisionError as error:
        raise ApiError(RefusalCode.AMOUNT_INVALID) from error


def _price(parameters: Parameters, name: str, missing: int, invalid: int) -> Price:
    number = _decimal(parameters, name, invalid)
    if number is None:
        raise ApiError(missing)
    try:
        return Price.of(number)
    except PrecisionError as error:
        raise ApiError(invalid) from error


def _post_only(parameters: Parameters, kind: OrderType) -> bool:
    value = parameters.get("post_only")
    if value is None:
        return False
    if not isinstance(value, bool):
        raise ApiError(RefusalCode.POST_ONLY_INVALID)
    if value and kind is not OrderType.LIMIT:
        raise ApiError(ErrorCode.POST_ONLY_OF_TYPE)
    return value


def _whole(value: object) -> int | None:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**19:
        return value
    return None


def _ids(values: list[object]) -> Iterator[int]:
    for value in values:
        order_id = _whole(value)
        if order_id is None:
            raise ApiError(ErrorCode.ORDER_IDS_INVALID)
        yield order_id


def _bound(parameters: Parameters, name: str, invalid: int) -> int | None:
    value = parameters.get(name)
    if value is None:
        return None
    bound = _whole(value)
    if bound is None:
        raise ApiError(invalid)
    return bound
