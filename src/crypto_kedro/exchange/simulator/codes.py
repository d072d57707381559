"""bitbank's error codes that no order is refused with: access, parameters and the state of the service."""

from enum import IntEnum

from crypto_kedro.errors import CryptoKedroError


class ErrorCode(IntEnum):
    """Codes of the exchange beside those of `RefusalCode`.

    Source: bitbank API documentation, "errors".
    """

    URL_NOT_FOUND = 10000
    SYSTEM_ERROR = 10001
    MALFORMED = 10002
    MAINTENANCE = 10007
    TOO_FREQUENT = 10009
    NOT_AUTHORISED = 20001
    KEY_UNKNOWN = 20002
    KEY_MISSING = 20003
    SIGNATURE_MISSING = 20005
    VERSION_MISSING = 20018
    TIME_MISSING = 20033
    TIME_IN_FUTURE = 20034
    TIME_OUTSIDE_WINDOW = 20035
    TIME_AND_NONCE_MISSING = 20036
    TIME_INVALID = 20037
    WINDOW_INVALID = 20038
    NONCE_INVALID = 20039
    ORDER_ID_MISSING = 30006
    ORDER_IDS_MISSING = 30007
    PAIR_MISSING = 30009
    SIDE_MISSING = 30013
    TYPE_MISSING = 30015
    COUNT_INVALID = 40006
    END_INVALID = 40007
    END_ID_INVALID = 40008
    FROM_ID_INVALID = 40009
    ORDER_ID_INVALID = 40013
    ORDER_IDS_INVALID = 40014
    TOO_MANY_IDS = 40015
    PAIR_INVALID = 40017
    SIDE_INVALID = 40021
    SINCE_INVALID = 40022
    POST_ONLY_OF_TYPE = 40114
    POSITION_SIDE_INVALID = 40164
    PRICE_TOO_HIGH = 60005
    PRICE_TOO_LOW = 60006
    TRIGGER_TOO_HIGH = 60016
    BUYING_STOPPED = 70005
    SELLING_STOPPED = 70006
    MINIMUM_RAISED = 70010
    ORDERS_STOPPED = 70017
    ORDERS_AND_CANCELS_STOPPED = 70018
    MARKET_ORDERS_STOPPED = 70020
    STOP_LIMITS_STOPPED = 70022
    STOPS_STOPPED = 70023
    LONG_OPENING_STOPPED = 70024
    SHORT_OPENING_STOPPED = 70025


class ApiError(CryptoKedroError):
    """An answer with an error code in place of data.

    Args:
        code: bitbank's error code.
        status: HTTP status; None takes the one that the settings name for errors.
    """

    def __init__(self, code: int, status: int | None = None) -> None:
        super().__init__(f"bitbank error {int(code)}")
        self.code = int(code)
        self.status = status
