"""A recorded log of an ultrasonic sensor, read whole and replayed in real time as if the sensor spoke.

Two forms, told apart by their first line that is not a comment (`#`):

- CSV `t_s,range_m`: seconds from the start of the log and metres; an empty range is a missing echo.
- Lines of a serial sensor that writes `R` and millimetres, each behind its time: `12.30 R1234`, ended by
  CR, LF or both; `R` alone is a missing echo.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from branchloop.errors import BranchloopError, InputError
from branchloop.site.site import Sensor
from branchloop.wire.messages import DeviceState
from edge.perceive.anchor import Clock
from edge.perceive.backoff import Backoff
from edge.perceive.health import Event, Health
from edge.perceive.ultrasonic import FARTHEST_M, SILENT_S, Reading

_MOST_BYTES = 64 * 1024 * 1024
_CSV_HEADER = "t_s,range_m"
_SERIAL = re.compile(r"([0-9.]+)\s+R([0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class Logged:
    """A reading of a log: seconds from its start, metres or None for no echo."""

    t_s: float
    range_m: float | None


def read_log(path: Path) -> list[Logged]:
    """All readings of a log, in order. Raises InputError naming the line that is wrong."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a file.", hint="Name the log itself.")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} is larger than {_MOST_BYTES >> 20} MB.", hint="Split the log.")
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.", hint="Check the sensor's source."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not a text log (byte {error.start}).",
            hint="Give CSV t_s,range_m or lines such as 1.20 R1234.",
        ) from error
    log: list[Logged] = []
    for number, logged in _parse(text, path):
        if log and logged.t_s <= log[-1].t_s:
            raise InputError(f"{path} line {number}: time does not advance.", hint="Sort the log by time.")
        log.append(logged)
    if not log:
        raise InputError(f"{path} holds no reading.", hint="Give a log with at least one.")
    return log


def _parse(text: str, path: Path) -> Iterator[tuple[int, Logged]]:
    csv = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if csv is None:
            csv = line == _CSV_HEADER
            if csv:
                continue
        try:
            yield number, _csv(line) if csv else _serial(line)
        except ValueError as error:
            form = f"a number of seconds and of metres under {_CSV_HEADER}" if csv else "such as 1.20 R1234"
            raise InputError(
                f"{path} line {number}: {line[:40]!r} is not a reading.", hint=f"Write {form}."
            ) from error


def _csv(line: str) -> Logged:
    t_s, range_m = line.split(",")
    return Logged(_seconds(t_s), _metres(range_m) if range_m.strip() else None)


def _serial(line: str) -> Logged:
    match = _SERIAL.fullmatch(line)
    if match is None:
        raise ValueError(line)
    return Logged(_seconds(match[1]), int(match[2]) / 1000 if match[2] else None)


def _seconds(text: str) -> float:
    t_s = _finite(text)
    if t_s < 0:
        raise ValueError(text)
    return t_s


def _metres(text: str) -> float:
    range_m = _finite(text)
    if range_m > FARTHEST_M:
        raise ValueError(text)
    return range_m


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


class LogPlayer:
    """Due times of a log's readings. Pure: times are seconds of one monotonic clock.

    A loop begins anew one reading interval after the last reading, so that neither time nor Δt jumps.
    """

    def __init__(self, log: list[Logged], start_s: float, *, loop: bool) -> None:
        self._log = log
        self._loop = loop
        span_s = log[-1].t_s - log[0].t_s
        self._lap_s = span_s + (span_s / (len(log) - 1) if len(log) > 1 else 1.0)
        self._start_s = start_s - log[0].t_s
        self._next = 0

    def due_s(self) -> float | None:
        """When the next reading is due; None when the log is over."""
        if self._next >= len(self._log) and not self._loop:
            return None
        lap, index = divmod(self._next, len(self._log))
        return self._start_s + lap * self._lap_s + self._log[index].t_s

    def take(self, now_s: float) -> tuple[float, float | None] | None:
        """The next reading (monotonic seconds, metres) if it is due.

        After a long hold-up the log goes on where it was: what a sensor would have said meanwhile is lost.
        """
        due_s = self.due_s()
        if due_s is None or due_s > now_s:
            return None
        if now_s - due_s > SILENT_S:
            self._start_s += now_s - due_s
            due_s = now_s
        range_m = self._log[self._next % len(self._log)].range_m
        self._next += 1
        return due_s, range_m


class LogSensor:
    """A sensor whose readings come from a log (`log:FILE`), for one reader; shaped like `Capture`.

    The log begins with the first call of `next`. A log that cannot be read shows as state `down` and is
    tried again.
    """

    def __init__(
        self, sensor: Sensor, base_dir: Path, clock: Clock | None = None, backoff: Backoff | None = None
    ) -> None:
        self._path = base_dir / sensor.source.removeprefix("log:")
        self._loop = sensor.loop
        self._clock = clock or Clock()
        self._backoff = backoff or Backoff()
        self._health = Health(SILENT_S)
        self._player: LogPlayer | None = None
        self._retry_s = float("-inf")
        self._ready: tuple[float, float | None] | None = None
        self._stopping = threading.Event()

    @property
    def state(self) -> DeviceState:
        """State as last reported by `next`."""
        return self._health.state

    @property
    def garbage(self) -> int:
        """A log holds readings only, or is refused."""
        return 0

    def stop(self) -> None:
        """Let `next` return at once from now on."""
        self._stopping.set()

    def next(self, timeout_s: float) -> Reading | Event | None:
        """The next reading that is due, or the next event; None when nothing came in time."""
        until_s = self._clock.now_s() + timeout_s
        while True:
            step = self._clock.check()
            if step is not None:
                return Event("step", step.at_ms, detail="the wall clock was set", step_ms=step.by_ms)
            if self._ready is not None:
                (t_s, range_m), self._ready = self._ready, None
                return Reading(self._clock.utc_ms(t_s), range_m)
            now_s = self._clock.now_s()
            if event := self._advance(now_s):
                return event
            if self._ready is not None:
                continue
            if now_s >= until_s or self._stopping.is_set():
                return None
            self._stopping.wait(max(0.0, min(until_s, self._wake_s()) - self._clock.now_s()))

    def _advance(self, now_s: float) -> Event | None:
        """Fetch the reading that is due into `_ready`, and report what that or its absence changes."""
        if self._player is None:
            if now_s < self._retry_s:
                return None
            try:
                self._player = LogPlayer(read_log(self._path), now_s, loop=self._loop)
            except BranchloopError as error:
                self._retry_s = now_s + self._backoff.next_s()
                return self._event(self._health.lost(now_s, str(error)), now_s, str(error))
        self._ready = self._player.take(now_s)
        if self._ready is not None:
            return self._event(self._health.data(self._ready[0]), self._ready[0])
        if self._player.due_s() is None:
            return self._event(self._health.ended(), now_s, "the log is over")
        return self._event(self._health.tick(now_s), now_s, f"no reading for {SILENT_S:.0f} s")

    def _wake_s(self) -> float:
        """When something will be due."""
        if self._player is None:
            return self._retry_s
        due_s = self._player.due_s()
        return min(float("inf") if due_s is None else due_s, self._health.silent_at_s())

    def _event(self, state: DeviceState | None, at_s: float, detail: str = "") -> Event | None:
        if state is None:
            return None
        return Event("state", self._clock.utc_ms(at_s), state=state, detail=detail)
