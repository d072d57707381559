"""SIGINT and SIGTERM close the run of this process as killed."""

import atexit
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FORCE_AFTER_S = 5.0
_LAST_WRITE_S = 3.0
logger = logging.getLogger(__name__)


class Interruption:
    """Ends the process with status 128 + signal, after its run was closed.

    The handler raises `SystemExit`, and the run is closed when the interpreter exits. Native code that calls back
    into Python can swallow that exception: 5 s later another thread closes the run and ends the process.

    Args:
        close: closes the run, in the main thread.
        close_elsewhere: closes the run, in another thread.
    """

    def __init__(self, close: Callable[[], None], close_elsewhere: Callable[[], None]) -> None:
        self._close = close
        self._close_elsewhere = close_elsewhere
        self._before: dict[signal.Signals, Any] = {}
        self._number: int | None = None
        self._is_held = False

    def watch(self) -> None:
        """Take over the signals; one that is ignored, as in a background job, stays so."""
        atexit.register(self._at_exit)
        if threading.current_thread() is threading.main_thread():
            self._before = {
                number: signal.signal(number, self._handle)
                for number in _SIGNALS
                if signal.getsignal(number) is not signal.SIG_IGN
            }

    def release(self) -> None:
        """Give the signals back."""
        atexit.unregister(self._at_exit)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until the block has ended, which opens or closes the run."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            if self._number is not None:
                self._leave(self._number)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  (the signature is prescribed)
        if self._number is not None:
            return
        self._number = number
        force = threading.Timer(_FORCE_AFTER_S, self._force, (number,))
        force.daemon = True
        force.start()
        if not self._is_held:
            self._leave(number)

    @staticmethod
    def _leave(number: int) -> None:
        raise SystemExit(128 + number)

    def _at_exit(self) -> None:
        if self._number is not None:
            logger.warning("Ended by %s: the MLflow run is KILLED.", signal.Signals(self._number).name)
        self._close()

    def _force(self, number: int) -> None:
        last = threading.Thread(target=self._close_elsewhere, daemon=True)
        last.start()
        last.join(_LAST_WRITE_S)
        os._exit(128 + number)
