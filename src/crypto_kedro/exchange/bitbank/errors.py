"""bitbank's error codes, and what each of them asks of a trader.

Source: bitbank REST API, "Error codes".
"""

from dataclasses import dataclass

from crypto_kedro.exchange.port import (
    BadCredentialsError,
    ExchangeError,
    RefusedError,
    RetryLaterError,
    RetryNowError,
    StopTradingError,
)


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """What a code says.

    Args:
        text: what happened.
        error: how it is raised.
        remedy: what to do about it.
        outcome_known: whether an order that met this code certainly does not exist.
    """

    text: str
    error: type[ExchangeError]
    remedy: str
    outcome_known: bool = True


_LATER = "ask again after a pause"
_FIX = "the request is wrong: report it with this message"
_OPERATOR = "stop, and look at the account on bitbank's site"
_CLIENT = "report it with this message: the connector signs wrongly or asks the wrong address"
_KEY = "check BITBANK_API_KEY and BITBANK_API_SECRET, the key's rights and its IP list"

_GROUPS: tuple[tuple[type[ExchangeError], bool, str, dict[int, str]], ...] = (
    (RetryNowError, True, "sign anew; if it comes again, set the machine's clock by NTP", {
        20034: "request time is wrong",
        20035: "request time is outside the time window",
        20036: "nonce is invalid",
        20039: "nonce was used before",
    }),
    (RetryLaterError, False, f"{_LATER}; look for an order before sending it again", {
        10001: "system error",
        10003: "system error",
        10005: "time-out inside the exchange",
        10008: "the exchange is busy",
        10009: "requests come too frequently",
        70001: "system error",
        70002: "system error",
        70003: "system error",
        70011: "the exchange is busy",
        70012: "system error",
        70019: "a cancel of the order is already under way",
    }),
    (RetryLaterError, True, _LATER, {
        10007: "maintenance",
        50059: "opening margin positions is restricted for now",
        50060: "opening margin positions is restricted for now",
        70004: "orders are suspended",
        70005: "buy orders are suspended",
        70006: "sell orders are suspended",
        70013: "orders and cancels are suspended",
        70017: "orders of the pair are suspended",
        70018: "orders and cancels of the pair are suspended",
        70022: "stop-limit orders are suspended",
        70023: "stop orders are suspended",
        70024: "opening long positions is suspended",
        70025: "opening short positions is suspended",
        70026: "orders are suspended",
    }),
    (RefusedError, True, _FIX, {
        10000: "no such address, or no data for the date",
        10002: "the body is not valid JSON",
        30001: "amount is missing",
        30006: "order id is missing",
        30007: "order ids are missing",
        30009: "pair is missing",
        30012: "price is missing",
        30013: "side is missing",
        30015: "type is missing",
        30101: "trigger price is missing",
        40001: "amount is invalid",
        40006: "count is invalid",
        40007: "end is invalid",
        40008: "end id is invalid",
        40009: "from id is invalid",
        40013: "order id is invalid",
        40014: "order ids are invalid",
        40015: "too many order ids",
        40017: "pair is invalid",
        40020: "price is invalid",
        40021: "side is invalid",
        40022: "since is invalid",
        40023: "order of the rows is invalid",
        40024: "type is invalid",
        40025: "asset is invalid",
        40112: "trigger price is invalid",
        40113: "post_only is invalid",
        40114: "post_only is not for this type",
        40164: "position side is invalid",
        40200: "a stop order cannot open a margin position",
        60019: "take-profit and stop-loss orders must close a position",
    }),
    (RefusedError, True, "read the order and the fills again", {
        50009: "order not found",
        50010: "order cannot be cancelled",
        50026: "order was cancelled before",
        50027: "order was executed before",
    }),
    (RefusedError, True, "read the account again and shrink or drop the order", {
        50061: "more than the margin account may open",
        50062: "more than the position, less what resting closes hold",
        60001: "not enough funds",
        60002: "above the maximum of market buys",
        60003: "above the maximum amount",
        60004: "below the minimum amount",
        60011: "too many orders are open",
        70010: "the minimum amount was raised",
    }),
    (RefusedError, True, "read the market again and change the price", {
        60005: "price is above the bound",
        60006: "price is below the bound",
        60016: "trigger price is above the bound",
        60018: "trigger price is already met",
        70021: "price is too far from the market",
    }),
    (RefusedError, True, "use a limit order, or wait", {
        50072: "spot buys are unavailable",
        50073: "spot sales are unavailable",
        50078: "opening margin positions is unavailable",
        50080: "opening margin positions is unavailable",
        70009: "market orders are restricted",
        70020: "market orders are restricted by the circuit breaker",
    }),
    (StopTradingError, True, _OPERATOR, {
        40165: "the pair is not traded on margin",
        50003: "the account is restricted",
        50004: "the account is provisional",
        50005: "the account is locked",
        50006: "the account is locked",
        50008: "identification is not completed",
        50058: "margin trading is not approved",
        50079: "closing margin positions is unavailable",
        50081: "closing margin positions is unavailable",
    }),
    (StopTradingError, True, _CLIENT, {
        20004: "nonce is missing",
        20018: "login is demanded",
        20019: "login is demanded",
        20033: "request time is missing",
        20037: "time window is missing",
        20038: "time window is invalid",
    }),
    (BadCredentialsError, True, _KEY, {
        20001: "authentication failed",
        20002: "API key is invalid",
        20003: "API key is missing",
        20005: "signature is missing or wrong",
        20011: "two-step verification failed",
        20014: "SMS authentication failed",
    }),
)  # fmt: skip

MEANINGS: dict[int, CodeMeaning] = {
    code: CodeMeaning(text, error, remedy, known)
    for error, known, remedy, texts in _GROUPS
    for code, text in texts.items()
}
_UNHEARD_OF = CodeMeaning(
    "code that this version does not know", RefusedError, "look it up in bitbank's documentation", outcome_known=False
)


def error_for(code: int, action: str) -> ExchangeError:
    """Return the error that a code stands for; an unknown code ends the action, its outcome being unknown.

    Args:
        code: bitbank's error code.
        action: what was asked, for the message.
    """
    meaning = MEANINGS.get(code, _UNHEARD_OF)
    message = f"{action}: code {code}, {meaning.text}; {meaning.remedy}"
    return meaning.error(message, code=code, outcome_known=meaning.outcome_known)


def error_table() -> str:
    """Return all codes as the Markdown table of the documentation."""
    rows = ["| code | meaning | raised as | an order that met it | remedy |", "|---|---|---|---|---|"]
    for code, meaning in sorted(MEANINGS.items()):
        fate = "does not exist" if meaning.outcome_known else "may exist"
        rows.append(f"| {code} | {meaning.text} | `{meaning.error.__name__}` | {fate} | {meaning.remedy} |")
    return "\n".join(rows)
