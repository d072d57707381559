"""How many random cases a long test draws."""

import os


def many(usual: int) -> int:
    """Return the usual number, or so many times it as ``CRYPTO_KEDRO_TIMES`` says."""
    return usual * int(os.environ.get("CRYPTO_KEDRO_TIMES", "1"))
