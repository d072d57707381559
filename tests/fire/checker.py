"""Did the trader survive? Judged from the exchange's own log, and only then compared with the trader's journal."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exchange_history import ExchangeHistory, Span
from wire_log import Accepted, Asked, Line, Told

from crypto_kedro.session.journal import Journal
from crypto_kedro.session.journal.records import Answered, FillSeen, Intended, Outcome
from crypto_kedro.trading.ledger import LedgerError
from crypto_kedro.trading.money import Jpy
from crypto_kedro.trading.orders import Fill, Order, OrderRequest, OrderType

YEN = Jpy.of(1)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that a run leaves behind.

    Args:
        history: of the exchange.
        wire: lines of its wire log.
        journal: of the trader, after a last quiet cycle that left no position.
        tokens: fencing token of the process that used each API key; it signed nothing before it held the lease.
        cycle_ms: length of one cycle in market time.
    """

    history: ExchangeHistory
    wire: Sequence[Line]
    journal: Path
    tokens: Mapping[str, int]
    cycle_ms: int


@dataclass(frozen=True)
class Verdict:
    """What was found, one sentence each; empty everywhere means that the trader survived.

    Args:
        duplicate_orders: an order that the exchange got twice, or an entry beside another.
        unannounced_orders: an order of which the journal knows nothing.
        lost_fills: fills that journal and exchange do not both have, or have differently.
        unprotected: positions without a stop for longer than one cycle in which the exchange answered, whether or not
            a trader lived and whatever its storage did.
        fenced_orders: orders or cancels by a process that had lost the lease.
        equity: differences between the journal's and the exchange's money of a yen or more.
    """

    duplicate_orders: tuple[str, ...] = ()
    unannounced_orders: tuple[str, ...] = ()
    lost_fills: tuple[str, ...] = ()
    unprotected: tuple[str, ...] = ()
    fenced_orders: tuple[str, ...] = ()
    equity: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many were found of each kind."""
        return {name: len(getattr(self, name)) for name in self.__dataclass_fields__}

    @property
    def survived(self) -> bool:
        """Whether nothing was found."""
        return not any(self.counts.values())


def judge(evidence: Evidence) -> Verdict:
    """Judge a run."""
    with Journal.open(evidence.journal, read_only=True) as journal:
        journal.verify()
        duplicates, unannounced = _orders(evidence.history, journal)
        return Verdict(
            duplicates,
            unannounced,
            _fills(evidence.history, journal),
            _protection(evidence),
            _fences(evidence.wire, evidence.tokens),
            _equity(evidence.history, journal),
        )


def _orders(history: ExchangeHistory, journal: Journal) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give each order of the exchange its intent; what remains was sent twice, or never written down."""
    intents = {entry.record.intent_id: entry.record for entry in journal.entries(Intended)}
    answers = {entry.record.intent_id: entry.record for entry in journal.entries(Answered)}
    named = {answer.order.order_id for answer in answers.values() if answer.order is not None}
    waiting: Counter[object] = Counter()
    in_vain: Counter[object] = Counter()
    known: set[object] = set()
    for intent_id, intent in intents.items():
        if intent.request is None:
            continue
        print_ = _fingerprint(intent.request)
        known.add(print_)
        answer = answers.get(intent_id)
        if answer is None or answer.outcome is Outcome.UNKNOWN:
            waiting[print_] += 1
        elif answer.outcome is Outcome.NOT_PLACED:
            in_vain[print_] += 1
    duplicates = [f"entry beside another: {_words(order)}" for order in history.second_entries]
    unannounced = []
    for order in history.orders.values():
        if order.order_id in named or order.request.type is OrderType.LOSSCUT:
            continue
        print_ = _fingerprint(order.request)
        # An order that ended without a fill leaves no trace, so its trader may take it for one that never arrived.
        left_no_trace = not order.status.is_open and not order.executed_amount
        if waiting[print_] > 0:
            waiting[print_] -= 1
        elif left_no_trace and in_vain[print_] > 0:
            in_vain[print_] -= 1
        elif print_ in known:
            duplicates.append(f"sent twice: {_words(order)}")
        else:
            unannounced.append(f"not in the journal: {_words(order)}")
    return tuple(duplicates), tuple(unannounced)


def _fingerprint(request: OrderRequest) -> object:
    """Return what the exchange cannot change of a request; it fixes the amount of a whole-position order itself."""
    whole = request.type in (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)
    amount = None if whole else request.amount
    return (request.side, request.type, amount, request.price, request.trigger_price, request.position_side)


def _words(order: Order) -> str:
    request = order.request
    return f"order {order.order_id} at {order.ordered_at_ms}, {request.side} {request.type} {request.position_side}"


def _fills(history: ExchangeHistory, journal: Journal) -> tuple[str, ...]:
    at_exchange = {fill.trade_id: _money_of(fill) for fill in history.fills}
    in_journal = {entry.record.fill.trade_id: _money_of(entry.record.fill) for entry in journal.entries(FillSeen)}
    found = [f"fill {trade_id} is not in the journal" for trade_id in sorted(at_exchange.keys() - in_journal.keys())]
    found += [f"fill {trade_id} never happened" for trade_id in sorted(in_journal.keys() - at_exchange.keys())]
    return tuple(found) + tuple(
        f"fill {trade_id} stands differently in the journal"
        for trade_id in sorted(at_exchange.keys() & in_journal.keys())
        if at_exchange[trade_id] != in_journal[trade_id]
    )


def _money_of(fill: Fill) -> object:
    return (fill.order_id, fill.side, fill.position_side, fill.price, fill.amount, fill.fee_charged, fill.profit_loss)


def _protection(evidence: Evidence) -> tuple[str, ...]:
    excused = _silences(evidence.wire, evidence.cycle_ms)
    return tuple(
        f"{bare.side} without a stop for {rest.until_ms - rest.from_ms} ms from {rest.from_ms}"
        for bare in evidence.history.unprotected
        for rest in _without(bare.span, excused)
        if rest.until_ms - rest.from_ms > evidence.cycle_ms
    )


def _silences(wire: Iterable[Line], cycle_ms: int) -> list[Span]:
    """Return the spans from a request that failed to the next one that did not.

    Without a next request a silence ends after one cycle: a trader that has died does not excuse itself.
    """
    asked_ms: dict[int, int] = {}
    silences = []
    silent_since: int | None = None
    failed_ms = 0
    for line in wire:
        if isinstance(line, Asked):
            asked_ms[line.number] = line.at_ms
        elif isinstance(line, Told):
            began_ms = asked_ms.pop(line.number)
            if silent_since is not None and began_ms > failed_ms + cycle_ms:
                silences.append(Span(silent_since, failed_ms + cycle_ms))
                silent_since = None
            if not line.ok:
                silent_since = began_ms if silent_since is None else min(silent_since, began_ms)
                failed_ms = line.at_ms
            elif silent_since is not None:
                silences.append(Span(silent_since, line.at_ms))
                silent_since = None
    if silent_since is not None:
        silences.append(Span(silent_since, failed_ms + cycle_ms))
    return silences


def _without(span: Span, excused: Iterable[Span]) -> list[Span]:
    """Return what remains of a span outside of others."""
    left, from_ms = [], span.from_ms
    for other in sorted(excused, key=lambda one: one.from_ms):
        if other.until_ms <= from_ms or other.from_ms >= span.until_ms:
            continue
        if other.from_ms > from_ms:
            left.append(Span(from_ms, other.from_ms))
        from_ms = max(from_ms, other.until_ms)
    if from_ms < span.until_ms:
        left.append(Span(from_ms, span.until_ms))
    return left


def _fences(wire: Iterable[Line], tokens: Mapping[str, int]) -> tuple[str, ...]:
    """Find what the exchange accepted from a process after it had heard of a later holder of the lease."""
    asked: dict[int, int] = {}
    highest, found = 0, []
    for line in wire:
        if isinstance(line, Asked):
            asked[line.number] = tokens.get(line.key, 0)
            highest = max(highest, asked[line.number])
        elif isinstance(line, Accepted) and asked[line.number] < highest:
            token = asked[line.number]
            found.append(f"{line.kind} of order {line.order_id} with token {token} after token {highest}")
    return tuple(found)


def _equity(history: ExchangeHistory, journal: Journal) -> tuple[str, ...]:
    """Compare the money of an account without a position, whose cash is its equity."""
    try:
        ledger = journal.ledger()
    except LedgerError as error:
        return (str(error),)
    balance = None if ledger is None else ledger.balance
    theirs = {"cash": history.account.cash, "equity": history.account.equity}
    return tuple(
        f"balance is {balance} in the journal and {name} is {money} at the exchange"
        for name, money in theirs.items()
        if balance is None or not -YEN < balance - money < YEN
    )
