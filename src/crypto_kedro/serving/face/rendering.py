"""A trader's status as JSON values: money, amounts and prices are text, unknown numbers null, moments milliseconds."""

import dataclasses
import math
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any

from msgspec import Struct

from crypto_kedro.reporting.messages.settings import Language
from crypto_kedro.serving.face.decision_words import decision_words
from crypto_kedro.serving.face.readiness import checks
from crypto_kedro.serving.face.settings import FaceSettings
from crypto_kedro.session.status import BarSeen, CurvePoint, TraderStatus
from crypto_kedro.trading.money import Btc, Jpy, Price


def status_json(status: TraderStatus, settings: FaceSettings) -> dict[str, Any]:
    """Return the status with what follows from it: readiness, the age of the data and the decision in words."""
    asked = checks(status, settings)
    decision = status.decision
    return {
        **plain(status),
        "data_age_ms": status.data_age_ms,
        "halt_state": status.halt_state and status.halt_state.value,
        "ready": all(asked.values()),
        "checks": asked,
        "decision_words": decision and {language.value: decision_words(decision, language) for language in Language},
    }


def plain(value: Any) -> Any:
    """Return a value as msgspec encodes it without help; bars and points of a curve are left as they are, for speed."""
    match value:
        case Enum():
            return value.value
        case float():
            return value if math.isfinite(value) else None
        case Jpy() | Btc() | Price():
            return str(value)
        case Decimal():
            return f"{value:.4f}"
        case BarSeen() | CurvePoint():
            return value
        case Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case tuple() | list():
            return [plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
