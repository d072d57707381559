"""A paper account is what it met: rebuilt from its file it is the same, and no order meets what lies before it."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from random_markets import WISHES, Wish
from venues import CASH, SCHEDULE, START_MS, START_PRICE, ask

from crypto_kedro.exchange.matching import MatchingEngine
from crypto_kedro.exchange.paper.account import PaperAccount
from crypto_kedro.exchange.paper.account_file import AccountFile, Origin
from crypto_kedro.exchange.port import RetryLaterError, StopTradingError
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.market.bars import MINUTE_MS
from crypto_kedro.trading.account import AccountState
from crypto_kedro.trading.money import Btc, Price, Rate
from crypto_kedro.trading.orders import Fill, Order, OrderRequest, OrderStatus, Refusal, Side
from crypto_kedro.trading.quotes import BarRow, BookTop, TradePrint

RULES = SCHEDULE.at(START_MS)
# A life is long and its file is synced to the disk: shrinking one would take many minutes.
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)


@contextmanager
def account_in(path: Path, patience_s: float = 5.0) -> Iterator[PaperAccount]:
    """Open an account as a session does, and leave it as a kill leaves it: with what was committed."""
    file = AccountFile(path, patience_s=patience_s)
    try:
        if file.origin is None:
            file.begin(Origin(START_MS, Price(START_PRICE), CASH), RULES, 0)
        yield PaperAccount(file, EngineSettings())
    finally:
        file.close()


def truth(account: PaperAccount) -> tuple[AccountState, list[Order], list[Fill]]:
    return account.engine.account(), account.engine.orders(), list(account.engine.fills)


def sent(account: PaperAccount, request: OrderRequest, at_ms: int) -> Order:
    answer = account.place(request, at_ms)
    assert isinstance(answer, Order), answer
    return answer


def order_of(account: PaperAccount, order: Order) -> Order:
    found = account.engine.order(order.order_id)
    assert found is not None
    return found


def trade(at_ms: int, price: int, side: Side = Side.SELL, lots: int = 100_000) -> TradePrint:
    return TradePrint(at_ms, price, lots, side)


def top(at_ms: int, bid: int, ask_: int) -> BookTop:
    return BookTop(at_ms, bid, 100_000, ask_, 100_000)


class Hand(MatchingEngine):
    """Lets a random trader of the matching engine act on a paper account."""

    def __init__(self, account: PaperAccount) -> None:
        self._paper = account

    def account(self) -> AccountState:
        return self._paper.engine.account()

    def place(self, request: OrderRequest, at_ms: int | None = None) -> Order | Refusal:
        return self._paper.place(request, self._paper.now_ms if at_ms is None else at_ms)

    def cancel(self, order_id: int, at_ms: int | None = None) -> Order | Refusal:
        return self._paper.cancel(order_id, self._paper.now_ms if at_ms is None else at_ms)


def live_through(account: PaperAccount, wishes: list[Wish], seed: int) -> None:
    """Let a jumpy market of trades, books and unwatched minutes pass, and a trader try what it wishes."""
    random = np.random.default_rng(seed)
    price = START_PRICE
    for step in range(96):
        price = max(int(price * np.exp(0.004 * random.standard_t(3))), 1_000)
        # Far enough apart that everything is written down at each commit.
        now = account.now_ms + int(random.integers(6_000, 3_600_000))
        match random.integers(3):
            case 0:
                account.pass_trade(trade(now, price, Side.BUY if random.random() < 0.5 else Side.SELL))
            case 1:
                account.show(top(now, price, price + int(random.integers(1, 2_000))))
            case _:
                opens_ms = -(-now // MINUTE_MS) * MINUTE_MS
                close = max(int(price * np.exp(0.004 * random.standard_t(3))), 1_000)
                low, high = min(price, close) - 200, max(price, close) + 200
                account.pass_bar(BarRow(opens_ms, opens_ms + MINUTE_MS, price, high, low, close, 500_000))
                price = close
        for wish in wishes:
            if wish.at_bar == step:
                wish.act_on(Hand(account))
        if step % 8 == 7:
            account.commit()


@settings(max_examples=20, deadline=None, phases=QUICK)
@given(wishes=WISHES, seed=st.integers(0, 2**32 - 1))
def test_given_any_life_when_the_process_is_killed_then_the_next_one_has_the_identical_account(
    tmp_path_factory: pytest.TempPathFactory, wishes: list[Wish], seed: int
) -> None:
    path = tmp_path_factory.mktemp("account") / "paper.db"
    with account_in(path) as account:
        live_through(account, wishes, seed)
        lived = truth(account)

    with account_in(path) as recovered:
        assert truth(recovered) == lived
        assert recovered.now_ms == account.now_ms


@settings(max_examples=10, deadline=None, phases=QUICK)
@given(wishes=WISHES, seed=st.integers(0, 2**32 - 1))
def test_given_a_life_in_two_processes_then_it_is_that_of_one(
    tmp_path_factory: pytest.TempPathFactory, wishes: list[Wish], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("account")
    with account_in(folder / "one.db") as account:
        live_through(account, wishes, seed)
        live_through(account, wishes, seed + 1)
        lived = truth(account)

    with account_in(folder / "two.db") as account:
        live_through(account, wishes, seed)
    with account_in(folder / "two.db") as account:
        live_through(account, wishes, seed + 1)
        assert truth(account) == lived


def test_given_a_market_without_orders_when_it_passes_then_the_file_does_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    with account_in(path) as account:
        for step in range(1, 100):
            account.pass_trade(trade(START_MS + 6_000 * step, START_PRICE + step))
            account.commit()
    with closing(sqlite3.connect(path)) as database:
        rows = [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("input", "latest")]
    assert rows == [0, 1]
    with account_in(path) as recovered:
        assert recovered.engine.account().mark == Price(START_PRICE + 99)


def test_given_a_market_order_when_an_older_book_is_told_then_it_waits_for_a_newer_one(tmp_path: Path) -> None:
    with account_in(tmp_path / "paper.db") as account:
        order = sent(account, ask("buy long 0.1 market"), START_MS + 500)
        account.show(top(START_MS + 499, 4_999_000, 5_001_000))
        assert order_of(account, order).status is OrderStatus.UNFILLED
        assert account.is_waiting

        account.show(top(START_MS + 500, 4_999_500, 5_002_000))

        (fill,) = account.engine.fills
        assert (fill.price, fill.executed_at_ms) == (Price(5_002_000), START_MS + 500)


def test_given_a_trade_from_before_an_order_when_it_is_told_late_then_the_order_does_not_meet_it(
    tmp_path: Path,
) -> None:
    with account_in(tmp_path / "paper.db") as account:
        order = sent(account, ask("buy long 0.1 limit", price=4_900_000), START_MS + 1_000)
        account.show(top(START_MS + 1_000, 4_999_500, 5_000_500))

        account.pass_trade(trade(START_MS + 900, 4_800_000))
        assert order_of(account, order).status is OrderStatus.UNFILLED

        account.pass_trade(trade(START_MS + 1_001, 4_800_000))
        assert order_of(account, order).status is OrderStatus.FULLY_FILLED


def test_given_a_resting_stop_when_a_trade_is_told_late_then_it_counts_from_now(tmp_path: Path) -> None:
    with account_in(tmp_path / "paper.db") as account:
        sent(account, ask("buy long 0.1 market"), START_MS)
        account.show(top(START_MS, 4_999_500, 5_000_500))
        stop = sent(account, ask("sell long all stop_loss", trigger=4_900_000), START_MS)
        account.show(top(START_MS + 2_000, 4_999_500, 5_000_500))

        account.pass_trade(trade(START_MS + 1_500, 4_890_000))

        closed = order_of(account, stop)
        assert (closed.status, closed.triggered_at_ms) == (OrderStatus.FULLY_FILLED, START_MS + 2_000)
        assert account.engine.fills[-1].price == Price(4_890_000)


def test_given_a_falling_market_when_a_stop_fires_then_it_sells_at_the_trade_and_not_at_the_book_before(
    tmp_path: Path,
) -> None:
    with account_in(tmp_path / "paper.db") as account:
        sent(account, ask("buy long 0.1 market"), START_MS)
        account.show(top(START_MS, 4_999_000, 5_001_000))
        sent(account, ask("sell long all stop_loss", trigger=4_900_000), START_MS)

        account.pass_trade(trade(START_MS + 1_000, 4_700_000, Side.BUY))

        # The taker of the last trade bought at the ask, so the bid lies the width of the book below.
        assert account.engine.fills[-1].price == Price(4_698_000)


def test_given_an_order_within_a_minute_when_only_its_bar_is_told_then_the_wicks_do_not_count(tmp_path: Path) -> None:
    opens_ms = START_MS + MINUTE_MS
    bar = BarRow(opens_ms, opens_ms + MINUTE_MS, 5_000_000, 5_200_000, 4_700_000, 4_950_000, 500_000)
    with account_in(tmp_path / "paper.db") as account:
        account.pass_trade(trade(opens_ms + 10_000, START_PRICE))
        order = sent(account, ask("buy long 0.1 limit", price=4_900_000), opens_ms + 20_000)
        account.show(top(opens_ms + 20_000, 4_999_500, 5_000_500))

        account.pass_bar(bar)
        assert order_of(account, order).status is OrderStatus.UNFILLED
        assert account.engine.account().mark == Price(4_950_000)

        account.pass_bar(replace_times(bar, opens_ms + MINUTE_MS))
        assert order_of(account, order).status is OrderStatus.FULLY_FILLED


def replace_times(bar: BarRow, opens_ms: int) -> BarRow:
    return BarRow(opens_ms, opens_ms + MINUTE_MS, 4_950_000, bar.high_ticks, bar.low_ticks, 4_950_000, bar.volume_lots)


def test_given_new_fees_when_they_are_read_then_they_hold_from_then_on_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    dearer = replace(RULES, margin_open_taker_fee=Rate.of("0.01"))
    with account_in(path) as account:
        for at_ms in (START_MS, START_MS + 10_000):
            sent(account, ask("buy long 0.1 market"), at_ms)
            account.show(top(at_ms, 4_999_000, 5_000_000))
            assert account.adopt(dearer, at_ms) is (at_ms == START_MS)
        account.commit()
        fees = [fill.fee_occurred for fill in account.engine.fills]
        lived = truth(account)
    first = RULES.margin_open_taker_fee.decimal * 500_000
    assert [fee.decimal for fee in fees] == [first, 5_000]
    with account_in(path) as recovered:
        assert truth(recovered) == lived


def test_given_another_process_when_it_opens_the_account_then_the_first_can_write_no_more(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    with account_in(path) as first, account_in(path) as second:
        sent(first, ask("buy long 0.1 market"), START_MS)
        with pytest.raises(StopTradingError, match="another process has taken it over"):
            first.commit()
        sent(second, ask("sell short 0.2 market"), START_MS)
        second.commit()
    with account_in(path) as recovered:
        (order,) = recovered.engine.orders()
        assert order.request.amount == Btc.of("0.2")


def test_given_a_file_that_cannot_be_written_when_it_can_again_then_nothing_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    with account_in(path, patience_s=0.0) as account:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            order = sent(account, ask("buy long 0.1 limit", price=4_900_000), START_MS)
            with pytest.raises(RetryLaterError, match="cannot be written") as caught:
                account.commit()
            assert not caught.value.outcome_known
        account.commit()
    with account_in(path) as recovered:
        assert order_of(recovered, order).request == order.request


TRADER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_paper_account import START_MS, account_in, ask, sent
with account_in(Path(sys.argv[1])) as account:
    while True:
        order = sent(account, ask("buy long 0.0001 limit", price=4_900_000), START_MS)
        account.cancel(order.order_id, START_MS)
        account.commit()
        print(order.order_id, flush=True)
"""


def test_given_a_process_that_is_killed_amid_its_orders_then_every_order_that_it_told_is_there(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    trader = [sys.executable, "-c", TRADER, str(path), str(Path(__file__).parent)]
    told: list[int] = []
    for _ in range(2):
        with subprocess.Popen(trader, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                told.append(int(line))
                if len(told) % 20 == 0:
                    process.kill()
                    break
            told += [int(line) for line in process.stdout if line.endswith("\n")]
    assert len(told) == len(set(told)) >= 40
    with account_in(path) as recovered:
        assert set(told) <= {order.order_id for order in recovered.engine.orders()}
        assert all(order.status is OrderStatus.CANCELED_UNFILLED for order in recovered.engine.orders())
