"""How long a booking takes while `branchloop hub backup` runs, beside the same bookings without it.

    python tests/bench/bench_backup.py [--mb 200] [--bookings 300] [--json]

hub.db is filled with messages to about so many megabytes; the backup runs as a process of its own, in turn with bookings alone.
Asked: no booking refused; p99 at most three times that without a backup.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from backupworld import Bank

from branchloop.errors import BranchloopError
from hub.store.connection import opened

ASKED = 3.0
PAUSE_S = 0.02
TURN = 150
BODY = 4_000


def fill(bank: Bank, megabytes: int) -> None:
    """Messages that no compression makes small."""
    for block in range(megabytes // 4):
        with opened(bank.data) as db:
            db.executemany(
                "INSERT INTO message (site, device, epoch, seq, kind, event_ms, arrived_ms, treatment, open_hours, digest, body)"
                " VALUES ('hall', 'box-1', 'e', ?, 'window', 0, 0, 'applied', 1, '', ?)",
                [(block * 1_000 + n, secrets.token_hex(BODY // 2)) for n in range(1_000)],
            )


def book(bank: Bank, goes_on: Callable[[int], bool]) -> tuple[list[float], int]:
    """Seconds of each booking, and how many were refused."""
    taken: list[float] = []
    refused = 0
    while goes_on(len(taken) + refused):
        begun_s = time.perf_counter()
        try:
            bank.book("Ann Miller")
            taken.append(time.perf_counter() - begun_s)
        except BranchloopError as error:
            refused += 1
            print(error, file=sys.stderr)
        time.sleep(PAUSE_S)
    return sorted(taken), refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=200)
    parser.add_argument("--bookings", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bank = Bank(Path(folder) / "bank").begin()
        fill(bank, options.mb)
        alone: list[float] = []
        during: list[float] = []
        refused, backups, backup_s = 0, 0, 0.0
        while len(during) < options.bookings:
            alone += book(bank, lambda done: done < TURN)[0]
            out = Path(folder) / f"{backups}.backup"
            begun_s = time.perf_counter()
            making = subprocess.Popen(
                [sys.executable, "-m", "hub.main", "backup", str(bank.config.path), "--out", str(out)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            taken, no = book(bank, lambda _, making=making: making.poll() is None)  # type: ignore[misc]
            backup_s += time.perf_counter() - begun_s
            during, refused, backups = during + taken, refused + no, backups + 1
            size = out.stat().st_size
            out.unlink()
        alone.sort()
        during.sort()
        found = {
            "database_mb": round((bank.data / "hub.db").stat().st_size / 1e6),
            "backup_mb": round(size / 1e6),
            "backup_s": round(backup_s / backups, 2),
            "bookings": len(during),
            "refused": refused,
            "p50_alone_ms": round(alone[len(alone) // 2] * 1e3, 2),
            "p50_during_ms": round(during[len(during) // 2] * 1e3, 2),
            "p99_alone_ms": round(alone[len(alone) * 99 // 100] * 1e3, 2),
            "p99_during_ms": round(during[len(during) * 99 // 100] * 1e3, 2),
            "slowest_ms": round(during[-1] * 1e3, 1),
        }
        found["p99_ratio"] = round(found["p99_during_ms"] / found["p99_alone_ms"], 2)
        found["asked"] = ASKED
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:>16}  {value}")


if __name__ == "__main__":
    main()
