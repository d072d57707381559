"""From raw candles to bars, with an account of everything done."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from candle_frames import START, candle_frame, milliseconds

from crypto_kedro.candle_dataset import CandleDataset
from crypto_kedro.errors import DataError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.candle_set import CandleSet, DataSource
from crypto_kedro.market.fingerprint import frame_sha256
from crypto_kedro.market.quality import prepare_bars
from crypto_kedro.market.structure import assemble


def candle_set(frame: pd.DataFrame, source: DataSource = DataSource.FILE) -> CandleSet:
    whole, parts = assemble([("a.csv", frame)])
    now_ms = milliseconds(START) + 29 * MINUTE_MS + 30_000
    return CandleSet(whole, source, "btc_jpy", "a.csv", parts, now_ms, {"files": 1})


def blemished() -> pd.DataFrame:
    """30 minutes: one repeated, one without trades, three absent, the last one still forming."""
    frame = candle_frame(30)
    frame.loc[20, "volume"] = 0.0
    frame = frame.drop(index=[10, 11, 12])
    return pd.concat([frame[:5], frame[4:]])


def test_given_blemished_candles_when_prepared_then_everything_done_is_counted() -> None:
    prepared = prepare_bars(candle_set(blemished()), max_halt_minutes=10, max_gap_minutes=2)

    counts = {key: prepared.quality[key] for key in list(prepared.quality)[:6]}
    assert counts == {
        "rows_read": 28,
        "duplicates_removed": 1,
        "forming_bars_dropped": 1,
        "candles": 26,
        "halt_minutes_filled": 3,
        "bars": 29,
    }
    assert prepared.quality["gaps"] == [{"start": "2024-03-01T00:10:00Z", "end": "2024-03-01T00:13:00Z", "minutes": 3}]
    assert prepared.quality["longest_gap_minutes"] == 3
    assert prepared.quality["gaps_not_crossed"] == 1
    assert prepared.quality["zero_volume"] == {"bars": 1, "share": 1 / 26, "by_month": {"2024-03": 1 / 26}}
    assert prepared.quality["price_jpy"] == {"first": 999.0, "last": 1_028.0, "lowest": 997.0, "highest": 1_030.0}
    assert len(prepared.bars_1m) == 29


def test_given_repairs_made_while_downloading_when_prepared_then_they_are_in_the_account() -> None:
    candles = replace(candle_set(blemished()), details={"duplicates_removed": 4, "forming_bars_dropped": 1})

    quality = prepare_bars(candles, max_halt_minutes=10, max_gap_minutes=60).quality

    assert (quality["duplicates_removed"], quality["forming_bars_dropped"]) == (5, 2)


def test_given_candles_when_prepared_then_the_origin_holds_the_hash_of_the_raw_frame() -> None:
    candles = candle_set(blemished())

    origin = prepare_bars(candles, max_halt_minutes=10, max_gap_minutes=60).origin

    assert origin == {
        "source": "file",
        "location": "a.csv",
        "pair": "btc_jpy",
        "sha256": frame_sha256(candles.frame),
        "candles": 28,
        "details": {"files": 1},
        "schema_version": "1",
    }


def test_given_synthetic_candles_when_prepared_then_the_bars_stay_synthetic_through_parquet(tmp_path: Path) -> None:
    prepared = prepare_bars(candle_set(blemished(), DataSource.SYNTHETIC), max_halt_minutes=10, max_gap_minutes=60)
    prepared.bars_1m.to_parquet(tmp_path / "copy.parquet")

    read_back = CandleDataset(source="file", pair="btc_jpy", path=str(tmp_path / "copy.parquet")).load()

    assert read_back.source is DataSource.SYNTHETIC
    assert prepare_bars(read_back, 10, 60).origin["source"] == "synthetic"


def test_given_our_own_bars_as_source_when_prepared_again_then_halts_are_found_anew(tmp_path: Path) -> None:
    prepared = prepare_bars(candle_set(blemished()), max_halt_minutes=10, max_gap_minutes=60)
    prepared.bars_1m.to_parquet(tmp_path / "copy.parquet")

    read_back = CandleDataset(source="file", pair="btc_jpy", path=str(tmp_path / "copy.parquet")).load()

    pd.testing.assert_frame_equal(prepare_bars(read_back, 10, 60).bars_1m, prepared.bars_1m)


def test_given_a_hole_that_is_no_halt_when_prepared_then_it_is_refused() -> None:
    with pytest.raises(DataError, match=r"data\.max_halt_minutes \(2\)"):
        prepare_bars(candle_set(blemished()), max_halt_minutes=2, max_gap_minutes=60)


def test_given_the_real_file_when_prepared_then_its_known_blemishes_and_figures_are_reported(
    real_candles_path: Path,
) -> None:
    candles = CandleDataset(source="file", pair="btc_jpy", path=str(real_candles_path)).load()

    quality = prepare_bars(candles, max_halt_minutes=1_440, max_gap_minutes=60).quality

    assert (quality["rows_read"], quality["bars"], len(quality["gaps"])) == (390_051, 390_240, 17)
    assert (quality["longest_gap_minutes"], quality["gaps_not_crossed"]) == (75, 2)
    assert quality["zero_volume"]["share"] == pytest.approx(0.0163, abs=1e-4)
    figures = {name: (values["std_bp"], values["excess_kurtosis"]) for name, values in quality["returns"].items()}
    assert figures["1m"] == pytest.approx((15.7, 100.0), rel=0.01)
    assert figures["15m"] == pytest.approx((52.2, 51.9), rel=0.01)
    assert figures["1h"] == pytest.approx((100.7, 17.3), rel=0.01)
    assert figures["4h"] == pytest.approx((187.1, 8.0), rel=0.01)
