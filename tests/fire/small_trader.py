"""A trader small enough to be seen through: it enters whenever it is flat, protects, and leaves after a while.

It is made of the parts of a real one (journal, lease, reconcile) and carries bugs on demand, one a subclass.
"""

from collections.abc import Callable

from msgspec.structs import replace

from crypto_kedro.exchange.bitbank import BitbankExchange
from crypto_kedro.exchange.port import Attempt, Exchange, NotPlaced, Placed, Placement, RefusedError
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import (
    Answered,
    FillSeen,
    Intended,
    Lineage,
    Outcome,
    SessionStarted,
)
from crypto_kedro.session.reconcile import PositionWish, Step, Wish, leaving, reconcile
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.account import AccountState, Position
from crypto_kedro.trading.decision import Target
from crypto_kedro.trading.money import Btc, Jpy, Price
from crypto_kedro.trading.orders import OrderRequest, PositionSide, RefusalCode
from crypto_kedro.trading.protection import Protection, entry_price
from crypto_kedro.trading.settings import TradingSettings

AMOUNT = Btc.of("0.01")
STOP_DISTANCE = 40_000
CYCLES_HELD = 4
_LINEAGE = Lineage("none", "none", "none", "none", "none", "synthetic", "none", "none")
_PASSES = 4
_TICK = Price(1)


class SmallTrader:
    """Trades one cycle at a time; it may die at any moment, and another takes up its journal.

    Args:
        exchange: fenced by its lease.
        journal: of the account.
        writer: session and token.
        now_ms: clock, Unix milliseconds UTC.
        capital: what the account was worth at the very beginning.
    """

    def __init__(
        self, exchange: Exchange, journal: Journal, writer: Writer, now_ms: Callable[[], int], capital: Jpy
    ) -> None:
        self.exchange = exchange
        self.journal = journal
        self.writer = writer
        self.now_ms = now_ms
        self.capital = capital
        self.cycles = 0
        self.intents = 0
        self.held = 0
        self.started_ms = now_ms()

    def start(self) -> None:
        """Write down that a session begins."""
        self.write(SessionStarted("paper", _LINEAGE, TradingSettings(), self.capital, 1))

    async def cycle(self, *, may_enter: bool = True) -> None:
        """Bring the account to what it should be.

        Args:
            may_enter: whether to open a position on a flat account.
        """
        self.cycles += 1
        await self.fold_fills()
        is_clear = await self.clear_up()
        account = await self.exchange.account()
        self.held = self.held + 1 if account.long.amount else 0
        for _ in range(_PASSES):
            steps = self.steps(account, may_enter and is_clear)
            if not steps:
                break
            for step in steps:
                await self.carry_out(step)
            account = await self.exchange.account()
        await self.fold_fills()

    def steps(self, account: AccountState, may_enter: bool) -> tuple[Step, ...]:
        """Return what is missing."""
        position = account.long
        if not position.amount:
            entry = Target(PositionSide.LONG, AMOUNT, Protection(_TICK, None, 0), None) if may_enter else None
            return reconcile(account, Wish(entry))
        return reconcile(account, Wish(None, (self.wish_for(position),)))

    def wish_for(self, position: Position) -> PositionWish:
        """Return what should become of the position."""
        stop = Price(entry_price(position, _TICK).ticks - STOP_DISTANCE)
        leave = "enough" if self.held >= CYCLES_HELD else None
        return PositionWish(position.side, Protection(stop, None, 0), "protect", leave)

    async def carry_out(self, step: Step) -> None:
        """Do one step; a stop that the price has passed already becomes an exit."""
        for order_id in step.first:
            await self.cancel(step, order_id)
        if step.request is not None:
            placement = await self.place(step, step.request)
            if isinstance(placement, NotPlaced) and placement.error.code == RefusalCode.TRIGGER_WOULD_FIRE:
                account = await self.exchange.account()
                for exit_step in leaving(account.open_orders, PositionSide.LONG, account.long.amount, "passed"):
                    await self.carry_out(exit_step)
        for order_id in step.then:
            await self.cancel(step, order_id)

    async def place(self, step: Step, request: OrderRequest) -> Placement:
        """Write an order down, then send it."""
        intent_id = self.intend(step, request=request)
        placement = await self.exchange.place(request)
        self.answer(intent_id, placement)
        return placement

    async def cancel(self, step: Step, order_id: int) -> None:
        """Write a cancel down, then send it."""
        intent_id = self.intend(step, order_id=order_id)
        await self.cancel_intended(intent_id, order_id)

    async def cancel_intended(self, intent_id: str, order_id: int) -> None:
        """Cancel an order and write down how it ended."""
        try:
            order = await self.exchange.cancel(order_id)
        except RefusedError as error:
            self.write(Answered(intent_id, Outcome.NOT_CANCELED, None, str(error)))
        else:
            self.write(Answered(intent_id, Outcome.CANCELED, order))

    async def clear_up(self) -> bool:
        """Find out what became of everything that has no answer; return whether nothing is left."""
        for open_intent in self.journal.unanswered():
            intent = open_intent.intent
            if intent.order_id is not None:
                await self.cancel_intended(intent.intent_id, intent.order_id)
            else:
                self.answer(intent.intent_id, await self.exchange.outcome_of(open_intent.attempt(self.started_ms)))
        return not self.journal.unanswered()

    async def fold_fills(self) -> None:
        """Write down the fills that the journal does not have yet."""
        for fill in await self.exchange.fills_since(self.fills_from_ms()):
            if not self.journal.has_fill(fill.trade_id):
                self.write(FillSeen(fill))

    def fills_from_ms(self) -> int:
        """Return from when on to ask for fills."""
        return 0

    def intend(self, step: Step, *, request: OrderRequest | None = None, order_id: int | None = None) -> str:
        """Write down what is about to be sent."""
        self.intents += 1
        intent_id = f"{self.writer.session_id}/{self.intents}"
        known = sorted(
            entry.record.order.order_id for entry in self.journal.entries(Answered) if entry.record.order is not None
        )
        cycle_id = f"{self.writer.session_id}/{self.cycles}"
        others = tuple(known) if request is not None else ()
        self.write(Intended(intent_id, cycle_id, step.purpose, step.reason, request, order_id, others))
        return intent_id

    def answer(self, intent_id: str, placement: Placement) -> None:
        """Write down what became of an order."""
        if isinstance(placement, Placed):
            self.write(Answered(intent_id, Outcome.PLACED, placement.order))
        elif isinstance(placement, NotPlaced):
            self.write(Answered(intent_id, Outcome.NOT_PLACED, None, str(placement.error)))
        else:
            self.write(Answered(intent_id, Outcome.UNKNOWN, None, placement.reason))

    def write(self, record: object) -> None:
        """Append to the journal."""
        self.journal.append(self.writer, self.now_ms(), record)  # type: ignore[arg-type]


class SendsBeforeItWrites(SmallTrader):
    """Bug: an order is written down once it was answered."""

    async def place(self, step: Step, request: OrderRequest) -> Placement:
        placement = await self.exchange.place(request)
        self.answer(self.intend(step, request=request), placement)
        return placement


class DoesNotRepairStops(SmallTrader):
    """Bug: a stop is only sent in the cycle of the entry."""

    async def carry_out(self, step: Step) -> None:
        if step.purpose is not Purpose.STOP or step.request is None or self.held == 0:
            await super().carry_out(step)


class ForgetsFillsWhileItWasDead(SmallTrader):
    """Bug: fills are asked for from the start of the process on."""

    def fills_from_ms(self) -> int:
        return self.started_ms


class CountsNoFees(SmallTrader):
    """Bug: results are written down before fees and interest."""

    def write(self, record: object) -> None:
        if isinstance(record, FillSeen):
            fill = record.fill
            gross = fill.profit_loss + fill.fee_charged + fill.interest
            record = FillSeen(replace(fill, profit_loss=gross))
        super().write(record)


class RetriesAfterTimeOut(BitbankExchange):
    """Bug of a connector: an order whose answer is lost is sent again."""

    async def outcome_of(self, attempt: Attempt) -> Placement:
        return await self.place(attempt.request)
