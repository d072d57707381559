"""Every reason against real money is told, all of them at once, and each says what to do."""

from dataclasses import replace
from typing import Any

import pytest

from crypto_kedro.session.arming import (
    ArmingQuestion,
    ModelStanding,
    NotArmedError,
    Unreadable,
    refusals,
    require_armed,
)
from crypto_kedro.session.paper_evidence import PaperEvidence, PaperRule

VERSION = "btc-jpy-ensemble version 3"
RULE = PaperRule(stage=2, min_days=30, min_trades=50, max_drawdown=0.1)
SHOWN = PaperEvidence(days=30.0, closed_trades=50, deepest_drawdown=0.0999)
CHAMPION = ModelStanding(version=VERSION, data_source="bitbank", failed_gates=(), settings=None, paper=SHOWN)
ALLOWED = ArmingQuestion(
    is_armed=True,
    has_credentials=True,
    addresses=None,
    aliases=("champion",),
    model=CHAMPION,
    funding_stage=2,
    rule=RULE,
    stages=3,
)


def with_model(**changes: Any) -> ArmingQuestion:
    return replace(ALLOWED, model=replace(CHAMPION, **changes))


def with_paper(**changes: Any) -> ArmingQuestion:
    return with_model(paper=replace(SHOWN, **changes))


def test_given_everything_just_sufficient_then_real_money_may_be_traded() -> None:
    assert refusals(ALLOWED) == ()
    require_armed(ALLOWED)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (replace(ALLOWED, is_armed=False), "arming switch is off; add --params session.armed=true"),
        (replace(ALLOWED, has_credentials=False), "no API key; set BITBANK_API_KEY and BITBANK_API_SECRET, or"),
        (replace(ALLOWED, has_credentials=Unreadable("half a key; set both")), "half a key; set both"),
        (replace(ALLOWED, addresses=Unreadable("a foreign host; leave it out")), "a foreign host; leave it out"),
        (replace(ALLOWED, aliases=("paper-champion", "champion")), "names paper-champion; real money takes"),
        (replace(ALLOWED, model=Unreadable("the bundle is damaged; restore it")), "the bundle is damaged; restore it"),
        (with_model(data_source="synthetic"), f"{VERSION} learned from the synthetic market; train on real candles"),
        (with_model(data_source=None), f"{VERSION} does not tell what candles it learned from; train it again"),
        (with_model(failed_gates=None), "no verdict of the gates; run `kedro run --pipelines evaluation`"),
        (with_model(failed_gates=("calibrated", "profitable")), "failed the gates calibrated, profitable, and `kedro"),
        (replace(ALLOWED, funding_stage=4), "session.funding_stage is 4, trading.stages has 3; choose one of them"),
        (replace(ALLOWED, rule=None), "session.paper_rules says nothing of stage 2; add what"),
        (
            with_model(paper=None),
            f"needs 30 days and 50 trades of {VERSION} on paper, on bitbank's prices, and there",
        ),
        (with_model(paper=Unreadable("the journal is damaged; restore it")), "the journal is damaged; restore it"),
        (with_paper(days=29.9), "needs 30 days on paper, there are 29.9; let paper run on"),
        (with_paper(closed_trades=49), "needs 50 paper trades, there are 49; let paper run on"),
        (with_paper(deepest_drawdown=0.1), "a paper drawdown below 10%, the deepest was 10.0%; find out why"),
    ],
)
def test_given_one_thing_missing_when_asked_then_it_alone_is_named_with_what_to_do(
    question: ArmingQuestion, reason: str
) -> None:
    (told,) = refusals(question)
    assert reason in told
    with pytest.raises(NotArmedError, match="no real money is traded"):
        require_armed(question)


def test_given_nothing_at_all_when_asked_then_every_reason_is_in_one_message() -> None:
    nothing = replace(ALLOWED, is_armed=False, has_credentials=False, model=None)

    with pytest.raises(NotArmedError) as refused:
        require_armed(nothing)

    heading, *reasons = str(refused.value).splitlines()
    assert heading == "live: no real money is traded:"
    assert [reason.split(";")[0] for reason in reasons] == [
        "  - the arming switch is off",
        "  - there is no API key",
        "  - there is no champion",
        "  - stage 2 needs 30 days and 50 trades of the champion on paper, on bitbank's prices, and there are none",
    ]


def test_given_a_bad_model_with_little_paper_then_both_are_told() -> None:
    thin = replace(SHOWN, days=1.0, closed_trades=2, deepest_drawdown=0.3)

    told = refusals(with_model(data_source="synthetic", failed_gates=("profitable",), paper=thin))

    assert len(told) == 5


def test_given_an_address_that_is_refused_then_paper_trading_is_not_called_missing() -> None:
    unknown = replace(with_model(paper=None), addresses=Unreadable("a foreign host; leave it out"))

    assert refusals(unknown) == ("a foreign host; leave it out",)
