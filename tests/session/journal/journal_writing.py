"""A process that appends to a journal until it is killed, and prints the number of each entry once it is durable.

Usage: ``python journal_writing.py JOURNAL FENCE [BYTES]``; with BYTES no file may grow beyond that, as on a full disk,
and the process ends with the sentence of the journal.
"""

import resource
import sys
from pathlib import Path

from journals import NOON_MS, STARTED, cycle, observation

from crypto_kedro.session.journal import Journal, JournalError, Writer
from crypto_kedro.session.journal.records import CycleEnded, CycleStarted, Trigger


def main(path: str, fence: str, largest: str | None = None) -> None:
    writer = Writer(f"session-{fence}", int(fence))
    with Journal.open_to_trade(Path(path)) as journal:
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
        try:
            journal.append(writer, NOON_MS, STARTED)
            for number in range(1_000_000):
                name = str(number)
                journal.append(writer, NOON_MS, CycleStarted(name, Trigger.BAR), *cycle(name, observation()))
                sys.stdout.write(f"{journal.head.seq}\n")
                sys.stdout.flush()
                journal.append(writer, NOON_MS, CycleEnded(name, 0))
        except JournalError as error:
            sys.stderr.write(f"{error}\n")
            raise SystemExit(3) from error


if __name__ == "__main__":
    main(*sys.argv[1:])
