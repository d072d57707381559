"""Messages that did not arrive, on their way into the journal."""

import logging
from collections.abc import Callable

from crypto_kedro.session.notice import IncidentSeen

_log = logging.getLogger(__name__)


class Undelivered:
    """Takes the incidents of messages that could not be delivered, from before the journal is open until after."""

    def __init__(self) -> None:
        self._write: Callable[[IncidentSeen], None] | None = None
        self._waiting: list[IncidentSeen] = []

    def note(self, incident: IncidentSeen) -> None:
        """Take an incident; what comes after the journal was closed is in the log alone."""
        _log.warning("%s: %s", incident.incident, incident.text)
        if self._write is None:
            self._waiting.append(incident)
        else:
            self._write(incident)

    def write_with(self, write: Callable[[IncidentSeen], None] | None) -> None:
        """Write what has come and what will come."""
        self._write = write
        if write is not None:
            waiting, self._waiting = self._waiting, []
            for incident in waiting:
                write(incident)
