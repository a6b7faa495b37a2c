"""What a set of calibration marks is worth: residuals, the mark that is likely wrong, and how far people are seen.

Everything is on the floor and in metres. Used by `branchloop calibrate`, by the hub's check of a
configuration and by the Set-up page, so that all of them say the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from branchloop import geometry
from branchloop.floormap import FloorMap, Mark
from branchloop.homography import Point
from branchloop.site.site import FEWEST_MARKS, Calibration, Plan

LOW_PX = 30.0
"""People lower than this are missed by every detector that was measured."""
GOOD_M = 0.10
"""A residual above this calls for a look at the marks."""
FAR_OUT_M = 0.3
"""And so does a mark that lies so far from where the others foretell it: it may have bent their fit to itself."""
CLEARLY = 0.4
"""A suspicion is told when the rest fits at least this much better without it."""
LITTLE_SPAN = 0.15
"""Marks that span less of the seen plan than this leave its rest to extrapolation."""
BEYOND_HORIZON = (
    "a mark lies on or above the horizon that the others fix.",
    "All marks must be on the floor.",
)
"""What is wrong with marks that `survey` cannot judge, and how to mend it."""
UNSEEN = (
    "by these marks the camera sees nothing of the plan.",
    "Measure from the plan's top-left corner, x to the right, y down, in metres.",
)
"""What is wrong with marks that lead beside the plan, and how to mend it."""
BESIDE_M = 1.0
"""Marks may lie so far beside the plan: the doorstep, the foot of a wall."""
UNITS = (("feet", 0.3048), ("centimetres", 0.01), ("millimetres", 0.001))
"""What a tape shows besides metres."""
UNIT_FITS, UNIT_SPANS = 0.75, 0.1
"""A unit is believed when it brings this share of the marks onto the plan, and they then span this share of it."""
_GRID = 60
_SAME_PX = 0.5
_SAME_M = 0.005
MOST_LEFT_OUT = 60
"""Of more marks none is left out: each weighs too little to be told by it."""
MOST_SUSPECTS = 12
"""Of more marks those that fit worst are tried: pairs grow with the square."""


@dataclass(frozen=True, slots=True)
class MarkFit:
    """How one mark fits: with all marks, and predicted from all others (None with fewer than five, or very many)."""

    miss_m: float
    left_out_m: float | None


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Marks (indices) that are likely wrong; the others then fit to `rest_m`."""

    kind: Literal["mistyped", "swapped"]
    marks: tuple[int, ...]
    rest_m: float


@dataclass(frozen=True, slots=True)
class Reach:
    """Floor areas in m²: the plan, what of it the picture shows, and where a person in it is too low.

    Walls are not considered: what they hide counts as seen.
    """

    plan_m2: float
    seen_m2: float
    low_m2: float
    spanned_m2: float
    """Of the seen floor, what lies between the marks."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The verdict on a camera's marks. `residual_m` is the RMS miss, as `FloorCalibration.residual_m`."""

    map: FloorMap
    residual_m: float
    marks: tuple[MarkFit, ...]
    suspicion: Suspicion | None
    reach: Reach | None

    @property
    def always_fits(self) -> bool:
        """Whether there are so few marks that no residual tells anything of them."""
        return len(self.marks) == FEWEST_MARKS

    @property
    def sees_nothing(self) -> bool:
        """Whether the camera shows nothing of the plan: its people would be counted nowhere."""
        return self.reach is not None and self.reach.seen_m2 == 0

    @property
    def spans_little(self) -> bool:
        """Whether most of the seen floor is extrapolated."""
        reach = self.reach
        return reach is not None and reach.seen_m2 > 0 and reach.spanned_m2 < LITTLE_SPAN * reach.seen_m2

    @property
    def mirrored(self) -> bool:
        """Whether the marks show the floor as in a mirror: no camera above it does, so a coordinate was measured from the wrong side.

        Right in the picture and then towards the viewer turns as right and then down on the plan.
        """
        wide, high = self.map.picture_px
        at = [(wide / 2, high - 1.0), (wide / 2 + 1, high - 1.0), (wide / 2, high - 2.0)]
        here, right, away = (self.map.to_floor(point) for point in at)
        return (
            here is not None
            and right is not None
            and away is not None
            and geometry.side(here, away, right) < 0
        )


def fault(
    marks: Sequence[Mark], picture_px: tuple[int, int], plan: Plan | None = None
) -> tuple[str, str] | None:
    """What makes marks useless, and how to mend it; None when they can be fitted and most lie on the plan."""
    width, height = picture_px
    for i, mark in enumerate(marks):
        if not all(math.isfinite(value) for value in mark):
            return f"point {i + 1} holds something that is no number.", "Write x_px,y_px,x_m,y_m."
    outside = [i + 1 for i, m in enumerate(marks) if not (0 <= m[0] <= width and 0 <= m[1] <= height)]
    beside = None if plan is None else _beside(marks, plan)
    if marks and _looks_like_px(marks) and (plan is None or _on(plan, [m[:2] for m in marks]) > 0):
        return "pixels and metres look swapped.", "The columns are x_px,y_px,x_m,y_m, in this order."
    if beside is not None:
        return beside
    if outside:
        return (
            f"point {_listed(outside)} lies outside a picture of {width} × {height} px.",
            "Measure in a picture of the analysed stream, and give that picture's size.",
        )
    for (i, a), (j, b) in itertools.combinations(enumerate(marks, 1), 2):
        if math.hypot(a[0] - b[0], a[1] - b[1]) < _SAME_PX:
            return f"points {i} and {j} are the same place in the picture.", "Remove one of them."
        if math.hypot(a[2] - b[2], a[3] - b[3]) < _SAME_M:
            return f"points {i} and {j} are the same place on the floor.", "Correct or remove one of them."
    if len(marks) < 4:
        return f"{len(marks)} calibration points fix no floor.", "Give at least 4 that span the floor."
    for name, places in (
        ("pixels", [(m[0], m[1]) for m in marks]), ("metres", [(m[2], m[3]) for m in marks])
    ):  # fmt: skip
        reach = max(geometry.distance(p, q) for p in places for q in places)
        if geometry.spread(places) < 0.02 * reach:
            return f"the points lie on one line in {name}.", "Choose marks that span the floor."
    return None


def fixes_floor(calibration: Calibration) -> bool:
    """Whether the marks fix a floor on which all of them lie; `survey` is None where they do not."""
    return _fitted_rms(calibration.points, calibration) is not None


def survey(calibration: Calibration, plan: Plan | None = None) -> Survey | None:
    """Judge a camera's marks; None when they fix no floor, or one lies on or above the horizon.

    `doubt` then still names a mark that is likely to blame.
    """
    marks = calibration.points
    found = FloorMap.fit(marks, calibration)
    if found is None:
        return None
    misses = [_miss(found, mark) for mark in marks]
    if any(miss is None for miss in misses):
        return None
    told = [miss for miss in misses if miss is not None]
    residual = _rms(told)
    fits = tuple(MarkFit(miss, _left_out(calibration, i)) for i, miss in enumerate(told))
    left_out_m = max((fit.left_out_m or 0.0 for fit in fits), default=0.0)
    look = residual > GOOD_M or left_out_m > FAR_OUT_M
    doubted = doubt(calibration, residual) if look else None
    return Survey(found, residual, fits, doubted, None if plan is None else reach(found, marks, plan))


def reach(found: FloorMap, marks: Sequence[Mark], plan: Plan) -> Reach:
    """What of the plan a camera sees, and where people in it are too low, on a grid of at most 60 × 60."""
    step = max(plan.width_m, plan.height_m) / _GRID
    cols, rows = max(1, round(plan.width_m / step)), max(1, round(plan.height_m / step))
    cell_m2 = plan.width_m * plan.height_m / (cols * rows)
    hull = _hull([(m[2], m[3]) for m in marks])
    seen = low = spanned = 0
    for i, j in itertools.product(range(cols), range(rows)):
        place = ((i + 0.5) * plan.width_m / cols, (j + 0.5) * plan.height_m / rows)
        feet = found.shows(place)
        if feet is None:
            continue
        seen += 1
        height = found.person_px(feet)
        low += height is None or height < LOW_PX
        spanned += geometry.contains(hull, place)
    return Reach(plan.width_m * plan.height_m, seen * cell_m2, low * cell_m2, spanned * cell_m2)


def compare(calibration: Calibration, marks: Sequence[Mark]) -> float | None:
    """RMS miss (m) of newly measured marks under an existing calibration; None when one has no floor there."""
    found = FloorMap.fit(calibration.points, calibration)
    misses = [None] if found is None else [_miss(found, mark) for mark in marks]
    told = [miss for miss in misses if miss is not None]
    return _rms(told) if len(told) == len(misses) else None


def figures(verdict: Survey) -> dict[str, Any]:
    """A survey as JSON: centimetres, square metres, percent."""
    told: dict[str, Any] = {
        "residual_cm": None if verdict.always_fits else round(verdict.residual_m * 100, 2),
        "marks": [
            {
                "mark": i,
                "miss_cm": round(mark.miss_m * 100, 2),
                "left_out_cm": None if mark.left_out_m is None else round(mark.left_out_m * 100, 2),
            }
            for i, mark in enumerate(verdict.marks, 1)
        ],
        "suspicion": None,
        "mirrored": verdict.mirrored,
    }
    if verdict.suspicion is not None:
        suspected = verdict.suspicion
        told["suspicion"] = {
            "kind": suspected.kind,
            "marks": [i + 1 for i in suspected.marks],
            "rest_cm": round(suspected.rest_m * 100, 2),
        }
    if verdict.reach is not None:
        area = verdict.reach
        told |= {
            "seen_m2": round(area.seen_m2, 2),
            "seen_percent": round(100 * area.seen_m2 / area.plan_m2, 1),
            "too_far_m2": round(area.low_m2, 2),
            "too_far_percent": round(100 * area.low_m2 / area.plan_m2, 1),
            "spans_little": verdict.spans_little,
        }
    return told


def _miss(found: FloorMap, mark: Mark) -> float | None:
    place = found.to_floor((mark[0], mark[1]))
    return None if place is None else geometry.distance(place, (mark[2], mark[3]))


def _rms(misses: Sequence[float]) -> float:
    return math.sqrt(sum(miss * miss for miss in misses) / len(misses))


def _fitted_rms(marks: Sequence[Mark], like: Calibration) -> float | None:
    found = FloorMap.fit(marks, like)
    misses = [None] if found is None else [_miss(found, mark) for mark in marks]
    told = [miss for miss in misses if miss is not None]
    return _rms(told) if len(told) == len(misses) else None


def _left_out(calibration: Calibration, i: int) -> float | None:
    marks = calibration.points
    if not 5 <= len(marks) <= MOST_LEFT_OUT:
        return None
    found = FloorMap.fit([*marks[:i], *marks[i + 1 :]], calibration)
    return None if found is None else _miss(found, marks[i])


def doubt(calibration: Calibration, residual: float = math.inf) -> Suspicion | None:
    """The mark, or the two, that are likely wrong, given what all together fit to (inf: to no floor).

    One wrong mark leaves the others alone when it goes (six are needed to tell); two swapped ones, when
    swapped back (five).
    """
    marks = calibration.points
    suspects = _worst(calibration)
    found: list[Suspicion] = []
    if len(marks) >= 6:
        for i in suspects:
            rest = _fitted_rms([*marks[:i], *marks[i + 1 :]], calibration)
            if rest is not None:
                found.append(Suspicion("mistyped", (i,), rest))
    if len(marks) >= 5:
        for i, j in itertools.combinations(suspects, 2):
            turned = list(marks)
            turned[i] = (*marks[i][:2], *marks[j][2:])
            turned[j] = (*marks[j][:2], *marks[i][2:])
            rest = _fitted_rms(turned, calibration)
            if rest is not None:
                found.append(Suspicion("swapped", (i, j), rest))
    best = min(found, key=lambda each: each.rest_m, default=None)
    return best if best is not None and best.rest_m < min(CLEARLY * residual, 3 * GOOD_M) else None


def _worst(calibration: Calibration) -> list[int]:
    """Indices of the marks that fit worst, those beyond the horizon first."""
    marks = calibration.points
    found = FloorMap.fit(marks, calibration)

    def miss(i: int) -> float:
        told = None if found is None else _miss(found, marks[i])
        return math.inf if told is None else told

    ranked = sorted(range(len(marks)), key=miss, reverse=True)
    return sorted(ranked[:MOST_SUSPECTS])


def _beside(marks: Sequence[Mark], plan: Plan) -> tuple[str, str] | None:
    """Whether most marks lie beside the plan, and the unit they may have been typed in."""
    places = [(m[2], m[3]) for m in marks]
    on = _on(plan, places)
    if 2 * on >= len(places):
        return None
    said = f"{len(places) - on} of {len(places)} marks lie beside the plan of {plan.width_m:g} × {plan.height_m:g} m."
    for unit, metres in UNITS:
        scaled = [(x * metres, y * metres) for x, y in places]
        span = max(max(p[k] for p in scaled) - min(p[k] for p in scaled) for k in (0, 1))
        spans = span >= UNIT_SPANS * max(plan.width_m, plan.height_m)
        if spans and _on(plan, scaled) >= UNIT_FITS * len(places):
            return said, f"Were they typed in {unit}? Then they would lie on it. Write metres."
    return said, UNSEEN[1]


def _on(plan: Plan, places: Sequence[Point]) -> int:
    return sum(
        -BESIDE_M <= x <= plan.width_m + BESIDE_M and -BESIDE_M <= y <= plan.height_m + BESIDE_M
        for x, y in places
    )


def _looks_like_px(marks: Sequence[Mark]) -> bool:
    """Whether the columns of metres spread far wider than those of pixels."""
    px = max(max(m[k] for m in marks) - min(m[k] for m in marks) for k in (0, 1))
    metres = max(max(m[k] for m in marks) - min(m[k] for m in marks) for k in (2, 3))
    return metres > 3 * px


def _hull(points: Sequence[Point]) -> list[Point]:
    """Convex hull (Andrew's monotone chain)."""
    ordered = sorted(set(points))
    halves = []
    for way in (ordered, ordered[::-1]):
        half: list[Point] = []
        for p in way:
            while len(half) > 1 and geometry.side_sign(half[-2], half[-1], p) <= 0:
                half.pop()
            half.append(p)
        halves.append(half[:-1])
    return halves[0] + halves[1]


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers)
