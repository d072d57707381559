"""bitbank's private stream: a long poll in PubNub's manner that tells what happens to the account.

Source: bitbank private stream; PubNub "Subscribe v2".
"""

import asyncio
import hashlib
import hmac
from collections import deque
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crypto_kedro.exchange.simulator.account_rendering import assets_json, notice_json, position_json
from crypto_kedro.exchange.simulator.answers import Answer
from crypto_kedro.exchange.simulator.events import (
    AccountChanged,
    Event,
    OrderChanged,
    OrderFilled,
    PositionChanged,
)
from crypto_kedro.exchange.simulator.faults import Delivery, Faults
from crypto_kedro.exchange.simulator.held_answer import hold
from crypto_kedro.exchange.simulator.rendering import Json, amount_text, fill_json, order_json
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.exchange.simulator.settings import PAIR
from crypto_kedro.market.bars import HOUR_MS, MINUTE_MS

SUBSCRIBE_KEY = "sub-c-ecebae8e-dd60-11e6-b6b1-02ee2ddab7fe"
TOKEN_LIFE_MS = 12 * HOUR_MS

_TICKS_PER_MS = 10_000
_KEPT_EVENTS = 1_000
_HELD_SECONDS = 280.0
_ASSET_FIELDS = ("asset", "amount_precision", "free_amount", "locked_amount", "onhand_amount", "withdrawing_amount")


class PrivateStream:
    """Tells the account's events to whoever holds a token; listens from the first token on.

    Args:
        running: the exchange.
        faults: what goes wrong with messages.

    Attributes:
        route: serves ``/v2/subscribe/...``.
    """

    def __init__(self, running: RunningExchange, faults: Faults) -> None:
        self._running = running
        self._exchange = running.now()
        self._delivery = Delivery(faults)
        self._secret = running.settings.keys[0].secret.encode()
        self._channel = f"private-{hashlib.sha256(self._secret).hexdigest()[:32]}"
        self._kept: deque[tuple[int, Json]] = deque(maxlen=_KEPT_EVENTS)
        self._newest = 0
        self._news = asyncio.Event()
        self._unsubscribe: Callable[[], None] | None = None
        self._looked_minute = 0
        self._warnings = self._present_warnings()
        self.route = Route("/v2/subscribe/{key}/{channel}/{callback}", self._poll)

    def issue_pass(self) -> Json:
        """Return channel and a token that opens it for twelve hours of real time."""
        if self._unsubscribe is None:
            self._unsubscribe = self._exchange.events.subscribe(self._hear)
        expires_at = str(self._running.wall_ms() + TOKEN_LIFE_MS)
        return {"pubnub_channel": self._channel, "pubnub_token": f"{expires_at}.{self._sign(expires_at)}"}

    def close(self) -> None:
        """Listen no more and answer the polls that are held."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._wake_polls()

    async def _poll(self, request: Request) -> Response:
        refusal = self._refusal(request)
        if refusal is not None:
            body = {"status": 403, "service": "Access Manager", "error": True, "message": refusal}
            return Answer(body, status_code=403)
        cursor = _whole_number(request.query_params.get("tt", "0"))
        if cursor is None:
            body = {"status": 400, "service": "Access Manager", "error": True, "message": "Invalid Timetoken"}
            return Answer(body, status_code=400)
        if cursor == 0:
            return self._answer(self._next_moment(), [])
        if not self._after(cursor):
            await hold(request.receive, self._news, _HELD_SECONDS)
        events = self._after(cursor)
        return self._answer(events[-1][0] if events else cursor, events)

    def _refusal(self, request: Request) -> str | None:
        expires_at, _, seal = request.query_params.get("auth", "").partition(".")
        is_genuine = hmac.compare_digest(self._sign(expires_at).encode(), seal.encode())
        if not is_genuine or request.path_params["channel"] != self._channel:
            return "Forbidden"
        return "Token is expired." if int(expires_at) <= self._running.wall_ms() else None

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def _after(self, cursor: int) -> list[tuple[int, Json]]:
        return [(moment, event) for moment, event in self._kept if moment > cursor]

    def _answer(self, cursor: int, events: list[tuple[int, Json]]) -> Response:
        told = [
            {
                "a": "4",
                "f": 0,
                "p": {"t": str(moment), "r": 1},
                "k": SUBSCRIBE_KEY,
                "c": self._channel,
                "d": event,
            }
            for moment, event in events
        ]
        return Answer({"t": {"t": str(cursor), "r": 1}, "m": told})

    def _next_moment(self) -> int:
        self._newest = max(self._newest + 1, self._running.wall_ms() * _TICKS_PER_MS)
        return self._newest

    def _tell(self, method: str, params: list[Json]) -> None:
        for told in self._delivery.pass_on(method, {"method": method, "params": params}):
            self._kept.append((self._next_moment(), told))
        self._wake_polls()

    def _wake_polls(self) -> None:
        heard, self._news = self._news, asyncio.Event()
        heard.set()

    def _hear(self, event: Event) -> None:
        match event:
            case OrderChanged():
                self._tell("spot_order_new" if event.is_new else "spot_order", [self._order_json(event)])
            case OrderFilled(fill):
                self._tell("spot_trade", [fill_json(fill)])
            case AccountChanged():
                self._tell("asset_update", self._assets_json())
            case PositionChanged(side, account):
                position = account.position(side)
                locked = {"locked_amount": amount_text(position.locked_amount.lots)}
                self._tell("margin_position_update", [position_json(PAIR, position) | locked])
        # Interest and the price can bring a margin call while nothing else happens.
        minute = self._exchange.now_ms // MINUTE_MS
        if isinstance(event, AccountChanged | PositionChanged) or minute != self._looked_minute:
            self._looked_minute = minute
            self._tell_warnings()

    def _tell_warnings(self) -> None:
        before, self._warnings = self._warnings, self._present_warnings()
        for method, warning in self._warnings.items():
            if warning != before[method]:
                self._tell(method, [warning])

    def _present_warnings(self) -> dict[str, Json]:
        notice, payable = notice_json(self._exchange), str(self._exchange.account().payable.ceil())
        if notice["what"] == "margin_call":
            notice = notice | {"what": "marginCall"}
        return {"margin_notice_update": notice, "margin_payable_update": {"amount": payable}}

    def _order_json(self, event: OrderChanged) -> Json:
        order = event.order
        filled_ms = None
        if order.executed_amount:
            fills = reversed(self._exchange.fills)
            filled_ms = next(fill.executed_at_ms for fill in fills if fill.order_id == order.order_id)
        shown = {"executed_at": filled_ms, "canceled_at": order.canceled_at_ms}
        return order_json(order) | shown | {"is_just_triggered": event.is_just_triggered}

    def _assets_json(self) -> list[Json]:
        # The documentation's sample is in camel case, its table and what was recorded of the live stream are not.
        return [{name: asset[name] for name in _ASSET_FIELDS} for asset in assets_json(self._exchange)["assets"]]


def _whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
