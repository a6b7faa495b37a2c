"""A synthetic hall with a counting line: walkers with known crossings, seen by an oblique camera as boxes.

Simulated, to the last pixel: pinhole projection of upright people of 1.5 to 1.9 m, box edges with normal
jitter, detections dropped at random, and of two boxes that overlap by more than `HIDDEN_IOU` the farther
one missing, as a detector's suppression leaves it. What is measured with it is the tracker and the
counter, not a detector.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from branchloop.site.site import Site, parse_site

Array = NDArray[np.float64]
Scenario = Literal["singles", "pairs", "steady", "turning", "crossing"]
SCENARIOS: tuple[Scenario, ...] = ("singles", "pairs", "steady", "turning", "crossing")

PICTURE_PX = (1280, 720)
FOCAL_PX = 900.0
CAMERA_M = (5.0, 11.5, 3.5)
"""On the plan, and how high."""
PITCH_DEG = 31.0
WIDTH_M, DEPTH_M, LINE_Y_M = 10.0, 8.0, 4.0
LANES_M = (3.2, 6.8)
BODY_M = 0.5
HIDDEN_IOU = 0.6
NEAR_M = 2.0
"""A walker counts for the error when seen `MIN_SEEN` times this near to the line, on both sides of it."""
MIN_SEEN = 3
BRAKE_M_S2 = 2.5
"""How hard people brake and set off."""
PAUSE_S = 4.0
BLOCK = 20
"""So many walkers share a lane or a direction, where the scenario is one of those."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One condition of the grid: frames a second, m/s, share of detections dropped, pixels of jitter (σ)."""

    scenario: Scenario
    fps: float
    speed_m_s: float
    drop: float
    jitter_px: float

    @property
    def name(self) -> str:
        """Such as `pairs/5fps/1.8m/s/drop40/jitter8`."""
        return (
            f"{self.scenario}/{self.fps:g}fps/{self.speed_m_s:g}m/s/"
            f"drop{self.drop * 100:g}/jitter{self.jitter_px:g}"
        )


@dataclass(frozen=True, slots=True)
class Walker:
    """A walk: knots (n, 3) of t_s, x_m, y_m; `crosses` is what happens at the line, if anything."""

    knots: Array
    height_m: float
    crosses: Literal["in", "out"] | None

    @property
    def crossed_s(self) -> float:
        """When the feet pass the line. Raises ValueError for a walk that never does."""
        for (t0, _, y0), (t1, _, y1) in itertools.pairwise(self.knots):
            if (y0 - LINE_Y_M) * (y1 - LINE_Y_M) <= 0 and y0 != y1:
                return float(t0 + (LINE_Y_M - y0) / (y1 - y0) * (t1 - t0))
        raise ValueError("this walk does not meet the line")


@dataclass(frozen=True, slots=True)
class _Found:
    frame: int
    y_m: float
    box: Array
    walker: int


@dataclass(frozen=True, slots=True)
class Footage:
    """Detections of a run: `frames` holds (n, 5) boxes with score per frame at `t_ms`.

    `seen` says which walkers were observed often enough, and on both sides, to be asked for; `turned` how many of those
    who never cross were observed as often.
    """

    t_ms: NDArray[np.int64]
    frames: list[NDArray[np.float32]]
    walkers: list[Walker]
    seen: list[bool]
    turned: int


def bench_site() -> Site:
    """The hall as a site: one camera with 15 marks on the floor, one line across."""
    marks = [(x, y) for y in (0.5, 4.0, 7.5) for x in (2.8, 3.9, 5.0, 6.1, 7.2)]
    pixels = project(np.array([(x, y, 0.0) for x, y in marks]))
    points = ", ".join(f"[{u:.3f}, {v:.3f}, {x}, {y}]" for (u, v), (x, y) in zip(pixels, marks, strict=True))
    return parse_site(f"""
        id = "bench-hall"
        name = {{ en = "Bench hall (simulated)", zh = "测试大厅（模拟）" }}
        timezone = "UTC"
        simulated = true
        plan = {{ width_m = {WIDTH_M}, height_m = {DEPTH_M} }}
        [[camera]]
        id = "hall"
        source = "none"
        calibration = {{ picture_px = [{PICTURE_PX[0]}, {PICTURE_PX[1]}], points = [{points}] }}
        [[line]]
        id = "door"
        from = [0.5, {LINE_Y_M}]
        to = [9.5, {LINE_Y_M}]
        inside = [5.0, 1.0]
        entrance = true
    """)


def project(points_m: Array) -> Array:
    """(n, 3) points x, y on the plan and height z in m -> (n, 2) px. The camera looks along −y, downwards."""
    points = np.asarray(points_m, dtype=np.float64).reshape(-1, 3)
    pitch = np.radians(PITCH_DEG)
    right = points[:, 0] - CAMERA_M[0]
    ahead, below = CAMERA_M[1] - points[:, 1], CAMERA_M[2] - points[:, 2]
    depth = ahead * np.cos(pitch) + below * np.sin(pitch)
    down = below * np.cos(pitch) - ahead * np.sin(pitch)
    return np.column_stack(
        [PICTURE_PX[0] / 2 + FOCAL_PX * right / depth, PICTURE_PX[1] / 2 + FOCAL_PX * down / depth]
    )


def film(cell: Cell, crossings: int, seed: int = 1) -> Footage:
    """Walkers of a cell until at least `crossings` of them can be asked for, and what the camera gives."""
    wanted = round(crossings * 1.03) + 1
    while True:
        footage = _film(cell, wanted, most=40 * crossings, seed=seed)
        asked = sum(
            seen and one.crosses is not None for one, seen in zip(footage.walkers, footage.seen, strict=True)
        )
        if asked >= crossings or len(footage.walkers) > 40 * crossings:
            return footage
        wanted += round((crossings - asked) * 1.2) + 1  # those whom others hid


def _film(cell: Cell, wanted: int, *, most: int, seed: int) -> Footage:
    """Until `wanted` could be asked for if nobody hid another, but no more than about `most` walkers."""
    key = [seed, SCENARIOS.index(cell.scenario), round(cell.fps * 10), round(cell.speed_m_s * 10)]
    rng = np.random.default_rng([*key, round(cell.drop * 100), round(cell.jitter_px * 10)])
    walkers: list[Walker] = []
    found: list[_Found] = []
    asked = 0
    for walker in _walkers(cell, rng):
        sightings = _sightings(walker, cell.fps)
        kept = rng.random(len(sightings)) >= cell.drop
        boxes = _boxes(sightings, walker.height_m)
        found += [
            _Found(int(frame), float(y), box, len(walkers))
            for (frame, _, y), box, keep in zip(sightings, boxes, kept, strict=True)
            if keep
        ]
        walkers.append(walker)
        asked += walker.crosses is not None and _enough(sightings[kept, 2])
        if asked >= wanted or len(walkers) > most:
            break
    shown = _shown(found)
    ys: list[list[float]] = [[] for _ in walkers]
    for one in shown:
        ys[one.walker].append(one.y_m)
    seen = [_enough(np.array(places)) for places in ys]
    turned = sum(
        walker.crosses is None and _near(np.array(places)).size >= MIN_SEEN
        for walker, places in zip(walkers, ys, strict=True)
    )
    last = max((one.frame for one in found), default=0) + round(4 * cell.fps)
    t_ms = np.round(np.arange(last + 1) * 1000 / cell.fps).astype(np.int64)
    return Footage(t_ms, _frames(shown, last + 1, cell.jitter_px, rng), walkers, seen, turned)


def _enough(ys_m: Array) -> bool:
    """Whether somebody seen at these distances into the hall was seen often enough at the line."""
    sides = _near(ys_m) < LINE_Y_M
    return bool(len(sides) >= MIN_SEEN and sides.any() and not sides.all())


def _near(ys_m: Array) -> Array:
    """Those of the distances that are near to the line."""
    return np.asarray(ys_m[np.abs(ys_m - LINE_Y_M) <= NEAR_M])


def _walkers(cell: Cell, rng: np.random.Generator) -> Iterator[Walker]:
    """Walkers without end, in order of time."""
    t_s, speed = 1.0, cell.speed_m_s
    inwards, lane = True, 5.0
    for number in itertools.count():
        if number % BLOCK == 0:
            t_s += 2 + DEPTH_M / speed
            inwards, lane = bool(rng.random() < 0.5), float(rng.uniform(*LANES_M))
        here = float(rng.uniform(*LANES_M))
        if cell.scenario == "singles":
            yield _through(rng, t_s, here, here, speed, inwards=inwards)
            t_s += 1.0 + 3.0 / speed
        elif cell.scenario == "pairs":
            beside = here + float(rng.choice([-1, 1]) * rng.uniform(0.6, 0.8))
            yield _through(rng, t_s, here, here, speed, inwards=inwards)
            yield _through(rng, t_s + float(rng.normal(0, 0.1)), beside, beside, speed, inwards=inwards)
            t_s += 1.0 + 4.0 / speed
        elif cell.scenario == "steady":
            yield _through(rng, t_s, lane, lane, speed, inwards=inwards)
            t_s += float(rng.uniform(3, 8))
        elif cell.scenario == "turning":
            yield _hesitant(rng, t_s, here, speed, inwards=inwards, turns=number % 2 == 0)
            t_s += 6.0 + 8.0 / speed
        else:
            meet, aside = float(rng.uniform(4, 6)), float(rng.uniform(-1.5, 1.5))
            late = float(rng.normal(0, 0.3))
            yield _through(rng, t_s, meet - aside, meet + aside, speed, inwards=True)
            yield _through(rng, t_s + late, meet - aside * 0.8, meet + aside * 0.8, speed, inwards=False)
            t_s += 1.5 + 5.0 / speed


def _through(
    rng: np.random.Generator, t_s: float, x0: float, x1: float, speed: float, *, inwards: bool
) -> Walker:
    """From one end of the hall to the other."""
    y0, y1 = (DEPTH_M, 0.0) if inwards else (0.0, DEPTH_M)
    length = float(np.hypot(x1 - x0, y1 - y0))
    knots = np.array([(t_s, x0, y0), (t_s + length / speed, x1, y1)])
    return Walker(knots, float(rng.uniform(1.5, 1.9)), "in" if inwards else "out")


def _hesitant(
    rng: np.random.Generator, t_s: float, x: float, speed: float, *, inwards: bool, turns: bool
) -> Walker:
    """Up to the line or onto it, a pause there, and on or back; never clearly beyond before turning back."""
    y0, sign = (DEPTH_M, -1.0) if inwards else (0.0, 1.0)
    stop = LINE_Y_M - sign * float(rng.choice([rng.uniform(0.0, 0.15), rng.uniform(0.15, 0.7)]))
    pause_s = float(rng.uniform(0.0, PAUSE_S))
    end, x1 = (y0 if turns else DEPTH_M - y0), x + float(rng.uniform(-0.4, 0.4))
    braking_s = speed / BRAKE_M_S2
    reached = t_s + abs(stop - y0) / speed + braking_s / 2
    on = reached + pause_s
    arrived = on + abs(end - stop) / speed + braking_s / 2
    ease = np.linspace(0.0, 1.0, 9)
    slowing = [
        (reached - braking_s * (1 - e), x, stop + sign * -0.5 * speed * braking_s * (1 - e) ** 2)
        for e in ease
    ]
    way = 1.0 if end > stop else -1.0
    share = 0.5 * speed * braking_s / abs(end - stop)
    starting = [
        (on + braking_s * e, x + (x1 - x) * share * e**2, stop + way * 0.5 * speed * braking_s * e**2)
        for e in ease
    ]
    knots = np.array([(t_s, x, y0), *slowing, *starting, (arrived, x1, end)])
    crosses: Literal["in", "out"] = "in" if inwards else "out"
    return Walker(knots, float(rng.uniform(1.5, 1.9)), None if turns else crosses)


def _sightings(walker: Walker, fps: float) -> Array:
    """(n, 3): frame number, x_m, y_m of the frames in which the walker is in the hall."""
    t = walker.knots[:, 0]
    frames = np.arange(np.ceil(t[0] * fps), np.floor(t[-1] * fps) + 1)
    places = [np.interp(frames / fps, t, walker.knots[:, axis]) for axis in (1, 2)]
    return np.column_stack([frames, *places])


def _boxes(sightings: Array, height_m: float) -> Array:
    """(n, 4) exact boxes of a walker."""
    x, y = sightings[:, 1], sightings[:, 2]
    feet = project(np.column_stack([x, y, np.zeros(len(x))]))
    heads = project(np.column_stack([x, y, np.full(len(x), height_m)]))
    sides = [project(np.column_stack([x + way * BODY_M / 2, y, np.zeros(len(x))]))[:, 0] for way in (-1, 1)]
    return np.column_stack([sides[0], heads[:, 1], sides[1], feet[:, 1]])


def _shown(found: list[_Found]) -> list[_Found]:
    """Those that nobody nearer to the camera hides, frame by frame."""
    shown: list[_Found] = []
    for _, people in itertools.groupby(sorted(found, key=lambda f: (f.frame, -f.y_m)), lambda f: f.frame):
        kept: list[_Found] = []
        for one in people:
            if all(_iou(one.box, other.box) <= HIDDEN_IOU for other in kept):
                kept.append(one)
        shown += kept
    return shown


def _frames(
    shown: list[_Found], count: int, jitter_px: float, rng: np.random.Generator
) -> list[NDArray[np.float32]]:
    """Boxes sorted into frames: edges jittered, cut to the picture, scored."""
    by_frame: list[list[Array]] = [[] for _ in range(count)]
    for one in shown:
        by_frame[one.frame].append(one.box)
    frames: list[NDArray[np.float32]] = []
    for boxes in by_frame:
        jittered = np.array(boxes).reshape(-1, 4) + rng.normal(0, 1, (len(boxes), 4)) * jitter_px
        jittered = np.clip(jittered, 0, [*PICTURE_PX, *PICTURE_PX])
        scores = np.clip(rng.normal(0.8, 0.08, len(boxes)), 0.3, 0.98)
        frames.append(np.column_stack([jittered, scores]).astype(np.float32))
    return frames


def _iou(a: Array, b: Array) -> float:
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(shared / max(areas - shared, 1e-9))
