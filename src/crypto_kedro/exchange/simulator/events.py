"""What happened at the exchange, for whoever listens: streams, logs and tests."""

from collections.abc import Callable
from dataclasses import dataclass

from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.orders import Fill, Order, PositionSide
from crypto_kedro.trading.quotes import TradePrint


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order was accepted or is no longer what it was.

    Args:
        order: the order as it is now.
        is_new: whether it was accepted just now.
        is_just_triggered: whether it woke just now.
    """

    order: Order
    is_new: bool
    is_just_triggered: bool


@dataclass(frozen=True, slots=True)
class OrderFilled:
    """One execution of the account."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class AccountChanged:
    """Balances changed, or what orders lock of them; the account as it is now."""

    account: AccountState


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """A margin position changed; the account as it is now."""

    side: PositionSide
    account: AccountState


@dataclass(frozen=True, slots=True)
class TradePrinted:
    """The market traded; the account's own taking is among it."""

    transaction_id: int
    trade: TradePrint


@dataclass(frozen=True, slots=True)
class BookChanged:
    """The book may differ from the last one shown; read it from the market when it is needed."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The circuit breaker entered another mode or has other limits."""

    at_ms: int


Event = OrderChanged | OrderFilled | AccountChanged | PositionChanged | TradePrinted | BookChanged | BreakerChanged


class EventBus:
    """Hands every event to every listener at once, in the order in which things happened.

    A listener must not change the exchange; it keeps or forwards the event and returns.
    """

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Add a listener and return the function that removes it again."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, event: Event) -> None:
        """Tell every listener."""
        for listener in self._listeners:
            listener(event)
