"""Clips through the whole edge, offline: as fast as it computes, the same bytes every time."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from branchloop.clock import WINDOW_MS
from branchloop.errors import ConfigError, InputError, UsageError
from branchloop.site.parts import Text
from branchloop.site.site import Calibration, Camera, Plan, Site
from edge.floor.floor import Floor
from edge.floor.observation import observe
from edge.floor.windows import no_sensors
from edge.perceive.camera import Clip, Frame, open_clip
from edge.perceive.health import silent_after_s
from edge.perceive.people import Detector
from edge.perceive.sight import Sight
from edge.provenance import Made
from edge.results import Results
from edge.tables import read_table

Progress = Callable[[int, int | None], None]
MARK = ("x_px", "y_px", "x_m", "y_m")
"""Columns of a table of calibration points."""


@dataclass(frozen=True, slots=True)
class Reel:
    """One camera's clip, and where its frame 0 lies on the first camera's clock."""

    camera: str
    clip: Clip
    offset_s: float = 0.0


def replay(
    site: Site,
    reels: Sequence[Reel],
    detector: Detector,
    out_dir: Path,
    *,
    origin_m: tuple[float, float] = (0.0, 0.0),
    until_s: float | None = None,
    progress: Progress | None = None,
    made: Made | None = None,
) -> dict[str, Any]:
    """Run `reels` through detector, tracker and counters; write the results; return their sums."""
    floor = Floor(site, prefix="replay", method=f"{detector.name}+floor")
    for reel in reels:
        expected = floor.calibration(reel.camera).picture_px
        if expected != reel.clip.size:
            raise ConfigError(
                f"camera {reel.camera} is calibrated for pictures of {expected[0]}×{expected[1]} px, "
                f"but {reel.clip.path} has {reel.clip.size[0]}×{reel.clip.size[1]}.",
                hint="Calibrate with a picture of this size.",
            )
    lead_ms = _lead_ms(reels)
    calibrations = {reel.camera: floor.calibration(reel.camera) for reel in reels}
    results = Results(out_dir, site.plan, origin_m, list(calibrations), lead_ms, calibrations, made)
    frame_of: dict[str, dict[int, int]] = {reel.camera: {} for reel in reels}
    sights = {
        reel.camera: Sight(detector, floor.calibration(reel.camera), site.plan.width_m, site.plan.height_m)
        for reel in reels
    }
    holes_ms = {
        reel.camera: silent_after_s(reel.clip.fps) * 1000
        for reel in reels
        if reel.clip.pace.stretch is not None
    }
    last_ms: dict[str, int] = {}
    done = 0
    for camera, frame in _in_time_order(reels, lead_ms):
        if until_s is not None and frame.t_ms - lead_ms >= until_s * 1000:
            break
        if camera in holes_ms and frame.t_ms - last_ms.get(camera, frame.t_ms) >= holes_ms[camera]:
            floor.state(camera, "stalled")  # as of a live camera that was out
            results.add(floor.settle(frame.t_ms, no_sensors), frame_of)
        last_ms[camera] = frame.t_ms
        frame_of[camera][frame.t_ms] = frame.index + 1
        boxes = sights[camera].look(frame.image, frame.t_ms)
        floor.frame(camera, frame.t_ms, observe(frame.t_ms, boxes, floor.calibration(camera)))
        results.add(floor.settle(frame.t_ms, no_sensors), frame_of)
        done += 1
        if progress:
            progress(done, None)
    if not done:
        raise InputError("the clips hold no frame in the time asked for.", hint="Check --until and --offset.")
    results.add(floor.finish(no_sensors), frame_of)
    results.agree(floor.agreements())
    return {"frames": done, **results.close()}


def open_reels(
    videos: Mapping[str, Path], fps: Mapping[str, float], offsets_s: Mapping[str, float], site: Site | None
) -> list[Reel]:
    """Open every clip; `fps` overrides a wrong header, as does the site's own `fps`."""
    for name, given in (("--fps", fps), ("--offset", offsets_s)):
        for camera in given:
            if camera not in videos:
                raise UsageError(f"{name} names camera {camera!r}, which no --camera names.")
    configured = {camera.id: camera.fps for camera in site.cameras} if site else {}
    first_offset = offsets_s.get(next(iter(videos)), 0.0)
    return [
        Reel(
            camera,
            open_clip(path, fps.get(camera, configured.get(camera))),
            offsets_s.get(camera, 0.0) - first_offset,
        )
        for camera, path in videos.items()
    ]


def site_of(site: Site, cameras: Sequence[str], points: Mapping[str, Path], reels: Sequence[Reel]) -> Site:
    """The site with just the cameras that are replayed, calibrated by `points` where given."""
    known = {camera.id: camera for camera in site.cameras}
    for camera in cameras:
        if camera not in known and camera not in points:
            raise UsageError(
                f"camera {camera!r} is not in the configuration.",
                hint=f"Use one of {', '.join(sorted(known)) or 'none'}, or give its --points.",
            )
    sizes = {reel.camera: reel.clip.size for reel in reels}
    chosen = [
        _camera(camera, read_points(points[camera]), sizes[camera], (0.0, 0.0))
        if camera in points
        else known[camera]
        for camera in cameras
    ]
    return site.model_copy(update={"cameras": chosen})


def bare_site(
    points: Mapping[str, Path], reels: Sequence[Reel], bounds: tuple[float, float, float, float] | None
) -> tuple[Site, tuple[float, float]]:
    """A site made of calibration points alone, and where its plan's corner lies in their metres.

    Without `bounds` the floor is the rectangle round all calibration points.
    """
    marks = {reel.camera: read_points(points[reel.camera]) for reel in reels if reel.camera in points}
    for reel in reels:
        if reel.camera not in marks:
            raise UsageError(
                f"camera {reel.camera!r} has no calibration.",
                hint="Give a CONFIG, or --points ID=CSV with columns x_px,y_px,x_m,y_m.",
            )
    if bounds is None:
        metres = [mark[2:] for some in marks.values() for mark in some]
        xs, ys = [m[0] for m in metres], [m[1] for m in metres]
        bounds = (min(xs), min(ys), max(xs), max(ys))
    x0, y0, x1, y1 = bounds
    if x1 - x0 < 1 or y1 - y0 < 1:
        raise UsageError(
            f"the floor {x0:g},{y0:g},{x1:g},{y1:g} is less than 1 m wide.", hint="Give --bounds X0,Y0,X1,Y1."
        )
    site = Site(
        id="replay",
        name=Text(en="Replay", zh="回放"),
        timezone="UTC",
        plan=Plan(width_m=x1 - x0, height_m=y1 - y0),
        cameras=[_camera(reel.camera, marks[reel.camera], reel.clip.size, (x0, y0)) for reel in reels],
    )
    return site, (x0, y0)


def read_points(path: Path) -> list[tuple[float, float, float, float]]:
    """Calibration points of a CSV file with the columns x_px, y_px, x_m, y_m."""
    return [_mark(record, path, number) for number, record in read_table(path, MARK)]


def _mark(record: Mapping[str, str], path: Path, number: int) -> tuple[float, float, float, float]:
    try:
        x_px, y_px, x_m, y_m = (float(record[column]) for column in MARK)
        if not all(map(math.isfinite, (x_px, y_px, x_m, y_m))):
            raise ValueError
    except ValueError as error:
        raise InputError(
            f"{path}, row {number}: {', '.join(str(record[c])[:12] for c in MARK)} are not four numbers.",
            hint="Correct or delete the row.",
        ) from error
    return x_px, y_px, x_m, y_m


def _camera(
    camera: str,
    marks: Sequence[tuple[float, float, float, float]],
    size: tuple[int, int],
    origin_m: tuple[float, float],
) -> Camera:
    moved = [(x, y, x_m - origin_m[0], y_m - origin_m[1]) for x, y, x_m, y_m in marks]
    try:
        return Camera(id=camera, source="replay", calibration=Calibration(points=moved, picture_px=size))
    except ValueError as error:
        reason = str(error).split("Value error, ")[-1].split(" [type=")[0]
        raise ConfigError(f"the points of camera {camera!r}: {reason}.") from error


def _lead_ms(reels: Sequence[Reel]) -> int:
    """Whole windows by which time is shifted inside, since a camera may have begun before the first-named one."""
    first_ms = min(0, *(round(reel.offset_s * 1000) for reel in reels))
    return -(first_ms // WINDOW_MS) * WINDOW_MS


def _in_time_order(reels: Sequence[Reel], lead_ms: int) -> Iterator[tuple[str, Frame]]:
    def shifted(reel: Reel, order: int) -> Iterator[tuple[int, int, str, Frame]]:
        shift_ms = round(reel.offset_s * 1000) + lead_ms
        for frame in reel.clip.frames:
            t_ms = frame.t_ms + shift_ms
            yield t_ms, order, reel.camera, Frame(frame.index, t_ms, frame.image)

    merged = heapq.merge(*(shifted(reel, i) for i, reel in enumerate(reels)), key=lambda f: f[:2])
    for _, _, camera, frame in merged:
        yield camera, frame
