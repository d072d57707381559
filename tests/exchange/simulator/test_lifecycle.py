"""A server that has stopped leaves nothing behind, whoever was connected."""

import asyncio
import gc
import logging
import socket
import warnings
from collections.abc import Awaitable, Callable

import httpx
import pytest
import socketio
from served import UNLIMITED, Client, on_this_loop, script

from crypto_kedro.exchange.simulator.application import build_application
from crypto_kedro.exchange.simulator.faults import Fault, FaultKind, Faults
from crypto_kedro.exchange.simulator.running import RunningExchange

ROOMS = ["ticker_btc_jpy", "depth_diff_btc_jpy", "depth_whole_btc_jpy"]
PATIENCE_S = 30


async def patiently(story: Callable[[], Awaitable[None]]) -> None:
    """Give up on a story that gets stuck."""
    async with asyncio.timeout(PATIENCE_S):
        await story()


async def heard_rooms(url: str, rooms: list[str]) -> tuple[socketio.AsyncClient, asyncio.Event]:
    """Join rooms and wait until each has spoken; return the client and what is set when it loses its connection."""
    client, unheard = socketio.AsyncClient(reconnection=False, handle_sigint=False), {*rooms} - {"depth_diff_btc_jpy"}
    all_heard, lost = asyncio.Event(), asyncio.Event()

    def hear(message: dict[str, object]) -> None:
        unheard.discard(str(message["room_name"]))
        if not unheard:
            all_heard.set()

    client.on("message", hear)
    client.on("disconnect", lambda _: lost.set())
    await client.connect(url, transports=["websocket"])
    for room in rooms:
        await client.emit("join-room", room)
    await all_heard.wait()
    return client, lost


async def held_poll(http: httpx.AsyncClient) -> asyncio.Task[httpx.Response]:
    """Begin a poll of the private stream that is not answered before there is news."""
    issued = (await http.get("/v1/user/subscribe", headers=Client.headers("/v1/user/subscribe"))).json()["data"]
    path = f"/v2/subscribe/key/{issued['pubnub_channel']}/0?auth={issued['pubnub_token']}&tt="
    cursor = (await http.get(f"{path}0")).json()["t"]["t"]
    poll = asyncio.create_task(http.get(path + cursor))
    # The answer to a later request shows that the poll has arrived.
    await asyncio.sleep(0)
    await http.get("/tickers")
    return poll


async def use_and_stop(running: RunningExchange) -> None:
    """Serve until both streams are in use, and stop."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        async with on_this_loop(build_application(running)) as url:
            http.base_url = httpx.URL(url)
            listener, lost = await heard_rooms(url, ROOMS)
            poll = await held_poll(http)
        answer = await poll
        await lost.wait()
        await listener.disconnect()
    assert answer.json()["m"] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), timeout=1)


def test_given_clients_of_both_streams_when_the_server_stops_twice_then_no_task_listener_or_socket_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        asyncio.get_running_loop().slow_callback_duration = PATIENCE_S
        running = RunningExchange(script(), UNLIMITED)
        for _ in range(2):
            await use_and_stop(running)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert running.now().events._listeners == []

    caplog.set_level(logging.ERROR)
    with warnings.catch_warnings(record=True) as complaints, asyncio.Runner(debug=True) as runner:
        warnings.simplefilter("always", ResourceWarning)
        runner.run(patiently(story))
        gc.collect()
    assert [str(complaint.message) for complaint in complaints if complaint.category is ResourceWarning] == []
    assert caplog.messages == []


def test_given_a_poll_whose_client_leaves_when_an_event_comes_then_nothing_waits_any_more() -> None:
    async def story() -> None:
        application = build_application(RunningExchange(script(), UNLIMITED))
        async with on_this_loop(application) as url:
            async with httpx.AsyncClient(base_url=url) as http:
                await http.get("/tickers")
            before = asyncio.all_tasks()
            async with httpx.AsyncClient(base_url=url) as http:
                poll = await held_poll(http)
                poll.cancel()
                await asyncio.wait([poll])
            while asyncio.all_tasks() > before:
                await asyncio.sleep(0.01)

    asyncio.run(patiently(story))


@pytest.mark.parametrize(
    ("kind", "status"), [(FaultKind.TIMEOUT, 504), (FaultKind.ANSWER_LOST, 504), (FaultKind.SLOW, 200)]
)
def test_given_an_answer_that_a_fault_holds_back_when_the_server_stops_then_it_comes_at_once(
    caplog: pytest.LogCaptureFixture, kind: FaultKind, status: int
) -> None:
    async def story() -> httpx.Response:
        faults = Faults([Fault(kind, times=1, ms=100 * PATIENCE_S * 1_000)])
        async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
            async with on_this_loop(build_application(RunningExchange(script(), UNLIMITED), faults=faults)) as url:
                held = asyncio.create_task(http.get(f"{url}/tickers"))
                while not faults.report()[0]["struck"]:
                    await asyncio.sleep(0)
            return await held

    caplog.set_level(logging.ERROR)
    assert asyncio.run(story()).status_code == status
    assert caplog.messages == []
