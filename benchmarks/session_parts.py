"""What the benchmarks of a session share: a model, a word that trades, terms, a journal begun, spreads of times."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crypto_kedro.features.catalogue import load_feature_set
from crypto_kedro.serving.bundle import load_bundle
from crypto_kedro.session.cycle import CycleTerms, FactsSource
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import Lineage, SessionStarted
from crypto_kedro.session.live_window import LiveModel
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.settings import GuardRule, TradingSettings
from crypto_kedro.trading.signal import SignalFacts

CATALOGUE = Path("conf", "base", "feature_order.json")
BUNDLE = Path("data", "06_models", "bundle")
MAX_GAP_MINUTES = 60
CAPITAL = Jpy.of(1_000_000)
WRITER = Writer("benchmark", 1)
# Without the guards a trader that loses on noise would soon stop, and there would be nothing to time.
SETTINGS = TradingSettings(
    guards=GuardRule(
        max_daily_loss=1.0, max_weekly_loss=1.0, max_drawdown=1.0, max_losses_in_a_row=10**6, max_trades_a_day=10**6
    )
)
TERMS = CycleTerms(settings=SETTINGS, funding_stage=1, kelly=4.0)

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class FirmFacts:
    """What a live window says, with a firm word in place of the model's: a side for some bars, flat for the others.

    The model has been asked all the same.

    Args:
        facts: the live window.
        every: a trade is wished for at each so many bars, long and short by turns.
    """

    facts: FactsSource
    every: int

    async def latest(self) -> SignalFacts[float] | None:
        """Return the facts as of now."""
        seen = await self.facts.latest()
        if seen is None:
            return None
        bar = int(seen.bar_close_ms) // SETTINGS.barriers.bar_ms
        turn, rest = divmod(bar, self.every)
        word = (0.05, 0.9, 0.05) if rest else ((0.05, 0.05, 0.9) if turn % 2 else (0.9, 0.05, 0.05))
        return seen._replace(short=word[0], flat=word[1], long=word[2], models=(word,) * len(seen.models))


def live_model(project: Path) -> LiveModel:
    """Return the model that the last training left in a project."""
    bundle = load_bundle(project / BUNDLE)
    features = load_feature_set(project / CATALOGUE, bundle.feature_set)
    return LiveModel(bundle, features, MAX_GAP_MINUTES, SETTINGS.barriers.atr_period)


def begin(journal: Journal, at_ms: int) -> None:
    """Write down that a session begins."""
    lineage = Lineage(*["benchmark"] * len(Lineage.__struct_fields__))
    journal.append(WRITER, at_ms, SessionStarted("paper", lineage, SETTINGS, CAPITAL, 1))


def spread_ms(name: str, seconds: Sequence[float]) -> Figures:
    """Return median, tenth and ninetieth percentile and count, in milliseconds."""
    ordered = sorted(seconds)
    low, high = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in (0.1, 0.9))
    median = statistics.median(ordered)
    return {
        f"{name}_ms_median": round(median * 1e3, 3),
        f"{name}_ms_p10": round(low * 1e3, 3),
        f"{name}_ms_p90": round(high * 1e3, 3),
        f"{name}_count": len(ordered),
    }
