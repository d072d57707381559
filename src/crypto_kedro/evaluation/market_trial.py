"""What the outcomes of many markets say about the gates: how often noise is promoted, and how often a signal is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, median
from typing import Any

from crypto_kedro.learning.proportion import clopper_pearson_interval, clopper_pearson_upper

Outcome = Mapping[str, Any]


def summarise_trial(outcomes: Sequence[Outcome], level: float) -> dict[str, Any]:
    """Return the trial's figures.

    Args:
        outcomes: of all markets, each with its ``group``.
        level: of the intervals.

    Returns:
        JSON-able: ``level``, ``groups`` (in order of appearance, see `summarise_group`), ``gates`` (names in their
        order), ``seconds`` (mean, longest and total of a market's).
    """
    groups = list(dict.fromkeys(outcome["group"] for outcome in outcomes))
    seconds = [outcome["seconds"] for outcome in outcomes]
    return {
        "level": level,
        "groups": [
            summarise_group(name, [outcome for outcome in outcomes if outcome["group"] == name], level)
            for name in groups
        ],
        "gates": [gate["name"] for gate in outcomes[0]["gates"]],
        "seconds": {"mean": fmean(seconds), "longest": max(seconds), "total": sum(seconds)},
    }


def summarise_group(name: str, outcomes: Sequence[Outcome], level: float) -> dict[str, Any]:
    """Return how often the models of one kind of market were promoted, and what stopped the others.

    Returns:
        JSON-able: ``promoted`` and ``markets``; ``rate`` with its two-sided ``interval`` and its one-sided
        ``upper_limit``; ``failed`` (by gate, how many markets it failed) and ``failed_alone`` (those that no other gate
        failed); ``omniscient_sharpe`` (mean over the markets by share of the bars) and ``best_omniscient_sharpe``;
        medians of ``trades``, ``net_profit`` and ``sharpe``.
    """
    promoted, markets = sum(outcome["passed"] for outcome in outcomes), len(outcomes)
    failed = [[gate["name"] for gate in outcome["gates"] if gate["verdict"] != "pass"] for outcome in outcomes]
    omniscient = _mean_by_share([outcome["omniscient_sharpe"] for outcome in outcomes])
    return {
        "name": name,
        "signal_strength": outcomes[0]["signal_strength"],
        "markets": markets,
        "promoted": promoted,
        "rate": promoted / markets,
        "interval": asdict(clopper_pearson_interval(promoted, markets, level)),
        "upper_limit": clopper_pearson_upper(promoted, markets, level),
        "failed": dict(Counter(gate for names in failed for gate in names)),
        "failed_alone": dict(Counter(names[0] for names in failed if len(names) == 1)),
        "omniscient_sharpe": omniscient,
        "best_omniscient_sharpe": max(omniscient.values(), default=None),
        **{figure: _median(outcomes, figure) for figure in ("trades", "net_profit", "sharpe")},
    }


def _mean_by_share(sharpes: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Return the mean by share of the bars; a trader without a Sharpe ratio has not traded and counts as 0."""
    return {share: fmean(sharpe[share] or 0.0 for sharpe in sharpes) for share in sharpes[0]}


def _median(outcomes: Sequence[Outcome], figure: str) -> float | None:
    values = [outcome[figure] for outcome in outcomes if outcome[figure] is not None]
    return float(median(values)) if values else None
