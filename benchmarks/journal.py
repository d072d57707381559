"""Time what a cycle waits for the journal, and what a journal of a year costs to open, verify and replay.

Run from the repository root: ``python benchmarks/journal.py``; it needs 400 MB of disk in the temporary folder.
"""

import statistics
import tempfile
import time
from pathlib import Path

from decide import CAPITAL, observation
from msgspec.structs import replace

from crypto_kedro.market.bars import DAY_MS, MINUTE_MS
from crypto_kedro.session.journal import Journal, Writer
from crypto_kedro.session.journal.records import (
    Answered,
    CycleEnded,
    CycleStarted,
    Decided,
    EquityMarked,
    Intended,
    Lineage,
    Observed,
    Outcome,
    Record,
    SessionStarted,
    Trigger,
)
from crypto_kedro.session.journal.replay import replay
from crypto_kedro.session.journal.sync_probe import SyncProbe
from crypto_kedro.session.records import Purpose
from crypto_kedro.trading.decide import decide
from crypto_kedro.trading.ledger import EquityPoint
from crypto_kedro.trading.money import Btc
from crypto_kedro.trading.observation import Observation
from crypto_kedro.trading.orders import OrderRequest, OrderType, PositionSide, Side
from crypto_kedro.trading.settings import TradingSettings

APPENDS = 300
BARS_A_DAY = 96
DAYS = 365
START_MS = 20_000 * DAY_MS
WRITER = Writer("benchmark", 1)
SETTINGS = TradingSettings()
ENTRY = OrderRequest(side=Side.BUY, type=OrderType.MARKET, amount=Btc(100), position_side=PositionSide.LONG)


def seen() -> Observation:
    """Return an observation whose facts are floats, as a live window gives them."""
    calm = observation(0.8)
    facts = calm.facts
    floats = facts._make([*(float(value) for value in facts[:-1]), facts.models])
    return replace(calm, facts=floats)


def decision_of(cycle_id: str, shown: Observation) -> tuple[Record, ...]:
    """Return what a cycle writes down before it sends anything."""
    said = decide(SETTINGS, shown).as_dict()
    return CycleStarted(cycle_id, Trigger.BAR), Observed(cycle_id, shown), Decided(cycle_id, said)


def time_appends(journal: Journal) -> None:
    """Print how long a cycle that sends one order waits, before the order and after its answer."""
    before, after = [], []
    for number in range(APPENDS):
        cycle_id = str(number)
        records = (*decision_of(cycle_id, seen()), Intended(cycle_id, cycle_id, Purpose.ENTRY, "signal", request=ENTRY))
        started = time.perf_counter()
        journal.append(WRITER, START_MS, *records)
        sent = time.perf_counter()
        journal.append(WRITER, START_MS, Answered(cycle_id, Outcome.NOT_PLACED))
        before.append(sent - started)
        after.append(time.perf_counter() - sent)
    probe, asked = SyncProbe.beside(journal.path), []
    for _ in range(APPENDS):
        started = time.perf_counter()
        probe.ask()
        asked.append(time.perf_counter() - started)
    probe.close()
    for what, spent in (("decision and intent", before), ("answer", after)):
        print(f"append, {what}: median {statistics.median(spent) * 1e3:.1f} ms, largest {max(spent) * 1e3:.1f} ms")
    print(f"of it, asking whether the disk kept it: median {statistics.median(asked) * 1e6:.0f} us")


def fill_a_year(journal: Journal) -> None:
    """Write a decision for each bar of a year, with a point of equity."""
    shown = seen()
    for day in range(DAYS):
        records: list[Record] = []
        for bar in range(day * BARS_A_DAY, (day + 1) * BARS_A_DAY):
            point = EquityPoint(START_MS + bar * 15 * MINUTE_MS, CAPITAL)
            records += [*decision_of(f"bar {bar}", shown), EquityMarked(point), CycleEnded(f"bar {bar}", 0)]
        journal.append(WRITER, START_MS, *records)


def time_reading(path: Path) -> None:
    """Print the size of a journal and the time to open it as a trader does, to verify and to replay it."""
    started = time.perf_counter()
    with Journal.open(path) as journal:
        journal.unanswered()
        journal.ledger()
        opened = time.perf_counter()
        head = journal.verify()
        verified = time.perf_counter()
        (session,) = replay(journal, WRITER.session_id).sessions
        replayed = time.perf_counter()
    print(f"{DAYS} days: {head.seq:,} entries, {path.stat().st_size / 1e6:.0f} MB")
    print(f"open, with intents and ledger: {opened - started:.2f} s; verify: {verified - opened:.1f} s")
    spent = replayed - verified
    time_start(path)
    print(f"replay, verified first: {session.decisions:,} decisions, {spent / session.decisions * 1e3:.1f} ms each")


def time_start(path: Path) -> None:
    """Print the time to open and verify a journal as a session does, and to see that its file is still the same."""
    Journal.open_to_trade(path).close()
    starts, looks = [], []
    for _ in range(20):
        started = time.perf_counter()
        with Journal.open_to_trade(path) as journal:
            starts.append(time.perf_counter() - started)
            started = time.perf_counter()
            journal.damage()
            looks.append(time.perf_counter() - started)
    usual, worst = statistics.median(starts) * 1e3, max(starts) * 1e3
    print(f"open and verify at a start: median {usual:.1f} ms, largest {worst:.1f} ms")
    print(f"looking whether the file is the same: median {statistics.median(looks) * 1e6:.0f} us")


def main() -> None:
    """Print all figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        with Journal.open(path) as journal:
            lineage = Lineage(*["benchmark"] * len(Lineage.__struct_fields__))
            journal.append(WRITER, START_MS, SessionStarted("paper", lineage, SETTINGS, CAPITAL, 1))
            time_appends(journal)
            fill_a_year(journal)
        time_reading(path)


if __name__ == "__main__":
    main()
