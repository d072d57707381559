"""The catalog entry behind which all sources of candles stand."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
from kedro.io import AbstractDataset

from crypto_kedro.errors import ConfigurationError, DataError
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.market.candle_download import CandleDownload
from crypto_kedro.market.candle_files import read_candle_files
from crypto_kedro.market.candle_set import SOURCE_ATTRIBUTE, CandleSet, DataSource
from crypto_kedro.market.drawn_market import DEFAULT_START
from crypto_kedro.market.frame import open_times
from crypto_kedro.market.moments import parse_day
from crypto_kedro.market.partitions import MonthlyPartitions
from crypto_kedro.market.structure import assemble
from crypto_kedro.market.synthetic import synthetic_candles


class CandleDataset(AbstractDataset[NoReturn, CandleSet]):
    """Read-only candles of one pair from the synthetic market, from files or from bitbank.

    Args:
        source: ``synthetic``, ``file`` or ``bitbank``.
        pair: market in bitbank's spelling, ``btc_jpy``.
        path: for ``file``, a Parquet or CSV file or a folder of them.
        start: first UTC date, ``YYYY-MM-DD``; needed for ``bitbank``, optional for ``file``.
        end: last UTC date, included; by default the last one that there is.
        synthetic: for ``synthetic``, days, seed and signal_strength, optionally start.
        filepath: for ``bitbank``, the folder that keeps the downloaded months of all pairs.
        base_url: for ``bitbank``, address of the public API; None is the real one.
        metadata: for Kedro-Viz; not read here.
    """

    def __init__(
        self,
        *,
        source: str,
        pair: str,
        path: str | None = None,
        start: str | None = None,
        end: str | None = None,
        synthetic: Mapping[str, Any] | None = None,
        filepath: str = "data/01_raw/bitbank",
        base_url: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._source = source
        self._pair = pair
        self._path = path
        self._start = start
        self._end = end
        self._synthetic = dict(synthetic or {})
        self._directory = Path(filepath) / pair / "1min"
        self._base_url = base_url
        self.metadata = metadata

    def load(self) -> CandleSet:
        """Return the candles.

        Raises:
            DatasetError: Kedro's, caused by a ConfigurationError (a setting is wrong) or a DataError (the candles are
                damaged or cannot be had).
        """
        loaders = {
            DataSource.SYNTHETIC: self._load_synthetic,
            DataSource.FILE: self._load_files,
            DataSource.BITBANK: self._load_bitbank,
        }
        if self._source not in loaders:
            raise ConfigurationError(f"data.source is {self._source!r}; choose one of {', '.join(loaders)}")
        return loaders[DataSource(self._source)]()

    def save(self, data: NoReturn) -> None:
        """Refuse: candles are only read."""
        raise DataError(f"candles are read-only, a {type(data).__name__} was not saved; use another dataset")

    def _describe(self) -> dict[str, Any]:
        return {"source": self._source, "pair": self._pair, "path": self._path, "start": self._start, "end": self._end}

    def _load_synthetic(self) -> CandleSet:
        settings = {"start": DEFAULT_START, "signal_strength": 0.0, **self._synthetic}
        required = {"days", "seed", "signal_strength", "start"}
        if set(settings) != required:
            raise ConfigurationError(f"data.synthetic has the keys {sorted(settings)}; it needs {sorted(required)}")
        location = f"synthetic market of {settings['days']} days, seed {settings['seed']}"
        frame, parts = assemble([(location, synthetic_candles(**settings))])
        # The synthetic market is read at its last moment, so that one seed gives the same set on every day.
        end_ms = int(open_times(frame)[-1]) + MINUTE_MS
        details = {**settings, "start": str(settings["start"])}
        return CandleSet(frame, DataSource.SYNTHETIC, self._pair, location, parts, end_ms, details)

    def _load_files(self) -> CandleSet:
        if not self._path:
            raise ConfigurationError("data.path is not set; with data.source file it names a file or a folder")
        raw = read_candle_files(Path(self._path))
        frame, parts = assemble(raw)
        source = _source_of(raw, DataSource.FILE)
        details: dict[str, str | int | float | None] = {"start": self._start, "end": self._end, "files": len(parts)}
        return CandleSet(self._chosen(frame), source, self._pair, self._path, parts, _now_ms(), details)

    def _load_bitbank(self) -> CandleSet:
        if self._start is None:
            raise ConfigurationError("data.start is not set; with data.source bitbank it names the first UTC date")
        # ccxt takes seconds to import, and no other source needs it.
        from crypto_kedro.exchange.bitbank import BitbankSettings
        from crypto_kedro.exchange.bitbank.candle_days import CandleDays

        partitions = MonthlyPartitions(self._directory)
        first = parse_day(self._start, "data.start")
        last = None if self._end is None else parse_day(self._end, "data.end")
        settings = BitbankSettings() if self._base_url is None else BitbankSettings(public_url=self._base_url)
        with CandleDays(settings, self._pair) as exchange:
            missing = CandleDownload(exchange, partitions, _now_ms)
            days = missing.days(first, last)
            download = missing.update(days)
        stored = partitions.read(days)
        if not stored:
            raise DataError(f"{settings.public_url}: no closed candle from {days[0]} on yet; set data.start earlier")
        frame, parts = assemble(stored)
        details: dict[str, str | int | float | None] = {
            "start": str(days[0]),
            "end": str(days[-1]),
            "days_fetched": download.days_fetched,
            "duplicates_removed": download.duplicates_removed,
            "forming_bars_dropped": download.forming_dropped,
        }
        source = _source_of(stored, DataSource.BITBANK)
        location = str(self._directory)
        return CandleSet(self._chosen(frame), source, self._pair, location, parts, _now_ms(), details)

    def _chosen(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self._start is not None:
            frame = frame[frame["timestamp"] >= pd.Timestamp(parse_day(self._start, "data.start"), tz="UTC")]
        if self._end is not None:
            after = parse_day(self._end, "data.end") + timedelta(days=1)
            frame = frame[frame["timestamp"] < pd.Timestamp(after, tz="UTC")]
        return frame


def _source_of(raw: Sequence[tuple[str, pd.DataFrame]], claimed: DataSource) -> DataSource:
    """Return the source that is claimed, unless one of the files says that it is synthetic."""
    made_up = any(frame.attrs.get(SOURCE_ATTRIBUTE) == DataSource.SYNTHETIC for _, frame in raw)
    return DataSource.SYNTHETIC if made_up else claimed


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
