"""The kill switch that needs neither network nor a running trader: a file that halts trading while it is there."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.journal import HaltInForce, Journal, JournalError
from crypto_kedro.session.journal.halt import halt_trading, resume_trading
from crypto_kedro.session.stop_order import LONGEST_CONTENT, plain_text, read_order
from crypto_kedro.session.stop_order import StopOrder as StopOrder


class StopError(CryptoKedroError):
    """Trading can be neither halted nor resumed as asked."""


class StopFlag:
    """A file whose presence halts trading.

    Anything at the path halts: an empty file, one that cannot be read, a directory, a dangling link. The one word
    ``flatten`` in it also closes what is open; any other text is the reason.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def put_up(self, order: StopOrder) -> None:
        """Halt trading; an order that flattens is not weakened by a later one that does not.

        Raises:
            StopError: the file cannot be written.
        """
        before = self.standing()
        if before is not None and before.flatten:
            order = msgspec.structs.replace(order, flatten=True)
        unfinished = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(msgspec.json.encode(order))
            unfinished.replace(self._path)
        except OSError as error:
            standing = self.standing()
            if standing is not None and standing.flatten >= order.flatten:
                return
            raise StopError(
                f"{self._path}: cannot be written ({error.strerror}); make it by hand, or end the trader's process: "
                "what is open keeps its stop at the exchange"
            ) from error

    def take_down(self) -> bool:
        """Remove the file; return whether there was one.

        Raises:
            StopError: it cannot be removed.
        """
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StopError(f"{self._path}: cannot be removed ({error.strerror}); remove it by hand") from error
        return True

    def standing(self) -> StopOrder | None:
        """Return the order of the flag, None when there is nothing at its path; what cannot be read orders a halt."""
        try:
            # Needs no descriptor: a process that has none left must not take that for a halt.
            self._path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return self._unreadable(error)
        try:
            content = _beginning(self._path)
        except OSError as error:
            return self._unreadable(error) if os.path.lexists(self._path) else None
        return read_order(content, by=self._path.name, default="the flag was put there by hand")

    def _unreadable(self, error: OSError) -> StopOrder:
        return StopOrder(self._path.name, f"the flag cannot be read ({error.strerror})")

    async def wait(
        self, *, poll_s: float = 0.5, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> StopOrder:
        """Wait until it stands and return what it orders."""
        while (order := self.standing()) is None:
            await sleep(poll_s)
        return order


def _beginning(path: Path) -> bytes:
    """Return the first bytes of a file of any kind; a pipe without a writer must not block the trader."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(descriptor, LONGEST_CONTENT)
    finally:
        os.close(descriptor)


def halt_in_force(flag: StopFlag, journal: Journal, now_ms: int) -> HaltInForce | None:
    """Return why nothing may be opened, None when trading is allowed; what the flag orders is first written down.

    Args:
        flag: of the journal's environment.
        journal: of the account; a halt in it lasts until it is resumed, with or without the flag.
        now_ms: Unix milliseconds UTC.

    Raises:
        JournalError: the journal cannot be written or read; nothing may be opened then either.
    """
    order, halt = _beyond(flag, journal)
    if order is None:
        return halt
    halt_trading(journal, now_ms, by=order.by, reason=order.reason, flatten=order.flatten)
    return journal.halt()


def halt_ordered(flag: StopFlag, journal: Journal, now_ms: int) -> HaltInForce | None:
    """Return what `halt_in_force` does, and write nothing down."""
    order, halt = _beyond(flag, journal)
    if order is None:
        return halt
    return HaltInForce(order.by, order.reason, order.flatten, now_ms if halt is None else halt.since_ms)


def _beyond(flag: StopFlag, journal: Journal) -> tuple[StopOrder | None, HaltInForce | None]:
    """Return what the flag orders beyond the journal's halt, and that halt."""
    order, halt = flag.standing(), journal.halt()
    if order is None or (halt is not None and (halt.flatten or not order.flatten)):
        return None, halt
    return order, halt


def stop_trading(flag: StopFlag, journal: Journal, order: StopOrder, now_ms: int) -> tuple[CryptoKedroError, ...]:
    """Halt trading by flag and journal; each halts by itself, so one that cannot be written does no harm.

    Args:
        flag: of the journal's folder.
        journal: of the account.
        order: who halts, why and how.
        now_ms: Unix milliseconds UTC.

    Returns:
        What went wrong although trading is halted.

    Raises:
        StopError: neither could be written; trading is not halted.
    """
    troubles: list[CryptoKedroError] = []
    try:
        flag.put_up(order)
    except StopError as error:
        troubles.append(error)
    try:
        halt_trading(journal, now_ms, by=order.by, reason=order.reason, flatten=order.flatten)
    except JournalError as error:
        if troubles:
            raise troubles[0] from error
        troubles.append(error)
    return tuple(troubles)


def stop_session(folder: SessionFolder, order: StopOrder, now_ms: int) -> tuple[CryptoKedroError, ...]:
    """Halt the trading of a folder's sessions from outside, whether or not a trader runs there.

    Args:
        folder: of the sessions.
        order: who halts, why and how.
        now_ms: Unix milliseconds UTC.

    Returns:
        What went wrong although trading is halted.

    Raises:
        StopError: neither flag nor journal could be written; trading is not halted.
    """
    flag = StopFlag(folder.stop_flag)
    if not folder.journal.exists():
        flag.put_up(order)
        return ()
    try:
        journal = Journal.open(folder.journal)
    except JournalError as error:
        flag.put_up(order)
        return (error,)
    with journal:
        return stop_trading(flag, journal, order, now_ms)


def resume_session(folder: SessionFolder, by: str, reason: str, now_ms: int) -> None:
    """Allow an environment's trading again, whoever halted it.

    Args:
        folder: of the environment.
        by: who resumes.
        reason: why.
        now_ms: Unix milliseconds UTC.

    Raises:
        StopError: nothing is halted, or the flag cannot be removed.
        JournalError: the journal cannot be written; what is halted in it stays halted.
    """
    by, reason = plain_text(by), plain_text(reason)
    # Taken down first: a trader that sees the flag after the journal was cleared would halt anew.
    was_up = StopFlag(folder.stop_flag).take_down()
    if folder.journal.exists():
        with Journal.open(folder.journal) as journal:
            if journal.halt() is not None:
                resume_trading(journal, now_ms, by=by, reason=reason)
                return
    if not was_up:
        raise StopError(f"{folder.name}: trading is not halted; there is nothing to resume")


def standing_halt(folder: SessionFolder) -> StopOrder | None:
    """Return who halted an environment's trading and why, as flag and journal say; None when it is allowed.

    Raises:
        JournalError: the journal cannot be read.
    """
    flag = StopFlag(folder.stop_flag)
    if not folder.journal.exists():
        return flag.standing()
    with Journal.open(folder.journal, read_only=True) as journal:
        order, halt = _beyond(flag, journal)
    return order if order is not None or halt is None else StopOrder(halt.by, halt.reason, halt.flatten)
