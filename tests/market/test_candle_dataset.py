"""One catalog entry, three sources."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bitbank_server import BitbankServer, error
from candle_frames import START, candle_frame
from kedro.io import DataCatalog, DatasetError

from crypto_kedro.candle_dataset import CandleDataset
from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.market.candle_set import CandleSet, DataSource, mark_source
from crypto_kedro.market.synthetic import synthetic_candles


@pytest.fixture
def server() -> Iterator[BitbankServer]:
    server = BitbankServer()
    yield server
    server.close()


def load(**settings: Any) -> CandleSet:
    """Load through Kedro's catalog, as a pipeline does."""
    entry = {"type": "crypto_kedro.candle_dataset.CandleDataset", "pair": "btc_jpy", **settings}
    candles = DataCatalog.from_config({"candles": entry}).load("candles")
    assert isinstance(candles, CandleSet)
    return candles


def test_given_the_synthetic_source_when_loaded_then_seed_and_strength_are_in_the_details() -> None:
    candles = load(source="synthetic", synthetic={"days": 2, "seed": 5, "signal_strength": 0.1})

    pd.testing.assert_frame_equal(candles.frame, synthetic_candles(2, 5, signal_strength=0.1))
    assert candles.source is DataSource.SYNTHETIC
    assert candles.details == {"days": 2, "seed": 5, "signal_strength": 0.1, "start": "2025-01-01"}


def test_given_a_file_when_loaded_then_location_and_rows_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    candle_frame().to_parquet(path)

    candles = load(source="file", path=str(path))

    pd.testing.assert_frame_equal(candles.frame, candle_frame())
    assert (candles.source, candles.location) == (DataSource.FILE, str(path))


def test_given_first_and_last_day_when_a_file_is_loaded_then_both_days_are_included(tmp_path: Path) -> None:
    candle_frame(5 * 1_440).to_parquet(tmp_path / "a.parquet")

    frame = load(source="file", path=str(tmp_path), start="2024-03-02", end="2024-03-03").frame

    assert frame["timestamp"].min() == START + pd.Timedelta("1D")
    assert frame["timestamp"].max() == START + pd.Timedelta("3D") - pd.Timedelta("1min")
    assert frame.index[0] == 1_440


def test_given_bitbank_when_loaded_then_days_are_fetched_and_kept_for_the_next_time(
    server: BitbankServer, tmp_path: Path
) -> None:
    settings = {"source": "bitbank", "start": "2024-01-31", "end": "2024-02-01", "base_url": server.url}

    first = load(**settings, filepath=str(tmp_path))
    again = load(**settings, filepath=str(tmp_path))

    assert first.source is DataSource.BITBANK
    assert len(first.frame) == 2_880
    assert server.requests == [date(2024, 1, 31), date(2024, 2, 1)]
    assert (first.details["days_fetched"], again.details["days_fetched"]) == (2, 0)
    assert (tmp_path / "btc_jpy" / "1min" / "2024-02.parquet").is_file()


def test_given_bitbank_without_a_closed_candle_yet_when_loaded_then_the_error_says_to_begin_earlier(
    server: BitbankServer, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    server.scripts = {today + timedelta(days=k): [error(10000, 404)] for k in range(2)}

    with pytest.raises(DatasetError, match=r"no closed candle from .* on yet; set data\.start earlier"):
        load(source="bitbank", start=today.isoformat(), base_url=server.url, filepath=str(tmp_path))


def test_given_a_parquet_file_of_synthetic_bars_when_loaded_as_file_then_it_is_still_synthetic(tmp_path: Path) -> None:
    mark_source(candle_frame(), DataSource.SYNTHETIC).to_parquet(tmp_path / "1.parquet")
    candle_frame(10, START + pd.Timedelta("10min")).to_parquet(tmp_path / "2.parquet")

    assert load(source="file", path=str(tmp_path)).source is DataSource.SYNTHETIC


def test_given_a_synthetic_month_among_the_downloads_when_loaded_then_the_whole_is_synthetic(
    server: BitbankServer, tmp_path: Path
) -> None:
    settings = {"source": "bitbank", "start": "2024-01-31", "end": "2024-02-01", "base_url": server.url}
    load(**settings, filepath=str(tmp_path))
    month = tmp_path / "btc_jpy" / "1min" / "2024-02.parquet"
    mark_source(pd.read_parquet(month), DataSource.SYNTHETIC).to_parquet(month)

    assert load(**settings, filepath=str(tmp_path)).source is DataSource.SYNTHETIC


def own_cause(raised: BaseException | None) -> CryptoKedroError:
    while not isinstance(raised, CryptoKedroError):
        assert raised is not None
        raised = raised.__cause__
    return raised


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "binance"}, r"data\.source is 'binance'; choose one of synthetic, file, bitbank"),
        ({"source": "file"}, r"data\.path is not set"),
        ({"source": "file", "path": "nowhere.csv"}, r"nowhere\.csv does not exist"),
        ({"source": "bitbank"}, r"data\.start is not set"),
        ({"source": "bitbank", "start": "03/01/2024"}, r"data\.start is '03/01/2024'; write the UTC date"),
        ({"source": "synthetic", "synthetic": {"days": 1}}, r"data\.synthetic has the keys"),
        ({"source": "synthetic", "synthetic": {"days": 1, "seed": 1, "sede": 2}}, r"data\.synthetic has the keys"),
    ],
)
def test_given_a_wrong_setting_when_loaded_then_one_sentence_of_ours_is_the_cause(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        load(**settings)

    assert re.match(message, str(own_cause(caught.value)))


def test_given_data_when_saved_then_it_is_refused() -> None:
    with pytest.raises(DatasetError, match="read-only"):
        CandleDataset(source="synthetic", pair="btc_jpy").save(candle_frame())  # type: ignore[arg-type]
