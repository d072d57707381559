"""A small language for stories about the exchange: what is sent, what the market does, in words and plain numbers."""

import ast
import dataclasses
import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.trading.bitbank_rules import bitbank_btc_jpy_schedule
from crypto_kedro.trading.money import Btc, Jpy, Price, Rate
from crypto_kedro.trading.orders import Order, OrderRequest, OrderType, PositionSide, Refusal, Side
from crypto_kedro.trading.quotes import BarRow
from crypto_kedro.trading.rules import MarketRules, RuleSchedule

MINUTE_MS = 60_000
START = "2025-06-02T00:00"

RULES = bitbank_btc_jpy_schedule().at(0)


def rules_with(**changes: Rate | Btc | Price | int) -> MarketRules:
    """The standard rules with some of them changed."""
    return dataclasses.replace(RULES, **changes)


def ms(text: str) -> int:
    """Unix milliseconds of an ISO time in UTC."""
    return int(datetime.fromisoformat(text + "+00:00").timestamp() * 1000)


_OPERATORS: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def worked_out(arithmetic: str) -> Decimal:
    """Evaluate + - * / over decimal numbers, exactly as they are written."""

    def value(node: ast.expr) -> Decimal:
        if isinstance(node, ast.BinOp):
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand)
        written = ast.get_source_segment(arithmetic, node)
        assert written is not None
        return Decimal(written.replace("_", ""))

    return value(ast.parse(arithmetic, mode="eval").body)


class Story:
    """One account and its market, minute by minute."""

    def __init__(
        self,
        cash: str = "1000000",
        btc: str = "0",
        rules: MarketRules | RuleSchedule = RULES,
        start: str = START,
        **settings: object,
    ) -> None:
        schedule = rules if isinstance(rules, RuleSchedule) else RuleSchedule.constant(rules)
        self.clock = ms(start)
        self.engine = MatchingEngine(
            schedule,
            EngineSettings(**settings),  # type: ignore[arg-type]
            cash=Jpy.of(cash),
            btc=Btc.of(btc),
            start_ms=self.clock,
        )

    def bar(self, opened: int, high: int, low: int, close: int, volume: str = "1000", gap: int = 0) -> None:
        """Let one minute pass."""
        row = BarRow(self.clock, self.clock + MINUTE_MS, opened, high, low, close, Btc.of(volume).lots, gap_minutes=gap)
        self.engine.advance(row)
        self.clock += MINUTE_MS

    def flat(self, price: int) -> None:
        """Let one minute pass in which every trade is at one price."""
        self.bar(price, price, price, price)

    def jump_to(self, moment: str) -> None:
        """Go to a later minute without looking at the bars between."""
        self.clock = ms(moment)

    def send(self, order: str, price: int | None = None, trigger: int | None = None, post_only: bool = False) -> Order:
        """Send an order that is accepted, such as ``"buy long 0.1 market"`` or ``"sell spot 0.1 limit"``."""
        answer = self.engine.place(request(order, price, trigger, post_only))
        assert isinstance(answer, Order), answer
        return answer

    def refused(self, order: str, price: int | None = None, trigger: int | None = None, post_only: bool = False) -> int:
        """Send an order that is refused, and return the error code."""
        answer = self.engine.place(request(order, price, trigger, post_only))
        assert isinstance(answer, Refusal), answer
        return int(answer.code)

    def cancel_refused(self, order_id: int) -> int:
        """Cancel in vain, and return the error code."""
        answer = self.engine.cancel(order_id)
        assert isinstance(answer, Refusal), answer
        return int(answer.code)

    def statuses(self) -> str:
        """Final or current status of every order, in the order of sending."""
        return " ".join(order.status.value for order in self.engine.orders())

    def executions(self) -> list[str]:
        """Every fill as ``"taker 0.1000 @ 1000000"``."""
        return [f"{fill.liquidity} {fill.amount} @ {fill.price}" for fill in self.engine.fills]

    @property
    def cash(self) -> Decimal:
        """JPY on hand."""
        return self.engine.account().cash.decimal


def request(order: str, price: int | None, trigger: int | None, post_only: bool) -> OrderRequest:
    """Build a request from words; the amount ``all`` is the whole position."""
    side, market, amount, kind = order.split()
    return OrderRequest(
        side=Side(side),
        type=OrderType(kind),
        amount=None if amount == "all" else Btc.of(amount),
        price=None if price is None else Price(price),
        trigger_price=None if trigger is None else Price(trigger),
        position_side=None if market == "spot" else PositionSide(market),
        post_only=post_only,
    )


@dataclass(frozen=True)
class Expected:
    """What a story must end with."""

    fills: list[str]
    statuses: str
    cash: str
