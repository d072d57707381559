"""Parameters of monitoring: which session is compared with the backtest of its days, and on which candles."""

from pydantic import Field

from crypto_kedro.parameters.group import ParameterGroup


class MonitoringParameters(ParameterGroup):
    """See docs/parity.md.

    Args:
        session: id of a session, ``latest``, or ``all`` for every session of the journal.
        folder: name of the folder under ``data/09_sessions``; None is that of the environment or, without a session's
            environment, the one that was written last.
        candles: file or folder of 1-minute candles; None asks the exchange that the session traded at.
    """

    session: str = Field(default="latest", min_length=1)
    folder: str | None = None
    candles: str | None = None
