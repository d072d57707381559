"""The same commands give the same exchange: in one step or in many, and after a restart or a kill."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import PRICE, START_MS, UNLIMITED, Client, Served, script, settings_with
from test_market import bars

from crypto_kedro.errors import ConfigurationError
from crypto_kedro.exchange.settings import EngineSettings
from crypto_kedro.exchange.simulator.bitbank import SimulatedBitbank
from crypto_kedro.exchange.simulator.circuit_breaker import BreakerMode
from crypto_kedro.exchange.simulator.codes import ApiError
from crypto_kedro.exchange.simulator.commands import (
    Break,
    Cancel,
    Command,
    Impose,
    Place,
    Trade,
    decode_command,
    encode_command,
)
from crypto_kedro.exchange.simulator.conditions import Conditions, MarketStatus, StopFlag
from crypto_kedro.exchange.simulator.price_source import CandleSource
from crypto_kedro.exchange.simulator.running import RunningExchange
from crypto_kedro.trading.money import Btc, Price
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side

SOURCE_BARS = bars(60)


def requests() -> st.SearchStrategy[OrderRequest]:
    prices = st.integers(PRICE - 60_000, PRICE + 60_000).map(Price)

    def build(kind: OrderType, side: Side, position_side: PositionSide | None, lots: int, price: Price) -> OrderRequest:
        return OrderRequest(
            side=side,
            type=kind,
            amount=Btc(lots),
            price=price if kind.has_price else None,
            trigger_price=price if kind.has_trigger else None,
            position_side=position_side,
        )

    kinds = st.sampled_from([OrderType.LIMIT, OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT])
    sides = st.one_of(st.none(), st.sampled_from(PositionSide))
    return st.builds(build, kinds, st.sampled_from(Side), sides, st.integers(1, 500), prices)


trades = st.builds(
    Trade,
    st.integers(PRICE - 4_000_000, PRICE + 4_000_000).map(Price),
    st.integers(1, 500).map(Btc),
    st.sampled_from(Side),
)
conditions = st.builds(
    Conditions,
    status=st.sampled_from(MarketStatus),
    min_amount=st.none() | st.integers(1, 20).map(Btc),
    stopped=st.frozensets(st.sampled_from(StopFlag), max_size=2),
    maintenance_until_ms=st.none() | st.integers(START_MS, START_MS + 600_000),
)
breaks = st.builds(Break, st.sampled_from(BreakerMode), st.none() | st.integers(1, 300_000))
orders = st.one_of(requests().map(Place), st.integers(1, 12).map(Cancel))
commands = st.one_of(orders, orders, orders, trades, conditions.map(Impose), breaks)
schedules = st.lists(st.tuples(st.integers(0, 120_000), commands), max_size=25)


def played(schedule: list[tuple[int, Command]], step_ms: int | None, latency_ms: int) -> tuple[object, ...]:
    """Carry out a schedule of (pause before, command), with time passing in steps or at once."""
    engine = EngineSettings(latency_ms=latency_ms)
    exchange = SimulatedBitbank(CandleSource(SOURCE_BARS, "walk", START_MS), settings_with(engine=engine))
    now = START_MS
    for pause, command in schedule:
        for moment in range(now, now + pause, step_ms) if step_ms else ():
            exchange.advance_to(moment)
        now += pause
        exchange.advance_to(now)
        try:
            exchange.carry_out(command)
        except ApiError:
            continue
    exchange.advance_to(now + 600_000)
    account = exchange.account()
    return account, exchange.fills, exchange.book(), list(exchange.market.transactions)


@settings(max_examples=40, deadline=None)
@given(schedules, st.integers(200, 30_000), st.sampled_from([0, 700]))
def test_time_may_pass_at_once_or_in_steps(schedule: list[tuple[int, Command]], step_ms: int, latency_ms: int) -> None:
    assert played(schedule, None, latency_ms) == played(schedule, step_ms, latency_ms)


@given(commands)
def test_a_command_survives_being_written_down(command: Command) -> None:
    assert decode_command(encode_command(command)) == command


@settings(max_examples=15, deadline=None)
@given(schedules, st.integers(0, 24))
def test_a_restart_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, schedule: list[tuple[int, Command]], restart_after: int
) -> None:
    path = tmp_path_factory.mktemp("state") / "sim.db"
    kept = RunningExchange(CandleSource(SOURCE_BARS, "walk", START_MS), UNLIMITED)
    restarted = RunningExchange(CandleSource(SOURCE_BARS, "walk", START_MS), UNLIMITED, state=path)
    for number, (pause, command) in enumerate(schedule):
        for running in (kept, restarted):
            running.clock.step(pause)
            try:
                running.carry_out(command)
            except ApiError:
                continue
        if number == restart_after:
            restarted.close()
            restarted = RunningExchange(CandleSource(SOURCE_BARS, "walk", START_MS), UNLIMITED, state=path)
    before, after = kept.now(), restarted.now()
    assert after.now_ms == before.now_ms
    assert (after.account(), after.fills, after.book()) == (before.account(), before.fills, before.book())
    restarted.close()


def test_market_time_that_a_client_saw_does_not_go_back(serve: Callable[..., Served], tmp_path: Path) -> None:
    trades = script((5, 14_900_000, "1", "sell"))
    first = serve(trades, state=tmp_path / "sim.db")
    order_id = first.client.order("buy", "limit", price="14950000").data["order_id"]
    first.pass_seconds(8)
    assert first.client.look_up(order_id)["status"] == "FULLY_FILLED"
    second = serve(trades, state=tmp_path / "sim.db")
    assert second.client.public("/btc_jpy/ticker").data["timestamp"] == START_MS + 8_000
    assert second.client.look_up(order_id)["status"] == "FULLY_FILLED"


def test_an_exchange_begins_at_the_moment_that_is_named_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    begin_ms = START_MS + 44_321
    bare = RunningExchange(script(), UNLIMITED, begin_ms=begin_ms)
    first = RunningExchange(script(), UNLIMITED, state=tmp_path / "sim.db", begin_ms=begin_ms)
    assert bare.now().now_ms == first.now().now_ms == begin_ms
    first.clock.step(10_000)
    first.now()
    first.close()

    second = RunningExchange(script(), UNLIMITED, state=tmp_path / "sim.db", begin_ms=begin_ms + 500_000)

    assert second.now().now_ms == begin_ms + 10_000
    second.close()


def test_a_used_nonce_stays_used(serve: Callable[..., Served], tmp_path: Path) -> None:
    path = "/user/assets"
    client = serve(script(), state=tmp_path / "sim.db").client
    assert client.get(path, client.nonce_headers("/v1" + path, 5)).body["success"] == 1
    serve(script(), state=tmp_path / "sim.db")
    assert client.get(path, client.nonce_headers("/v1" + path, 5)).code == 20001
    assert client.get(path, client.nonce_headers("/v1" + path, 6)).body["success"] == 1


def test_the_state_of_another_account_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sim.db"
    RunningExchange(script(), UNLIMITED, state=path).close()
    with pytest.raises(ConfigurationError, match="another simulated exchange"):
        RunningExchange(script(), settings_with(btc=Btc.of("0.6")), state=path)


def test_an_account_goes_on_whose_limits_have_changed(tmp_path: Path) -> None:
    path = tmp_path / "sim.db"
    RunningExchange(script(), UNLIMITED, state=path).close()
    limited = settings_with(queries_per_second=10, updates_per_second=6)
    RunningExchange(script(), limited, state=path).close()


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sim.db"
    path.write_text("timestamp,open,high,low,close,volume\n" * 100)
    with pytest.raises(ConfigurationError, match="name another file"):
        RunningExchange(script(), UNLIMITED, state=path)


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[Callable[[], tuple[Client, "subprocess.Popen[str]"]]]:
    """Start the command as a process of its own and wait until it tells its address."""
    processes: list[subprocess.Popen[str]] = []

    def launch() -> tuple[Client, "subprocess.Popen[str]"]:
        options = ["--data", "synthetic", "--speed", "600", "--port", "0", "--state", str(tmp_path / "sim.db")]
        options += ["--key", "test-key", "--secret", "test-secret"]
        code = "from crypto_kedro.exchange.simulator.command import bitbank_sim; bitbank_sim()"
        process = subprocess.Popen([sys.executable, "-c", code, *options], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        address = re.search(r"http://[0-9.:]+", process.stdout.readline())
        assert address is not None
        return Client(address.group()), process

    yield launch
    for process in processes:
        process.kill()
        process.wait()


def test_what_was_answered_survives_a_kill(launched: Callable[[], tuple[Client, "subprocess.Popen[str]"]]) -> None:
    client, process = launched()
    resting = client.order("buy", "limit", "0.01", price="2000000").data["order_id"]
    taken = client.order("buy", "market", "0.01", position_side="long").data["order_id"]
    position, time_seen = client.position("long"), client.public("/btc_jpy/ticker").data["timestamp"]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    client, process = launched()
    assert client.public("/btc_jpy/ticker").data["timestamp"] >= time_seen
    assert client.look_up(resting)["status"] == "UNFILLED"
    assert client.look_up(taken)["status"] == "FULLY_FILLED"
    assert client.position("long")["product"] == position["product"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) in (0, -signal.SIGTERM)
