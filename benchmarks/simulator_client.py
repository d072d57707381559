"""What the benchmarks of the simulator share: bitbank's signature, and the cost of a process as the system sees it."""

import hashlib
import hmac
import os
import time
from pathlib import Path

TIME_WINDOW_MS = "5000"


def signed_headers(key: str, secret: str, payload: str) -> dict[str, str]:
    """Return the headers of a private request.

    Args:
        key: of the account.
        secret: of the key.
        payload: path and query of a GET, body of a POST.
    """
    moment = str(time.time_ns() // 1_000_000)
    text = f"{moment}{TIME_WINDOW_MS}{payload}"
    return {
        "Content-Type": "application/json",
        "ACCESS-KEY": key,
        "ACCESS-REQUEST-TIME": moment,
        "ACCESS-TIME-WINDOW": TIME_WINDOW_MS,
        "ACCESS-SIGNATURE": hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
    }


def processor_seconds(process_id: int) -> float:
    """Return the processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(process_id: int) -> float:
    """Return the resident memory of a process (Linux)."""
    return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
