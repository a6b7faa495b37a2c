"""Whether a source is alive: a state machine fed with moments, shared by cameras and sensors.

    starting ──data──> up ──silence──> stalled ──data──> up
        └──────lost──────┴─────lost───────┴──> down ──data──> up        ended: a recording is over

Silence is judged from outside the (possibly blocked) read, by whoever asks for data. `down` means that
the source failed and is being tried again; why may change meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from branchloop.wire.messages import CameraFault, DeviceState

STALL_S = 3.0
"""Silence after which a camera counts as stalled; a reader notices it within 5 s in all cases."""
REASON_S = 60.0
"""A source that stays down tells another reason at most this often: two that alternate are not told at every attempt."""


def silent_after_s(fps: float | None) -> float:
    """After how long without a picture a camera of that rate counts as stalled."""
    return max(STALL_S, 2.5 / fps if fps else 0.0)


@dataclass(frozen=True, slots=True)
class Event:
    """Something about a source that is not data.

    `state`: the source changed to `state`, for the reason in `detail`; `fault` is what is wrong with its
    pictures, if anything.
    `cut`: the data before and after do not continue each other (a loop restarted, a clip was held up):
    all tracks end here.
    `step`: the wall clock moved by `step_ms`; times after this event follow the new clock.
    """

    what: Literal["state", "cut", "step"]
    at_ms: int
    state: DeviceState | None = None
    detail: str = ""
    step_ms: int = 0
    fault: CameraFault | None = None


class Health:
    """State of one source. Every method returns the new state, or None when there is nothing to tell.

    All times are monotonic seconds.
    """

    def __init__(self, silent_after_s: float) -> None:
        self.state: DeviceState = "starting"
        self._silent_after_s = silent_after_s
        self._last_s = float("-inf")
        self._why = ""
        self._told_s = float("-inf")

    def data(self, now_s: float) -> DeviceState | None:
        """Data came."""
        self._last_s = now_s
        return self._become("up")

    def lost(self, now_s: float, why: str) -> DeviceState | None:
        """The source could not be opened or read; `down` again when it is for another reason than was told."""
        news = self._become("down")
        if news is None and why != self._why and now_s >= self._told_s + REASON_S:
            news = self.state
        if news is not None:
            self._why, self._told_s = why, now_s
        return news

    def ended(self) -> DeviceState | None:
        """The recording is over."""
        return self._become("ended")

    def tick(self, now_s: float) -> DeviceState | None:
        """Time passed; notices silence."""
        return self._become("stalled") if now_s >= self.silent_at_s() else None

    def silent(self) -> DeviceState | None:
        """The source is open and has never said anything."""
        return self._become("stalled")

    def silent_at_s(self) -> float:
        """When `tick` will notice silence if nothing comes; infinite when it waits for none."""
        return self._last_s + self._silent_after_s if self.state == "up" else float("inf")

    def _become(self, state: DeviceState) -> DeviceState | None:
        if state == self.state:
            return None
        self.state = state
        return state
