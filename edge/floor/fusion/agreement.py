"""Whether two cameras tell the same story about the floor that both see, in metres, for people to read."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from branchloop.wire.messages import CameraPair, PairFault
from edge.floor.fusion.alignment import Pair, PairAlignment
from edge.floor.fusion.clock_offset import search_offset
from edge.floor.fusion.paths import GRID_MS

Array = NDArray[np.float64]

MOMENT_MS = GRID_MS
HORIZON = 600
"""Moments that are looked back upon: two minutes."""
FEWEST = 5
"""Distances that a median needs."""
ENOUGH = 100
"""Person-moments (20 s) on the shared floor that a figure needs."""
JUDGED = 100
"""The latest person-moments that a verdict goes by: a camera that is bumped in a crowd is not excused by the past."""
FEW = 50
"""Person-moments that a first verdict needs."""
APART_SHARE, TOGETHER_SHARE = 0.7, 0.85
"""Below the first share of people whom both cameras place together, they do not agree; above the second again."""
TOLD_M = 0.6
TOLD_CLOCK_S = 0.5
SEARCH_EVERY = 150
OVER_WINDOWS = 12
AGAIN, AGAIN_WINDOWS = 1.5, 12
"""A figure is told again once it changed by this factor, at most so often: a clock's correction may be learnt in steps."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is known of one pair of cameras; None where too few people were seen by both.

    `disagreement_m`: median distance, before any correction, of people whom both see; `apart_m`: the same of those
    who were joined, after correction; `bias_m` and `clock_offset_s` (second minus first clock): what was learnt;
    `together`: the share of people on the shared floor who could be joined. Where `coherent` is false their people cannot be joined, and each place of the shared
    floor is counted by one of them alone.
    """

    cameras: Pair
    disagreement_m: float | None
    apart_m: float | None
    bias_m: tuple[float, float] | None
    clock_offset_s: float | None
    together: float | None
    coherent: bool = True

    @property
    def wrong(self) -> PairFault | None:
        """What is wrong with the pair, if anything."""
        clock = self.clock_offset_s is not None and abs(self.clock_offset_s) > TOLD_CLOCK_S
        if clock:
            return "clocks_apart"
        if not self.coherent:
            return "cameras_apart"
        if self.disagreement_m is not None and self.disagreement_m > TOLD_M and self.bias_m is not None:
            return "cameras_disagree"
        return None

    @property
    def off(self) -> float:
        """How far, by the figure of what is wrong: s between clocks, else m between places."""
        far = self.clock_offset_s if self.wrong == "clocks_apart" else self.disagreement_m
        return abs(far or 0.0)

    @property
    def fault(self) -> str | None:
        """A sentence for the technician when something is wrong, else None."""
        a, b = self.cameras
        match self.wrong:
            case "clocks_apart":
                joined = "" if self.coherent else ": people cannot be joined"
                return f"the clock of {b} is {self.clock_offset_s:+.1f} s off that of {a}{joined}"
            case "cameras_apart":
                return (
                    f"{a} and {b} see different people where both look ({self.disagreement_m or 0:.1f} m apart): "
                    "one was moved, or they are swapped"
                )
            case "cameras_disagree":
                return f"{a} and {b} place the same people {self.disagreement_m:.1f} m apart: calibrate again"
            case None:
                return None

    def told(self) -> CameraPair:
        """The same for the window that closes now."""
        return CameraPair(
            first=self.cameras[0],
            second=self.cameras[1],
            disagreement_mm=None if self.disagreement_m is None else round(self.disagreement_m * 1000),
            clock_ms=None if self.clock_offset_s is None else round(self.clock_offset_s * 1000),
            wrong=self.wrong,
        )


class PairMeter:
    """Follows one pair of cameras over the last minutes."""

    def __init__(self, cameras: Pair, alignment: PairAlignment) -> None:
        self._cameras = cameras
        self._alignment = alignment
        self._moments: deque[tuple[Array, Array]] = deque(maxlen=HORIZON)
        self._counts: deque[tuple[int, int]] = deque(maxlen=HORIZON)
        self._lately: deque[tuple[int, int]] = deque()
        self._apart_m: deque[float] = deque(maxlen=HORIZON)
        self._corrected_m: deque[float] = deque(maxlen=HORIZON)
        self._found_s: float | None = None
        self._since_search = 0
        self.judged = False
        self.coherent = True

    @property
    def trusted(self) -> bool:
        """Whether what only one of them sees may count beside the other: not before the pair was found to agree."""
        return self.judged and self.coherent

    def moment(self, first_m: Array, second_m: Array, joined: int, corrected_m: Sequence[float]) -> None:
        """One moment (every `MOMENT_MS`): people on the shared floor, uncorrected, (n, 2) and (m, 2).

        `joined` of them are one person in both; `corrected_m`: how far apart these are after correction.
        """
        self._corrected_m.extend(corrected_m)
        self._moments.append((first_m, second_m))
        possible = min(len(first_m), len(second_m))
        self._counts.append((possible, min(joined, possible)))
        if possible:
            self._lately.append(self._counts[-1])
            while sum(count for count, _ in self._lately) - self._lately[0][0] >= JUDGED:
                self._lately.popleft()
            apart = np.linalg.norm(first_m[:, None] - second_m[None], axis=-1)
            rows, columns = linear_sum_assignment(apart)
            self._apart_m.extend(apart[rows, columns].tolist())
        self._judge()

    def agreement(self) -> Agreement:
        """The present verdict."""
        known = self._alignment.samples > 0
        possible = sum(count for count, _ in self._counts)
        clock_s = self._alignment.clock_s if known else None
        if not self.coherent:
            clock_s = self._found_s
        return Agreement(
            self._cameras,
            float(np.median(self._apart_m)) if len(self._apart_m) >= FEWEST else None,
            float(np.median(self._corrected_m)) if len(self._corrected_m) >= FEWEST else None,
            self._alignment.bias_m if known else None,
            clock_s,
            sum(joined for _, joined in self._counts) / possible if possible >= ENOUGH else None,
            self.coherent,
        )

    def _judge(self) -> None:
        possible = sum(count for count, _ in self._lately)
        if possible < FEW:
            return
        share = sum(joined for _, joined in self._lately) / possible
        self.judged = True
        self.coherent = share >= (APART_SHARE if self.coherent else TOGETHER_SHARE)
        self._since_search += 1
        if self.coherent:
            self._found_s, self._since_search = None, SEARCH_EVERY
        elif self._since_search >= SEARCH_EVERY:
            self._since_search = 0
            self._found_s = search_offset(
                [first for first, _ in self._moments],
                [second for _, second in self._moments],
                MOMENT_MS / 1000,
            )


@dataclass(slots=True)
class _Standing:
    said: Agreement
    windows: int = 0
    """Windows since it was said."""
    quiet: int = 0

    @property
    def fault(self) -> str:
        return self.said.fault or ""

    def outdated(self, now: Agreement) -> bool:
        """Whether what was said is another fault by now, or far from what is measured."""
        if self.said.wrong != now.wrong:
            return True
        before, after = self.said.off, now.off
        return max(before, after) >= AGAIN * min(before, after)


class Complaints:
    """Which pairs of cameras have something wrong, told when it begins, when it became another, and when it has been over for a while."""

    def __init__(self) -> None:
        self._standing: dict[Pair, _Standing] = {}
        """As it was said last: figures change with every window."""

    def news(self, agreements: Sequence[Agreement]) -> list[tuple[Pair, str | None]]:
        """To be asked once per window: (pair, fault) where one begins or became another, (pair, None) where one is over."""
        here = {one.cameras for one in agreements}
        told: list[tuple[Pair, str | None]] = [self._over(gone) for gone in self._standing.keys() - here]
        for one in agreements:
            standing = self._standing.get(one.cameras)
            if standing is not None:
                standing.windows += 1
                standing.quiet = 0 if one.fault is not None else standing.quiet + 1
            if one.fault is None:
                if standing is not None and standing.quiet >= OVER_WINDOWS:
                    told.append(self._over(one.cameras))
            elif standing is None or (standing.windows >= AGAIN_WINDOWS and standing.outdated(one)):
                self._standing[one.cameras] = _Standing(one)
                told.append((one.cameras, one.fault))
        return told

    def about(self, camera: str) -> list[str]:
        """What stands against a camera now."""
        return [standing.fault for cameras, standing in self._standing.items() if camera in cameras]

    def _over(self, cameras: Pair) -> tuple[Pair, None]:
        del self._standing[cameras]
        return cameras, None
