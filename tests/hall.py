"""A hall seen by pinhole cameras that look down at an angle: walkers with truth, boxes as a detector gives them.

Rendered geometry, no pictures: a person is an upright of their height, a box is its picture with noise.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from branchloop.site.parts import Text
from branchloop.site.site import Calibration, Camera, Line, Plan, Sensor, Site
from edge.floor.floor import Floor, Settled
from edge.floor.observation import observe
from edge.floor.windows import no_sensors

Array = NDArray[np.float64]
Places = Mapping[int, tuple[float, float]]
"""Person -> place (m)."""
Moments = Sequence[tuple[float, Places]]
"""Times (s), ascending and evenly spaced, with the people there."""

PICTURE_PX = (640, 480)
WIDTH_M, HEIGHT_M = 12.0, 9.0


@cache
def _axes(
    at_m: tuple[float, float, float], to_m: tuple[float, float], turned_deg: float
) -> tuple[Array, Array, Array]:
    """Directions to the right of the picture, down in it, and ahead."""
    at = np.array(at_m)
    ahead = np.array([*to_m, 0.0]) - at
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    turn = np.deg2rad(turned_deg)  # a bump turns the camera to the side and down alike
    for a, b in (("right", "ahead"), ("down", "ahead")):
        axes = {"right": right, "down": down, "ahead": ahead}
        one, two = axes[a], axes[b]
        one, two = one * np.cos(turn) - two * np.sin(turn), one * np.sin(turn) + two * np.cos(turn)
        if a == "right":
            right, ahead = one, two
        else:
            down, ahead = one, two
    return right, down, ahead


@dataclass(frozen=True)
class Eye:
    """A camera at `at_m` (x, y, height) that looks at `to_m` on the floor.

    `calibrated_as`: the camera whose calibration it was given, when that is not its own; `clock_s`: how far its
    clock is ahead; `bias_m`: what its calibration points are off; `out_s`: when it is out; `hides`: of two
    boxes that overlap by more than .6 of the farther one, that one is missing.
    """

    id: str
    at_m: tuple[float, float, float]
    to_m: tuple[float, float]
    focal_px: float = 420.0
    fps: float = 5.0
    clock_s: float = 0.0
    bias_m: tuple[float, float] = (0.0, 0.0)
    drop: float = 0.1
    turned_deg: float = 0.0
    out_s: tuple[tuple[float, float], ...] = ()
    calibrated_as: Eye | None = None
    hides: bool = False

    def picture(self, points_m: Array) -> Array:
        """(n, 3) m -> (n, 2) px; NaN behind the camera."""
        right, down, ahead = _axes(tuple(self.at_m), tuple(self.to_m), self.turned_deg)
        relative = np.asarray(points_m) - np.array(self.at_m)
        depth = relative @ ahead
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = self.focal_px * np.column_stack([relative @ right, relative @ down]) / depth[:, None]
        return np.where(depth[:, None] > 0.3, flat + np.array(PICTURE_PX) / 2, np.nan)

    def calibration(self) -> Calibration:
        """From marks on the floor, measured with the camera as it was mounted."""
        own = replace(self.calibrated_as or self, turned_deg=0.0)
        grid = np.array([(x, y, 0.0) for x in np.arange(-2, 15, 0.5) for y in np.arange(-2, 12, 0.5)])
        pixels = own.picture(grid)
        width, height = PICTURE_PX
        seen = (pixels[:, 0] > 0) & (pixels[:, 0] < width) & (pixels[:, 1] > 0) & (pixels[:, 1] < height)
        marks = [
            (float(u), float(v), float(x + self.bias_m[0]), float(y + self.bias_m[1]))
            for (u, v), (x, y, _) in zip(pixels[seen][::5], grid[seen][::5], strict=True)
        ]
        return Calibration(points=marks, picture_px=PICTURE_PX)

    def camera(self) -> Camera:
        """Its part of the site file."""
        return Camera(id=self.id, source="none", calibration=self.calibration())

    def boxes(self, places: Places, random: np.random.Generator) -> NDArray[np.float32]:
        """Detections (n, 5) of the people who are in the picture, but for drop-outs."""
        rows: list[list[float]] = []
        for person, (x, y) in places.items():
            tall = 1.6 + 0.02 * (person % 11)
            (u0, v0), (u1, v1) = self.picture(np.array([[x, y, 0.0], [x, y, tall]]))
            size = v0 - v1
            if not np.isfinite(size) or not 20 < size < 400 or random.random() < self.drop:
                continue
            if not (0 < u0 < PICTURE_PX[0] and 0 < v0 < PICTURE_PX[1]):
                continue
            du, dv = random.normal(0, [0.03 * size, 0.03 * size])
            u = (u0 + u1) / 2 + du
            rows.append([u - 0.2 * size, v1, u + 0.2 * size, min(v0 + dv, PICTURE_PX[1]), 0.9])
        found = np.array(rows, np.float32).reshape(-1, 5)
        found[:, :4] = np.clip(found[:, :4], 0, [*PICTURE_PX, *PICTURE_PX])
        return unhidden(found) if self.hides else found


def unhidden(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (n, 5) that no nearer one, which ends lower in the picture, covers by more than .6."""
    kept: list[NDArray[np.float32]] = []
    for box in boxes[np.argsort(-boxes[:, 3], kind="stable")]:
        size = np.prod(box[2:4] - box[:2])
        shared = [
            np.prod(np.clip(np.minimum(box[2:4], near[2:4]) - np.maximum(box[:2], near[:2]), 0, None))
            for near in kept
        ]
        if max(shared, default=0.0) <= 0.6 * size:
            kept.append(box)
    return np.array(kept, np.float32).reshape(-1, 5)


def corner_eyes(count: int = 2, **more: object) -> list[Eye]:
    """Cameras in the corners of the hall, 3 m up, overlapping in the middle."""
    eyes = [
        Eye("north", (0.2, 0.2, 3.0), (7.0, 5.0)),
        Eye("south", (11.8, 8.8, 3.0), (5.0, 4.0)),
        Eye("east", (11.8, 0.2, 3.0), (5.0, 5.0)),
        Eye("west", (0.2, 8.8, 3.0), (7.0, 4.0)),
    ]
    return [replace(eye, **more) for eye in eyes[:count]]  # type: ignore[arg-type]


def three_eyes() -> list[Eye]:
    """Cameras that share some floor and of which each looks where the others do not."""
    return [
        Eye("door", (6.0, 8.9, 2.8), (6.0, 5.5), focal_px=520.0),
        Eye("left", (0.2, 0.2, 3.0), (2.5, 5.0), focal_px=520.0),
        Eye("right", (11.8, 0.2, 3.0), (9.5, 5.0), focal_px=520.0),
    ]


def site(eyes: Sequence[Eye], sensors: Sequence[Sensor] = (), lines: Sequence[Line] = ()) -> Site:
    """The hall with these cameras and sensors."""
    return Site(
        id="hall",
        name=Text(en="Hall", zh="大厅"),
        timezone="UTC",
        plan=Plan(width_m=WIDTH_M, height_m=HEIGHT_M),
        cameras=[eye.camera() for eye in eyes],
        sensors=list(sensors),
        lines=list(lines),
    )


@dataclass
class Run:
    """What came of a run: settled facts, and the floor at its end."""

    floor: Floor
    settled: list[Settled] = field(default_factory=list)

    def ids(self) -> set[int]:
        """Every id that was ever on the floor."""
        return {p.id for s in self.settled for stretch in s.stretches for p in stretch.people}

    def person_s(self) -> float:
        """Counted person-seconds."""
        return (
            sum((st.end_ms - st.start_ms) * len(st.people) for s in self.settled for st in s.stretches) / 1000
        )


def run(
    eyes: Sequence[Eye],
    moments: Moments,
    seed: int = 1,
    floor: Floor | None = None,
    on_time: Callable[[Floor, int], None] | None = None,
) -> Run:
    """Show the moments to all cameras, each at its own rate and by its own clock; settle as a box does.

    `moments` are interpolated by the next one. A camera that is out says so at once and sends nothing.
    """
    random = np.random.default_rng(seed)
    done = Run(floor or Floor(site(eyes), prefix="hall", method="test"))
    times = np.array([t for t, _ in moments])
    events = sorted(
        (true_s + eye.clock_s, index, true_s)
        for index, eye in enumerate(eyes)
        for true_s in np.arange(times[0] + 0.013 * index, times[-1], 1 / eye.fps)
    )
    out: set[str] = set()
    for stamp_s, index, true_s in events:
        eye = eyes[index]
        is_out = any(a <= true_s < b for a, b in eye.out_s)
        t_ms = round((stamp_s + 20) * 1000)
        if is_out:
            if eye.id not in out:
                done.floor.state(eye.id, "stalled")
                out.add(eye.id)
        else:
            out.discard(eye.id)
            at = min(int(np.searchsorted(times, true_s)), len(moments) - 1)
            found = eye.boxes(moments[at][1], random)
            done.floor.frame(eye.id, t_ms, observe(t_ms, found, done.floor.calibration(eye.id)))
        if on_time:
            on_time(done.floor, t_ms)
        done.settled.append(done.floor.settle(t_ms, no_sensors))
    done.settled.append(done.floor.finish(no_sensors))
    return done


def walkers(count: int, seconds: float, seed: int = 1, hz: float = 20.0) -> list[tuple[float, Places]]:
    """`count` people who enter one after the other and walk from door to door, some with a stop, 0.7–1.5 m/s."""
    random = np.random.default_rng(seed)
    doors = np.array([(0.7, 4.5), (11.3, 4.5), (6.0, 0.7), (6.0, 8.3), (0.9, 8.1), (11.1, 0.9)])
    paths: dict[int, tuple[float, Array, Array]] = {}
    for person in range(count):
        start, end = random.choice(len(doors), 2, replace=False)
        middle = random.uniform([2.5, 2.0], [9.5, 7.0])
        knots = np.array(
            [doors[start] + random.normal(0, 0.2, 2), middle, doors[end] + random.normal(0, 0.2, 2)]
        )
        legs = np.linalg.norm(np.diff(knots, axis=0), axis=1) / random.uniform(0.7, 1.5)
        stay = random.choice([0.0, 0.0, 4.0])
        begin = random.uniform(0, max(seconds - legs.sum() - stay, 0.1))
        at = begin + np.array([0.0, legs[0], legs[0] + stay, legs.sum() + stay])
        paths[person + 1] = (begin, at, knots[[0, 1, 1, 2]])
    moments: list[tuple[float, Places]] = []
    for t in np.arange(0, seconds, 1 / hz):
        here = {
            person: (float(np.interp(t, at, knots[:, 0])), float(np.interp(t, at, knots[:, 1])))
            for person, (begin, at, knots) in paths.items()
            if begin <= t <= at[-1]
        }
        moments.append((float(t), here))
    return moments


def streams(count: int, seconds: float = 40.0, seed: int = 1, hz: float = 20.0) -> list[tuple[float, Places]]:
    """`count` people in four streams that walk through each other: from every wall straight to the one across."""
    random = np.random.default_rng(seed)
    paths: dict[int, tuple[float, float, Array, Array]] = {}
    for person in range(count):
        begin, speed = random.uniform(0, seconds - 14), random.uniform(0.8, 1.5)
        if person // 2 % 2:
            start, end = (np.array([random.uniform(3, 9), y]) for y in (0.7, 8.3))
        else:
            y = random.uniform(2.5, 6.5)
            start, end = np.array([0.7, y]), np.array([11.3, y + random.normal(0, 0.5)])
        if person % 2:
            start, end = end, start
        paths[person + 1] = (begin, begin + float(np.linalg.norm(end - start)) / speed, start, end)
    moments: list[tuple[float, Places]] = []
    for t in np.arange(0, seconds, 1 / hz):
        here = {}
        for person, (begin, until, start, end) in paths.items():
            if begin <= t <= until:
                x, y = start + (end - start) * (t - begin) / (until - begin)
                here[person] = (float(x), float(y))
        moments.append((float(t), here))
    return moments


def truth_person_s(moments: Moments) -> float:
    """Person-seconds of the truth."""
    step_s = moments[1][0] - moments[0][0]
    return sum(len(places) for _, places in moments) * step_s


def id_score(done: Run, moments: Moments, reach_m: float = 0.8) -> tuple[float, int]:
    """Share of the truth's person-moments that carry their person's main id, and ids per true person beyond one.

    Read four times a second; a moment of the truth is matched with the nearest person of the floor.
    """
    stretches = [stretch for s in done.settled for stretch in s.stretches]
    starts = np.array([stretch.start_ms for stretch in stretches])
    held: dict[int, dict[int, int]] = {}
    total = 0
    step = max(1, round(0.25 / (moments[1][0] - moments[0][0])))
    for t, places in moments[::step]:
        index = int(np.searchsorted(starts, (t + 20) * 1000, side="right")) - 1
        found = stretches[index].people if index >= 0 else ()
        total += len(places)
        free = {p.id: np.array(p.place_m) for p in found}
        pairs = sorted(
            (float(np.linalg.norm(free[i] - np.array(place))), person, i)
            for (person, place), i in itertools.product(places.items(), free)
        )
        used: set[int] = set()
        done_people: set[int] = set()
        for apart, person, i in pairs:
            if apart <= reach_m and person not in done_people and i not in used:
                used.add(i)
                done_people.add(person)
                ids = held.setdefault(person, {})
                ids[i] = ids.get(i, 0) + 1
    main = sum(max(ids.values()) for ids in held.values())
    extra = sum(sum(n >= 4 for n in ids.values()) - 1 for ids in held.values() if max(ids.values()) >= 4)
    return main / max(total, 1), extra
