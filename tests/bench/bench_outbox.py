"""Messages a second through the outbox, as ratios to one bare FULL-synchronous insert a commit.

    python tests/bench/bench_outbox.py [--messages 20000] [--rounds 3] [--dir DIR]

The baseline and the outbox take turns on the same disk with the same notices, already encoded in the
baseline; medians of the rounds. `drain` is taking in batches of 100, marking, and deleting.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from branchloop.wire.messages import Notice
from edge.send.outbox import Outbox

NOTICES = [
    Notice(
        id=f"box-1-0123456789ab-{n}",
        what="crossing",
        at_ms=1_774_234_800_000 + n,
        line="door",
        direction="in",
    )
    for n in range(1_000)
]


def bare(path: Path, messages: int) -> None:
    """One insert, one commit, one sync."""
    bodies = [notice.to_json() for notice in NOTICES]
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE message (seq INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)")
    for n in range(messages):
        db.execute("INSERT INTO message (body) VALUES (?)", (bodies[n % 1_000],))
    db.close()


def grouped(path: Path, messages: int) -> None:
    """`append`: groups of 20."""
    outbox = Outbox(path)
    for n in range(messages):
        outbox.append("notice", NOTICES[n % 1_000])
    outbox.flush()
    if outbox.produced != messages:
        sys.exit(f"only {outbox.produced} of {messages} were produced")
    outbox.close()


def one_by_one(path: Path, messages: int) -> None:
    """`append_now`: a commit for each, as for what somebody waits for."""
    outbox = Outbox(path)
    for n in range(messages):
        outbox.append_now("notice", NOTICES[n % 1_000])
    outbox.close()


def drain(path: Path) -> None:
    """Send everything and have it acknowledged."""
    outbox = Outbox(path)
    epoch, at = outbox.epoch, 0
    while taken := outbox.take(epoch, at, 100, 200_000):
        at = taken[-1].seq
        _ = [row.item() for row in taken]
        outbox.acknowledge(epoch, at)
    if outbox.depth:
        sys.exit(f"{outbox.depth} are left")
    outbox.close()


def rate(work: Callable[[], None], messages: int) -> float:
    """Messages a second."""
    begun_s = time.perf_counter()
    work()
    return messages / (time.perf_counter() - begun_s)


def main() -> None:
    """Print the rates, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, help="folder on the disk to be measured")
    args = parser.parse_args()
    few = max(200, args.messages // 20)
    rates: dict[str, list[float]] = {"bare": [], "one_by_one": [], "grouped": [], "drain": []}
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory(dir=args.dir) as name:
            folder = Path(name)
            rates["bare"].append(rate(lambda: bare(folder / "bare.db", few), few))  # noqa: B023
            rates["one_by_one"].append(rate(lambda: one_by_one(folder / "one.db", few), few))  # noqa: B023
            many = folder / "many.db"
            rates["grouped"].append(rate(lambda: grouped(many, args.messages), args.messages))  # noqa: B023
            rates["drain"].append(rate(lambda: drain(many), args.messages))  # noqa: B023
    median = {name: statistics.median(values) for name, values in rates.items()}
    for name, value in median.items():
        print(f"{name:>12} {value:10,.0f} msg/s   {value / median['bare']:6.2f} × bare")
    figures = {f"{name}_per_s": round(value) for name, value in median.items()}
    print(json.dumps({**figures, "ratio": round(median["grouped"] / median["bare"], 2)}))


if __name__ == "__main__":
    main()
