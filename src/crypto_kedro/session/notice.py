"""What a session tells a human, and whom it tells: news as values, without words, so that any language can say them."""

import logging
from enum import StrEnum
from typing import ClassVar, Protocol

from msgspec import Struct

from crypto_kedro.errors import sentence_of
from crypto_kedro.market.moments import utc_iso
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import PositionSide

_log = logging.getLogger(__name__)
_UNLOGGED = ("curve",)


class Severity(StrEnum):
    """How soon a human should look.

    Attributes:
        rank: grows with the urgency.
    """

    INFO = "info", 0
    WARNING = "warning", 1
    CRITICAL = "critical", 2

    rank: int

    def __new__(cls, word: str, rank: int) -> "Severity":
        """Make a member of its word and its rank."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.rank = rank
        return member


class News(Struct, frozen=True):
    """Something that happened.

    Attributes:
        code: names the kind of news in every channel and language.
        usual: how soon a human should look at news of this kind, unless they say otherwise themselves.
    """

    code: ClassVar[str]
    usual: ClassVar[Severity] = Severity.INFO

    @property
    def severity(self) -> Severity:
        """How soon a human should look."""
        return self.usual

    @property
    def repeats(self) -> str | None:
        """What makes it the same news as an earlier one, so that it need not be told again; None tells it always."""
        return None


class SessionBegan(News, frozen=True):
    """The trader took up its work.

    Args:
        session_id: of the journal.
        model: the model's version.
        stage: the capital stage allowed.
        equity: what the account is worth.
        halt: who halted trading and why, None while it is allowed.
    """

    code: ClassVar[str] = "session_began"
    session_id: str
    model: str
    stage: int
    equity: Jpy
    halt: str | None = None


class SessionOver(News, frozen=True):
    """The trader stopped its work in good order."""

    code: ClassVar[str] = "session_over"
    session_id: str
    reason: str
    equity: Jpy


class Exposure(StrEnum):
    """Whether anything was open when a session ended, and whether a stop rests for all of it."""

    FLAT = "flat"
    PROTECTED = "protected"
    UNPROTECTED = "unprotected"
    UNKNOWN = "unknown"


class SessionFailed(News, frozen=True):
    """A fault ended the trader's work; ``error`` is one sentence, ``exposure`` what was left open."""

    code: ClassVar[str] = "session_failed"
    usual: ClassVar[Severity] = Severity.CRITICAL
    session_id: str
    error: str
    exposure: Exposure


class PositionOpened(News, frozen=True):
    """An entry was filled; ``price`` is the average of the fills in JPY, ``stop`` None while no stop rests yet."""

    code: ClassVar[str] = "position_opened"
    side: PositionSide
    amount: Btc
    price: Price
    stop: Price | None
    take_profit: Price | None


class PositionBare(News, frozen=True):
    """A cycle left an own position without a stop; ``level`` is critical if the one before it did as well."""

    code: ClassVar[str] = "position_bare"
    level: Severity
    side: PositionSide
    amount: Btc

    @property
    def severity(self) -> Severity:
        """The level."""
        return self.level

    @property
    def repeats(self) -> str:
        """The same side, as urgent."""
        return f"{self.level}/{self.side}"


class PositionClosed(News, frozen=True):
    """A position is empty again; ``net`` is its result after fees and interest."""

    code: ClassVar[str] = "position_closed"
    side: PositionSide
    amount: Btc
    price: Price
    net: Jpy
    reason: str


class ProtectionRepaired(News, frozen=True):
    """A position's stop was missing or wrong and has been set right; ``fault`` says what was wrong."""

    code: ClassVar[str] = "protection_repaired"
    usual: ClassVar[Severity] = Severity.WARNING
    side: PositionSide
    amount: Btc
    stop: Price
    fault: str

    @property
    def repeats(self) -> str:
        """The same fault on the same side."""
        return f"{self.side}/{self.fault}"


class TradingHalted(News, frozen=True):
    """Nothing more is opened until a human resumes; ``flatten`` also closes what is open."""

    code: ClassVar[str] = "trading_halted"
    usual: ClassVar[Severity] = Severity.CRITICAL
    by: str
    reason: str
    flatten: bool

    @property
    def repeats(self) -> str:
        """The same halt."""
        return f"{self.by}/{self.reason}/{self.flatten}"


class TradingResumed(News, frozen=True):
    """A human ended a halt."""

    code: ClassVar[str] = "trading_resumed"
    usual: ClassVar[Severity] = Severity.WARNING
    by: str
    reason: str


class LeaseLost(News, frozen=True):
    """Another process trades, or this one cannot tell; it sends nothing more. ``token`` is its last fencing token."""

    code: ClassVar[str] = "lease_lost"
    usual: ClassVar[Severity] = Severity.CRITICAL
    token: int

    @property
    def repeats(self) -> str:
        """The same lease."""
        return str(self.token)


class IncidentSeen(News, frozen=True):
    """Something went wrong.

    Args:
        level: how soon a human should look.
        incident: the incident's own code, as in the journal.
        text: one sentence.
    """

    code: ClassVar[str] = "incident"
    level: Severity
    incident: str
    text: str

    @property
    def severity(self) -> Severity:
        """The level."""
        return self.level

    @property
    def repeats(self) -> str:
        """The same incident, whatever numbers its sentence holds."""
        return f"{self.level}/{self.incident}"


def not_begun(error: Exception) -> IncidentSeen:
    """Return the event of a session that could not begin."""
    return IncidentSeen(Severity.CRITICAL, "session_not_begun", sentence_of(error))


class IncidentOver(News, frozen=True):
    """What an incident said no longer holds."""

    code: ClassVar[str] = "incident_over"
    incident: str


class DayClosed(News, frozen=True):
    """One JST day in figures.

    Args:
        day: number of the JST day, counted from 1970-01-01.
        equity: at the end of the day, None where nobody knows it.
        net: realised in the day, after fees and interest.
        fees, interest: within ``net``.
        opened: trades opened.
        won, lost: trades closed with and without a gain.
        drawdown: deepest fall from the peak so far, as a fraction.
        bars: decision bars of the day.
        funnel: reasons for which nothing was opened, with the number of bars, most frequent first.
        incidents: how many there were.
        curve: (Unix milliseconds UTC, equity in JPY) of the day, oldest first.
    """

    code: ClassVar[str] = "day_closed"
    day: int
    equity: Jpy | None
    net: Jpy
    fees: Jpy
    interest: Jpy
    opened: int
    won: int
    lost: int
    drawdown: float
    bars: int
    funnel: tuple[tuple[str, int], ...]
    incidents: int
    curve: tuple[tuple[int, float], ...]


class Greeting(News, frozen=True):
    """A human tries a channel, which is told of nothing below ``least``."""

    code: ClassVar[str] = "greeting"
    least: Severity


class Notice(Struct, frozen=True):
    """News with its moment and its place.

    Args:
        news: what happened.
        at_ms: when, Unix milliseconds UTC.
        environment: ``paper`` or ``live``.
    """

    news: News
    at_ms: int
    environment: str

    @property
    def severity(self) -> Severity:
        """How soon a human should look."""
        return self.news.severity

    @property
    def code(self) -> str:
        """Kind of the news."""
        return self.news.code


class Notifier(Protocol):
    """Whom a session tells."""

    def notify(self, notice: Notice) -> None:
        """Take a notice for delivery; returns at once and never raises."""


class LogNotifier:
    """Tells the log; for a session that has no channel, and beside those that have one."""

    def notify(self, notice: Notice) -> None:
        """Write the notice as one line."""
        level = (logging.INFO, logging.WARNING, logging.CRITICAL)[notice.severity.rank]
        news = notice.news
        shown = " ".join(f"{name}={getattr(news, name)}" for name in news.__struct_fields__ if name not in _UNLOGGED)
        _log.log(level, "%s %s %s: %s", utc_iso(notice.at_ms), notice.environment, notice.code, shown)
