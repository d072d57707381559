"""Orders of both, pair by pair: sent or not, and on which terms."""

from crypto_kedro.session.journal.records import Outcome
from crypto_kedro.session.parity.account_causes import position_cause
from crypto_kedro.session.parity.difference import Cause, Findings, Kind, Why, follows
from crypto_kedro.session.parity.expected import Expected
from crypto_kedro.session.parity.live import LiveOrder, LivePeriod
from crypto_kedro.session.parity.pairs import OF_UNKNOWN_ORIGIN, OrderPair, Placed, opening_bar
from crypto_kedro.session.records import Purpose
from crypto_kedro.session.standing import FLATTEN
from crypto_kedro.trading.orders import OrderRequest


class OrderComparison:
    """Compares orders.

    Args:
        live: what the session did.
        expected: what the backtest does.
        pairs: of all orders.
        findings: takes the differences.

    Attributes:
        found: number of the difference of each pair that has one.
    """

    def __init__(self, live: LivePeriod, expected: Expected, pairs: tuple[OrderPair, ...], findings: Findings) -> None:
        self._live = live
        self._expected = expected
        self._pairs = pairs
        self._findings = findings
        self.found: dict[OrderPair, int] = {}

    def compare(self, pair: OrderPair) -> None:
        """Compare two orders, or find out why there is only one."""
        live, backtest = pair.live, pair.backtest
        if live is not None and backtest is not None:
            if _terms(live.request) == _terms(backtest.request):
                return
            what, why = "terms", self._why_other_terms(pair)
        elif backtest is not None:
            what, why = "sent", self._why_not_sent(backtest)
        else:
            assert live is not None  # a pair is made of at least one
            if live.purpose == OF_UNKNOWN_ORIGIN:
                # Only its execution is known, and that is told with its cause.
                return
            what, why = "sent", self._why_sent(live)
        self.found[pair] = self._findings.add(Kind.ORDER, pair.sent_at_ms, what, _said(live), _said(backtest), why)

    def _why_other_terms(self, pair: OrderPair) -> Why:
        return self._decided_otherwise(pair.sent_at_ms) or self._of_the_position(pair.some)

    def _why_not_sent(self, order: Placed) -> Why:
        since_ms = self._bar_of(order.sent_at_ms)
        until_ms = since_ms + self._expected.bar_ms
        return (
            self._decided_otherwise(order.sent_at_ms)
            or self._not_taken(order, until_ms)
            or self._halted(order, since_ms)
            or self._not_running(order.sent_at_ms)
            or self._of_the_position(order)
        )

    def _why_sent(self, order: Placed) -> Why:
        halt = self._live.halt_at(order.sent_at_ms, order.sent_at_ms + 1)
        if order.reason == FLATTEN and halt is not None:
            return Why(Cause.HALT, f"{halt.spell.text}; what was open was closed.")
        refused = next(
            (
                one
                for one in self._expected.result.refused
                if one.sending.purpose == order.purpose and self._is_same_bar(one.sending.at_ms, order)
            ),
            None,
        )
        if refused is not None:
            return Why(
                Cause.REFUSED,
                f"the backtest's exchange refused it: {refused.refusal.code.name}, {refused.refusal.detail}.",
            )
        protections = (Purpose.STOP.value, Purpose.TARGET.value)
        fled = self._attempt(order, protections) if order.purpose == Purpose.EXIT.value else None
        if fled is not None:
            return Why(Cause.REFUSED, f"the exchange refused the {fled.purpose} of the position: {fled.error}")
        return self._decided_otherwise(order.sent_at_ms) or self._of_the_position(order)

    def _decided_otherwise(self, at_ms: int) -> Why | None:
        earlier = self._findings.at(self._bar_of(at_ms), Kind.DECISION, Kind.BAR)
        return None if earlier is None else follows(earlier)

    def _of_the_position(self, order: Placed) -> Why:
        at_ms = order.sent_at_ms
        seen = self._live.seen_at(self._bar_of(at_ms))
        opened_ms = opening_bar(self._pairs, order.position_side, at_ms, self._expected.bar_ms)
        return position_cause(self._live, self._findings, opened_ms, at_ms, seen)

    def _not_taken(self, order: Placed, until_ms: int) -> Why | None:
        attempt = self._attempt(order, (order.purpose,))
        if attempt is not None and attempt.outcome is Outcome.UNKNOWN:
            return Why(Cause.UNKNOWN_OUTCOME, f"it was sent, and what became of it is unknown: {attempt.error}")
        if attempt is not None:
            return Why(Cause.REFUSED, f"the exchange refused it: {attempt.error}")
        open_one = next(
            (o for o in self._live.orders if o.outcome is Outcome.UNKNOWN and o.sent_at_ms < until_ms), None
        )
        if order.purpose == Purpose.ENTRY.value and open_one is not None:
            return Why(
                Cause.UNKNOWN_OUTCOME, f"nothing was opened while the outcome of a {open_one.purpose} was unknown."
            )
        return None

    def _attempt(self, order: Placed, purposes: tuple[str, ...]) -> LiveOrder | None:
        """Return an order of the same bar and side that did not come into being."""
        return next(
            (
                one
                for one in self._live.orders
                if one.outcome is not Outcome.PLACED
                and one.purpose in purposes
                and one.request.position_side is order.position_side
                and self._is_same_bar(one.sent_at_ms, order)
            ),
            None,
        )

    def _halted(self, order: Placed, since_ms: int) -> Why | None:
        bar = self._live.bars.get(since_ms)
        if bar is None or order.purpose != Purpose.ENTRY.value:
            return None
        halt = self._live.halt_at(since_ms, bar.decided_at_ms + 1)
        return None if halt is None else Why(Cause.HALT, f"{halt.spell.text}; nothing was opened.")

    def _not_running(self, at_ms: int) -> Why | None:
        if self._live.session_at(at_ms, at_ms + 1) is None:
            return Why(Cause.SESSION_DOWN, "no session ran when it should have been sent.")
        outage = next((one for one in self._live.outages if one.overlaps(at_ms, at_ms + 1)), None)
        return None if outage is None else Why(Cause.EXCHANGE_UNREACHABLE, outage.text)

    def _is_same_bar(self, at_ms: int, order: Placed) -> bool:
        return self._bar_of(at_ms) == self._bar_of(order.sent_at_ms)

    def _bar_of(self, at_ms: int) -> int:
        return at_ms // self._expected.bar_ms * self._expected.bar_ms


def _said(order: Placed | None) -> str | None:
    return None if order is None else order.terms


def _terms(request: OrderRequest | None) -> object:
    return (
        None if request is None else (request.type, request.side, request.amount, request.price, request.trigger_price)
    )
