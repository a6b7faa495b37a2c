"""When a frame is due: a clip played in real time, and the share of frames that gets analysed.

Pure; all times are seconds of one monotonic clock.
"""

from __future__ import annotations


class Schedule:
    """Due times of a clip's frames played as if a camera delivered them.

    A player that is late catches up by skipping; one that is later than `most_late_s` shifts the rest of
    the clip instead, so that the age of a frame stays bounded however slow the machine is.
    """

    def __init__(self, fps: float, start_s: float, most_late_s: float = 2.0) -> None:
        self._fps = fps
        self._start_s = start_s
        self._most_late_s = most_late_s

    def due_s(self, at_s: float) -> float:
        """When the frame `at_s` seconds from the start (over all loops) is captured."""
        return self._start_s + at_s

    def skips(self, at_s: float, now_s: float) -> bool:
        """Whether the next frame is due as well, so that this one would only add delay."""
        return now_s >= self.due_s(at_s + 1 / self._fps)

    def shift(self, at_s: float, now_s: float) -> float:
        """Make the frame at `at_s` due now if it is too late; returns by how many seconds, or 0."""
        late_s = now_s - self.due_s(at_s)
        if late_s <= self._most_late_s:
            return 0.0
        self._start_s += late_s
        return late_s


class Sampler:
    """Picks frames at `rate_hz` out of a faster stream, evenly on average."""

    _EARLY = 0.5
    """Share of a period by which a frame may come early: capture times jitter, the average holds."""

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1 / rate_hz
        self._due_s = float("-inf")

    def takes(self, t_s: float) -> bool:
        """Whether the frame captured at `t_s` is one to analyse."""
        if t_s < self._due_s - self._EARLY * self._period_s:
            return False
        on_time = t_s < self._due_s + self._period_s
        self._due_s = (self._due_s if on_time else t_s) + self._period_s
        return True


class Backlog:
    """Tells what a stream had piled up before it was opened from what it delivers live.

    A server may hand over seconds of old pictures in one go; stamped with their arrival, people in them
    would run. Live is when a read first had to wait for a good part of a frame's time.
    """

    def __init__(self, fps: float, most_frames: int = 60) -> None:
        self._wait_s = 0.25 / fps if 0 < fps <= 120 else 0.01
        self._left = most_frames

    def holds(self, read_s: float) -> bool:
        """Whether the frame whose read took `read_s` is an old one."""
        if self._left and read_s < self._wait_s:
            self._left -= 1
            return True
        self._left = 0
        return False
