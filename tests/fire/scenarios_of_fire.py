"""What is done to the traders, each in a small and in a full size."""

import signal
from collections.abc import Callable

from siege import BAD_DAYS, Siege

HOUR_MS = 3_600_000
_MAINTENANCE_MS = 600_000
_NO_NETWORK = ({"kind": "cut", "probability": 0.7}, {"kind": "server_error", "probability": 1.0})


def kills(siege: Siege, times: int) -> None:
    """Kill a trader at a random moment, again and again, on bad days."""
    siege.faults(*BAD_DAYS)
    for _ in range(times):
        trader = siege.begin()
        siege.wait(120)
        siege.over(trader.kill())
        siege.clock.move(siege.random.randrange(60_000))


def full_disks(siege: Siege, times: int) -> None:
    """Let the disk be full after a few more bytes, or at once, as one that is read-only."""
    siege.faults(*BAD_DAYS)
    for number in range(times):
        room = 0 if number % 2 else siege.random.randrange(40_000)
        siege.over(siege.begin(disk_bytes=siege.journal_bytes() + room).end())
        healthy = siege.begin(cycles=4)
        siege.over(healthy.end())


def network_cuts(siege: Siege, times: int) -> None:
    """Cut the network for a while."""
    trader = siege.begin()
    for _ in range(times):
        siege.faults(*_NO_NETWORK)
        siege.wait(20)
        siege.faults(*BAD_DAYS)
        siege.wait(80)
    siege.over(trader.kill())


def maintenances(siege: Siege, times: int) -> None:
    """Close the exchange for ten minutes."""
    trader = siege.begin()
    for _ in range(times):
        siege.maintenance(_MAINTENANCE_MS)
        _pass(siege, 2 * _MAINTENANCE_MS)
    siege.over(trader.kill())


def clock_jumps(siege: Siege, times: int) -> None:
    """Set the trader's clock an hour forward or back for a while."""
    trader = siege.begin()
    for _ in range(times):
        siege.clock.set_wrong(siege.random.choice([-HOUR_MS, HOUR_MS]))
        _pass(siege, HOUR_MS // 12)
        siege.clock.set_wrong(0)
        _pass(siege, HOUR_MS // 6)
    siege.over(trader.kill())


def duel(siege: Siege, minutes: int) -> None:
    """Let two traders fight for the lease; whoever has it is killed, or frozen until the other has it."""
    end_ms = siege.clock() + minutes * 60_000
    holder = siege.begin()
    while siege.clock() < end_ms:
        rival = siege.start()
        siege.wait(80)
        if siege.random.random() < 0.5:
            siege.over(holder.kill())
            assert rival.wait_for_lease()
        else:
            holder.signal(signal.SIGSTOP)
            siege.over(0)
            assert rival.wait_for_lease()
            holder.signal(signal.SIGCONT)
            siege.ends.append(holder.end())
        siege.resumed()
        holder = rival
    siege.over(holder.kill())


def _pass(siege: Siege, milliseconds: int) -> None:
    """Wait until the market has moved on."""
    until_ms = siege.clock() + milliseconds
    while siege.clock() < until_ms:
        siege.wait(2)


SCENARIOS: dict[str, tuple[Callable[[Siege, int], None], int, int]] = {
    "kills": (kills, 6, 1_000),
    "full disks": (full_disks, 2, 50),
    "network cuts": (network_cuts, 5, 200),
    "maintenance windows": (maintenances, 2, 20),
    "clock jumps": (clock_jumps, 2, 20),
    "minutes of a duel": (duel, 20, 60),
}
"""What is done, how often at every check, and how often in the full proof."""
