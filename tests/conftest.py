"""Fixtures shared by all rooms."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
REAL_CANDLES = "bitbank_btc_jpy_1m_2018.parquet"


@pytest.fixture(scope="session")
def real_candles_path() -> Path:
    """The nine months of real bitbank candles; the test is skipped, saying so, where they are not at hand."""
    named = os.environ.get("CRYPTO_KEDRO_REAL_CANDLES")
    path = Path(named) if named else PROJECT.parent / "shared" / "data" / REAL_CANDLES
    if not path.is_file():
        pytest.skip(f"real candles not found: set CRYPTO_KEDRO_REAL_CANDLES to the path of {REAL_CANDLES}")
    return path
