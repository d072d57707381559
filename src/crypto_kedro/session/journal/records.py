"""The kinds of records that a journal holds."""

import re
from enum import StrEnum
from typing import Any

from msgspec import Struct

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.session.notice import Severity
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.ledger import EquityPoint, Transfer
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import Fill, Order, OrderRequest
from crypto_kedro.trading.settings import TradingSettings


class JournalError(CryptoKedroError):
    """The journal cannot be written or read, or what it holds contradicts itself."""


class Trigger(StrEnum):
    """What began a cycle."""

    BAR = "bar"
    PROTECTION = "protection"
    STREAM = "stream"
    TICK = "tick"
    STOP = "stop"


class Outcome(StrEnum):
    """What became of an intent.

    Attributes:
        is_final: whether nothing more is to be found out.
    """

    PLACED = "placed", True
    NOT_PLACED = "not_placed", True
    CANCELED = "canceled", True
    NOT_CANCELED = "not_canceled", True
    UNKNOWN = "unknown", False

    is_final: bool

    def __new__(cls, word: str, is_final: bool) -> "Outcome":
        """Make a member of its word and whether it is final."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.is_final = is_final
        return member


def _kind_of(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Record(Struct, frozen=True, tag_field="kind", tag=_kind_of):
    """Something that is written down; its moment and its session stand beside it, see `Entry`."""

    @classmethod
    def kind(cls) -> str:
        """Return the word that names the kind in the journal, such as ``cycle_started``."""
        return str(cls.__struct_config__.tag)


class Lineage(Struct, frozen=True):
    """Where a session's decisions come from.

    Args:
        bundle_digest: of the model bundle that is served.
        model_version: in the registry, such as ``btc-jpy-ensemble version 3``.
        run_id: of the MLflow run that trained it.
        model_git_sha: commit that trained it.
        data_sha256: of the candles that it learned from.
        data_source: ``synthetic``, ``file`` or ``bitbank``.
        feature_set_hash: version of its features.
        trader_git_sha: commit that trades.
    """

    bundle_digest: str
    model_version: str
    run_id: str
    model_git_sha: str
    data_sha256: str
    data_source: str
    feature_set_hash: str
    trader_git_sha: str


class SessionStarted(Record, frozen=True):
    """A trader took up its work.

    Args:
        environment: ``paper`` or ``live``.
        lineage: of the model and the code.
        settings: of the decision core, in force for the whole session.
        capital: what the account is worth; that of the first session begins the ledger.
        funding_stage: the capital stage that a human allowed, from 1.
        limit_target: whether the target rests as a limit order rather than as a take-profit order.
        accepted_limits: risk limits that are tighter than those that the model was judged under, one sentence each.
    """

    environment: str
    lineage: Lineage
    settings: TradingSettings
    capital: Jpy
    funding_stage: int
    limit_target: bool = False
    accepted_limits: tuple[str, ...] = ()


class CycleStarted(Record, frozen=True):
    """A reconcile pass began; ``cycle_id`` is unique within its session."""

    cycle_id: str
    trigger: Trigger


class Observed(Record, frozen=True):
    """What the core was shown, whole, so that it can decide again; its numbers are floats wherever their type says."""

    cycle_id: str
    observation: Observation


class Decided(Record, frozen=True):
    """What the core said to the observation of the same cycle; ``record`` is `Decision.as_dict`."""

    cycle_id: str
    record: dict[str, Any]


class Intended(Record, frozen=True):
    """An order or a cancel that is about to be sent.

    Args:
        intent_id: unique in the journal.
        cycle_id: of the cycle that sends it.
        purpose: what the order is for.
        reason: of the decision, or why the order had to be repaired.
        request: the order to place; None for a cancel.
        order_id: the order to cancel; None for a placement.
        other_order_ids: orders of the account that are known not to be the one to be placed, ascending.

    Raises:
        JournalError: neither an order nor a cancel, or both.
    """

    intent_id: str
    cycle_id: str
    purpose: Purpose
    reason: str
    request: OrderRequest | None = None
    order_id: int | None = None
    other_order_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if (self.request is None) == (self.order_id is None):
            raise JournalError(
                f"journal: intent {self.intent_id} has request {self.request} and order_id {self.order_id}; "
                "give a request to place or an order to cancel"
            )


class Answered(Record, frozen=True):
    """What became of an intent; an ``unknown`` one is answered again once it is found out.

    Args:
        intent_id: of the intent.
        outcome: ``canceled`` is an order that has ended, however it ended.
        order: as the exchange reported it, where there is one.
        error: why not, or why nothing can be told.
    """

    intent_id: str
    outcome: Outcome
    order: Order | None = None
    error: str | None = None


class FillSeen(Record, frozen=True):
    """The exchange reported an execution."""

    fill: Fill


class EquityMarked(Record, frozen=True):
    """What the account was worth, at the moment that the exchange's report is of."""

    point: EquityPoint


class MoneyMoved(Record, frozen=True):
    """JPY came into the account or left it, so that it is neither gain nor loss."""

    transfer: Transfer


class DrawdownCleared(Record, frozen=True):
    """A human looked at the drawdown and allowed trading again."""

    by: str
    reason: str


class Incident(Record, frozen=True):
    """Something went wrong, or did not go as usual; ``text`` is one sentence."""

    severity: Severity
    code: str
    text: str


class Halted(Record, frozen=True):
    """Nothing more may be opened until `Resumed`; ``flatten`` also closes what is open."""

    by: str
    reason: str
    flatten: bool


class Resumed(Record, frozen=True):
    """A human ended a halt."""

    by: str
    reason: str


class CycleEnded(Record, frozen=True):
    """A reconcile pass is over.

    Args:
        cycle_id: of the cycle.
        sent: orders and cancels that went to the exchange.
        error: one sentence when the cycle was broken off.
    """

    cycle_id: str
    sent: int
    error: str | None = None


class DayTold(Record, frozen=True):
    """The figures of a JST day were told; ``day`` is its number, counted from 1970-01-01."""

    day: int


class SessionEnded(Record, frozen=True):
    """A trader ended its work in good order."""

    reason: str


AnyRecord = (
    SessionStarted
    | CycleStarted
    | Observed
    | Decided
    | Intended
    | Answered
    | FillSeen
    | EquityMarked
    | MoneyMoved
    | DrawdownCleared
    | Incident
    | Halted
    | Resumed
    | CycleEnded
    | DayTold
    | SessionEnded
)
