"""Exact units of BTC/JPY trading: a price, an amount of BTC, a sum of JPY and a rate; each one its own type.

Every value wraps one integer, so arithmetic is exact and fast, and only the operations that make sense are defined:
``Price * Btc`` is ``Jpy``, while ``Jpy + Btc`` is an error for mypy and at run time.

Values that each order makes anew, here and in the modules around, are `msgspec.Struct`: frozen like a dataclass, but
built in a fifth of the time, which a backtest of thousands of trades feels.
"""

from decimal import Decimal, InvalidOperation
from typing import Self, final, overload

from msgspec import Struct

from crypto_kedro.errors import CryptoKedroError

LOTS_PER_BTC = 10**4
UNITS_PER_JPY = 10**10
PPM = 10**6
PRODUCT_UNITS = UNITS_PER_JPY // LOTS_PER_BTC
"""Units of JPY in one tick times one lot (0.0001 JPY)."""


class UnitError(CryptoKedroError, TypeError):
    """A number was given where a typed amount, price or rate belongs, or two units were mixed."""


class PrecisionError(CryptoKedroError, ValueError):
    """A text or Decimal is no number, or is finer than its unit can hold."""


def _whole(number: Decimal | str | int, per_one: int, what: str) -> int:
    if isinstance(number, float):
        raise UnitError(f"{what}: got the float {number!r}; pass a string, an int or a Decimal, which are exact")
    try:
        scaled = Decimal(number) * per_one
        whole = int(scaled)
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise PrecisionError(f"{what}: {number!r} is not a finite decimal number") from error
    if whole != scaled:
        raise PrecisionError(f"{what}: {number} is finer than the step of 1/{per_one}; round it first")
    return whole


def _require_int(number: object, what: str) -> None:
    if type(number) is not int:
        raise UnitError(f"{what}: expected an int, got {number!r} of type {type(number).__name__}")


@final
class Price(Struct, frozen=True, order=True):
    """A price of one BTC, or the distance between two prices, in ticks of 1 JPY."""

    ticks: int

    def __post_init__(self) -> None:
        if type(self.ticks) is not int:
            _require_int(self.ticks, "price in ticks")

    @classmethod
    def of(cls, jpy: Decimal | str | int) -> Self:
        """Read a price in JPY, for example ``Price.of("15000000")``.

        Raises:
            PrecisionError: not a number, or not a whole tick.
            UnitError: a float.
        """
        return cls(_whole(jpy, 1, "price in JPY"))

    @property
    def decimal(self) -> Decimal:
        """The price in JPY."""
        return Decimal(self.ticks)

    def __add__(self, other: "Price") -> "Price":
        return Price(self.ticks + other.ticks) if type(other) is Price else NotImplemented

    def __sub__(self, other: "Price") -> "Price":
        return Price(self.ticks - other.ticks) if type(other) is Price else NotImplemented

    def __mul__(self, other: "Btc") -> "Jpy":
        return Jpy(self.ticks * other.lots * PRODUCT_UNITS) if type(other) is Btc else NotImplemented

    def __str__(self) -> str:
        return str(self.ticks)


@final
class Btc(Struct, frozen=True, order=True):
    """An amount of BTC in lots of 0.0001 BTC."""

    lots: int

    def __post_init__(self) -> None:
        if type(self.lots) is not int:
            _require_int(self.lots, "amount in lots")

    @classmethod
    def of(cls, btc: Decimal | str | int) -> Self:
        """Read an amount in BTC, for example ``Btc.of("0.0150")``.

        Raises:
            PrecisionError: not a number, or finer than one lot.
            UnitError: a float.
        """
        return cls(_whole(btc, LOTS_PER_BTC, "amount in BTC"))

    @property
    def decimal(self) -> Decimal:
        """The amount in BTC, with four decimals."""
        return Decimal(self.lots).scaleb(-4)

    def floor(self, step: "Btc") -> "Btc":
        """Return the largest multiple of ``step`` that is not above this amount."""
        return Btc(self.lots - self.lots % step.lots)

    def __add__(self, other: "Btc") -> "Btc":
        return Btc(self.lots + other.lots) if type(other) is Btc else NotImplemented

    def __sub__(self, other: "Btc") -> "Btc":
        return Btc(self.lots - other.lots) if type(other) is Btc else NotImplemented

    def __neg__(self) -> "Btc":
        return Btc(-self.lots)

    def __mul__(self, other: Price) -> "Jpy":
        return other * self if type(other) is Price else NotImplemented

    def __bool__(self) -> bool:
        return self.lots != 0

    def __str__(self) -> str:
        return str(self.decimal)


@final
class Rate(Struct, frozen=True, order=True):
    """A fraction in parts per million: a fee, a daily interest, a margin ratio; a negative fee is a rebate."""

    ppm: int

    def __post_init__(self) -> None:
        if type(self.ppm) is not int:
            _require_int(self.ppm, "rate in parts per million")

    @classmethod
    def of(cls, fraction: Decimal | str | int) -> Self:
        """Read a fraction, for example ``Rate.of("0.0012")`` for 0.12%.

        Raises:
            PrecisionError: not a number, or finer than one part per million.
            UnitError: a float.
        """
        return cls(_whole(fraction, PPM, "rate"))

    @property
    def decimal(self) -> Decimal:
        """The fraction."""
        return Decimal(self.ppm).scaleb(-6)

    def __str__(self) -> str:
        return str(self.decimal)


@final
class Jpy(Struct, frozen=True, order=True):
    """A sum of money in units of 10**-10 JPY.

    That is fine enough for a product (10**-4 JPY) times a rate (10**-6) to be exact, as interest is.
    """

    units: int

    def __post_init__(self) -> None:
        if type(self.units) is not int:
            _require_int(self.units, "sum in units of 10**-10 JPY")

    @classmethod
    def of(cls, jpy: Decimal | str | int) -> Self:
        """Read a sum in JPY, for example ``Jpy.of("100000")``.

        Raises:
            PrecisionError: not a number, or finer than 10**-10 JPY.
            UnitError: a float.
        """
        return cls(_whole(jpy, UNITS_PER_JPY, "sum in JPY"))

    @property
    def decimal(self) -> Decimal:
        """The sum in JPY, exact."""
        return Decimal(self.units).scaleb(-10)

    def floor(self, decimals: int = 4) -> Decimal:
        """Return the sum in JPY rounded toward minus infinity, as the exchange shows balances."""
        return Decimal(self.units // 10 ** (10 - decimals)).scaleb(-decimals)

    def ceil(self, decimals: int = 4) -> Decimal:
        """Return the sum in JPY rounded toward plus infinity, as the exchange shows costs."""
        return Decimal(-(-self.units // 10 ** (10 - decimals))).scaleb(-decimals)

    def __add__(self, other: "Jpy") -> "Jpy":
        return Jpy(self.units + other.units) if type(other) is Jpy else NotImplemented

    def __sub__(self, other: "Jpy") -> "Jpy":
        return Jpy(self.units - other.units) if type(other) is Jpy else NotImplemented

    def __neg__(self) -> "Jpy":
        return Jpy(-self.units)

    def __mul__(self, other: Rate) -> "Jpy":
        """Take a fraction of the sum, rounded toward minus infinity at 10**-10 JPY."""
        return Jpy(self.units * other.ppm // PPM) if type(other) is Rate else NotImplemented

    @overload
    def __truediv__(self, other: "Jpy") -> float: ...
    @overload
    def __truediv__(self, other: Rate) -> "Jpy": ...
    def __truediv__(self, other: "Jpy | Rate") -> "float | Jpy":
        """Divide by a sum, a ratio for gates and statistics; or by a rate, rounded toward minus infinity."""
        if type(other) is Jpy:
            return self.units / other.units
        if type(other) is Rate:
            return Jpy(self.units * PPM // other.ppm)
        return NotImplemented

    def __floordiv__(self, other: Price) -> Btc:
        """Return the whole lots that the sum pays for at a price."""
        return Btc(self.units // (other.ticks * PRODUCT_UNITS)) if type(other) is Price else NotImplemented

    def __float__(self) -> float:
        """The sum in JPY for statistics; money itself is never computed in floats."""
        return self.units / UNITS_PER_JPY

    def __bool__(self) -> bool:
        return self.units != 0

    def __str__(self) -> str:
        return f"{self.decimal.normalize():f}"
