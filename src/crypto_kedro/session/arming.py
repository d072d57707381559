"""Whether real money may be traded: every reason against it at once, each with what to do."""

from collections.abc import Iterator
from dataclasses import dataclass

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.session.paper_evidence import PaperEvidence, PaperRule

REAL_MONEY_ALIAS = "champion"


class NotArmedError(CryptoKedroError):
    """Real money may not be traded."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that could not be read; ``reason`` is a sentence that says what to do."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStanding:
    """What is known of the model that would be traded.

    Args:
        version: name and version in the registry.
        data_source: of the candles it learned from, None when its lineage does not tell.
        failed_gates: gates that it did not pass; None when no verdict is known.
        settings: why it may not be traded by the session's settings, None when it may.
        paper: what it has shown on paper, None when it never traded there.
    """

    version: str
    data_source: str | None
    failed_gates: tuple[str, ...] | None
    settings: Unreadable | None
    paper: PaperEvidence | Unreadable | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmingQuestion:
    """What is known before a session with real money begins.

    Args:
        is_armed: whether the arming switch is on.
        has_credentials: whether an API key is at hand.
        addresses: why the exchange may not be spoken to at its addresses, None when it may.
        aliases: under which a model is looked for.
        model: that was found, None without one.
        funding_stage: the capital stage that is asked for, from 1.
        rule: what paper trading must have shown for it, None when nothing is said of it.
        stages: number of capital stages that there are.
    """

    is_armed: bool
    has_credentials: bool | Unreadable
    addresses: Unreadable | None
    aliases: tuple[str, ...]
    model: ModelStanding | Unreadable | None
    funding_stage: int
    rule: PaperRule | None
    stages: int


def refusals(question: ArmingQuestion) -> tuple[str, ...]:
    """Return every reason for which real money may not be traded; none when it may."""
    return (*_switch_refusals(question), *_model_refusals(question), *_stage_refusals(question))


def require_armed(question: ArmingQuestion) -> None:
    """Make sure that real money may be traded.

    Raises:
        NotArmedError: it may not; the message names every reason.
    """
    found = refusals(question)
    if found:
        raise NotArmedError("live: no real money is traded:\n" + "\n".join(f"  - {reason}" for reason in found))


def _switch_refusals(question: ArmingQuestion) -> Iterator[str]:
    if not question.is_armed:
        yield "the arming switch is off; add --params session.armed=true when you mean it"
    if isinstance(question.has_credentials, Unreadable):
        yield question.has_credentials.reason
    elif not question.has_credentials:
        yield (
            "there is no API key; set BITBANK_API_KEY and BITBANK_API_SECRET, or bitbank.key and bitbank.secret in "
            "conf/local/credentials.yml"
        )
    if question.addresses is not None:
        yield question.addresses.reason


def _model_refusals(question: ArmingQuestion) -> Iterator[str]:
    others = ", ".join(alias for alias in question.aliases if alias != REAL_MONEY_ALIAS)
    if others:
        yield f"session.models names {others}; real money takes nothing but the {REAL_MONEY_ALIAS}, name it alone"
    model = question.model
    if isinstance(model, Unreadable):
        yield model.reason
        return
    if model is None:
        yield "there is no champion; run `kedro run` on real candles until a model passes every gate"
        return
    if model.data_source is None:
        yield f"{model.version} does not tell what candles it learned from; train it again"
    elif model.data_source == "synthetic":
        yield f"{model.version} learned from the synthetic market; train on real candles"
    if model.failed_gates is None:
        yield f"{model.version} has no verdict of the gates; run `kedro run --pipelines evaluation`"
    elif model.failed_gates:
        yield (
            f"{model.version} failed the gates {', '.join(model.failed_gates)}, and `kedro promote` overrules gates "
            "for paper alone; train a better one"
        )
    if model.settings is not None:
        yield model.settings.reason


def _stage_refusals(question: ArmingQuestion) -> Iterator[str]:
    stage, rule = question.funding_stage, question.rule
    if stage > question.stages:
        yield f"session.funding_stage is {stage}, trading.stages has {question.stages}; choose one of them"
    if rule is None:
        yield f"session.paper_rules says nothing of stage {stage}; add what paper trading must show for it"
        return
    model = question.model
    if isinstance(model, Unreadable) or (model is not None and question.addresses is not None):
        # Whose paper trading would count is not known, or where it would lie.
        return
    paper = None if model is None else model.paper
    if isinstance(paper, Unreadable):
        yield paper.reason
        return
    if paper is None:
        named = "the champion" if model is None else model.version
        yield (
            f"stage {stage} needs {rule.min_days} days and {rule.min_trades} trades of {named} on paper, on bitbank's "
            "prices, and there are none; run `kedro run --env paper` by these settings, with session.exchange=bitbank"
        )
        return
    if paper.days < rule.min_days:
        yield f"stage {stage} needs {rule.min_days} days on paper, there are {paper.days:.1f}; let paper run on"
    if paper.closed_trades < rule.min_trades:
        yield (f"stage {stage} needs {rule.min_trades} paper trades, there are {paper.closed_trades}; let paper run on")
    if not paper.deepest_drawdown < rule.max_drawdown:
        yield (
            f"stage {stage} allows a paper drawdown below {rule.max_drawdown:.0%}, the deepest was "
            f"{paper.deepest_drawdown:.1%}; find out why before you go on"
        )
