"""From one configuration to the next at a window's border, without losing a window or counting anything twice.

Both floors run side by side for a while: the one that leaves settles the windows before the border, the one
that comes has watched long enough by then to know everybody on the floor. No clock, no thread.

What lasts across the border (a visit, a wait, that somebody is staff or comes from beyond a line) the coming floor
goes on with, under its own ids. Both settle equally far, whatever they look back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from branchloop.clock import WINDOW_MS, window_start_ms
from branchloop.site.site import Site
from branchloop.wire.messages import CameraFault, DeviceState, LineWindow, Notice, Window
from edge.floor.floor import Floor, Settled
from edge.floor.fusion.agreement import Agreement
from edge.floor.observation import observe
from edge.floor.windows import ClosedBy, Sensors

WARM_UP_MS = 10_000
"""At least so long the coming floor watches before its first window counts."""


class Floors:
    """The floor that counts, and during a take-over the one that comes. Same calls as a `Floor`'s."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._coming: Floor | None = None
        self._border_ms = 0
        self._told: dict[str, tuple[str, Floor]] = {}
        """Notices that were told and no window has settled yet: id -> line, and whose it is."""
        self._carried: list[tuple[str, str, str]] = []
        """(line, notice, fate) that the next window says, because the window that knew it does not count."""

    @property
    def site(self) -> Site:
        """The configuration whose windows close now."""
        return self._floor.site

    @property
    def border_ms(self) -> int | None:
        """Where the coming floor's windows begin; None when there is none."""
        return None if self._coming is None else self._border_ms

    def begin(self, coming: Floor, now_ms: int) -> int:
        """Let another floor take over; the start of its first window (UTC ms)."""
        self._coming = coming
        self._border_ms = window_start_ms(now_ms + WARM_UP_MS) + WINDOW_MS
        self._floor.leave(self._border_ms, coming.site)
        return self._border_ms

    def frame(self, camera: str, t_ms: int, boxes: NDArray[np.float32] | None) -> list[Notice]:
        """A camera's next frame (None: held by the motion gate); notices for those who wait.

        Raises ValueError for a frame from before the camera's last one.
        """
        notices: list[Notice] = []
        for floor in self._watching(camera):
            observation = None if boxes is None else observe(t_ms, boxes, floor.calibration(camera))
            for notice in floor.frame(camera, t_ms, observation):
                if self._counts(floor, notice.at_ms):
                    notices.append(notice)
                    if notice.line is not None:
                        self._told[notice.id] = (notice.line, floor)
        return notices

    def present(self) -> list[tuple[float, float]]:
        """Places of the people seen right now."""
        return self._floor.present()

    def reading(self, sensor: str, t_ms: int, range_m: float | None) -> None:
        """A range sensor's reading."""
        for floor in (self._floor, self._coming):
            if floor is not None:
                floor.reading(sensor, t_ms, range_m)

    def agreements(self) -> list[Agreement]:
        """How well each pair of cameras agrees."""
        return self._floor.agreements()

    def cut(self, camera: str) -> None:
        """The camera's scene was cut."""
        for floor in self._watching(camera):
            floor.cut(camera)

    def state(self, camera: str, state: DeviceState, fault: CameraFault | None = None) -> None:
        """A camera's state changed."""
        for floor in self._watching(camera):
            floor.state(camera, state, fault)

    def ended(self, camera: str) -> None:
        """A camera's process was ended for the configuration that comes: it holds up no window."""
        for floor in self._watching(camera):
            if floor is self._floor and self._coming is not None:
                floor.ended(camera)
            else:
                floor.state(camera, "starting")

    def settle(self, now_ms: int, sensors: Sensors) -> Settled:
        """Make final what is due and close windows; ends the take-over once the border is settled."""
        if self._coming is None:
            settled = self._floor.settle(now_ms, sensors)
            return self._with(settled, settled.windows)
        upto_ms = min(floor.due_ms(now_ms) for floor in (self._floor, self._coming))
        settled = self._floor.settle(now_ms, sensors, upto_ms)
        fresh = self._coming.settle(now_ms, sensors, upto_ms)
        over = any(w.start_ms + w.duration_ms >= self._border_ms for w in settled.windows)
        windows = self._sifted(self._floor, settled) + self._sifted(self._coming, fresh)
        told = self._with(settled, windows)
        if over:
            self._coming.take_over(self._floor)
            self._take_over()
        return told

    def finish(self, sensors: Sensors, closed_by: ClosedBy = "stop") -> Settled:
        """Settle everything, and end a take-over at once: what comes after is the coming floor's."""
        settled = self._floor.finish(sensors, closed_by)
        if self._coming is None:
            return self._with(settled, settled.windows)
        fresh = self._coming.finish(sensors, closed_by)
        told = self._with(settled, self._sifted(self._floor, settled) + self._sifted(self._coming, fresh))
        self._take_over()
        return told

    def _take_over(self) -> None:
        """Notices that only the leaving floor knew come to nothing; a crossing behind them is counted anew."""
        carried = {notice for _, notice, _ in self._carried}
        for notice, (line, floor) in self._told.items():
            if floor is self._floor and notice not in carried:
                self._carried.append((line, notice, "withdrawn"))
        if self._coming is not None:
            self._floor, self._coming = self._coming, None

    def _watching(self, camera: str) -> Iterator[Floor]:
        for floor in (self._floor, self._coming):
            if floor is not None and any(each.id == camera for each in floor.site.cameras):
                yield floor

    def _counts(self, floor: Floor, at_ms: int) -> bool:
        """What lies before the border is the leaving floor's, the rest the coming one's."""
        return self._coming is None or (floor is self._coming) == (at_ms >= self._border_ms)

    def _sifted(self, floor: Floor, settled: Settled) -> list[Window]:
        """The windows of a floor that count; what the others settle is carried on."""
        counting = []
        for window in settled.windows:
            if self._counts(floor, window.start_ms):
                counting.append(window)
                continue
            for line in window.lines:
                for fate, notices in (("confirmed", line.confirmed), ("withdrawn", line.withdrawn)):
                    self._carried += [(line.line, notice, fate) for notice in notices if notice in self._told]
        return counting

    def _with(self, settled: Settled, windows: list[Window]) -> Settled:
        settled.windows = [self._settling(window) for window in windows]
        return settled

    def _settling(self, window: Window) -> Window:
        """A window that settles only notices that were told, and those that wait for one to settle them."""
        carried, self._carried = self._carried, []
        lines = {line.line: line for line in window.lines}
        for name, _, _ in carried:
            lines.setdefault(name, LineWindow.model_validate({"line": name, "in": 0, "out": 0}))
        settling = []
        for line in lines.values():
            fates: dict[str, list[str]] = {
                "confirmed": [notice for notice in line.confirmed if self._settled(notice)],
                "withdrawn": [notice for notice in line.withdrawn if self._settled(notice)],
            }
            for name, notice, fate in carried:
                if name == line.line and self._settled(notice):
                    fates[fate].append(notice)
            settling.append(line.model_copy(update=fates))
        return window.model_copy(update={"lines": settling})

    def _settled(self, notice: str) -> bool:
        """Whether a notice was told and is settled now, for the first time."""
        return self._told.pop(notice, None) is not None
