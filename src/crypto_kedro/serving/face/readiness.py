"""Whether a trader can do its work now."""

from collections.abc import Mapping

from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.status import TraderStatus


def checks(status: TraderStatus, settings: FaceSettings) -> Mapping[str, bool]:
    """Return what readiness asks for; the trader is ready when all of it holds.

    A halt is no lack of readiness: a halted trader still guards its position. A trader that works when it is asked to
    holds the lease only then and looks at the market only then: it is ready until a tick fails, or none comes.

    Returns:
        ``data``: the latest bar is fresh and not from the future; ``lease``: this process may send orders; ``cycle``:
        the last cycle went well; ``pace``: it is not long ago; ``account``: exchange and journal agree; ``journal``:
        it can be written and has room.
    """
    cycle = status.last_cycle
    idle_ms = status.now_ms - (status.started_at_ms if cycle is None else cycle.ended_at_ms)
    if status.on_tick:
        data_age_ms = 0 if cycle is None else _data_age_ms(status, cycle.ended_at_ms)
        return {
            "data": _is_within(data_age_ms, settings.max_data_age_ms),
            "lease": True,
            "cycle": cycle is None or cycle.error is None,
            "pace": _is_within(idle_ms, settings.max_cycle_age_ms),
            "account": cycle is None or cycle.contradiction is None,
            "journal": cycle is None or cycle.storage is None,
        }
    return {
        "data": _is_within(status.data_age_ms, settings.max_data_age_ms),
        "lease": status.lease_held,
        "cycle": cycle is not None and cycle.error is None,
        "pace": cycle is not None and _is_within(idle_ms, settings.max_cycle_age_ms),
        "account": cycle is None or cycle.contradiction is None,
        "journal": cycle is None or cycle.storage is None,
    }


def _data_age_ms(status: TraderStatus, at_ms: int) -> int | None:
    return None if status.bar_close_ms is None else at_ms - status.bar_close_ms


def _is_within(age_ms: int | None, limit_ms: int) -> bool:
    return age_ms is not None and 0 <= age_ms <= limit_ms
