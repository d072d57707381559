"""Where the candles of a session's days come from: its own exchange, asked again, or files."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.bar_feed import BarFeed
from crypto_kedro.exchange.bitbank.market_data import BitbankMarketData
from crypto_kedro.exchange.bitbank.settings import BitbankSettings
from crypto_kedro.exchange.simulator.bitbank import SimulatedBitbank
from crypto_kedro.exchange.simulator.candles import CANDLE_TYPES
from crypto_kedro.exchange.simulator.markets import market
from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
from crypto_kedro.market.bars import DAY_MS, MINUTE_MS, Bars
from crypto_kedro.market.candle_files import read_candle_files
from crypto_kedro.market.frame import candles_from_frame, open_times
from crypto_kedro.market.gaps import fill_halts
from crypto_kedro.market.structure import all_locations, assemble
from crypto_kedro.market.validation import validate_candles
from crypto_kedro.parameters.session import SessionParameters, SimulatorParameters
from crypto_kedro.pipelines.trading.exchanges import SIMULATOR_STATE
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.live_window import LiveModel
from crypto_kedro.session.parity.expected import Stretch, covering, history_from_ms, published_minutes
from crypto_kedro.trading.quotes import BarRow

REHEARSAL = "-rehearsal"
"""End of the name of a folder whose sessions traded at an exchange that is not bitbank itself."""

_NOBODY = ApiKey("nobody", "nobody")
_LONGEST_HALT_MINUTES = 7 * DAY_MS // MINUTE_MS


async def minutes_of(
    folder: SessionFolder, model: LiveModel, stretch: Stretch, files: str | None, session: SessionParameters | None
) -> Bars:
    """Return the 1-minute bars of a stretch and of what its features look back on.

    Args:
        folder: of the session.
        model: what it served.
        stretch: what is compared.
        files: file or folder of candles; None asks the exchange that the session traded at.
        session: the group ``session``, None in an environment without one.

    Raises:
        DataError: candles are missing or damaged.
        ConfigurationError: the simulated market cannot be played again, or the exchange is not known.
        ExchangeError: the exchange does not answer.
    """
    if files is not None:
        return _from_files(Path(files), model, stretch)
    state = folder.root / SIMULATOR_STATE
    if state.is_file():
        return _from_simulator(state, model, stretch, session)
    settings = BitbankSettings() if session is None else session.bitbank.settings()
    if folder.name.endswith(REHEARSAL) and settings.is_bitbank:
        raise ConfigurationError(
            f"monitoring: {folder.root} was rehearsed at another exchange than bitbank; compare with --env and the "
            "addresses of that session as session.bitbank, or name the candles as monitoring.candles"
        )
    async with BitbankMarketData(settings) as public:
        return await published_minutes(public, model, stretch)


def _from_simulator(state: Path, model: LiveModel, stretch: Stretch, session: SessionParameters | None) -> Bars:
    """Play the session's market again and return the candles that its exchange published, whose state is only read."""
    played = SimulatorParameters() if session is None or session.simulator is None else session.simulator
    name, start_ms = _origin(state)
    source = market(played.data, str(start_ms), played.seed, start_ms)
    if not name.startswith(f"{source.name},"):
        raise ConfigurationError(
            f"monitoring: {state} played another market ({name}) than session.simulator names ({source.name}); "
            "compare with --env and the data and seed of the session"
        )
    # The exchange itself rather than its trades: it lets none happen while its circuit breaker has tripped.
    exchange = SimulatedBitbank(source, SimulatorSettings(keys=(_NOBODY,)))
    exchange.advance_to(stretch.feed_until_ms)
    rows = exchange.market.candles.of_type(CANDLE_TYPES["1min"], history_from_ms(model, stretch), stretch.feed_until_ms)
    return covering([BarRow(row[0], row[0] + MINUTE_MS, *row[1:]) for row in rows], stretch, source.name)


def _origin(state: Path) -> tuple[str, int]:
    """Return the market and account of a simulated exchange, and when the market was entered.

    Raises:
        ConfigurationError: its state cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{state.absolute().as_uri()}?mode=ro", uri=True)) as database:
            name, start_ms = database.execute("SELECT name, start_ms FROM origin").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise ConfigurationError(
            f"monitoring: {state} cannot be read ({error}); restore it, or name the candles as monitoring.candles"
        ) from error
    return str(name), int(start_ms)


def _from_files(path: Path, model: LiveModel, stretch: Stretch) -> Bars:
    frame, parts = assemble(read_candle_files(path))
    end_ms = int(open_times(frame).max()) + MINUTE_MS
    candles = candles_from_frame(validate_candles(frame, parts, end_ms).candles)
    bars = fill_halts(candles, _LONGEST_HALT_MINUTES, all_locations(parts))
    first, stop = np.searchsorted(bars.open_time, [history_from_ms(model, stretch), stretch.feed_until_ms])
    feed = BarFeed(bars[int(first) : int(stop)])
    return covering([feed.row(at) for at in range(len(feed))], stretch, str(path))
