"""The monitoring pipeline: its candles and folders, and a whole session compared by the command."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
from registered_models import trained
from taught_market import CATALOGUE, small_ensemble

from crypto_kedro.errors import ConfigurationError, DataError, LineageError
from crypto_kedro.exchange.simulator.journal import Journal as SimulatorJournal
from crypto_kedro.exchange.simulator.markets import market
from crypto_kedro.features import load_feature_set
from crypto_kedro.learning.export import BundleContent, write_bundle
from crypto_kedro.market.bars import DAY_MS, HOUR_MS, MINUTE_MS
from crypto_kedro.market.frame import candles_from_frame, open_times
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.moments import day_start_ms, parse_day
from crypto_kedro.market.synthetic import synthetic_candles
from crypto_kedro.parameters.monitoring import MonitoringParameters
from crypto_kedro.parameters.session import SessionParameters, SimulatorParameters
from crypto_kedro.pipelines.monitoring.candles import minutes_of
from crypto_kedro.pipelines.monitoring.nodes import read_session
from crypto_kedro.serving.bundle import load_bundle
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.live_window import LiveModel
from crypto_kedro.session.parity.expected import Stretch, history_from_ms
from crypto_kedro.tracking.run import connect
from crypto_kedro.tracking.target import TrackingTarget

PROJECT = Path(__file__).resolve().parents[2]
KEDRO = str(Path(sys.executable).with_name("kedro"))
FIRST_DAY = "2024-03-01"
DAYS = 20
MIDDLE_MS = day_start_ms(parse_day(FIRST_DAY, "test")) + 16 * DAY_MS


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LiveModel:
    path = tmp_path_factory.mktemp("model") / "bundle"
    write_bundle(path, BundleContent(small_ensemble(), 0.35, "synthetic", "2024-01-01", "2024-01-30", {}))
    return LiveModel(load_bundle(path), load_feature_set(CATALOGUE, "stationary12"), 60, 14)


def stretch_at(close_ms: int) -> Stretch:
    return Stretch(close_ms, close_ms + HOUR_MS, close_ms - MINUTE_MS, close_ms + HOUR_MS)


def test_given_a_file_of_candles_when_asked_then_its_minutes_reach_from_the_history_to_the_end(
    tmp_path: Path, model: LiveModel
) -> None:
    candles = synthetic_candles(DAYS, 7, start=FIRST_DAY)
    candles.to_parquet(tmp_path / "candles.parquet")
    stretch = stretch_at(MIDDLE_MS)
    bars = asyncio.run(minutes_of(SessionFolder(tmp_path), model, stretch, str(tmp_path / "candles.parquet"), None))
    whole = fill_halts(candles_from_frame(candles), 10_000, "synthetic")
    first = int(np.searchsorted(whole.open_time, history_from_ms(model, stretch)))
    assert bars.open_time[0] == whole.open_time[first]
    assert bars.close_time[-1] == stretch.feed_until_ms
    np.testing.assert_array_equal(bars.close, whole.close[first : first + len(bars)])


def test_given_candles_that_end_too_early_when_asked_then_the_error_says_what_is_missing_and_what_to_do(
    tmp_path: Path, model: LiveModel
) -> None:
    synthetic_candles(DAYS, 7, start=FIRST_DAY).to_parquet(tmp_path / "candles.parquet")
    stretch = stretch_at(MIDDLE_MS + 4 * DAY_MS - HOUR_MS // 2)
    with pytest.raises(DataError, match=r"the session needs them from .* name files that hold them"):
        asyncio.run(minutes_of(SessionFolder(tmp_path), model, stretch, str(tmp_path / "candles.parquet"), None))


def test_given_a_simulated_market_of_another_seed_when_asked_then_it_is_refused(
    tmp_path: Path, model: LiveModel
) -> None:
    SimulatorJournal(tmp_path / "simulator.db", "synthetic market of seed 99, settings 0", MIDDLE_MS).close()
    with pytest.raises(ConfigurationError, match="compare with --env and the data and seed of the session"):
        asyncio.run(minutes_of(SessionFolder(tmp_path), model, stretch_at(MIDDLE_MS), None, None))


def test_given_a_market_that_tripped_the_breaker_when_its_exchange_is_played_again_then_no_minute_of_the_break_traded(
    tmp_path: Path, model: LiveModel
) -> None:
    candles = synthetic_candles(DAYS, 7, start=FIRST_DAY)
    jumped = open_times(candles) >= MIDDLE_MS
    candles.loc[jumped, ["open", "high", "low", "close"]] *= 1.5
    file = tmp_path / "candles.parquet"
    candles.to_parquet(file)
    source = market(str(file), str(MIDDLE_MS - HOUR_MS), 1, 0)
    SimulatorJournal(tmp_path / "simulator.db", f"{source.name}, settings 0", source.start_ms).close()
    played = SimulatorParameters(data=str(file))
    session = SessionParameters(environment="paper", exchange="simulator", models=("challenger",), simulator=played)

    bars = asyncio.run(minutes_of(SessionFolder(tmp_path), model, stretch_at(MIDDLE_MS), None, session))

    at = int(np.searchsorted(bars.open_time, MIDDLE_MS))
    assert bars.volume[at - 1] > 0
    assert not bars.volume[at : at + 10].any()
    assert (bars.close[at : at + 10] == bars.close[at - 1]).all()


def test_given_a_rehearsal_when_its_exchange_is_not_named_then_bitbank_is_not_asked_instead(
    tmp_path: Path, model: LiveModel
) -> None:
    with pytest.raises(ConfigurationError, match="rehearsed at another exchange than bitbank"):
        asyncio.run(minutes_of(SessionFolder(tmp_path / "paper-rehearsal"), model, stretch_at(MIDDLE_MS), None, None))


def test_given_no_session_ever_when_read_then_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LineageError, match="run a session first"):
        read_session(tmp_path, MonitoringParameters(), None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of its own with a registered challenger that trades on little confidence."""
    for name in ("base", "paper"):
        shutil.copytree(PROJECT / "conf" / name, tmp_path / "conf" / name)
    (tmp_path / "conf" / "local").mkdir()
    (tmp_path / "data").mkdir()
    shutil.copy(PROJECT / "conf" / "logging.yml", tmp_path / "conf")
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    shutil.copytree(PROJECT / "src" / "crypto_kedro", tmp_path / "src" / "crypto_kedro")
    before = mlflow.get_tracking_uri()
    connect(TrackingTarget("sqlite:///data/mlflow.db", "data/mlartifacts", "crypto-kedro"), tmp_path)
    path = tmp_path / "bundle"
    write_bundle(path, BundleContent(small_ensemble(), 0.35, "synthetic", "2024-01-01", "2024-01-30", {}))
    trained(load_bundle(path), "btc-jpy-ensemble", "synthetic")
    mlflow.set_tracking_uri(before)
    return tmp_path


def kedro(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [KEDRO, "run", *arguments],
        cwd=project,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_given_a_paper_session_when_monitoring_runs_then_every_signal_is_the_same_and_every_difference_has_a_cause(
    project: Path,
) -> None:
    settings = {
        "session.simulator.speed": "60",
        "session.minutes": "32",
        "session.simulator.start": "2026-03-03",
        "session.face": "null",
        "trading.min_expected_value": "-1.0",
        "trading.min_agreement": "0.0",
    }
    kedro(project, "--env", "paper", "--params", ",".join(f"{name}={value}" for name, value in settings.items()))
    told = kedro(project, "--pipelines", "monitoring")
    record = json.loads((project / "data" / "08_reporting" / "parity.json").read_text())
    assert record["verdict"][:40] in told
    assert record["compared"]["bars"]["live"] == record["compared"]["bars"]["backtest"] >= 3
    assert record["compared"]["executions"]["live"] == record["compared"]["executions"]["backtest"] >= 1
    assert "signal" not in record["counts"]
    assert "bar" not in record["counts"]
    assert record["unexplained"] == 0
    assert "Session and backtest" in (project / "data" / "08_reporting" / "parity.html").read_text()
