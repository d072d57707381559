"""The benchmarks of a session measure what they say: one order a bar over a real wire, and days that trade."""

from pathlib import Path

import pytest
import session_model
import session_month
import session_order
from session_parts import BUNDLE, CATALOGUE, spread_ms
from taught_market import CATALOGUE as FEATURES
from taught_market import small_ensemble

from crypto_kedro.learning.export import BundleContent, write_bundle


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with nothing but a small model and its features."""
    folder = tmp_path_factory.mktemp("project")
    (folder / BUNDLE).parent.mkdir(parents=True)
    write_bundle(folder / BUNDLE, BundleContent(small_ensemble(), 0.65, "synthetic", "2024-01-01", "2024-01-30", {}))
    (folder / CATALOGUE).parent.mkdir(parents=True)
    (folder / CATALOGUE).write_bytes(FEATURES.read_bytes())
    return folder


def test_given_a_model_when_timed_then_one_row_is_cheaper_than_its_window(project: Path) -> None:
    figures = session_model.measure(project, calls=20, windows=3)

    assert 0 < figures["inference_ms_median"] < figures["window_features_and_inference_ms_median"]
    assert figures["features"] == 12


@pytest.mark.slow
def test_given_bars_when_orders_are_timed_then_each_bar_sends_one_and_the_parts_add_up(project: Path) -> None:
    figures = session_order.measure(project, bars=6)

    assert figures["bar_to_order_own_count"] == 5
    assert 0 < figures["bar_to_order_own_ms_median"] < figures["bar_to_order_whole_ms_p90"]
    assert figures["requests_before_order"] >= 6


@pytest.mark.slow
def test_given_a_day_when_it_is_traded_then_every_bar_is_decided_and_orders_are_sent(project: Path) -> None:
    figures = session_month.measure(project, days=1)

    assert figures["decisions"] == pytest.approx(96, abs=1)
    assert figures["orders_and_cancels"] > 0
    assert figures["fills"] > 0


def test_given_times_then_their_spread_is_told_in_milliseconds() -> None:
    figures = spread_ms("x", [0.001 * k for k in range(1, 12)])

    assert figures == {"x_ms_median": 6.0, "x_ms_p10": 2.0, "x_ms_p90": 10.0, "x_count": 11}
