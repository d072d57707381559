"""An account of paper money on bitbank's own market, as an `Exchange`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.bitbank.errors import error_for
from crypto_kedro.exchange.in_process import InProcessExchange
from crypto_kedro.exchange.paper.account import PaperAccount
from crypto_kedro.exchange.paper.account_file import AccountFile, Origin
from crypto_kedro.exchange.paper.market_reader import MarketReader, executable_top
from crypto_kedro.exchange.paper.permission import cancel_barred, order_barred
from crypto_kedro.exchange.port import (
    Attempt,
    Balances,
    ExchangeError,
    ForwardedMarketData,
    MarginPositions,
    MarketData,
    NotPlaced,
    Placed,
    Placement,
    RetryLaterError,
)
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.trading.account import AccountState, MarginStatus
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Fill, Order, OrderRequest, Refusal, RefusalCode
from crypto_kedro.trading.rules import MarketRules

_log = logging.getLogger(__name__)
_ENGINE = EngineSettings()
_FOLLOW_EVERY_S = 1.0
_FRESH_MS = 200
_BOOK_READS, _BOOK_PAUSE_S = 5, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTerms:
    """A paper account.

    Args:
        path: file of the account; made if it is absent.
        cash: JPY to start with.
        engine: how its orders are matched.
    """

    path: Path
    cash: Jpy
    engine: EngineSettings = _ENGINE


class PaperExchange(ForwardedMarketData):
    """Orders of paper money that meet the real market: what is sent now meets only what happens from now on.

    A market order and a triggered stop take the book as bitbank shows it, level by level; a resting limit waits for
    a trade through its price. Nothing is told that is not written down. While bitbank does not answer, neither does
    this account.

    The account is opened by the first question about it, which takes it over from any process before.

    Args:
        terms: the account.
        market: what bitbank tells.
        reader: the same, read on from trade to trade.
        now_ms: clock, Unix milliseconds UTC.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        terms: PaperTerms,
        market: MarketData,
        reader: MarketReader,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(market)
        self._terms = terms
        self._reader = reader
        self._now_ms = now_ms
        self._sleep = sleep
        self._file: AccountFile | None = None
        self._account: PaperAccount | None = None
        self._followed_ms = 0
        self._one_at_a_time = asyncio.Lock()
        self._changed = asyncio.Event()
        self._permit: Callable[[], None] = lambda: None

    def ask_before_sending(self, permit: Callable[[], None]) -> None:
        """Ask for a permit, which raises an error when nothing may be sent, right before an order or a cancel."""
        self._permit = permit

    async def follow(self) -> None:
        """Follow the market until cancelled, so that orders fill and stops fire while nobody asks."""
        is_failing = False
        while True:
            await self._sleep(_FOLLOW_EVERY_S)
            if self._account is None:
                continue
            try:
                await self._followed()
                is_failing = False
            except ExchangeError as error:
                if not is_failing:
                    _log.warning("Paper account: the market is not followed (%s)", error)
                is_failing = True

    async def news(self) -> AsyncIterator[frozenset[str]]:
        """Yield whenever the market has changed the account; the iteration never ends."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            yield frozenset({"spot_trade"})

    def close(self) -> None:
        """Close the account's file."""
        if self._file is not None:
            self._file.close()

    async def rules(self) -> MarketRules:
        """Return bitbank's rules in force, which the account goes by from now on."""
        rules = await super().rules()
        async with self._one_at_a_time:
            if self._account is not None:
                self._account.adopt(_of_the_engine(rules), self._now_ms())
        return rules

    async def balances(self) -> Balances:
        """Return JPY and BTC on hand."""
        return await (await self._followed()).balances()

    async def margin_status(self) -> MarginStatus:
        """Return the margin account at the newest price."""
        return await (await self._followed()).margin_status()

    async def positions(self) -> MarginPositions:
        """Return both margin positions."""
        return await (await self._followed()).positions()

    async def account(self) -> AccountState:
        """Return all of the account."""
        return await (await self._followed()).account()

    async def open_orders(self) -> tuple[Order, ...]:
        """Return the orders that may still fill, ascending by id."""
        return await (await self._followed()).open_orders()

    async def order(self, order_id: int) -> Order:
        """Return one order, finished ones included.

        Raises:
            RefusedError: there is none.
        """
        return await (await self._followed()).order(order_id)

    async def fills_since(self, since_ms: int) -> tuple[Fill, ...]:
        """Return the fills from a moment on, ascending by id."""
        return await (await self._followed()).fills_since(since_ms)

    async def place(self, request: OrderRequest) -> Placement:
        """Send an order, which meets the book as it is from now on.

        Raises:
            RetryLaterError: the order could not be written down; whether it exists is not known.
            StopTradingError: another process has taken the account over.
        """
        async with self._one_at_a_time:
            try:
                account = await self._up_to_date()
                status = await self._market.status()
            except RetryLaterError as error:
                return NotPlaced(RetryLaterError(f"paper account: nothing was sent ({error})", code=error.code))
            code = order_barred(status, request)
            if code is not None:
                return NotPlaced(_error(code, "new order", f"the market is {status.status.name}"))
            self._permit()
            at_ms = self._moment(account)
            answer = account.place(request, at_ms)
            if isinstance(answer, Refusal):
                return NotPlaced(_error(answer.code, "new order", answer.detail))
            await self._meet_book(account, at_ms)
            account.commit()
            return Placed(account.engine.order(answer.order_id) or answer)

    async def outcome_of(self, attempt: Attempt) -> Placement:
        """Find an order whose answer was lost, for example with the process; it exists or it does not."""
        await self._followed()
        assert self._account is not None  # followed just now
        for order in self._account.engine.orders():
            is_known = order.order_id in attempt.other_order_ids
            if not is_known and order.request == attempt.request and order.ordered_at_ms >= attempt.sent_after_ms:
                return Placed(order)
        return NotPlaced(ExchangeError("paper account: the order was not written down; it may be sent again"))

    async def cancel(self, order_id: int) -> Order:
        """Cancel an order and return it as it then stands; one that had ended before is returned as it ended.

        Raises:
            RefusedError: there is none.
        """
        async with self._one_at_a_time:
            account = await self._up_to_date()
            order = account.engine.order(order_id)
            if order is None:
                raise _error(RefusalCode.ORDER_NOT_FOUND, "cancel", f"there is no order {order_id}")
            if not order.status.is_open:
                return order
            status = await self._market.status()
            code = cancel_barred(status)
            if code is not None:
                raise _error(code, "cancel", f"the market is {status.status.name}")
            self._permit()
            at_ms = self._moment(account)
            account.cancel(order_id, at_ms)
            await self._meet_book(account, at_ms)
            account.commit()
            return account.engine.order(order_id) or order

    async def cancel_many(self, order_ids: Sequence[int]) -> tuple[Order, ...]:
        """Cancel several orders and return those that exist, in the order of ``order_ids``."""
        await self._followed()
        assert self._account is not None  # followed just now
        known = [order_id for order_id in order_ids if self._account.engine.order(order_id) is not None]
        return tuple([await self.cancel(order_id) for order_id in known])

    async def _followed(self) -> InProcessExchange:
        async with self._one_at_a_time:
            account = await self._up_to_date()
            return InProcessExchange(account.engine, self._market)

    async def _up_to_date(self) -> PaperAccount:
        """Return the account after it has met all that happened by now, written down."""
        account = self._account
        if account is None:
            account = self._account = await self._opened()
        now_ms = self._now_ms()
        if 0 <= now_ms - self._followed_ms < _FRESH_MS and not account.is_waiting:
            return account
        before = account.engine.revision
        happened = await self._reader.happened_since(account.trade_id, account.now_ms, now_ms)
        account.pass_time(happened)
        if account.is_exposed:
            top = executable_top(await self._reader.book(), account.reach_lots)
            if top is not None:
                account.show(top)
        account.commit()
        self._followed_ms = now_ms
        if account.engine.revision != before:
            self._changed.set()
        return account

    async def _meet_book(self, account: PaperAccount, at_ms: int) -> None:
        """Show the book as it is after a moment; an order that cannot be shown one waits for what comes next."""
        try:
            for attempt in range(_BOOK_READS):
                if attempt:
                    await self._sleep(_BOOK_PAUSE_S)
                top = executable_top(await self._reader.book_now(), account.reach_lots)
                if top is None:
                    return
                account.show(top)
                if top.at_ms >= at_ms:
                    return
        except RetryLaterError as error:
            _log.info("Paper account: the order waits for the market (%s)", error)

    async def _opened(self) -> PaperAccount:
        if self._file is None:
            self._file = AccountFile(self._terms.path)
        origin = self._file.origin
        if origin is None:
            await self._begin(self._file)
        elif origin.cash != self._terms.cash:
            raise ConfigurationError(
                f"{self._terms.path}: this paper account began with {origin.cash} JPY, session.paper_cash_jpy is "
                f"{self._terms.cash}; put the number back, or move the file away to begin anew"
            )
        return PaperAccount(self._file, self._terms.engine)

    async def _begin(self, file: AccountFile) -> None:
        rules, ticker = await self._market.rules(), await self._market.ticker()
        trade_id = await self._reader.newest_trade_id()
        file.begin(Origin(ticker.at_ms, ticker.last, self._terms.cash), _of_the_engine(rules), trade_id)

    def _moment(self, account: PaperAccount) -> int:
        """Return the time of sending; it is never before what the account has met."""
        return max(self._now_ms(), account.now_ms)


def _of_the_engine(rules: MarketRules) -> MarketRules:
    """Return rules without the least amount, which changes with the load and is asked for with each order."""
    return replace(rules, min_amount=rules.amount_step)


def _error(code: int, action: str, detail: str) -> ExchangeError:
    """Return the error that bitbank's connector would give for the same code."""
    return error_for(code, f"paper account, {action} ({detail})")
