"""What is done to the traders, each in a small and in a full size."""

import signal
from collections.abc import Callable
from dataclasses import dataclass

from bad_days import A_WRONG_CLOCK, BAD_DAYS, NO_ANSWER, NO_NETWORK, garbled
from hostile_clients import Crowd
from posts import PAUSE_MS
from real_disk import why_no_disk
from siege import Siege
from storage_of_fire import BrokenDisk, FullDisk, LockedJournal, SizeLimit, Storage
from trader_process import TraderProcess

HOUR_MS = 3_600_000
_MAINTENANCE_MS = 600_000
_STEP_MS = 2 * PAUSE_MS // 3
_MOST_SECONDS_TO_END = 10.0
_LEASE_OF_A_DUEL_S = 4.0
_MOMENTS = tuple((number, is_answer) for number in (1, 2, 3, 4) for is_answer in (False, True))
"""Orders and cancels of a position's life before, or after, which storage fails: entry, stop, and what comes then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is done to traders.

    Args:
        play: does it so many times.
        small: how often at every check.
        full: how often in the full proof.
        chunk: how often in one siege; the full proof is several.
        seconds: that each time takes on a quiet core, roughly.
        on_a_disk: whether journal and lease lie on a disk of their own, which needs root.
    """

    play: Callable[[Siege, int], None]
    small: int
    full: int
    chunk: int
    seconds: float
    on_a_disk: bool = False

    def why_not(self) -> str | None:
        """Return why it cannot be played here, None if it can."""
        return why_no_disk() if self.on_a_disk else None


def kills(siege: Siege, times: int) -> None:
    """Kill a trader at a random moment of its loop or of its beginning, again and again."""
    siege.faults(*BAD_DAYS)
    for _ in range(times):
        siege.over(_amid_something(siege, 120).kill())
        siege.clock.move(siege.random.randrange(60_000))


def terminations(siege: Siege, times: int) -> None:
    """Ask a trader to end at a random moment; it must be gone within ten seconds, and its successor go on."""
    siege.faults(*BAD_DAYS)
    for _ in range(times):
        siege.over(siege.ask_to_end(_amid_something(siege, 80)))
        siege.clock.move(siege.random.randrange(60_000))
    assert siege.slowest_end_s < _MOST_SECONDS_TO_END, f"a trader took {siege.slowest_end_s:.1f} s to end"


def _amid_something(siege: Siege, most_requests: int) -> TraderProcess:
    """Return a trader at a random moment of its loop, one in four times of its beginning."""
    if siege.random.random() < 0.25:
        trader = siege.start()
        trader.wait_for_lease()
        siege.wait(12)
    else:
        trader = siege.begin()
        siege.wait(most_requests)
    return trader


def size_limits(siege: Siege, times: int) -> None:
    """Let no file of the trader grow beyond a few more bytes, or at all."""
    _storage_fails(siege, times, SizeLimit(siege))


def full_disks(siege: Siege, times: int) -> None:
    """Let a disk become full, with every number of bytes left."""
    _storage_fails(siege, times, FullDisk(siege))


def read_only_disks(siege: Siege, times: int) -> None:
    """Let a disk break; it stays so for every second successor."""
    _storage_fails(siege, times, BrokenDisk(siege))


def locks(siege: Siege, times: int) -> None:
    """Let another program hold the journal's lock for some seconds."""
    _storage_fails(siege, times, LockedJournal(siege))


def _storage_fails(siege: Siege, times: int, storage: Storage) -> None:
    """Let storage fail at each moment of a position's life in turn, for some cycles, and mend it.

    Nobody helps a trader that has ended before storage works again and some more cycles have passed.
    """
    siege.faults(*BAD_DAYS)
    for number in range(times):
        trader = siege.begin()
        order, is_answer = _MOMENTS[number % len(_MOMENTS)]
        siege.hold_up(order, is_answer=is_answer)
        storage.fail(trader, number)
        siege.let_pass()
        siege.outlast(4 * PAUSE_MS)
        if storage.outlives_its_trader:
            siege.over(trader.kill() if trader.is_alive else trader.end())
            if number % 2:
                rival = siege.start()
                siege.outlast(2 * PAUSE_MS)
                siege.over(rival.kill() if rival.is_alive else rival.end())
        storage.mend(trader)
        if trader.is_alive:
            siege.outlast(4 * PAUSE_MS)
        if not storage.outlives_its_trader:
            siege.over(trader.kill() if trader.is_alive else trader.end())
        siege.over(siege.begin(cycles=4).end())


def network_cuts(siege: Siege, times: int) -> None:
    """Take the network away for a while."""
    siege.faults(*BAD_DAYS)
    trader = siege.begin()
    for _ in range(times):
        siege.faults(*NO_NETWORK)
        siege.wait(20)
        siege.faults(*BAD_DAYS)
        siege.wait(80)
    siege.over(trader.kill())


def outages_at_the_start(siege: Siege, times: int) -> None:
    """Start a trader while the exchange does not answer, every second time with what a killed one left behind."""
    siege.faults(*BAD_DAYS)
    for number in range(times):
        if number % 2:
            siege.over(_amid_something(siege, 80).kill())
        siege.faults(*siege.random.choice([NO_NETWORK, NO_ANSWER, A_WRONG_CLOCK]))
        siege.maintenance(2 * _STEP_MS)
        trader = siege.start()
        for _ in range(2):
            siege.wait(4)
            siege.clock.move(_STEP_MS)
        assert trader.is_alive, f"an outage ended a trader:\n{siege.last_words()}"
        siege.faults(*BAD_DAYS)
        assert trader.comes_to_work(), f"an outage ended a trader:\n{siege.last_words()}"
        siege.wait(80)
        siege.over(siege.ask_to_end(trader))
    assert siege.slowest_end_s < _MOST_SECONDS_TO_END, f"a trader took {siege.slowest_end_s:.1f} s to end"


def garbled_answers(siege: Siege, times: int) -> None:
    """Let a part of all answers and news be garbled for a while."""
    for _ in range(times):
        siege.faults(*BAD_DAYS)
        trader = siege.begin()
        siege.wait(40)
        siege.faults(*BAD_DAYS, *garbled(siege.random.choice([0.02, 0.1, 0.5])))
        siege.wait(120)
        siege.faults(*BAD_DAYS)
        siege.outlast(4 * PAUSE_MS)
        siege.over(siege.ask_to_end(trader))


def hostile_connections(siege: Siege, times: int) -> None:
    """Let strangers on this machine take the page's connections, headers and answers while there is trading."""
    siege.faults(*BAD_DAYS)
    for number in range(times):
        trader = siege.begin()
        with Crowd.number(number, trader) as crowd:
            siege.outlast(24 * PAUSE_MS)
            assert trader.is_alive, f"strangers ended a trader:\n{siege.last_words()}"
            crowd.check(trader)
        siege.over(siege.ask_to_end(trader))


def maintenances(siege: Siege, times: int) -> None:
    """Close the exchange for ten minutes."""
    siege.faults(*BAD_DAYS)
    trader = siege.begin()
    for _ in range(times):
        siege.maintenance(_MAINTENANCE_MS)
        siege.outlast(2 * _MAINTENANCE_MS)
    siege.over(trader.kill())


def clock_jumps(siege: Siege, times: int) -> None:
    """Set the trader's clock an hour forward or back for a while."""
    siege.faults(*BAD_DAYS)
    trader = siege.begin()
    for _ in range(times):
        siege.clock.set_wrong(siege.random.choice([-HOUR_MS, HOUR_MS]))
        siege.outlast(HOUR_MS // 12)
        siege.clock.set_wrong(0)
        siege.outlast(HOUR_MS // 6)
    siege.over(trader.kill())


def duels(siege: Siege, times: int) -> None:
    """Let two traders fight for the lease; whoever has it is killed, or frozen until the other has it."""
    siege.faults(*BAD_DAYS)
    holder = siege.begin(lease_s=_LEASE_OF_A_DUEL_S)
    for _ in range(times):
        rival = siege.start(lease_s=_LEASE_OF_A_DUEL_S, lease_wait_s=600.0)
        siege.wait(80)
        if siege.random.random() < 0.5:
            siege.over(holder.kill())
            assert rival.wait_for_lease()
        else:
            holder.signal(signal.SIGSTOP)
            assert rival.wait_for_lease()
            holder.signal(signal.SIGCONT)
            siege.over(holder.end())
        assert rival.comes_to_work(), f"a rival did not come to work:\n{siege.last_words()}"
        holder = rival
    siege.over(holder.kill())


SCENARIOS = {
    "kills": Scenario(play=kills, small=4, full=200, chunk=25, seconds=3.0),
    "terminations": Scenario(play=terminations, small=2, full=40, chunk=20, seconds=3.0),
    "size limits": Scenario(play=size_limits, small=2, full=40, chunk=8, seconds=9.0),
    "full disks": Scenario(play=full_disks, small=2, full=80, chunk=8, seconds=9.0, on_a_disk=True),
    "read-only disks": Scenario(play=read_only_disks, small=1, full=24, chunk=8, seconds=10.0, on_a_disk=True),
    "locks": Scenario(play=locks, small=1, full=24, chunk=8, seconds=14.0),
    "network cuts": Scenario(play=network_cuts, small=5, full=100, chunk=25, seconds=1.0),
    "outages at the start": Scenario(play=outages_at_the_start, small=2, full=30, chunk=10, seconds=6.0),
    "garbled answers": Scenario(play=garbled_answers, small=1, full=30, chunk=10, seconds=6.0),
    "hostile connections": Scenario(play=hostile_connections, small=1, full=12, chunk=6, seconds=12.0),
    "maintenance windows": Scenario(play=maintenances, small=2, full=20, chunk=10, seconds=2.0),
    "clock jumps": Scenario(play=clock_jumps, small=2, full=20, chunk=10, seconds=2.0),
    "duels": Scenario(play=duels, small=1, full=30, chunk=10, seconds=8.0),
}
