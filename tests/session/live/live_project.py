"""A project of its own in which real money may be traded, with a test exchange on loopback in place of bitbank."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from registered_models import judged, settings_with, trained
from taught_market import fit_small, taught_examples

from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.learning.walk_forward import Examples
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, MINUTE_MS
from crypto_kedro.serving.bundle import ModelBundle, load_bundle
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import CycleStarted, FillSeen, Lineage, SessionStarted, Trigger
from crypto_kedro.tracking.judged_settings import trading_settings
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import Fill, Liquidity, OrderType, PositionSide, Side

ROOT = Path(__file__).resolve().parents[3]
KEDRO = Path(sys.executable).with_name("kedro")
MODEL = "btc-jpy-ensemble"
CAPITAL = Jpy.of(100_000)
THRESHOLD = 0.5
TRADED = {"trading.guards.max_data_age_seconds": 901, "labels.take_profit_atr": 4.0}
"""Settings that differ from ``conf/base``: a bar may be a quarter of an hour old, so that no session waits for one."""
PAPER = "paper-rehearsal"
"""Folder of paper sessions at an exchange on this machine."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets that can be recognised wherever they turn up."""

    key: str = "recognisable-key-4f1c"
    secret: str = "recognisable-secret-9b7e"
    token: str = "recognisable-token-of-thirty-two-or-more-characters"
    webhook: str = "http://127.0.0.1:9/recognisable/webhook/d05a"

    def everything(self) -> tuple[str, ...]:
        return self.key, self.secret, self.token, self.webhook


KEYS = Keys()


def copy_project(folder: Path) -> Path:
    """Copy what a run needs: configuration and code, no data and no secrets."""
    for name in ("base", "live", "paper"):
        shutil.copytree(ROOT / "conf" / name, folder / "conf" / name)
    (folder / "conf" / "local").mkdir()
    shutil.copy(ROOT / "conf" / "logging.yml", folder / "conf" / "logging.yml")
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    shutil.copytree(ROOT / "src" / "crypto_kedro", folder / "src" / "crypto_kedro")
    return folder


def write_credentials(project: Path, keys: Keys = KEYS) -> Path:
    """Write ``conf/local/credentials.yml`` as a person does."""
    path = project / "conf" / "local" / "credentials.yml"
    path.write_text(
        f"bitbank: {{key: {keys.key}, secret: {keys.secret}}}\n"
        f"face: {{token: {keys.token}}}\n"
        f"webhooks: {{discord: '{keys.webhook}'}}\n"
    )
    return path


def sanguine_bundle(folder: Path) -> ModelBundle:
    """A model that has seen the price rise nine times of ten, and expects it to do so."""
    examples = taught_examples(days=30)
    risen = np.random.default_rng(3).random(len(examples.labels)) < 0.9
    labels = examples.labels.assign(label=np.where(risen, 2, examples.labels["label"]).astype(np.int8))
    ensemble = fit_small(Examples(examples.features, labels, examples.features))
    write_bundle(folder, BundleContent(ensemble, THRESHOLD, "file", "2024-01-01T00:00:00Z", "2024-01-31T00:00:00Z", {}))
    return load_bundle(folder)


def make_champion(bundle: ModelBundle, source: str = "file", failed: tuple[str, ...] = ()) -> dict[str, Any]:
    """Register and judge a version in the store that MLflow points to."""
    registered: dict[str, Any] = trained(bundle, MODEL, source)
    judged(registered, *failed, settings=settings_with(TRADED))
    return registered


def write_paper_journal(
    project: Path, digest: str, now_ms: int, days: int = 15, trades: int = 25, changes: Mapping[str, Any] = TRADED
) -> Path:
    """Write what a paper trader of a model would have written: hourly decisions and trades that gain a little.

    Its settings are those of ``conf/base`` with the changes.
    """
    folder = SessionFolder.of(project, PAPER)
    folder.root.mkdir(parents=True, exist_ok=True)
    start_ms = now_ms - days * DAY_MS
    lineage = Lineage(digest, f"{MODEL} version 1", "r" * 32, "a" * 40, "d" * 64, "file", "f" * 64, "e" * 40)
    settings = trading_settings(settings_with(changes), THRESHOLD)
    writer = Writer("paper-1", 1)
    hours = [CycleStarted(f"cycle-{hour}", Trigger.BAR) for hour in range(days * 24)]
    with Journal.open(folder.journal) as journal:
        journal.append(writer, start_ms, SessionStarted("paper", lineage, settings, CAPITAL, 1))
        for hour, cycle in enumerate(hours):
            at_ms = start_ms + hour * HOUR_MS
            fills = _round_trip(2 * hour + 1, at_ms) if hour < trades else ()
            journal.append(writer, at_ms + 2 * MINUTE_MS, cycle, *map(FillSeen, fills))
    return folder.journal


def _round_trip(trade_id: int, at_ms: int) -> tuple[Fill, Fill]:
    opened = Fill(
        trade_id=trade_id,
        order_id=trade_id,
        executed_at_ms=at_ms,
        side=Side.BUY,
        position_side=PositionSide.LONG,
        order_type=OrderType.MARKET,
        liquidity=Liquidity.TAKER,
        price=Price(10_000_000),
        amount=Btc.of("0.001"),
        fee_occurred=Jpy(0),
        fee_charged=Jpy(0),
        interest=Jpy(0),
        profit_loss=Jpy(0),
    )
    closed = replace(
        opened, trade_id=trade_id + 1, order_id=trade_id + 1, executed_at_ms=at_ms + MINUTE_MS, side=Side.SELL,
        profit_loss=Jpy.of(10),
    )  # fmt: skip
    return opened, closed


@contextmanager
def standing_in_for_bitbank(folder: Path, keys: Keys = KEYS, port: int = 0) -> Iterator[str]:
    """Run ``kedro bitbank-sim`` as a process of its own, and give its address."""
    command: list[str | Path] = [
        KEDRO,
        "bitbank-sim",
        "--data",
        "synthetic",
        "--port",
        str(port),
        "--state",
        folder / "exchange.db",
    ]
    process = subprocess.Popen(
        [*command, "--cash", "100000", "--key", keys.key, "--secret", keys.secret],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
            if address:
                yield address.group()
                return
        raise AssertionError(said)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def live_parameters(address: str, **changes: str) -> str:
    """Return ``--params`` of an armed session at an exchange on this machine, by the settings of `make_champion`."""
    names = ("public", "private", "stream", "private_stream")
    parameters: Mapping[str, str] = {
        "session.armed": "true",
        **{f"session.bitbank.{name}": address for name in names},
        "session.face.port": "0",
        "session.protect_every_s": "1",
        **{name: str(value) for name, value in TRADED.items()},
        **changes,
    }
    return ",".join(f"{name}={value}" for name, value in parameters.items())
