"""When a recording's frames were taken: by its rate, or by its own time stamps where it has no constant rate.

A recorder that varies its rate, or leaves a hole, says so in the stamps alone. Where they keep to a rate the rate is
what counts: a container rounds its stamps, and some have none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OFF_S = 0.5
"""Stamps that leave the constant rate by more than this are believed, as is a hole of more than twice as much."""
_REORDERED = 16
"""So many places a packet may stand from where its picture is shown: what H.264 allows."""
_LEAST_STAMPED = 0.9
"""Share of the packets that must have a stamp for stamps to be believed."""
_MOST_JUMP_S = 86_400.0
"""A leap over more than a day is a clock that was set, not a hole."""
_CREDIBLE_MS = 1e12
"""FFmpeg's word for "no stamp" comes out as a number far beyond."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How the frames of one recording follow each other, and what its user has to be told of that."""

    fps: float
    """The true rate; of a recording without a constant one, its average."""
    stretch: float | None = None
    """True seconds of one second of stamp; None: frame i was taken at i / `fps`."""
    told: str = ""


def pace(stamps_ms: Sequence[float], header_fps: float, fps: float | None) -> Pace:
    """Judge a recording by the stamps of its packets in the file's order; `fps` is its true rate if the header's is wrong."""
    true_fps = header_fps if fps is None else fps
    raw = np.array(stamps_ms, dtype=float)
    known = raw[np.isfinite(raw) & (np.abs(raw) < _CREDIBLE_MS)] / 1000
    if len(known) < max(2, _LEAST_STAMPED * len(raw)):
        return Pace(true_fps)
    shown = np.unique(known)
    if len(shown) < 2:
        return Pace(true_fps)
    steps = np.diff(shown)
    off = _off(shown, header_fps)
    if _constant(off, steps):
        return Pace(true_fps)
    if fault := _fault(known, shown):
        return Pace(
            true_fps,
            told=f"its time stamps {fault} and are not believed: frames are timed by {true_fps:g} fps, which is wrong "
            "where it varied or paused; give its parts apart, or encode it with a constant rate (ffmpeg -vf fps=N)",
        )
    own_fps = float((len(shown) - 1) / (shown[-1] - shown[0]))
    if fps is not None and _constant(_off(shown, own_fps), steps):
        return Pace(true_fps)
    stretch = 1.0 if fps is None or _beats(steps, fps) or not _is_rate(header_fps) else header_fps / fps
    return Pace(true_fps, stretch, _told(shown, off, steps, header_fps, stretch))


class Timing:
    """The times of one pass over a recording's frames, which are asked for in order."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._first_ms: float | None = None
        self._last_ms = float("-inf")

    def at_ms(self, index: int, stamp_ms: float) -> float:
        """When frame `index` was taken, in ms after frame 0. A frame out of order follows the one before it."""
        by_rate_ms = index * 1000 / self._pace.fps
        if self._pace.stretch is None:
            return by_rate_ms
        at_ms = self._last_ms + 1000 / self._pace.fps if index else 0.0
        if math.isfinite(stamp_ms) and abs(stamp_ms) < _CREDIBLE_MS:
            if self._first_ms is None:
                self._first_ms = stamp_ms - by_rate_ms / self._pace.stretch
            stamped_ms = (stamp_ms - self._first_ms) * self._pace.stretch
            if stamped_ms >= self._last_ms + 1:
                at_ms = stamped_ms
        self._last_ms = at_ms
        return at_ms


def _fault(known_s: NDArray[np.float64], shown_s: NDArray[np.float64]) -> str:
    """Why stamps (in the file's order, and sorted without repetition) cannot be times; empty where they can."""
    order = np.argsort(known_s, kind="stable")
    if np.any(np.abs(order - np.arange(len(known_s))) > _REORDERED):
        return "run backwards"
    if len(shown_s) < _LEAST_STAMPED * len(known_s):
        return "repeat"
    leap_s = float(np.diff(shown_s).max())
    return f"leap by {leap_s / 3600:.0f} h" if leap_s > _MOST_JUMP_S else ""


def _off(shown_s: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """By how many seconds each stamp leaves the constant rate `fps`."""
    if not _is_rate(fps):
        return np.full(len(shown_s), np.inf)
    return np.asarray(shown_s - shown_s[0] - np.arange(len(shown_s)) / fps, np.float64)


def _constant(off_s: NDArray[np.float64], steps_s: NDArray[np.float64]) -> bool:
    hole_s = float(steps_s.max() - np.median(steps_s))
    return float(np.abs(off_s).max()) <= OFF_S and hole_s <= 2 * OFF_S


def _beats(steps_s: NDArray[np.float64], fps: float) -> bool:
    """Whether stamps often follow each other at the true rate `fps`: then they are not wrong with the header."""
    return float(np.mean(np.abs(steps_s * fps - 1) < 0.1)) > 0.3


def _is_rate(fps: float) -> bool:
    return math.isfinite(fps) and fps > 0


def _told(
    shown_s: NDArray[np.float64],
    off_s: NDArray[np.float64],
    steps_s: NDArray[np.float64],
    header_fps: float,
    stretch: float,
) -> str:
    hole = int(steps_s.argmax())
    if steps_s[hole] > 2 * OFF_S + np.median(steps_s):
        what = f"it has a hole of {steps_s[hole]:.1f} s at {shown_s[hole] - shown_s[0]:.1f} s"
    elif _is_rate(header_fps):
        most = int(np.abs(off_s).argmax())
        what = (
            f"it leaves its rate of {header_fps:g} fps, most at {shown_s[most] - shown_s[0]:.1f} s by "
            f"{abs(off_s[most]):.1f} s"
        )
    else:
        what = "its rate varies"
    by = f", times {stretch:g} for the true rate that is given" if abs(stretch - 1) > 1e-6 else ""
    return f"{what}: frames are timed by its own time stamps{by}"
