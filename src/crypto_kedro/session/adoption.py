"""Orders that a session sent without being able to write them down, found at the exchange by its successor."""

from collections.abc import Collection, Iterable, Iterator

from crypto_kedro.exchange.port import Exchange
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import (
    Answered,
    Incident,
    Intended,
    Outcome,
    Record,
    SessionEnded,
    SessionStarted,
)
from crypto_kedro.session.notice import Severity
from crypto_kedro.session.ownership import Ownership
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.orders import Order, OrderType, PositionSide

ADOPTED = "order_adopted"
_PURPOSES = {
    OrderType.STOP_LOSS: Purpose.STOP,
    OrderType.TAKE_PROFIT: Purpose.TARGET,
    OrderType.MARKET: Purpose.EXIT,
}


async def adopt_unwritten(
    exchange: Exchange, journal: Journal, writer: Writer, ownership: Ownership, now_ms: int
) -> None:
    """Write down, as this trader's, what a session that died sent to protect or close its position.

    Such an order is newer than every order of the journal, closes a side on which this trader has or may have a
    position, and is of a kind that a session sends. Nothing is looked for after a session that ended in good order.

    Args:
        exchange: the account.
        journal: in which the present session has begun.
        writer: the present session.
        ownership: is told of every order that is adopted.
        now_ms: the session's clock, Unix milliseconds UTC.

    Raises:
        ExchangeError: the exchange does not answer.
        JournalError: the journal cannot be written.
    """
    ledger = journal.ledger()
    assert ledger is not None  # the session has begun
    sides = {side for side in PositionSide if ownership.share(side, ledger) != Btc(0)}
    if not sides or not _died(journal, writer):
        return
    newest = max(ownership.ids, default=0)
    found = [order for order in (await exchange.account()).open_orders if order.order_id > newest]
    known = {order.order_id for order in found}
    for fill in await exchange.fills_since(ownership.fills_from_ms()):
        if fill.order_id > newest and fill.order_id not in known and not journal.has_fill(fill.trade_id):
            known.add(fill.order_id)
            found.append(await exchange.order(fill.order_id))
    for order in _of_a_session(found, sides):
        purpose = _PURPOSES[order.request.type]
        intent_id = f"{writer.session_id}/adopted-{order.order_id}"
        text = f"Order {order.order_id} ({order.request.type}) is of an earlier session that could not write it down."
        records: tuple[Record, ...] = (
            Incident(Severity.WARNING, ADOPTED, text),
            Intended(intent_id, ADOPTED, purpose, ADOPTED, order.request),
            Answered(intent_id, Outcome.PLACED, order),
        )
        journal.append_or_keep(writer, now_ms, *records)
        ownership.placed(order, purpose, now_ms)


def _of_a_session(orders: Iterable[Order], sides: Collection[PositionSide]) -> Iterator[Order]:
    for order in sorted(orders, key=lambda order: order.order_id):
        request = order.request
        if request.closes and request.position_side in sides and request.type in _PURPOSES:
            yield order


def _died(journal: Journal, writer: Writer) -> bool:
    """Whether the session before the present one left no end."""
    before = [entry.session_id for entry in journal.entries(SessionStarted) if entry.session_id != writer.session_id]
    if not before:
        return False
    return next(journal.entries(SessionEnded, session_id=before[-1]), None) is None
