"""Why a sensor's readings are not to be believed: stuck, spiking, garbled, or hearing its neighbours. Pure.

- *deaf*: nothing for a minute that can be there, of a sensor that looks down: it hears neither the floor, if it reaches
  it, nor anybody. What is nearer to the ceiling than any head is neither: it speaks another unit, or a lamp hangs before it.
- *stuck*: one and the same range for a minute. A real one trembles by millimetres; a sensor that speaks whole
  centimetres or inches may rest on the floor's echo for hours, so there only a range short of the floor counts.
- *spiking*: one reading in ten, all the while, is more than half a metre off the median around it. What holds for .3 s
  may be somebody who passes; a sensor slower than 4 Hz may hear such a person once, so there it takes one in five.
  Of two ranges in turns (two devices on one topic) none is off the median of all, or each is: by how many are around. So
  turns count as well.
- *crosstalk*: the same, and most of these ranges are what a neighbour reads just then.
- *garbled*: a fifth of what comes is no reading at all.

Each is judged over the last minute, or as long as `KEPT` readings take, and stays for a window after it has gone.
Of readings that came in one moment, more than a sensor says, the last counts (`ultrasonic_moment`): a gateway's backlog is not of now.
A range too near, or at the end of the reach, is no target: that may last for hours.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from statistics import median

from branchloop.site.site import Sensor
from branchloop.wire.messages import SensorFault, SensorWindow
from edge.perceive.ultrasonic import NEAREST_M, Reading
from edge.perceive.ultrasonic_moment import MOMENT_MS, MOST, moment

HORIZON_MS = 60_000
LONGEST_MS = 150_000
STUCK_MS = 60_000
DEAF_MS, DEAF_SHARE = 50_000, 0.1
"""Of so long, fewer than this share of readings are of the floor or of who stands on it."""
KEPT = 24
"""So many readings are judged of a slow sensor, though they are older than a minute: down to 0.16 Hz."""
MOST_KEPT = HORIZON_MS // MOMENT_MS * MOST
"""No more come in a minute."""
ENOUGH = 20
ENOUGH_GARBAGE = 6
FLOOR_M = 0.3
BEYOND_M = 0.5
"""What is heard so far below the floor is no floor."""
TALLEST_M = 2.1
"""No head is higher: what a sensor under the ceiling hears above it is nobody."""
OUTLIER_M = 0.5
PASSING_S = 0.3
"""Nobody crosses a cone faster."""
SLOW_HZ = 4.0
SPIKING_SHARE = 0.1
SPIKING_SHARE_SLOW = 0.2
TURNS = 3
"""So many readings on either side of one take turns with it. With two, somebody who passes a slow sensor sometimes looks like that."""
PARTS = 3
"""In each part of the time judged there are spikes: a body at the rim of the cone, now heard and now not, moves on."""
GARBLED_SHARE = 0.2
NEIGHBOUR_M = 5.0
SAME_ECHO_M = 0.06
SAME_TIME_MS = 250
CROSSTALK_SHARE = 0.6

DETAILS: Mapping[SensorFault, str] = {
    "stuck": "the same range for a minute: its readings are not believed",
    "deaf": "neither the floor nor anybody for a minute: its readings are not believed",
    "spiking": "ranges far off those around them: its readings are not believed",
    "crosstalk": "it hears a neighbour's pings: stagger them; its readings are not believed",
    "garbled": "much of what comes is no reading: check baud rate, unit and cable; its readings are not believed",
}
TOO_NEAR = (
    "ranges nearer to the ceiling than any head: check `unit`, `height_m` and what hangs before it; "
    "its readings are not believed"
)
"""Said of a deaf one that does hear something."""


def why(read: SensorWindow, sensors: Sequence[Sensor]) -> str:
    """Why the readings of a window are not believed, if so."""
    if read.fault == "deaf" and read.sum_mm is not None:
        head_m = next((one.height_m - TALLEST_M for one in sensors if one.id == read.sensor), 0.0)
        if read.sum_mm < 1000 * head_m * read.valid:
            return TOO_NEAR
    return DETAILS[read.fault] if read.fault else ""


class FaultWatch:
    """Judges one sensor by its last readings."""

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor
        self._readings: deque[Reading] = deque(maxlen=MOST_KEPT)
        self._garbage: deque[tuple[int, int]] = deque()
        self._same_since_ms: int | None = None
        self._same_m: float | None = None
        self._last_fault: SensorFault | None = None

    def add(self, reading: Reading) -> None:
        """The next reading; a time before the last one means that the clock was set back."""
        if self._readings and reading.t_ms < self._readings[-1].t_ms:
            self.forget()
        reading = replace(reading, range_m=self._target_m(reading.range_m))
        while reading.of > 1 and self._readings and moment(self._readings[-1].t_ms) == moment(reading.t_ms):
            self._readings.pop()
        self._readings.append(reading)
        while self._is_old(reading.t_ms - self._readings[0].t_ms):
            self._readings.popleft()
        if reading.range_m is not None and reading.range_m != self._same_m:
            self._same_m, self._same_since_ms = reading.range_m, reading.t_ms

    def garbage(self, t_ms: int, pieces: int) -> None:
        """So many pieces that were no reading came up to `t_ms` since the last time."""
        if pieces:
            self._garbage.append((t_ms, pieces))

    def forget(self) -> None:
        """Time was set anew."""
        self._readings.clear()
        self._garbage.clear()
        self._same_since_ms = self._same_m = None

    def spikes(self) -> list[Reading]:
        """Readings far off the median around them, or in turns with such: nobody comes and goes so fast."""
        ranges = [reading.range_m for reading in self._readings]
        turns = self._turns()
        reach = max(2, round(PASSING_S * self._rate_hz()))
        found = []
        for i, one in enumerate(self._readings):
            around = [range_m for range_m in ranges[max(0, i - reach) : i + reach + 1] if range_m is not None]
            if one.range_m is None or len(around) <= reach:
                continue
            if i in turns or abs(one.range_m - median(around)) > OUTLIER_M:
                found.append(one)
        return found

    def _turns(self) -> set[int]:
        """Which readings are in the midst of two ranges that come in turns."""
        heard = [(i, one.range_m) for i, one in enumerate(self._readings) if one.range_m is not None]
        turning = [
            min(abs(b - a), abs(b - c)) > OUTLIER_M >= abs(c - a)
            for (_, a), (_, b), (_, c) in zip(heard, heard[1:], heard[2:], strict=False)
        ]
        return {
            heard[at][0]
            for at in range(TURNS, len(heard) - TURNS)
            if all(turning[at - TURNS : at + TURNS - 1])
        }

    def fault(self, now_ms: int, neighbours: Sequence[FaultWatch]) -> SensorFault | None:
        """What is wrong now, if anything; to be asked once per window."""
        while self._garbage and now_ms - self._garbage[0][0] > max(HORIZON_MS, self._span_ms()):
            self._garbage.popleft()
        found = self._judge(neighbours)
        told = found or self._last_fault
        self._last_fault = found
        return told

    def _judge(self, neighbours: Sequence[FaultWatch]) -> SensorFault | None:
        garbage = sum(pieces for _, pieces in self._garbage)
        pieces = garbage + sum(reading.of for reading in self._readings)
        if garbage >= max(ENOUGH_GARBAGE, GARBLED_SHARE * pieces) and pieces >= ENOUGH:
            return "garbled"
        if len(self._readings) < ENOUGH:
            return None
        if self._is_deaf():
            return "deaf"
        if self._is_stuck():
            return "stuck"
        spikes = self.spikes()
        if not self._all_the_while(spikes):
            return None
        heard = sum(any(other.reads(one) for other in neighbours) for one in spikes)
        return "crosstalk" if heard >= CROSSTALK_SHARE * len(spikes) else "spiking"

    def reads(self, echo: Reading) -> bool:
        """Whether this sensor itself has just read the same range."""
        if echo.range_m is None:
            return False
        begin, end = (
            bisect_left(self._readings, echo.t_ms + ms, key=lambda one: one.t_ms)
            for ms in (-SAME_TIME_MS, SAME_TIME_MS + 1)
        )
        return any(
            one.range_m is not None and abs(one.range_m - echo.range_m) <= SAME_ECHO_M
            for one in islice(self._readings, begin, end)
        )

    def near(self, other: FaultWatch) -> bool:
        """Whether the other sensor is near enough to be heard."""
        a, b = self._sensor, other._sensor
        return (a.x_m - b.x_m) ** 2 + (a.y_m - b.y_m) ** 2 <= NEIGHBOUR_M**2

    def _target_m(self, range_m: float | None) -> float | None:
        """None for what says that there is no target: nothing, too near, or the end of the sensor's reach."""
        if range_m is None or range_m < NEAREST_M:
            return None
        return range_m if round(1000 * range_m) < round(1000 * self._sensor.range_m) else None

    def _is_old(self, age_ms: int) -> bool:
        return age_ms > LONGEST_MS or (age_ms > HORIZON_MS and len(self._readings) > KEPT)

    def _span_ms(self) -> int:
        return self._readings[-1].t_ms - self._readings[0].t_ms if self._readings else 0

    def _rate_hz(self) -> float:
        return 1000 * (len(self._readings) - 1) / max(1, self._span_ms())

    def _all_the_while(self, spikes: Sequence[Reading]) -> bool:
        """Whether every part of the time has its share of spikes."""
        share = SPIKING_SHARE if self._rate_hz() >= SLOW_HZ else SPIKING_SHARE_SLOW
        times = [reading.t_ms for reading in self._readings]
        spiked = [spike.t_ms for spike in spikes]
        ends = [times[len(times) * part // PARTS] for part in range(PARTS)] + [times[-1] + 1]
        for begin_ms, end_ms in pairwise(ends):
            readings, found = (bisect_left(at, end_ms) - bisect_left(at, begin_ms) for at in (times, spiked))
            if not found or found < share * readings:
                return False
        return True

    def _is_stuck(self) -> bool:
        since_ms, same_m = self._same_since_ms, self._same_m
        if since_ms is None or same_m is None:
            return False
        same = [one.t_ms for one in self._readings if one.range_m is not None and one.t_ms >= since_ms]
        if len(same) < max(ENOUGH, len(self._readings) / 2) or same[-1] - since_ms < STUCK_MS:
            return False
        short_of_floor = same_m < min(self._sensor.height_m, self._sensor.range_m) - FLOOR_M
        return short_of_floor or self._sensor.unit == "mm"

    def _is_deaf(self) -> bool:
        """Whether it hears neither the floor nor anybody: nothing, though it reaches the floor, or only what is neither."""
        if not self._sensor.looks_down or self._span_ms() < DEAF_MS:
            return False
        head_m, lowest_m = self._sensor.height_m - TALLEST_M, self._sensor.height_m + BEYOND_M
        heard = [one.range_m for one in self._readings if one.range_m is not None]
        answers = len(self._readings)
        if self._sensor.range_m < lowest_m:
            # no echo is nobody: it is judged by what it hears, unless that is stray
            if len(heard) < max(ENOUGH, DEAF_SHARE * answers):
                return False
            answers = len(heard)
        return sum(head_m <= range_m <= lowest_m for range_m in heard) < DEAF_SHARE * answers
