"""Which frames a truth speaks of: labels on every fifth frame say nothing of the four between.

A frame without a true box, where frames around it have some, was empty or was left out by whoever labelled: MOTChallenge's
form does not tell which. It is judged as empty, and told where the box has tracks in many.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

LEAST_LABELLED = 3
"""Two frames have no step."""
MANY_WITHOUT = 0.05
"""Share of the judged frames; with more of them without truth under tracks, the figures hang on whether these were empty."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """The frames that are judged, ascending, and their step: `every` frames, None where it is not constant."""

    frames: list[int]
    every: int | None

    @classmethod
    def of(cls, labelled: Collection[int]) -> Labelled:
        """Of the frames that have a row: all from the first to the last, or those at their step where most are apart."""
        at = sorted(labelled)
        steps = np.diff(at)
        usual = float(np.median(steps)) if len(at) >= LEAST_LABELLED else 1.0
        if usual <= 1:
            return cls(list(range(at[0], at[-1] + 1)), 1)
        if (steps % usual).any():
            return cls(at, None)
        return cls(list(range(at[0], at[-1] + 1, int(usual))), int(usual))

    @property
    def step(self) -> float:
        """Frames from one that is judged to the next, on average."""
        return (self.frames[-1] - self.frames[0]) / (len(self.frames) - 1) if len(self.frames) > 1 else 1.0


@dataclass(frozen=True, slots=True)
class Without:
    """Judged frames without truth in which there are tracks: how many, and the longest stretch (first, last)."""

    frames: int
    longest: tuple[int, int] | None
    many: bool

    @classmethod
    def of(cls, judged: Labelled, labelled: Collection[int], tracked: Collection[int]) -> Without:
        """`labelled`: the frames with a row, whatever its confidence; `tracked`: those with a track."""
        stretches: list[list[int]] = [[]]
        for frame in judged.frames:
            if frame in labelled:
                stretches.append([])
            elif frame in tracked:
                stretches[-1].append(frame)
        longest = max(stretches, key=len)
        count = sum(map(len, stretches))
        ends = (longest[0], longest[-1]) if longest else None
        return cls(count, ends, count > MANY_WITHOUT * len(judged.frames))
