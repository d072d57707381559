"""What the decision core sees in one cycle: the closed bar, the model's word, the account and the market's rules."""

from enum import IntEnum

from msgspec import Struct

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.ledger import TradeLedger
from crypto_kedro.trading.rules import MarketRules
from crypto_kedro.trading.signal import MAX_PRICE, SignalFacts


class ObservationError(CryptoKedroError):
    """An observation contradicts itself or holds a number that cannot be."""


class ExchangeStatus(IntEnum):
    """How well the exchange is working for the pair, from good to bad; the first three are bitbank's words."""

    NORMAL = 0
    BUSY = 1
    VERY_BUSY = 2
    CIRCUIT_BREAK = 3
    HALT = 4
    UNKNOWN = 5


class Observation(Struct, frozen=True):
    """One moment, as `decide` sees it.

    Args:
        facts: the last closed bar and the model's probabilities for it; NaN is unknown.
        kelly: leverage of full Kelly by the model's out-of-sample outcomes, see `kelly_leverage`; NaN is unknown.
        account: as the exchange reports it.
        ledger: folded from all fills of the account up to now.
        rules: in force now; its minimum amount is the larger of the pair's and the present load's.
        funding_stage: number of the capital stage that a human allowed, from 1.

    Raises:
        ObservationError: the closing price is not a positive number of JPY, the bar has not closed yet, the spread is
            negative, a probability lies outside 0 to 1, or the stage is below 1.
    """

    facts: SignalFacts[float]
    kelly: float
    account: AccountState
    ledger: TradeLedger
    rules: MarketRules
    funding_stage: int

    def __post_init__(self) -> None:
        facts = self.facts
        if not 0 < facts.close < MAX_PRICE:
            raise ObservationError(
                f"observation: the closing price is {facts.close} JPY; decide only on validated, closed bars"
            )
        if facts.age_ms < 0:
            raise ObservationError(
                f"observation: the bar closes {-facts.age_ms} ms after the decision; wait until it has closed"
            )
        if facts.spread < 0:
            raise ObservationError(
                f"observation: the spread is {facts.spread}; give the spread of a crossed book as NaN"
            )
        for probability in (facts.short, facts.flat, facts.long):
            if probability < 0 or probability > 1:
                raise ObservationError(f"observation: {probability} is no probability; verify the model bundle")
        if self.funding_stage < 1:
            raise ObservationError(f"observation: the funding stage is {self.funding_stage}; stages count from 1")

    @property
    def now_ms(self) -> int:
        """Moment of the decision, Unix milliseconds UTC."""
        return int(self.facts.bar_close_ms + self.facts.age_ms)
