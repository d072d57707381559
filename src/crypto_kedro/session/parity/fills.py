"""What became of the orders of both: executed or not, at which price and for which fee."""

from crypto_kedro.session.parity.account_causes import position_cause
from crypto_kedro.session.parity.bars import other_candles
from crypto_kedro.session.parity.difference import Cause, Findings, Kind, Why, follows
from crypto_kedro.session.parity.expected import Expected
from crypto_kedro.session.parity.live import LivePeriod
from crypto_kedro.session.parity.pairs import (
    OF_UNKNOWN_ORIGIN,
    Execution,
    OrderPair,
    Placed,
    adverse_ppm,
    is_in_range,
    opening_bar,
)
from crypto_kedro.trading.money import PPM, PRODUCT_UNITS, Jpy
from crypto_kedro.trading.orders import Fill
from crypto_kedro.trading.rules import MarketRules


class FillComparison:
    """Compares executions.

    Args:
        live: what the session did.
        expected: what the backtest does.
        pairs: of all orders.
        findings: takes the differences.
        found: number of the difference of each pair whose orders differ, kept up by the comparison of orders.

    Attributes:
        adverse: how much worse the session's price was, parts per million, of each pair of like orders.
    """

    def __init__(
        self,
        live: LivePeriod,
        expected: Expected,
        pairs: tuple[OrderPair, ...],
        findings: Findings,
        found: dict[OrderPair, int],
    ) -> None:
        self._live = live
        self._expected = expected
        self._pairs = pairs
        self._findings = findings
        self._found = found
        self.adverse: list[float] = []

    def compare(self, pair: OrderPair) -> None:
        """Compare what became of two orders."""
        live = pair.live.execution if pair.live else None
        backtest = pair.backtest.execution if pair.backtest else None
        if live is not None:
            self._compare_fees(live, backtest)
        if live is not None and backtest is not None:
            if pair not in self._found:
                self.adverse.append(adverse_ppm(live, backtest))
            self._compare_prices(pair, live, backtest)
        elif live is not None or backtest is not None:
            at_ms = pair.executed_at_ms
            assert at_ms is not None  # one of them was executed
            why = self._why_alone(pair)
            self._findings.add(Kind.FILL, at_ms, pair.some.purpose, _words(live), _words(backtest), why)

    def _compare_prices(self, pair: OrderPair, live: Execution, backtest: Execution) -> None:
        at_ms = min(live.at_ms, backtest.at_ms)
        if live.amount != backtest.amount:
            why = self._from_the_orders(pair) or self._of_the_position(pair)
            self._findings.add(Kind.FILL, at_ms, "amount", f"{live.amount} BTC", f"{backtest.amount} BTC", why)
        if live.product.units * backtest.amount.lots != backtest.product.units * live.amount.lots:
            self._findings.add(
                Kind.FILL_PRICE, at_ms, pair.some.purpose, f"{live.price:.0f}", f"{backtest.price:.0f}",
                self._why_other_price(pair, live, backtest),
            )  # fmt: skip

    def _why_other_price(self, pair: OrderPair, live: Execution, backtest: Execution) -> Why:
        why = self._from_the_orders(pair)
        if why is not None:
            return why
        tolerance = self._tolerance(live.at_ms)
        for fill in live.fills:
            minute = self._expected.minute_at(fill.executed_at_ms)
            if minute is None or not is_in_range(fill.price, minute.low_ticks, minute.high_ticks, tolerance):
                corrected = other_candles(self._live, self._expected, fill.executed_at_ms)
                if corrected is not None:
                    return corrected
                span = "unknown" if minute is None else f"{minute.low_ticks} to {minute.high_ticks}"
                return Why(
                    Cause.UNEXPLAINED,
                    f"the market's range of that minute was {span}, widened by {1e4 * tolerance:.1f} bp.",
                )
        return Why(
            Cause.COST,
            f"{adverse_ppm(live, backtest) / 100:+.2f} bp against the trader, {live.at_ms - backtest.at_ms:+d} ms; "
            "within the market's range of that minute.",
        )

    def _tolerance(self, at_ms: int) -> float:
        """Return by how much of the price an execution may lie outside of what the market traded."""
        row = self._expected.row_at(at_ms // self._expected.bar_ms * self._expected.bar_ms)
        spread = 0.0 if row is None else self._expected.facts_at(row).spread
        bar = self._live.bars.get(at_ms // self._expected.bar_ms * self._expected.bar_ms)
        seen = 0.0 if bar is None else bar.observation.facts.spread
        wider = max([one for one in (spread, seen) if one == one], default=0.0)
        return wider + self._expected.plan.engine.slippage.ppm / PPM

    def _why_alone(self, pair: OrderPair) -> Why:
        placed = pair.some
        if pair.live is not None and pair.backtest is None and pair.live.purpose == OF_UNKNOWN_ORIGIN:
            if placed.order_id in self._live.own_order_ids:
                return Why(Cause.CARRIED_OVER, f"order {placed.order_id} was sent before the period began.")
            return Why(Cause.FOREIGN_ORDER, f"order {placed.order_id} is none of the journal's.")
        return (
            self._from_the_orders(pair)
            or self._inside_bar(pair)
            or other_candles(self._live, self._expected, pair.executed_at_ms or pair.sent_at_ms)
            or self._of_the_position(pair)
        )

    def _from_the_orders(self, pair: OrderPair) -> Why | None:
        """Return that the orders differ, if they do, with what they differ for."""
        number = self._found.get(pair)
        return None if number is None else follows(self._findings.all()[number - 1])

    def _inside_bar(self, pair: OrderPair) -> Why | None:
        """Return that one execution bar holds two events whose order decides, if it does."""
        done, waiting = (pair.live, pair.backtest) if pair.live and pair.live.execution else (pair.backtest, pair.live)
        assert done is not None  # one of them was executed
        assert done.execution is not None
        assert waiting is not None  # otherwise the orders differ
        at_ms = done.execution.at_ms
        minute = self._expected.minute_at(at_ms)
        if minute is None:
            return None
        if waiting.sent_at_ms > at_ms:
            return Why(
                Cause.INSIDE_BAR, f"the other order came to rest {waiting.sent_at_ms - at_ms} ms after this execution."
            )
        others = [
            order for other in self._pairs if (order := other.backtest if waiting is pair.backtest else other.live)
        ]
        for order in others:
            if order is waiting or order.execution is None or not _closes(order, done):
                continue
            if minute.open_time_ms <= order.execution.at_ms <= minute.close_time_ms:
                return Why(Cause.INSIDE_BAR, f"in the same minute the other account left by its {order.purpose}.")
        return None

    def _of_the_position(self, pair: OrderPair) -> Why:
        at_ms = pair.executed_at_ms or pair.sent_at_ms
        bar_ms = self._expected.bar_ms
        seen = self._live.seen_at(at_ms // bar_ms * bar_ms)
        opened_ms = opening_bar(self._pairs, pair.some.position_side, at_ms, bar_ms)
        return position_cause(self._live, self._findings, opened_ms, at_ms, seen)

    def _compare_fees(self, live: Execution, backtest: Execution | None) -> None:
        """Compare each fee with the published rate of its own product, so that another price is no other fee."""
        for fill in live.fills:
            fee = rule_fee(fill, self._expected.plan.schedule.at(fill.executed_at_ms))
            if fee != fill.fee_occurred:
                self._findings.add(
                    Kind.FEE, fill.executed_at_ms, f"trade {fill.trade_id}", str(fill.fee_occurred), str(fee),
                    self._why_other_fee(fill),
                )  # fmt: skip
        if backtest is not None and live.liquidity != backtest.liquidity:
            words = [", ".join(sorted(one.liquidity)) for one in (live, backtest)]
            why = Why(Cause.LIQUIDITY, "candles do not tell whether an order met the book or waited in it.")
            self._findings.add(Kind.FEE, live.at_ms, "liquidity", words[0], words[1], why)

    def _why_other_fee(self, fill: Fill) -> Why:
        bar = self._live.bars.get(fill.executed_at_ms // self._expected.bar_ms * self._expected.bar_ms)
        if bar is not None and rule_fee(fill, bar.observation.rules) == fill.fee_occurred:
            return Why(Cause.RULES, "it is what the exchange announced then, and not what the schedule of costs says.")
        return Why(
            Cause.FEE_RULE, f"the exchange charged {fill.fee_occurred} JPY on {fill.product} JPY ({fill.liquidity})."
        )


def rule_fee(fill: Fill, rules: MarketRules) -> Jpy:
    """Return the fee of an execution by the published rate, rounded half up to 0.0001 JPY."""
    rate = rules.fee(fill.position_side, fill.is_opening, fill.liquidity)
    return Jpy((fill.price.ticks * fill.amount.lots * rate.ppm + PPM // 2) // PPM * PRODUCT_UNITS)


def _closes(order: Placed, done: Placed) -> bool:
    request = order.request
    return request is not None and request.closes and order.position_side is done.position_side


def _words(execution: Execution | None) -> str | None:
    return None if execution is None else f"{execution.amount} BTC at {execution.price:.0f}"
