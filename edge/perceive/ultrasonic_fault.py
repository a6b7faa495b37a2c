"""Why a sensor's readings are not to be believed: stuck, spiking, garbled, or hearing its neighbours. Pure.

- *stuck*: one and the same range for a minute. A real one trembles by millimetres; a sensor that speaks whole
  centimetres or inches may rest on the floor's echo for hours, so there only a range short of the floor counts.
- *spiking*: one reading in ten stands out alone, more than half a metre off the agreeing ones before and after it.
- *crosstalk*: the same, and most of these lone ranges are what a neighbour reads just then.
- *garbled*: a fifth of what comes is no reading at all.

Each is judged over the last minute, with enough readings, and stays for a window after it has gone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

from branchloop.messages import SensorFault
from branchloop.site import Sensor
from edge.perceive.ultrasonic import Reading

HORIZON_MS = 60_000
STUCK_MS = 60_000
ENOUGH = 60
FLOOR_M = 0.3
OUTLIER_M = 0.5
AGREEING_M = 0.2
SPIKING_SHARE = 0.1
GARBLED_SHARE = 0.2
NEIGHBOUR_M = 5.0
SAME_ECHO_M = 0.06
SAME_TIME_MS = 250
CROSSTALK_SHARE = 0.6

DETAILS: Mapping[SensorFault, str] = {
    "stuck": "the same range for a minute: its readings are not believed",
    "spiking": "ranges that stand out alone: its readings are not believed",
    "crosstalk": "it hears a neighbour's pings: stagger them; its readings are not believed",
    "garbled": "much of what comes is no reading: check baud rate, unit and cable; its readings are not believed",
}


class FaultWatch:
    """Judges one sensor by its readings of the last minute."""

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor
        self._readings: deque[Reading] = deque()
        self._garbage: deque[tuple[int, int]] = deque()
        self._same_since_ms: int | None = None
        self._same_m: float | None = None
        self._last_fault: SensorFault | None = None

    def add(self, reading: Reading) -> None:
        """The next reading; a time before the last one means that the clock was set back."""
        if self._readings and reading.t_ms < self._readings[-1].t_ms:
            self.forget()
        self._readings.append(reading)
        while reading.t_ms - self._readings[0].t_ms > HORIZON_MS:
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

    def lone(self) -> list[Reading]:
        """Readings that stand out alone between two that agree."""
        valid = [reading for reading in self._readings if reading.range_m is not None]
        found = []
        for before, one, after in zip(valid, valid[1:], valid[2:], strict=False):
            a, b, c = before.range_m or 0.0, one.range_m or 0.0, after.range_m or 0.0
            if abs(a - c) <= AGREEING_M and abs(b - (a + c) / 2) > OUTLIER_M:
                found.append(one)
        return found

    def fault(self, now_ms: int, neighbours: Sequence[FaultWatch]) -> SensorFault | None:
        """What is wrong now, if anything; to be asked once per window."""
        while self._garbage and now_ms - self._garbage[0][0] > HORIZON_MS:
            self._garbage.popleft()
        found = self._judge(neighbours)
        told = found or self._last_fault
        self._last_fault = found
        return told

    def _judge(self, neighbours: Sequence[FaultWatch]) -> SensorFault | None:
        garbage = sum(pieces for _, pieces in self._garbage)
        if garbage >= ENOUGH / 4 and garbage >= GARBLED_SHARE * (garbage + len(self._readings)):
            return "garbled"
        if len(self._readings) < ENOUGH:
            return None
        if self._is_stuck():
            return "stuck"
        lone = self.lone()
        if len(lone) < SPIKING_SHARE * len(self._readings):
            return None
        heard = sum(any(other.reads(one) for other in neighbours) for one in lone)
        return "crosstalk" if heard >= CROSSTALK_SHARE * len(lone) else "spiking"

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

    def _is_stuck(self) -> bool:
        last = self._readings[-1]
        if self._same_since_ms is None or self._same_m is None:
            return False
        if last.t_ms - self._same_since_ms < STUCK_MS:
            return False
        short_of_floor = self._same_m < min(self._sensor.height_m, self._sensor.range_m) - FLOOR_M
        return short_of_floor or self._sensor.unit == "mm"
