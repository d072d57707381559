"""The trial of the gates as a picture and as a page."""

import io
from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from crypto_kedro.reporting.page import (
    NOT_APPLICABLE,
    Section,
    Tone,
    Verdict,
    facts_html,
    figure_html,
    plot_style,
    render_page,
    table_html,
)

LARGEST_FALSE_RATE, LEAST_POWER, JUDGED_SHARPE = 0.05, 0.8, 3.0


def gate_trial_html(result: Mapping[str, Any]) -> str:
    """Return the report as a self-contained HTML page.

    Args:
        result: what `crypto_kedro.evaluation.market_trial.summarise_trial` counted, with ``settings`` (the group
            ``gate_trial``).
    """
    settings, groups = result["settings"], result["groups"]
    picture = figure_html(
        trial_figure(result),
        alt="Share of promoted models by kind of market, and the share of markets that each gate stopped.",
        caption=f"Bars: share of the markets; whiskers: exact {result['level']:.0%} interval.",
    )
    markets = sum(group["markets"] for group in groups)
    return render_page(
        "Trial of the gates",
        [
            Section("Promotions", promotion_table(result)),
            Section("Picture", picture),
            Section(
                "Which gate stopped whom", stopping_table(result),
                "Markets that each gate failed; in brackets those that no other gate failed.",
            ),
            Section("Time", facts_html({"Seconds a market, mean": result["seconds"]["mean"],
                                        "Longest": result["seconds"]["longest"], "Total": result["seconds"]["total"]})),
        ],
        subtitle=f"{markets} synthetic markets of {settings['days']} days, seeds from {settings['first_seed']} on",
        verdict=trial_verdict(result),
    )  # fmt: skip


def trial_verdict(result: Mapping[str, Any]) -> Verdict:
    """Say whether false promotions are bounded below 5% and 80% of what is worth a Sharpe ratio of 3 is let through."""
    noise = next(group for group in result["groups"] if not group["signal_strength"])
    planted = [group for group in result["groups"] if group["signal_strength"]]
    size_holds = noise["upper_limit"] < LARGEST_FALSE_RATE
    text = (
        f"{noise['promoted']} of {noise['markets']} models of pure noise were promoted: the rate is below "
        f"{noise['upper_limit']:.1%} with {result['level']:.0%} confidence."
    )
    if not planted:
        return Verdict(text, Tone.GOOD if size_holds else Tone.BAD)
    judged = min(planted, key=lambda group: abs(group["best_omniscient_sharpe"] - JUDGED_SHARPE))
    text += (
        f" Where an omniscient trader earns a Sharpe ratio of {judged['best_omniscient_sharpe']:.1f}, "
        f"{judged['promoted']} of {judged['markets']} models were promoted ({judged['rate']:.0%})."
    )
    return Verdict(text, Tone.GOOD if size_holds and judged["rate"] >= LEAST_POWER else Tone.BAD)


def promotion_table(result: Mapping[str, Any]) -> Markup:
    """Return promotions, intervals and medians of each kind of market as a table."""
    return table_html(
        (
            "Markets", "Signal strength", "Omniscient Sharpe", "Count", "Promoted", "Rate", "Interval", "Upper limit",
            "Trades", "Net profit", "Sharpe",
        ),
        [_promotion_row(group) for group in result["groups"]],
        caption="Promotions by kind of market; trades, net profit and Sharpe ratio of the models are medians",
    )  # fmt: skip


def stopping_table(result: Mapping[str, Any]) -> Markup:
    """Return how many markets of each kind each gate failed, and how many it failed alone."""
    groups = result["groups"]
    return table_html(
        ("Gate", *(f"{group['name']} ({group['markets']})" for group in groups)),
        [
            (gate, *(f"{group['failed'].get(gate, 0)} ({group['failed_alone'].get(gate, 0)})" for group in groups))
            for gate in result["gates"]
        ],
        caption="Markets stopped by each gate",
    )


def trial_figure(result: Mapping[str, Any]) -> Figure:
    """Draw the promotions by kind of market, and the share of markets that each gate stopped."""
    groups, gates = result["groups"], result["gates"]
    rate = np.array([group["rate"] for group in groups])
    ends = np.array([[group["interval"]["low"], group["interval"]["high"]] for group in groups]).T
    with plot_style():
        figure = Figure(figsize=(8.4, 2.2 + 0.3 * len(gates)))
        top, below = figure.subplots(2, 1, height_ratios=[2.0, 0.3 * len(gates)])
        top.bar(range(len(groups)), rate, width=0.5, yerr=np.abs(ends - rate), capsize=4, ecolor="#8a8f98")
        top.set_xticks(
            range(len(groups)),
            labels=[f"{group['name']}\n{group['promoted']} of {group['markets']}" for group in groups],
        )
        top.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        top.set_ylim(0.0, 1.02)
        top.set_title("Models promoted")
        thickness = 0.8 / len(groups)
        for at, group in enumerate(groups):
            share = [group["failed"].get(gate, 0) / group["markets"] for gate in gates]
            below.barh(np.arange(len(gates)) - 0.4 + thickness * (at + 0.5), share, thickness, label=group["name"])
        below.set_yticks(range(len(gates)), labels=gates)
        below.invert_yaxis()
        below.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        below.set_title("Markets that each gate stopped")
        below.legend(loc="lower right")
    return figure


def gate_trial_svg(result: Mapping[str, Any]) -> str:
    """Return `trial_figure` as an SVG file of its own, on white."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "crypto-kedro", "svg.fonttype": "none"}):
        trial_figure(result).savefig(buffer, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _promotion_row(group: Mapping[str, Any]) -> tuple[object, ...]:
    best, interval, profit = group["best_omniscient_sharpe"], group["interval"], group["net_profit"]
    return (
        group["name"],
        group["signal_strength"],
        NOT_APPLICABLE if best is None else f"{best:.2f}",
        group["markets"],
        group["promoted"],
        f"{group['rate']:.1%}",
        f"{interval['low']:.1%} to {interval['high']:.1%}",
        f"{group['upper_limit']:.1%}",
        group["trades"],
        None if profit is None else f"{profit:+.1%}",
        group["sharpe"],
    )
