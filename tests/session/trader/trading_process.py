"""A process that trades at a desk until it is signalled; its one argument tells as JSON where and how."""

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from desks import LONG, desk_at

from crypto_kedro.errors import CryptoKedroError
from crypto_kedro.parameters.session import FaceParameters
from crypto_kedro.pipelines.trading.showing import shown
from crypto_kedro.serving.face import FaceToken
from crypto_kedro.session.folder import SessionFolder
from crypto_kedro.session.lease import LeaseTerms, SqliteLease
from crypto_kedro.session.signals import run_until_signalled
from crypto_kedro.session.waking import Mode

TOKEN = "a-token-of-the-tests-that-nobody-guesses"


def say(line: str) -> None:
    """Tell whoever started the process."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def trade(told: dict[str, Any], asked: asyncio.Event) -> None:
    """Trade as told, with a face where there is a port."""
    folder = Path(told["folder"])
    lease = SqliteLease(SessionFolder(folder).lease, LeaseTerms(**told["lease"])) if "lease" in told else None
    async with desk_at(told["url"], folder, Mode(told["mode"]), opinion=LONG, lease=lease) as desk:
        face = FaceParameters(port=told["port"]) if "port" in told else None
        async with shown(desk, face, FaceToken(TOKEN)):
            say("open")
            await desk.work(asked)


def main() -> None:
    """Trade, and say how it ended."""
    told = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO)
    sys.stdin.readline()
    try:
        say(asyncio.run(run_until_signalled(lambda asked: trade(told, asked))))
    except CryptoKedroError as error:
        say(f"{type(error).__name__} {error}")


if __name__ == "__main__":
    main()
