"""What is done to the traders, each in a small and in a full size."""

import signal
from collections.abc import Callable
from dataclasses import dataclass

from bad_days import BAD_DAYS, NO_NETWORK
from posts import DISK_FAILED, TERMS_OF_A_DUEL
from real_disk import Disk, why_no_disk
from siege import Siege
from trader_process import TraderProcess

HOUR_MS = 3_600_000
_MAINTENANCE_MS = 600_000
_MOST_SECONDS_TO_END = 10.0


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
    """Let no file grow beyond a few more bytes, or at all."""
    siege.faults(*BAD_DAYS)
    for number in range(times):
        room = 0 if number % 2 else siege.random.randrange(40_000)
        siege.over(siege.begin(disk_bytes=siege.journal_bytes() + room).end())
        siege.over(siege.begin(cycles=4).end())


def full_disks(siege: Siege, times: int) -> None:
    """Let a disk become full amid a session, and be freed once the trader has given up."""
    _lose_the_disk(siege, times, lambda disk: disk.fill(siege.random.randrange(20_000)))


def read_only_disks(siege: Siege, times: int) -> None:
    """Let a disk become read-only amid a session; it stays so for the next trader too."""
    _lose_the_disk(siege, times, Disk.turn_read_only)


def _lose_the_disk(siege: Siege, times: int, lose: Callable[[Disk], None]) -> None:
    disk = Disk(siege.session.root.with_name("disk.img"), siege.session.root)
    siege.faults(*BAD_DAYS)
    for number in range(times):
        trader = siege.begin()
        siege.wait(80)
        lose(disk)
        siege.over(_gives_up(siege, trader.end()))
        if number % 2:
            siege.over(_gives_up(siege, siege.start().end()))
        disk.repair()
        siege.over(siege.begin(cycles=4).end())


def _gives_up(siege: Siege, status: int) -> int:
    assert status == DISK_FAILED, f"without a disk the trader ended with {status}:\n{siege.last_words()}"
    return status


def network_cuts(siege: Siege, times: int) -> None:
    """Cut the network for a while."""
    trader = siege.begin()
    for _ in range(times):
        siege.faults(*NO_NETWORK)
        siege.wait(20)
        siege.faults(*BAD_DAYS)
        siege.wait(80)
    siege.over(trader.kill())


def maintenances(siege: Siege, times: int) -> None:
    """Close the exchange for ten minutes."""
    siege.faults(*BAD_DAYS)
    trader = siege.begin()
    for _ in range(times):
        siege.maintenance(_MAINTENANCE_MS)
        _pass(siege, 2 * _MAINTENANCE_MS)
    siege.over(trader.kill())


def clock_jumps(siege: Siege, times: int) -> None:
    """Set the trader's clock an hour forward or back for a while."""
    siege.faults(*BAD_DAYS)
    trader = siege.begin()
    for _ in range(times):
        siege.clock.set_wrong(siege.random.choice([-HOUR_MS, HOUR_MS]))
        _pass(siege, HOUR_MS // 12)
        siege.clock.set_wrong(0)
        _pass(siege, HOUR_MS // 6)
    siege.over(trader.kill())


def duel(siege: Siege, minutes: int) -> None:
    """Let two traders fight for the lease; whoever has it is killed, or frozen until the other has it."""
    siege.faults(*BAD_DAYS)
    end_ms = siege.clock() + minutes * 60_000
    holder = siege.begin(is_ticked=True)
    while siege.clock() < end_ms:
        rival = siege.start(is_ticked=True)
        siege.wait(80)
        if siege.random.random() < 0.5:
            siege.over(holder.kill())
            assert rival.wait_for_lease()
        else:
            holder.signal(signal.SIGSTOP)
            siege.over(0)
            siege.clock.move(TERMS_OF_A_DUEL.ttl_ms)
            assert rival.wait_for_lease()
            holder.signal(signal.SIGCONT)
            siege.ends.append(holder.end())
        siege.resumed(rival)
        holder = rival
    siege.over(holder.kill())


def _pass(siege: Siege, milliseconds: int) -> None:
    """Wait until the market has moved on."""
    until_ms = siege.clock() + milliseconds
    while siege.clock() < until_ms:
        siege.wait(2)


SCENARIOS = {
    "kills": Scenario(play=kills, small=6, full=1_000, chunk=25, seconds=0.8),
    "terminations": Scenario(play=terminations, small=3, full=100, chunk=25, seconds=0.8),
    "size limits": Scenario(play=size_limits, small=3, full=20, chunk=10, seconds=3.0),
    "full disks": Scenario(play=full_disks, small=1, full=25, chunk=5, seconds=4.0, on_a_disk=True),
    "read-only disks": Scenario(play=read_only_disks, small=1, full=25, chunk=5, seconds=4.0, on_a_disk=True),
    "network cuts": Scenario(play=network_cuts, small=5, full=200, chunk=25, seconds=0.5),
    "maintenance windows": Scenario(play=maintenances, small=2, full=20, chunk=10, seconds=1.0),
    "clock jumps": Scenario(play=clock_jumps, small=2, full=20, chunk=10, seconds=1.0),
    "minutes of a duel": Scenario(play=duel, small=40, full=600, chunk=150, seconds=0.3),
}
