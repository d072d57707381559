"""From a running exchange to a process that serves it."""

from collections.abc import Callable

from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.control import PREFIX, build_control
from crypto_kedro.exchange.simulator.faults import Faults
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.server import LOOPBACK, loopback_socket, run
from crypto_kedro.market.moments import utc_text


def launch(
    running: RunningExchange, port: int, control_port: int | None, say: Callable[[str], None], faults: Faults
) -> None:
    """Serve the exchange and, on a port of its own, the switchboard, until the process is asked to stop.

    Args:
        running: the exchange; its state file is closed at the end.
        port: of the REST API on loopback; 0 takes a free one.
        control_port: of the switchboard, likewise; None for no switchboard.
        say: tells where everything is.
        faults: of the wire; the switchboard can put others in force.

    Raises:
        ConfigurationError: a port is taken.
    """
    listener = loopback_socket(port)
    applications = [(build_application(running, faults=faults), listener)]
    say(f"bitbank simulator at http://{LOOPBACK}:{listener.getsockname()[1]} from {utc_text(running.now().now_ms)}")
    if control_port is not None:
        switchboard = loopback_socket(control_port)
        applications.append((build_control(running, faults), switchboard))
        say(f"switchboard at http://{LOOPBACK}:{switchboard.getsockname()[1]}{PREFIX}")
    try:
        run(running, applications)
    finally:
        running.close()
