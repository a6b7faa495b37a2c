"""Many simulated boxes in one loop: connects them, lets some of them speak for a while, and measures."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from branchloop.clock import WINDOW_MS, window_start_ms
from branchloop.errors import DependencyError
from branchloop.load.recording import Recording
from edge.load.box import Counts, LoadBox
from edge.send.boxlink import BoxLink
from edge.send.link import CADENCE_S

TICK_S = 0.02
OPENING = 16
"""So many boxes are let in at once."""
CONNECT_S = 60.0
DRAIN_S = 60.0
SAMPLE_S = 1.0
PING_S = 2.0
FIRST = 50
"""Branches that `climb` begins with."""
_HERTZ = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Stage:
    """What so many branches did in so long."""

    branches: int
    seconds: float
    counts: Counts = field(default_factory=Counts)
    waiting: list[int] = field(default_factory=list)
    """Batches that went out and were not acknowledged, once a second."""
    cpu: dict[str, float] = field(default_factory=dict)
    """Cores used, by program."""

    def figures(self) -> dict[str, Any]:
        """As `--json` has them. A latency that nobody measured is absent."""
        told, counts = sorted(self.counts.latencies_s), self.counts
        latencies = {
            f"ack_p{percent}_s": round(told[min(len(told) - 1, len(told) * percent // 100)], 4)
            for percent in (50, 95, 99)
            if told
        }
        begin, end = self.backlog()
        return {
            "branches": self.branches,
            "seconds": round(self.seconds, 1),
            "batches": counts.batches,
            "acknowledged_per_s": round(counts.acknowledged / self.seconds, 1),
            "windows_per_s": round(counts.windows / self.seconds, 1),
            **latencies,
            "batches_resent": counts.resent,
            "reconnects": counts.connects,
            "backlog_begin": round(begin, 1),
            "backlog_end": round(end, 1),
            "kept_up": self.kept_up(),
            **{f"cores_{name}": round(cores, 3) for name, cores in self.cpu.items()},
            **self._per_core(),
        }

    def _per_core(self) -> dict[str, int]:
        """How many such branches would take a whole core of the ingest worker, at the processor time these took."""
        cores = self.cpu.get("ingest", 0.0)
        return {"branches_per_core": round(self.branches / cores)} if cores > 0 else {}

    def backlog(self) -> tuple[float, float]:
        """Batches on their way without an acknowledgement: means of the second and of the last quarter."""
        quarter = max(1, len(self.waiting) // 4)
        early, late = self.waiting[quarter : 2 * quarter] or [0], self.waiting[-quarter:] or [0]
        return sum(early) / len(early), sum(late) / len(late)

    def kept_up(self) -> bool:
        """Every hundredth batch but one was acknowledged before the next was due, nothing was sent again, and no more is on its way than before."""
        told = sorted(self.counts.latencies_s)
        begin, end = self.backlog()
        return (
            bool(told)
            and told[min(len(told) - 1, len(told) * 99 // 100)] < CADENCE_S
            and self.counts.resends == 0
            and end <= begin + max(2.0, 0.2 * self.branches)
        )


class Fleet:
    """Boxes, connected as they are needed. For use by one thread."""

    def __init__(self, links: Sequence[BoxLink], pids: Mapping[str, int], stop: threading.Event) -> None:
        self.boxes = [
            LoadBox(link, CADENCE_S * (n * 0.618034 % 1))
            for n, link in enumerate(links)  # evenly spread
        ]
        self._pids = {**pids, "load": os.getpid()}
        self._recording = Recording.read()
        self._stop = stop
        self._selector = selectors.DefaultSelector()
        self._wake, self._other = socket.socketpair()
        self._watched: dict[int, LoadBox] = {}
        self._speaking = self._wanted = 0
        self._passed_s = self._pinged_s = 0.0
        self._refusal: str | None = None
        """Why the broker does not have a box."""

    def connect(self, count: int) -> None:
        """Have the first `count` boxes online. Raises DependencyError when the broker does not have one."""
        self._wanted = max(self._wanted, count)
        until_s = time.monotonic() + CONNECT_S
        while not self._stop.is_set() and (missing := sum(not box.online for box in self.boxes[:count])):
            self._step()
            if self._refusal is not None:
                raise DependencyError(
                    f"the broker takes no box: {self._refusal}.",
                    hint="Start the hub first; where boxes use another address than the hub, name it: --broker.",
                )
            if time.monotonic() > until_s:
                raise DependencyError(
                    f"{missing} of {count} boxes found no way in within {CONNECT_S:g} s.",
                    hint="Look at the broker's log.",
                )

    def speak(self, count: int, seconds: float, settle_s: float = 0.0) -> Stage:
        """Let the first `count` boxes tell of their branches; what is measured begins after `settle_s`."""
        self.connect(count)
        from_ms = window_start_ms(time.time_ns() // 1_000_000) + WINDOW_MS
        windows = self._recording.length_ms // WINDOW_MS
        now_s = time.monotonic()
        for n, box in enumerate(self.boxes[self._speaking : count], self._speaking):
            box.begin(self._recording.play(from_ms, skip=n * 7 % windows, prefix=f"{n}-{from_ms}"), now_s)
        self._speaking = max(self._speaking, count)
        self._run(settle_s)
        self._take_counts()
        stage = Stage(count, seconds)
        before, begun_s = self._cpu_s(), time.monotonic()
        stage.waiting = self._run(seconds)
        stage.seconds = time.monotonic() - begun_s
        after = self._cpu_s()
        stage.cpu = {name: (after[name] - before[name]) / stage.seconds for name in before if name in after}
        stage.counts = self._take_counts()
        return stage

    def rest(self) -> int:
        """Produce nothing more and wait for what is under way; returns how many messages stay unacknowledged."""
        for box in self.boxes:
            box.rest()
        self._speaking = 0
        until_s = time.monotonic() + DRAIN_S
        while self.waiting() and time.monotonic() < until_s:
            self._step()
        self._take_counts()
        return self.waiting()

    def waiting(self) -> int:
        """Messages that are not acknowledged."""
        return sum(box.waiting for box in self.boxes)

    def close(self) -> None:
        """Part from the broker."""
        for box in self.boxes:
            box.part()
        self._selector.close()
        self._wake.close()
        self._other.close()

    def _run(self, seconds: float) -> list[int]:
        waiting: list[int] = []
        begun_s = time.monotonic()
        while (passed_s := time.monotonic() - begun_s) < seconds and not self._stop.is_set():
            if passed_s >= (len(waiting) + 1) * SAMPLE_S:
                waiting.append(sum(box.in_flight for box in self.boxes))
            self._step()
        return waiting

    def _step(self) -> None:
        """Exchange what there is, at most a tick long."""
        for key, _ in self._selector.select(TICK_S):
            self._exchange(self._watched[key.fd])
        now_s = time.monotonic()
        if now_s - self._passed_s < TICK_S:
            return
        self._passed_s = now_s
        idle = now_s - self._pinged_s >= PING_S
        for descriptor, box in list(self._watched.items()):
            box.converse([], now_s)
            if idle or (box.connection is not None and box.connection.congested):
                self._exchange(box)
            if box.connection is None or box.connection.lost is not None:
                self._lose(descriptor, box)
        if idle:
            self._pinged_s = now_s
        self._open(now_s)

    def _exchange(self, box: LoadBox) -> None:
        connection = box.connection
        while connection is not None and connection.lost is None:
            received = connection.step(self._wake, 0.0)
            box.converse(received, time.monotonic())
            if not received:  # what TLS holds back is looked for with every message
                break

    def _open(self, now_s: float) -> None:
        """Let in those who should be online, a few at a time."""
        opening = sum(not box.online for box in self._watched.values())
        for box in self.boxes[: self._wanted]:
            if opening >= OPENING:
                return
            connection = box.connect(now_s) if box.connection is None else None
            if connection is None:
                continue
            if connection.lost is not None:
                self._refusal = f"{box.link.host}:{box.link.port}: {connection.lost}"
                box.lose()
                return
            opening += 1
            self._watched[connection.fileno()] = box
            self._selector.register(connection.fileno(), selectors.EVENT_READ)

    def _lose(self, descriptor: int, box: LoadBox) -> None:
        del self._watched[descriptor]
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(descriptor)
        if box.connection is not None and box.connection.refused:
            self._refusal = box.connection.lost
        box.lose()

    def _take_counts(self) -> Counts:
        total = Counts()
        for box in self.boxes:
            counts, box.counts = box.counts, Counts()
            for name in ("produced", "windows", "batches", "acknowledged", "resent", "resends", "connects"):
                setattr(total, name, getattr(total, name) + getattr(counts, name))
            total.latencies_s += counts.latencies_s
        return total

    def _cpu_s(self) -> dict[str, float]:
        """Processor time of each program so far; one that cannot be told is absent."""
        return {name: spent_s for name, pid in self._pids.items() if (spent_s := _spent_s(pid)) is not None}


def _spent_s(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / _HERTZ


def climb(most: int, carries: Callable[[int], bool]) -> int:
    """The highest number of branches that is carried, to a tenth: doubling, then halving what is left. 0: none."""
    best, bad, at = 0, most + 1, min(most, FIRST)
    while True:
        if carries(at):
            best = at
        else:
            bad = at
        if best == most or bad - best <= max(1, best // 10):
            return best
        at = min(most, best * 2) if bad > most else (best + bad) // 2
