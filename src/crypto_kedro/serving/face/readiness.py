"""Whether a trader can do its work now."""

from collections.abc import Mapping

from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.status import TraderStatus


def checks(status: TraderStatus, settings: FaceSettings) -> Mapping[str, bool]:
    """Return what readiness asks for; the trader is ready when all of it holds.

    A halt is no lack of readiness: a halted trader still guards its position.

    Returns:
        ``data``: the latest bar is fresh and not from the future; ``lease``: this process may send orders; ``cycle``:
        the last cycle went well; ``pace``: it is not long ago.
    """
    cycle = status.last_cycle
    return {
        "data": _is_within(status.data_age_ms, settings.max_data_age_ms),
        "lease": status.lease_held,
        "cycle": cycle is not None and cycle.error is None,
        "pace": cycle is not None and _is_within(status.now_ms - cycle.ended_at_ms, settings.max_cycle_age_ms),
    }


def _is_within(age_ms: int | None, limit_ms: int) -> bool:
    return age_ms is not None and 0 <= age_ms <= limit_ms
