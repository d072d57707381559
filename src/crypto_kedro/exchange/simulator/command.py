"""``kedro bitbank-sim``: the simulated exchange as a process."""

from pathlib import Path

import click

from crypto_kedro.errors import CryptoKedroError

# A line with \b alone keeps click from wrapping what follows it.
_EPILOG = """\b
Examples:
  kedro bitbank-sim --data synthetic
  kedro bitbank-sim --data candles.parquet --speed 60 --state sim.db
  kedro bitbank-sim --data synthetic --fault answer_lost=0.01 --fault twice=0.1 --seed 7

\b
Faults of requests:
  server_error  too_frequent  nonce_rejected  timeout  clock_skew  maintenance
  fill_during_cancel  slow  answer_lost  cut  garbled

\b
Faults of the streams:
  silent  stale  out_of_order  twice  garbled
"""


@click.command(name="bitbank-sim", epilog=_EPILOG)
@click.option("--data", required=True, help="Parquet or CSV file (or folder) of 1-minute candles, or 'synthetic'.")
@click.option("--speed", default=1.0, show_default=True, help="Market time per real time; 0 moves by /_control alone.")
@click.option("--port", default=8900, show_default=True, help="Port of the REST API on 127.0.0.1; 0 takes a free one.")
@click.option("--control-port", type=int, help="Port of /_control; without it there is none.")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="File that remembers over restarts.")
@click.option("--start", help="UTC date from which to play; what lies before is history.")
@click.option(
    "--fault", "bad_days", multiple=True, metavar="KIND=PROBABILITY", help="What goes wrong how often; any number."
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the synthetic market and the faults."
)
@click.option("--cash", default="1000000", show_default=True, help="JPY to start with.")
@click.option("--btc", default="0", show_default=True, help="BTC to start with.")
@click.option("--key", default="sim-key", show_default=True, help="API key that may trade.")
@click.option("--secret", default="sim-secret", show_default=True, help="Its secret; no real one belongs here.")
def bitbank_sim(
    data: str,
    speed: float,
    port: int,
    control_port: int | None,
    state: Path | None,
    start: str | None,
    bad_days: tuple[str, ...],
    seed: int,
    cash: str,
    btc: str,
    key: str,
    secret: str,
) -> None:
    """Serve a test exchange that speaks bitbank's protocol on loopback."""
    from crypto_kedro.exchange.simulator.faults import Faults, read_fault
    from crypto_kedro.exchange.simulator.journal import stored_start_ms
    from crypto_kedro.exchange.simulator.launch import launch
    from crypto_kedro.exchange.simulator.markets import SYNTHETIC, market
    from crypto_kedro.exchange.simulator.running import RunningExchange, real_time_ms
    from crypto_kedro.exchange.simulator.settings import ApiKey, SimulatorSettings
    from crypto_kedro.trading.money import Btc, Jpy

    try:
        settings = SimulatorSettings(keys=(ApiKey(key, secret),), cash=Jpy.of(cash), btc=Btc.of(btc))
        remembered = None if state is None else stored_start_ms(state)
        source = market(data, start if remembered is None else str(remembered), seed, real_time_ms())
        # Markets begin with a whole minute; one that is played from now on has the time of this machine.
        begin_ms = real_time_ms() if data == SYNTHETIC and start is None else None
        running = RunningExchange(source, settings, speed=speed, state=state, begin_ms=begin_ms)
        faults = Faults([read_fault(text) for text in bad_days], seed)
        launch(running, port, control_port, click.echo, faults)
    except CryptoKedroError as error:
        raise click.ClickException(str(error)) from error
