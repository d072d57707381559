"""What ``kedro doctor`` says about one thing."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        subject: what was examined.
        status: ok, warn (a run is possible) or fail (it is not).
        detail: what was seen.
        remedy: what to do about it; empty when nothing is to be done.
        lines: details that are printed below the table, one a line.
    """

    subject: str
    status: Status
    detail: str
    remedy: str = ""
    lines: tuple[str, ...] = ()
