"""From a commit in the ledger to the receipt at a webhook's receiver, beside signed POSTs without a hub, in the same run.

    python tests/bench/bench_webhooks.py [SECONDS] [BURST]

The real process `python -m hub.outgoing.main` follows a ledger; the receiver is a plain HTTP server that checks every
signature, in this process. Steady: 20 events a second, each a commit of its own; then a burst in one commit. The same
number of POSTs with the same bodies goes straight to the same receiver by httpx, one at a time, over a connection that is
kept. Latencies in ms, clocks of one machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

sys.path[:0] = [str(Path(__file__).parents[1])]

from receiver import SECRET, receiving  # noqa: E402

from hub.config.hub import read_config  # noqa: E402
from hub.loop.delivery import key_of, signature  # noqa: E402
from hub.loop.journey import Happened, new_journey  # noqa: E402
from hub.store.connection import opened, prepare  # noqa: E402
from hub.store.journeys import record  # noqa: E402

A_SECOND = 20
SITE = 'id = "hall"\nname = { en = "Hall", zh = "大厅" }\ntimezone = "Asia/Shanghai"\nplan = { width_m = 2.0, height_m = 1.0, cell_m = 0.5 }\n'
PATIENCE_S = 120.0


@dataclass
class Taken(list[dict[str, Any]]):
    """What the receiver took, and when."""

    at_s: dict[str, float] = field(default_factory=dict)

    def append(self, told: dict[str, Any]) -> None:
        """Keep it; what comes again keeps its first time."""
        self.at_s.setdefault(told["id"], time.perf_counter())
        super().append(told)


def configured(folder: Path, url: str) -> Path:
    """A hub with one webhook."""
    (folder / "hall.toml").write_text(SITE, encoding="utf-8")
    path = folder / "hub.toml"
    path.write_text(
        '[hub]\ndata_dir = "data"\nsites = ["hall.toml"]\n'
        f'[[webhook]]\nid = "core"\nurl = "{url}"\nsecret_env = "HOOK_SECRET"\nfrom_start = true\n',
        encoding="utf-8",
    )
    prepare(read_config(path).data_dir)
    return path


def commit(data_dir: Path, count: int) -> list[tuple[str, float]]:
    """Record `count` events in one transaction: their numbers, and when it was committed."""
    with opened(data_dir) as db:
        for _ in range(count):
            record(
                db,
                Happened(
                    "booked", time.time_ns() // 1_000_000, "hall", new_journey(), customer="c-1", appointment="a-1"
                ),
            )  # fmt: skip
        (last,) = db.execute("SELECT max(id) FROM journey_event").fetchone()
    at_s = time.perf_counter()
    return [(str(number), at_s) for number in range(last - count + 1, last + 1)]


def until_taken(taken: Taken, numbers: list[tuple[str, float]]) -> list[float]:
    """Milliseconds of each, once all have come."""
    give_up_s = time.perf_counter() + PATIENCE_S
    while not all(number in taken.at_s for number, _ in numbers):
        if time.perf_counter() > give_up_s:
            raise SystemExit("not every event came within two minutes.")
        time.sleep(0.02)
    return [(taken.at_s[number] - at_s) * 1000 for number, at_s in numbers]


def direct(url: str, bodies: list[bytes], pause_s: float) -> tuple[list[float], float]:
    """The same by httpx alone: milliseconds of each from when it was due, and seconds of all."""
    took = []
    began_s = time.perf_counter()
    with httpx.Client(trust_env=False, headers={"Content-Type": "application/json"}) as client:
        for number, body in enumerate(bodies):
            due_s, stamp_s = began_s + number * pause_s, int(time.time())
            time.sleep(max(0.0, due_s - time.perf_counter()))
            headers = {
                "webhook-id": f"direct_{number}", "webhook-timestamp": str(stamp_s),
                "webhook-signature": signature([key_of(SECRET, "here")], f"direct_{number}", stamp_s, body),
            }  # fmt: skip
            client.post(url, content=body, headers=headers).raise_for_status()
            took.append((time.perf_counter() - due_s) * 1000)
    return took, time.perf_counter() - began_s


def at(values: list[float], share: float) -> float:
    """A quantile: the value below which `share` of them lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def told(name: str, ours: list[float], plain: list[float]) -> None:
    """One line of the table."""
    figures = [(at(ours, share), at(plain, share)) for share in (0.5, 0.95)]
    text = "  ".join(
        f"p{p}: {mine:7.1f} ms, direct {other:6.1f} ms, ratio {mine / other:6.1f}"
        for p, (mine, other) in zip((50, 95), figures, strict=True)
    )
    print(f"{name:<28} {text}")


def main() -> None:
    """Measure and print."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    burst = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    taken = Taken()
    with tempfile.TemporaryDirectory() as folder, receiving(got=taken) as receiver:
        config = configured(Path(folder), receiver.url)
        data_dir = read_config(config).data_dir
        process = subprocess.Popen(
            [sys.executable, "-m", "hub.outgoing.main", str(config)],
            env={**os.environ, "HOOK_SECRET": SECRET},
        )
        try:
            until_taken(taken, commit(data_dir, 1))  # it runs, and its connection is there
            began_s, numbers = time.perf_counter(), []
            for count in range(seconds * A_SECOND):
                time.sleep(max(0.0, began_s + count / A_SECOND - time.perf_counter()))
                numbers += commit(data_dir, 1)
            steady = until_taken(taken, numbers)
            numbers = commit(data_dir, burst)
            bursting = until_taken(taken, numbers)
        finally:
            process.terminate()
            process.wait(20)
        repeated = len(taken) - len(taken.at_s)
        bodies = [json.dumps(each).encode() for each in list(taken)]
        plain, _ = direct(receiver.url, bodies[1 : 1 + len(steady)], 1 / A_SECOND)
        plain_burst, plain_s = direct(receiver.url, bodies[-burst:], 0.0)
    whole_s = max(bursting) / 1000
    print(f"{len(steady)} events at {A_SECOND}/s, then {burst} in one commit; every signature checked")
    told(f"steady, {A_SECOND}/s", steady, plain)
    told(f"burst of {burst}, each", bursting, plain_burst)
    print(
        f"burst of {burst}, whole: {whole_s:.2f} s ({burst / whole_s:.0f}/s), direct {plain_s:.2f} s "
        f"({burst / plain_s:.0f}/s), ratio {whole_s / plain_s:.2f}"
    )
    print(f"told twice: {repeated}")


if __name__ == "__main__":
    main()
