"""The gates of an entry, in their one fixed order, and what each of them said."""

import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from msgspec import Struct


class GateRule(NamedTuple):
    """A yes/no test: its name, with the unit where it has one, and how the value must stand to the threshold."""

    name: str
    symbol: str


BAR_GATES = (
    GateRule("data_age_ms", "<="),
    GateRule("exchange_status", "<="),
    GateRule("gap_minutes", "<="),
    GateRule("confidence", ">="),
    GateRule("agreement", ">="),
    GateRule("expected_value", ">"),
    GateRule("spread", "<="),
    GateRule("price_jump", "<="),
    GateRule("volatility", "<="),
)
"""Gates on the closed bar and the model alone; they come first, so that a bar's reason does not hang on the account."""

ACCOUNT_GATES = (
    GateRule("unexplained_lots", "<="),
    GateRule("position_lots", "<="),
    GateRule("pending_entries", "<="),
    GateRule("margin_state", "<="),
    GateRule("funding_stage", "<="),
    GateRule("drawdown", "<"),
    GateRule("weekly_loss", "<"),
    GateRule("daily_loss", "<"),
    GateRule("loss_pause_ms", "<="),
    GateRule("trades_today", "<"),
    GateRule("kelly", ">"),
    GateRule("amount_lots", ">="),
    GateRule("margin_ratio", ">="),
)
"""Gates on the account, its history and the size of the order."""

ALL_GATES = BAR_GATES + ACCOUNT_GATES

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}
BAR_COMPARISONS = tuple(_OPERATORS[rule.symbol] for rule in BAR_GATES)
_COMPARISONS = tuple(_OPERATORS[rule.symbol] for rule in ALL_GATES)


class Gate(NamedTuple):
    """What one gate said. ``value`` is NaN when it is unknown, which never passes."""

    name: str
    value: float
    symbol: str
    threshold: float
    passed: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.value:g} {self.symbol} {self.threshold:g}, {'passed' if self.passed else 'FAILED'}"


class GateReport(Struct, frozen=True):
    """What every gate said, in the order of `ALL_GATES`; iterating gives `Gate` values.

    Args:
        values, thresholds: what was compared; NaN is an unknown value.
        passed: the verdicts.
    """

    values: tuple[float, ...]
    thresholds: tuple[float, ...]
    passed: tuple[bool, ...]

    @classmethod
    def judge(cls, values: tuple[float, ...], thresholds: tuple[float, ...]) -> "GateReport":
        """Compare every value with its threshold; both in the order of `ALL_GATES`."""
        return cls(values, thresholds, tuple(map(operator.call, _COMPARISONS, values, thresholds)))

    @property
    def first_failed(self) -> str | None:
        """Name of the first gate that did not pass, None when all did."""
        return None if all(self.passed) else ALL_GATES[self.passed.index(False)].name

    @property
    def bar_passed(self) -> bool:
        """Whether the gates on the bar and the model all passed."""
        return all(self.passed[: len(BAR_GATES)])

    def __iter__(self) -> Iterator[Gate]:
        for rule, value, threshold, passed in zip(ALL_GATES, self.values, self.thresholds, self.passed, strict=True):
            yield Gate(rule.name, value, rule.symbol, threshold, passed)

    def __getitem__(self, name: str) -> Gate:
        """Return one gate by its name.

        Raises:
            KeyError: there is no such gate.
        """
        for gate in self:
            if gate.name == name:
                return gate
        raise KeyError(name)
