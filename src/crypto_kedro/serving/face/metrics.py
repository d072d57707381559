"""A trader's status in the text format of Prometheus, version 0.0.4."""

from collections.abc import Iterable, Iterator, Mapping

from crypto_kedro.serving.face.readiness import checks
from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.notice import Severity
from crypto_kedro.session.status import AccountSeen, CycleSeen, TraderStatus
from crypto_kedro.trading.orders import PositionSide

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Sample = tuple[Mapping[str, str], float]


def metrics_text(status: TraderStatus, settings: FaceSettings) -> str:
    """Return every figure that is known; one that is not is left out, so that no default passes for a value."""
    families = (
        *_trader(status, settings),
        *_cycle(status.last_cycle),
        *(() if status.account is None else _account(status.account)),
    )
    return "".join(families)


def _trader(status: TraderStatus, settings: FaceSettings) -> Iterator[str]:
    about = {"environment": status.environment, "session_id": status.session_id}
    if status.lineage is not None:
        about |= {"model_version": status.lineage.model_version, "trader_git_sha": status.lineage.trader_git_sha}
    asked = checks(status, settings)
    counts = status.counts
    yield _family("info", "gauge", "Who trades; always 1.", [(about, 1)])
    yield _single("start_time_seconds", "When the session began, Unix time.", status.started_at_ms / 1000)
    yield _single("ready", "Whether all checks of /ready hold.", all(asked.values()))
    yield _family("check", "gauge", "One check of /ready.", [({"check": name}, ok) for name, ok in asked.items()])
    yield _single("lease_held", "Whether this process may send orders.", status.lease_held)
    yield _single("halted", "Whether a human must resume before anything is opened.", status.halted is not None)
    yield _family("cycles_total", "counter", "Cycles of this process.", [({}, counts.cycles)])
    yield _family("cycles_failed_total", "counter", "Cycles that were broken off.", [({}, counts.failed)])
    yield _family("requests_sent_total", "counter", "Orders and cancels sent.", [({}, counts.sent)])
    if status.data_age_ms is not None:
        yield _single("data_age_seconds", "Time since the latest observed bar closed.", status.data_age_ms / 1000)
    if status.price is not None:
        yield _single("price_jpy", "Last price of one BTC.", status.price.ticks)
    bars = [({"reason": reason}, number) for reason, number in status.funnel]
    yield _family("bars_today", "gauge", "Decision bars of the JST day by the reason of their decision.", bars)
    by_severity = [
        ({"severity": level.value}, sum(incident.severity is level for incident in status.incidents))
        for level in Severity
    ]
    yield _family("recent_incidents", "gauge", "Incidents among the latest 50, by severity.", by_severity)


def _cycle(cycle: CycleSeen | None) -> Iterator[str]:
    if cycle is None:
        return
    yield _single("last_cycle_ok", "Whether the last cycle went well.", cycle.error is None)
    yield _single("last_cycle_time_seconds", "When it ended, Unix time.", cycle.ended_at_ms / 1000)
    yield _single("last_cycle_duration_seconds", "How long it took.", (cycle.ended_at_ms - cycle.started_at_ms) / 1000)


def _account(account: AccountSeen) -> Iterator[str]:
    held = {position.side: position for position in account.positions}
    lots = [({"side": side.value}, held[side].amount.lots / 10**4 if side in held else 0) for side in PositionSide]
    bare = sum(position.stop is None for position in account.positions)
    yield _single("equity_jpy", "What the account is worth, open positions included.", float(account.equity))
    yield _single("cash_jpy", "JPY on hand.", float(account.cash))
    yield _single("day_net_jpy", "Realised in the JST day, after fees and interest.", float(account.day_net))
    yield _single("week_net_jpy", "Realised in the JST week, after fees and interest.", float(account.week_net))
    yield _single("drawdown_ratio", "Fall from the peak of equity.", account.drawdown)
    yield _single("deepest_drawdown_ratio", "Deepest such fall since the last reset.", account.deepest_drawdown)
    yield _family("position_btc", "gauge", "Open margin position by side.", lots)
    yield _single("positions_without_stop", "Open positions for which no stop rests at the exchange.", bare)
    yield _single("open_orders", "Orders that rest or sleep at the exchange.", account.open_orders)
    if account.margin_ratio is not None:
        yield _single("margin_ratio", "Margin balance over the product of the positions.", account.margin_ratio)


def _single(name: str, about: str, value: float) -> str:
    return _family(name, "gauge", about, [({}, value)])


def _family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    name = f"crypto_kedro_{name}"
    lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {float(value)!r}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items()) + "}"
