"""The evaluation report: what was trained on what, how good it is, and whether that is more than luck."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from crypto_kedro.errors import LineageError
from crypto_kedro.learning.performance import AccountHistory, measure_account
from crypto_kedro.reporting.backtest_sections import backtest_sections
from crypto_kedro.reporting.evaluation_figures import importance_bars, profit_beside_baselines, reliability_diagram
from crypto_kedro.reporting.luck_section import luck_section
from crypto_kedro.reporting.page import (
    NOT_APPLICABLE,
    Section,
    Tone,
    badge_html,
    facts_html,
    figure_html,
    join_html,
    paragraph_html,
    render_page,
    table_html,
    tiles_html,
)
from crypto_kedro.reporting.verdict import state_verdict

METRICS = {
    "log_loss": ("Log-loss", "lower"),
    "brier": ("Brier score", "lower"),
    "ece": ("Expected calibration error", "lower"),
    "macro_f1": ("Macro F1", "higher"),
    "mcc": ("Matthews correlation", "higher"),
    "direction_log_loss": ("Log-loss of the direction", "lower"),
}
PREDICTIONS = (
    "The prior predicts the class shares of the training data. When the market will move is easier to tell than where "
    "to: only the log-loss of the direction, short against long where it moved, speaks of the latter."
)
RANDOM_QUANTILES = {
    "5th percentile": "net_profit_p05",
    "median": "net_profit_p50",
    "95th percentile": "net_profit_p95",
}
TRADES_PAGE = "trades.html"
OTHER_COSTS = (
    "Fee, spread, slippage and interest are multiplied, and the trader knows: its expected value and its leverage are "
    "reckoned with the same costs."
)
METHOD = (
    "Every figure is out of sample: each window was predicted by a model whose training labels had all ended, with an "
    "embargo, before the window began. The decision core judges every bar of 15 minutes with the gates of the funnel; "
    "its orders meet bars of one minute in a matching engine that fills stops before targets, gaps at the open beyond "
    "the stop, and charges fee, spread, slippage and margin interest. The leverage comes from the outcomes of the "
    "windows before. Random traders enter as often, to the same sides, in the same windows, and are traded by the same "
    "core. Intervals come from a stationary bootstrap of days, that of the hit rate from Wilson's formula."
)


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationRecords:
    """What the report is made of; each is what the catalog holds under the same name.

    Args:
        evaluation: figures.
        gate_results: verdicts.
        history: the account of the model's trader, bar by bar and trade by trade.
        curves: equity by UTC day beside the baselines.
        funnel: decision bars by the reason with which they ended.
        training_report: importances and class shares of the models.
        folds: table of the windows.
        feature_manifest: lineage, the data's nested in it.
        data_quality: what was found and done when the candles were validated.
        path_figures: what `crypto_kedro.evaluation.paths.trade_paths` found.
    """

    evaluation: Mapping[str, Any]
    gate_results: Mapping[str, Any]
    history: AccountHistory
    curves: pd.DataFrame
    funnel: pd.DataFrame
    training_report: Mapping[str, Any]
    folds: pd.DataFrame
    feature_manifest: Mapping[str, Any]
    data_quality: Mapping[str, Any]
    path_figures: Mapping[str, Any]


def evaluation_html(records: EvaluationRecords) -> str:
    """Return the report as one self-contained page.

    Raises:
        LineageError: a manifest does not say what the model rests on.
    """
    scores = records.evaluation["classification"]
    sections = [
        Section("Key figures", _key_figures(records.evaluation)),
        Section("Gates", _gates(records.gate_results), "A model may become champion only if it passes all of them."),
        Section("Profit beside baselines", _profit(records), "The same account, core and exchange, all costs paid."),
        luck_section(records.evaluation["trading"], records.path_figures),
        *_backtest(records),
        Section("Other costs", _cost_sensitivity(records.evaluation["trading"]), OTHER_COSTS),
        Section("Predictions", _predictions(scores), PREDICTIONS),
        Section("Windows", _windows(records.evaluation["windows"]), "Each is predicted by a model trained before it."),
        Section("Reliability", _reliability(scores), "A probability should come true as often as it says."),
        Section("Importances", _importances(records.training_report), "Of the model trained for the final window."),
        Section("Lineage", _lineage(records), "What was trained on what."),
        Section("Data quality", _data_quality(records.data_quality)),
        Section("Method", paragraph_html(METHOD)),
    ]
    return render_page(
        "Evaluation of the BTC/JPY ensemble",
        sections,
        subtitle=f"Out of sample from {scores['first'][:10]} to {scores['last'][:10]} (UTC)",
        verdict=state_verdict(records.evaluation, records.gate_results),
    )


def _key_figures(evaluation: Mapping[str, Any]) -> Markup:
    trading, scores = evaluation["trading"], evaluation["classification"]
    strategy, random = trading["strategy"], trading["baselines"]["random_entries"]
    gain = scores["prior"]["log_loss"] - scores["model"]["log_loss"]
    hits = strategy["hit_rate_interval"]
    return tiles_html(
        [
            ("Net profit", _signed(strategy["net_profit"]), _range(strategy["net_profit_interval"], "{:+.1%}")),
            ("Trades", strategy["trades"], f"in {trading['bars']:,} bars, {trading['days']:,} days"),
            ("Hit rate", _percent(strategy["hit_rate"]), _range(hits, "{:.0%}")),
            ("Random traders beaten", _percent(random["share_beaten"]), f"of {random['traders']:,}"),
            ("Sharpe ratio", _ratio(strategy["sharpe"]), "annualised over 365 days"),
            ("Largest drawdown", _percent(strategy["max_drawdown"]), "marked at every bar's close"),
            ("Log-loss gain", f"{gain:+.4f}", _range(scores["intervals"]["log_loss_gain"], "{:+.4f}")),
            ("Costs paid", _percent(strategy["costs_paid"]), "of the starting capital"),
        ]
    )


def _gates(results: Mapping[str, Any]) -> Markup:
    rows = [
        [
            gate["name"].replace("_", " "),
            badge_html(gate["verdict"], Tone.GOOD if gate["verdict"] == "pass" else Tone.BAD),
            gate["threshold"],
            gate["explanation"],
            NOT_APPLICABLE if gate["interval"] is None else _range(gate["interval"], "{:.3g}"),
        ]
        for gate in results["gates"]
    ]
    passed = len(rows) - len(results["failed"])
    columns = ["Gate", "Verdict", "Must be", "Found", "Interval"]
    return table_html(columns, rows, caption=f"{passed} of {len(rows)} gates passed")


def _profit(records: EvaluationRecords) -> Markup:
    trading = records.evaluation["trading"]
    strategy, baselines = trading["strategy"], trading["baselines"]
    random = baselines["random_entries"]
    rows: list[list[object]] = [
        ["The model's trader", *_trader(strategy), strategy["trades"], _percent(strategy["exposure"])],
        ["Always flat", *_trader(baselines["always_flat"]), 0, _percent(0.0)],
        ["Buy and hold", *_trader(baselines["buy_and_hold"]), 1, _percent(1.0)],
    ]
    for name, key in RANDOM_QUANTILES.items():
        drawn = [_signed(random[key]), NOT_APPLICABLE, NOT_APPLICABLE, f"{random['mean_trades']:,.0f}", NOT_APPLICABLE]
        rows.append([f"Random entries, {name}", *drawn])
    columns = ["Trader", "Net profit", "Sharpe ratio", "Largest drawdown", "Trades", "Time in the market"]
    figure = figure_html(
        profit_beside_baselines(records.curves, trading["capital_jpy"]),
        alt=f"Profit of the model's trader beside its baselines over time, ending at {strategy['net_profit']:+.1%}",
        caption="Equity at the end of each UTC day, open positions marked to the market.",
    )
    return join_html(figure, table_html(columns, rows, caption="The model's trader beside its baselines"))


def _backtest(records: EvaluationRecords) -> list[Section]:
    funnel = records.funnel
    stopped = funnel[funnel["is_gate"]]
    return backtest_sections(
        records.history,
        measure_account(records.history),
        bars=int(funnel["bars"].sum()),
        died=dict(zip(stopped["reason"], stopped["bars"].tolist(), strict=True)),
        zoomable=TRADES_PAGE,
    )


def _cost_sensitivity(trading: Mapping[str, Any]) -> Markup:
    rows = [
        [
            f"x {row['cost_scale']:g}",
            *_trader(row),
            row["trades"],
            _percent(row["hit_rate"]),
            f"{row['gross_jpy']:+,.0f}",
            f"{row['fee_jpy']:,.0f}",
            f"{row['interest_jpy']:,.0f}",
        ]
        for row in trading["cost_sensitivity"]
    ]
    columns = [
        "Costs", "Net profit", "Sharpe ratio", "Largest drawdown", "Trades", "Hit rate",
        "Gross (JPY)", "Fees (JPY)", "Interest (JPY)",
    ]  # fmt: skip
    return table_html(columns, rows, caption="The same signals, traded at other costs")


def _trader(result: Mapping[str, Any]) -> list[object]:
    return [_signed(result["net_profit"]), _ratio(result["sharpe"]), _percent(result["max_drawdown"])]


def _predictions(scores: Mapping[str, Any]) -> Markup:
    rows = [
        [
            f"{name} ({better} is better)",
            f"{scores['model'][metric]:.4f}",
            _range(scores["intervals"][metric], "{:.4f}", label=False),
            f"{scores['prior'][metric]:.4f}",
        ]
        for metric, (name, better) in METRICS.items()
    ]
    level = next((interval["level"] for interval in scores["intervals"].values() if interval), None)
    heading = "Interval" if level is None else f"{level:.0%} interval"
    caption = f"{scores['predictions']:,} predictions, weighted by the uniqueness of their labels"
    return table_html(["Metric", "Model", heading, "Prior"], rows, caption=caption)


def _windows(windows: Mapping[str, Mapping[str, Any]]) -> Markup:
    rows = [
        [
            name,
            f"{window['first'][:10]} to {window['last'][:10]}",
            window["rows"],
            f"{window['log_loss']:.4f}",
            f"{window['prior_log_loss']:.4f}",
            f"{window['direction_log_loss']:.4f}",
            f"{window['prior_direction_log_loss']:.4f}",
            f"{window['kelly']:.2f}",
            window["trades"],
            _signed(window["net_profit"]),
        ]
        for name, window in windows.items()
    ]
    columns = [
        "Window", "Days (UTC)", "Bars", "Log-loss", "Prior's", "Of direction", "Prior's", "Full Kelly", "Trades",
        "Net profit",
    ]  # fmt: skip
    return table_html(columns, rows, caption="The final window was not looked at while anything was chosen")


def _reliability(scores: Mapping[str, Any]) -> Markup:
    return figure_html(
        reliability_diagram(scores["reliability"]),
        alt="Observed share against predicted probability for short, flat and long, beside the diagonal",
        caption="Bins of equal weight with 95% intervals; the dashed diagonal is perfect calibration.",
    )


def _importances(training_report: Mapping[str, Any]) -> Markup:
    importances = training_report["importances"]
    features = next(iter(importances.values()))
    # A model without a single split has no importances to share.
    totals = {name: sum(shares.values()) or 1.0 for name, shares in importances.items()}
    best = max(features, key=lambda feature: sum(importances[name][feature] / totals[name] for name in totals))
    return figure_html(
        importance_bars(importances),
        alt=f"Share of importance of {len(features)} features in each model; the most important is {best}",
        caption="An importance says what a model used, not that it was right to.",
    )


def _lineage(records: EvaluationRecords) -> Markup:
    features, parameters = records.feature_manifest, records.training_report["parameters"]
    data, labels, training = features.get("data", {}), parameters["labels"], parameters["training"]
    facts = {
        "Source of the candles": _link(data, "source"),
        "Location": _link(data, "location"),
        "Hash of the candles": _link(data, "sha256"),
        "Bars of 1 minute": _link(data, "rows"),
        "From": _link(data, "first"),
        "To": _link(data, "last"),
        "Feature set": _link(features, "feature_set"),
        "Hash of the feature set": _link(features, "hash"),
        "Label": f"target {labels['take_profit_atr']:g} ATR, stop {labels['stop_loss_atr']:g} ATR, "
        f"at most {labels['max_bars']} bars of 15 minutes",
        "Ensemble": ", ".join(f"{name} {weight:g}" for name, weight in training["weights"].items()),
        "Longest training window, days": training["training_days"],
        "Embargo, hours": training["embargo_hours"],
        "Confidence threshold": records.evaluation["trading"]["confidence_threshold"],
        "Seed": training["seed"],
        "Dry run": records.training_report["dry_run"],
    }
    folds = table_html(
        [str(column).replace("_", " ") for column in records.folds.columns],
        [[_plain(value) for value in row] for row in records.folds.itertuples(index=False)],
        caption="Training and test windows",
    )
    return join_html(facts_html(facts), folds)


def _data_quality(quality: Mapping[str, Any]) -> Markup:
    price = quality["price_jpy"]
    return facts_html(
        {
            "Candles read": quality["rows_read"],
            "Identical duplicates removed": quality["duplicates_removed"],
            "Forming bars dropped": quality["forming_bars_dropped"],
            "Bars of 1 minute": quality["bars"],
            "Trading halts": len(quality["gaps"]),
            "Minutes filled in halts": quality["halt_minutes_filled"],
            "Longest halt, minutes": quality["longest_gap_minutes"],
            f"Halts above {quality['max_gap_minutes']} minutes, never crossed": quality["gaps_not_crossed"],
            "Minutes without a trade": f"{quality['zero_volume']['share']:.1%}",
            "Price, JPY": f"{price['lowest']:,.0f} to {price['highest']:,.0f}",
        }
    )


def _link(manifest: Mapping[str, Any], key: str) -> object:
    value = manifest.get(key)
    if value is None or value == "":
        raise LineageError(
            f"evaluation report: the manifest does not hold {key!r}; run `kedro run` from the data pipeline on"
        )
    return value


def _plain(value: object) -> object:
    return value.strftime("%Y-%m-%d %H:%M") if isinstance(value, pd.Timestamp) else value


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:+.2%}" if value else "0.00%"


def _ratio(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _range(interval: Mapping[str, float] | None, form: str, *, label: bool = True) -> str:
    if interval is None:
        return "interval not measured"
    span = f"{form.format(interval['low'])} to {form.format(interval['high'])}"
    return f"{interval['level']:.0%} interval {span}" if label else span
