"""The section of the evaluation report on how much of a result may be luck."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from crypto_kedro.reporting.page import NOT_APPLICABLE, Section, facts_html, join_html, table_html

LEAD = (
    "The best of many trials looks good without skill. Trials are counted from MLflow: every run on the same candles, "
    "also one that failed."
)
_BASELINES = {"always_flat": "staying flat", "buy_and_hold": "buy and hold"}


def luck_section(trading: Mapping[str, Any], path_figures: Mapping[str, Any]) -> Section:
    """Return what speaks for skill and what for luck.

    Args:
        trading: the figures of `crypto_kedro.evaluation.out_of_sample.OutOfSample`.
        path_figures: what `crypto_kedro.evaluation.paths.trade_paths` found.
    """
    validation, executed = trading["validation"], trading["executed_calibration"]
    facts = {
        "Trials on these candles": f"{validation['trials']:,}",
        **_sharpe_facts(validation["sharpe"]),
        **_overfitting_facts(validation["overfitting"]),
        **_executed_facts(executed),
    }
    return Section(
        "Luck", join_html(facts_html(facts), _superiority(validation["superiority"]), _paths(path_figures)), LEAD
    )


def _sharpe_facts(sharpe: Mapping[str, Any] | None) -> dict[str, object]:
    if sharpe is None:
        return {"Deflated Sharpe ratio": NOT_APPLICABLE}
    interval, days = sharpe["interval"], sharpe["minimum_track_record_days"]
    return {
        "Sharpe ratio a year": (
            f"{sharpe['annual']:.2f} ({interval['level']:.0%} interval {interval['low']:.2f} to {interval['high']:.2f})"
        ),
        "Sharpe ratio that the best of these trials reaches without skill": f"{sharpe['expected_maximum']:.2f}",
        "Deflated Sharpe ratio": f"{sharpe['deflated']:.1%}",
        "Shortest track record that would tell": NOT_APPLICABLE if days is None else f"{days:,.0f} days",
    }


def _overfitting_facts(overfitting: Mapping[str, Any] | None) -> dict[str, object]:
    if overfitting is None:
        return {"Probability of backtest overfitting": NOT_APPLICABLE}
    return {
        "Probability of backtest overfitting": (
            f"{overfitting['probability']:.1%}, of {overfitting['configurations']:,} traders"
        ),
        "Probability that the choice loses": f"{overfitting['probability_of_loss']:.1%}",
    }


def _executed_facts(executed: Mapping[str, Any]) -> dict[str, object]:
    if executed["observed"] is None:
        return {"Executed trades": NOT_APPLICABLE}
    interval = executed["observed_interval"]
    return {
        "Mean probability of the executed trades": f"{executed['predicted']:.1%}",
        "Share of them whose barriers paid": (
            f"{executed['observed']:.1%} ({interval['level']:.0%} interval {interval['low']:.1%} to "
            f"{interval['high']:.1%}, {executed['trades']:,} trades)"
        ),
    }


def _superiority(superiority: Mapping[str, Mapping[str, Any]] | None) -> Markup:
    if superiority is None:
        return Markup()
    rows = [
        [
            _BASELINES[name],
            f"{test['mean_excess']:+.3%}",
            f"{test['p_value']:.3f}",
            f"{test['p_value_reality_check']:.3f}",
        ]
        for name, test in superiority.items()
    ]
    columns = ["Better than", "Mean excess a day", "p-value (SPA)", "p-value (reality check)"]
    return table_html(columns, rows, caption="Superiority over the baselines; a small p-value speaks against luck")


def _paths(path_figures: Mapping[str, Any]) -> Markup:
    if not path_figures["enabled"]:
        return Markup()
    rows = [
        [
            f"Path {number}",
            f"{path['net_profit']:+.2%}",
            None if path["sharpe"] is None else f"{path['sharpe']:.2f}",
            f"{path['max_drawdown']:.1%}",
            path["trades"],
        ]
        for number, path in enumerate(path_figures["paths"], start=1)
    ]
    caption = "Backtests of the same recipe by combinatorial cross-validation, trained on both sides of what they trade"
    return table_html(["Path", "Net profit", "Sharpe ratio", "Largest drawdown", "Trades"], rows, caption=caption)
