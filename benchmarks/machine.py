"""The line that says where and when a benchmark ran."""

import platform
from datetime import UTC, datetime
from pathlib import Path

import numpy as np


def machine() -> str:
    """Return processor, cores, versions and date."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = f"{names[0]} x {len(names)}" if names else platform.processor() or "unknown processor"
    return f"{processor}, Python {platform.python_version()}, numpy {np.__version__}, {datetime.now(UTC):%Y-%m-%d}"
