"""An ultrasonic range sensor's readings become the figures of a window. Pure: times are UTC ms.

A reading stands for the time until the next one, but for no longer than `HOLD_MS`: a sensor that falls
silent is not observed. A reading without an echo is an answer (the time is observed) but not a valid
range; somebody present stays present through such drop-outs for as long as the last valid range holds.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from branchloop.site.site import PRESENT_SLACK_M, Sensor
from branchloop.wire.messages import DeviceState, SensorWindow
from edge.floor.sensors.occupancy import HOLD_MS

SILENT_S = 5.0
"""A sensor without a reading for this long is stalled."""

NEAREST_M = 0.02
"""Closer than this the transducer still rings: no range."""

FARTHEST_M = 3_000.0
"""No range finder reaches farther: beyond is no reading. `R99999` in inches, some finder's word for no target, is within."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer of a sensor at `t_ms`; `range_m` is None when no echo came back, and never beyond `FARTHEST_M`."""

    t_ms: int
    range_m: float | None
    of: int = 1
    """So many came in its moment, if those were too many to take each: then it is the last of them."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A reading with what follows from those before it."""

    t_ms: int
    valid_mm: int | None
    present: bool


class SensorWindows:
    """Collects one sensor's readings and closes its windows, one after the other, without gaps or overlap."""

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor
        self._held: list[_Held] = []
        self._present = False
        self._valid_ms: int | None = None

    def add(self, reading: Reading) -> None:
        """Take in the next reading; a time before the last one means that the clock was set back."""
        if self._held and reading.t_ms < self._held[-1].t_ms:
            self.forget()
        valid_mm = self._valid_mm(reading.range_m)
        limit_m = self._sensor.present_below_m
        if limit_m is not None:
            if valid_mm is not None:
                self._valid_ms = reading.t_ms
                self._present = valid_mm < 1000 * (limit_m + self._present * PRESENT_SLACK_M)
            elif self._valid_ms is None or reading.t_ms - self._valid_ms > HOLD_MS:
                self._present = False
        self._held.append(_Held(reading.t_ms, valid_mm, self._present))

    def forget(self) -> None:
        """Drop what is not closed yet: time was set anew."""
        self._held.clear()
        self._present = False
        self._valid_ms = None

    def close(self, start_ms: int, end_ms: int, state: DeviceState) -> SensorWindow:
        """Figures of `[start_ms, end_ms)`; readings up to `end_ms` are spent by it."""
        observed_ms = present_ms = 0
        for held, following_ms in zip(self._held, self._followings(), strict=True):
            lasts_ms = min(following_ms, held.t_ms + HOLD_MS, end_ms) - max(held.t_ms, start_ms)
            observed_ms += max(0, lasts_ms)
            present_ms += max(0, lasts_ms) * held.present
        spent = bisect_left(self._held, end_ms, key=lambda held: held.t_ms)
        inside = [held for held in self._held[:spent] if held.t_ms >= start_ms]
        valid = [held.valid_mm for held in inside if held.valid_mm is not None]
        del self._held[: max(0, spent - 1)]  # the last one reaches into the next window
        return SensorWindow(
            sensor=self._sensor.id,
            state=state,
            observed_ms=observed_ms,
            readings=len(inside),
            valid=len(valid),
            nearest_mm=min(valid, default=None),
            farthest_mm=max(valid, default=None),
            sum_mm=sum(valid) if valid else None,
            present_ms=None if self._sensor.present_below_m is None else present_ms,
        )

    def _followings(self) -> list[int]:
        """When each held reading is superseded."""
        return [held.t_ms for held in self._held[1:]] + [self._held[-1].t_ms + HOLD_MS] if self._held else []

    def _valid_mm(self, range_m: float | None) -> int | None:
        if range_m is None or not NEAREST_M <= range_m <= self._sensor.range_m:
            return None
        return round(range_m * 1000)
