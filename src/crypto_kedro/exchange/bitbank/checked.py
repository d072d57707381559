"""Checked values of bitbank's JSON: every field of an answer enters through here, or the answer is unusable.

A value is exact, finite, of its type and within wide bounds; text that is longer than any real value is refused before
it is parsed. Whatever else goes wrong while an answer is read becomes the same error.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any, Never, cast

from crypto_kedro.exchange.port import (
    ExchangeError,
    UnusableAnswerError,
    UnusablePrivateAnswerError,
    UnusablePublicAnswerError,
)
from crypto_kedro.trading.money import Btc, Price, Rate

Row = Mapping[str, Any]

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
_LONGEST_NUMBER = 64
_LARGEST = Decimal(10) ** 18
_FINEST_EXPONENT = -40
_LARGEST_PRICE = Decimal(10) ** 12
_LARGEST_AMOUNT = Decimal(10) ** 9
_LARGEST_WHOLE = 10**18
_SHOWN, _LONGEST_REASON = 60, 200


class UnfitValueError(ValueError):
    """A value that a field cannot have."""


def decoded(body: bytes) -> Any:
    """Return the JSON of a body; numbers with a fraction become Decimals.

    Raises:
        ValueError, RecursionError: it is not UTF-8, no JSON, holds NaN or Infinity, or is nested too deeply.
    """
    return json.loads(body.decode(), parse_float=Decimal, parse_constant=_refuse)


@contextmanager
def _reading(unusable: type[UnusableAnswerError], what: str) -> Iterator[None]:
    """Turn whatever goes wrong while an answer is read into one error.

    Raises:
        UnusableAnswerError: a field is missing, or holds what it cannot.
    """
    try:
        yield
    except ExchangeError:
        raise
    except Exception as error:
        # The edge of the program: the other side chooses what is parsed here.
        reason = _short(f"{type(error).__name__}: {error}", _LONGEST_REASON)
        raise unusable(
            f"bitbank {what}: the answer is not as documented ({reason}); it is asked for again; if this persists, the "
            "API may have changed: update crypto-kedro",
            outcome_known=False,
        ) from error


reading_public = partial(_reading, UnusablePublicAnswerError)
"""Turns whatever goes wrong while an answer about the market is read into `UnusablePublicAnswerError`."""
reading_private = partial(_reading, UnusablePrivateAnswerError)
"""Turns whatever goes wrong while an answer about the account is read into `UnusablePrivateAnswerError`."""


def require(condition: bool, rule: str) -> None:
    """Refuse an answer that breaks a rule.

    Raises:
        UnfitValueError: the condition does not hold.
    """
    if not condition:
        raise UnfitValueError(rule)


def whole(row: Row, name: str) -> int:
    """Return a count, an id or Unix milliseconds: an integer from 0 on, also written as digits."""
    value = row[name]
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int or not 0 <= value <= _LARGEST_WHOLE:
        raise _unfit(name, value, "a whole number from 0 on")
    return value


def optional_whole(row: Row, name: str) -> int | None:
    """Return an integer from 0 on, None for a field that is null or absent."""
    return None if row.get(name) is None else whole(row, name)


def number(value: object, name: str) -> Decimal:
    """Return a finite number of at most 18 digits before and 40 after the point, of text or of a JSON number."""
    is_text = isinstance(value, str) and len(value) <= _LONGEST_NUMBER and _NUMBER.fullmatch(value)
    if is_text or type(value) is int:
        value = Decimal(cast(str | int, value))
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value) >= _LARGEST:
        raise _unfit(name, value, "a number")
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < _FINEST_EXPONENT:
        raise _unfit(name, value, "a number of so few digits")
    return value


def price(row: Row, name: str) -> Price:
    """Return a price in whole ticks, above zero."""
    return price_of(row[name], name)


def price_of(value: object, name: str) -> Price:
    """Return a value as a price in whole ticks, above zero."""
    jpy = number(value, name)
    if not 0 < jpy <= _LARGEST_PRICE:
        raise _unfit(name, value, "a price above zero")
    return Price.of(jpy)


def optional_price(row: Row, name: str) -> Price | None:
    """Return a price above zero, None for a field that is null or absent."""
    return None if row.get(name) is None else price(row, name)


def amount(row: Row, name: str) -> Btc:
    """Return an amount of whole lots, from zero on."""
    return Btc.of(amount_of(row[name], name))


def amount_of(value: object, name: str) -> Decimal:
    """Return a value as an amount of BTC, from zero on."""
    btc = number(value, name)
    if not 0 <= btc <= _LARGEST_AMOUNT:
        raise _unfit(name, value, "an amount from zero on")
    return btc


def rate(row: Row, name: str, least: int = 0) -> Rate:
    """Return a fraction from ``least`` to 1."""
    fraction = number(row[name], name)
    if not least <= fraction <= 1:
        raise _unfit(name, row[name], f"a fraction in {least}..1")
    return Rate.of(fraction)


def flag(row: Row, name: str) -> bool:
    """Return true or false."""
    value = row[name]
    if type(value) is not bool:
        raise _unfit(name, value, "true or false")
    return value


def text(row: Row, name: str) -> str:
    """Return text that is not empty."""
    value = row[name]
    if type(value) is not str or not value:
        # It may be a token, so it is not shown.
        raise UnfitValueError(f"{name} is not text")
    return value


def rows(row: Row, name: str) -> list[Row]:
    """Return a list of objects."""
    value = row[name]
    if type(value) is not list or not all(isinstance(item, Mapping) for item in value):
        raise _unfit(name, value, "a list of objects")
    return value


def _refuse(constant: str) -> Never:
    raise UnfitValueError(f"{constant} is no number")


def _unfit(name: str, value: object, expected: str) -> UnfitValueError:
    return UnfitValueError(f"{name} is {_short(_shown(value))}, expected {expected}")


def _shown(value: object) -> str:
    if type(value) is int and abs(value) > _LARGEST_WHOLE:
        # Python refuses to write integers of thousands of digits.
        return f"an integer of {value.bit_length()} bits"
    return repr(value)


def _short(words: str, most: int = _SHOWN) -> str:
    return words if len(words) <= most else f"{words[:most]}..."
