"""Whether real money may be traded: every reason against it at once, each with what to do."""

from collections.abc import Iterator
from dataclasses import dataclass

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.market.bars import DAY_MS
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import SessionStarted
from crypto_kedro.trading.ledger import TradeLedger


class NotArmedError(CryptoKedroError):
    """Real money may not be traded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRule:
    """What paper trading must have shown before a capital stage is traded with real money.

    Args:
        stage: the capital stage, from 1.
        min_days: days since the paper history began.
        min_trades: closed paper trades.
        max_drawdown: the deepest paper drawdown must be below it.
    """

    stage: int
    min_days: int
    min_trades: int
    max_drawdown: float


@dataclass(frozen=True, slots=True)
class PaperEvidence:
    """What paper trading has shown.

    Args:
        ledger: of the paper account.
        bundle_digests: of the models that traded it.
    """

    ledger: TradeLedger
    bundle_digests: frozenset[str]

    @classmethod
    def of(cls, journal: Journal) -> "PaperEvidence | None":
        """Return the evidence of a paper journal, None when no session was ever begun."""
        ledger = journal.ledger()
        if ledger is None:
            return None
        started = journal.entries(SessionStarted)
        return cls(ledger, frozenset(entry.record.lineage.bundle_digest for entry in started))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmingQuestion:
    """What is known before a session with real money begins.

    Args:
        is_armed: whether the arming switch is on.
        has_credentials: whether an API key is at hand.
        model: name and version of the champion, None without one.
        bundle_digest: of its bundle.
        data_source: of the candles it learned from.
        failed_gates: gates that it did not pass; None when no verdict is known.
        rule: of the capital stage, None for a stage without one.
        paper: None when there was no paper trading.
        now_ms: Unix milliseconds UTC.
    """

    is_armed: bool
    has_credentials: bool
    model: str | None
    bundle_digest: str
    data_source: str
    failed_gates: tuple[str, ...] | None
    rule: PaperRule | None
    paper: PaperEvidence | None
    now_ms: int


def refusals(question: ArmingQuestion) -> tuple[str, ...]:
    """Return every reason for which real money may not be traded; none when it may."""
    return tuple(_refusals(question))


def require_armed(question: ArmingQuestion) -> None:
    """Make sure that real money may be traded.

    Raises:
        NotArmedError: it may not; the message names every reason.
    """
    found = refusals(question)
    if found:
        raise NotArmedError("live: no real money is traded:\n" + "\n".join(f"  - {reason}" for reason in found))


def _refusals(question: ArmingQuestion) -> Iterator[str]:
    if not question.is_armed:
        yield "the arming switch is off; add --params session.armed=true when you mean it"
    if not question.has_credentials:
        yield (
            "there is no API key; set BITBANK_API_KEY and BITBANK_API_SECRET, or bitbank in conf/local/credentials.yml"
        )
    if question.model is None:
        yield "there is no champion; run `kedro run` on real candles until a model passes every gate"
        return
    if question.data_source == "synthetic":
        yield f"{question.model} learned from the synthetic market; train on real candles"
    if question.failed_gates is None:
        yield f"{question.model} has no verdict of the gates; run `kedro run --pipelines evaluation`"
    elif question.failed_gates:
        yield f"{question.model} failed the gates {', '.join(question.failed_gates)}; train a better one"
    yield from _paper_refusals(question)


def _paper_refusals(question: ArmingQuestion) -> Iterator[str]:
    rule, paper = question.rule, question.paper
    if rule is None:
        yield "session.funding_stage has no rule in session.paper_rules; add what paper trading must show for it"
        return
    if paper is None:
        yield f"stage {rule.stage} needs {rule.min_days} days on paper first; run `kedro run --env paper`"
        return
    if question.bundle_digest not in paper.bundle_digests:
        yield f"{question.model} was never traded on paper; run `kedro run --env paper` with it"
    ledger = paper.ledger
    days = (question.now_ms - ledger.started_at_ms) / DAY_MS
    if days < rule.min_days:
        yield f"stage {rule.stage} needs {rule.min_days} days on paper, there are {days:.1f}; let it run on"
    if ledger.closed_trades < rule.min_trades:
        yield (
            f"stage {rule.stage} needs {rule.min_trades} paper trades, there are {ledger.closed_trades}; let it run on"
        )
    if not ledger.deepest_drawdown < rule.max_drawdown:
        yield (
            f"stage {rule.stage} allows a paper drawdown below {rule.max_drawdown:.0%}, the deepest was "
            f"{ledger.deepest_drawdown:.1%}; find out why before you go on"
        )
