"""A process that serves a face while its trader opens its own files and sockets; its argument is JSON.

A line on its standard input is answered by one on its output: ``report`` by figures, ``exhaust`` and ``release`` take
and return every descriptor that is left.
"""

import asyncio
import contextlib
import json
import logging
import os
import resource
import sys
from pathlib import Path
from typing import Any

from serving_faces import TOKEN
from shown_trader import ShownTrader

from crypto_kedro.serving.face import FaceSettings, serving_face
from crypto_kedro.serving.face.bounds import FaceBounds
from crypto_kedro.session.journal import Journal
from crypto_kedro.session.lease import LeaseTerms, SqliteLease

PAUSE_S = 0.02


class BusyTrader(ShownTrader):
    """Reaches its exchange, its lease and its journal again and again, each with descriptors of its own."""

    def __init__(self, folder: Path, exchange_port: int) -> None:
        super().__init__()
        self._folder = folder
        self._exchange_port = exchange_port
        self.rounds = 0
        self.failures: list[str] = []
        self.longest_pause_s = 0.0

    async def work(self) -> None:
        lease = SqliteLease(self._folder / "lease.db", LeaseTerms())
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(PAUSE_S)
            self.longest_pause_s = max(self.longest_pause_s, loop.time() - began - PAUSE_S)
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._exchange_port)
                writer.close()
                await writer.wait_closed()
                await lease.held_by()
                Journal.open(self._folder / "journal.db").close()
            except Exception as error:  # noqa: BLE001 -- whatever a flood does to a trader is counted
                self.failures.append(repr(error))
            self.rounds += 1

    def report(self) -> dict[str, Any]:
        memory = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return {
            "rounds": self.rounds,
            "failures": self.failures[:3],
            "longest_pause_s": self.longest_pause_s,
            "descriptors": len(list(Path("/proc/self/fd").iterdir())),
            "peak_kb": int(memory["VmHWM"].split()[0]),
            "stops": self.stops,
        }


async def answer(trader: BusyTrader, reader: asyncio.StreamReader) -> None:
    taken: list[int] = []
    while line := (await reader.readline()).decode().strip():
        if line == "exhaust":
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
        elif line == "release":
            while taken:
                os.close(taken.pop())
        shown = trader.report() if line == "report" else line
        sys.stdout.write(json.dumps(shown) + "\n")
        sys.stdout.flush()


async def serve(told: dict[str, Any]) -> None:
    trader = BusyTrader(Path(told["folder"]), told["exchange_port"])
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    bounds = FaceBounds(**told["bounds"])
    async with serving_face(trader, FaceSettings(port=0, token=TOKEN), bounds) as address:
        working = asyncio.create_task(trader.work()) if told["works"] else None
        sys.stdout.write(json.dumps({"address": address, "connections": bounds.connections}) + "\n")
        sys.stdout.flush()
        await answer(trader, lines)
        if working is not None:
            working.cancel()


def main() -> None:
    told = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (told["descriptors"], told["descriptors"]))
    logging.basicConfig(level=logging.INFO)
    asyncio.run(serve(told))


if __name__ == "__main__":
    main()
