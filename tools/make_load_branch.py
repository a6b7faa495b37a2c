"""Make `sample_history/load.ndjson.xz`: ten minutes of a large simulated branch, message by message.

    python tools/make_load_branch.py

People walk about in the branch of `configs/load.toml` (40 × 25 m, four cameras, four sensors), a hundred and sixty an hour.
Their places go through the box's own counters at five frames a second, so that windows and notices are as
a box tells them. One camera is out for a minute. Nothing of it was ever seen: places have noise, pictures there are none.
Each line is `{"at_ms", "kind", "body"}`: when the box would have it, and what; times count from the recording's start.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchloop.clock import MINUTE_MS, WINDOW_MS
from branchloop.site.site import Sensor, Site, parse_site
from branchloop.wire.messages import CameraPair, Notice, SensorWindow, Window
from edge.floor.accounts import Accounts
from edge.floor.calibration import calibrate
from edge.floor.fusion.people import SitePerson, Stretch
from edge.floor.person import Person
from edge.floor.sensors.occupancy import Occupancy
from edge.floor.sight import Sight, sight
from edge.floor.watch import Watch
from edge.floor.windows import CameraQuality

FRAME_MS = 200
WARM_UP_MS = 20 * MINUTE_MS
RECORDED_MS = 10 * MINUTE_MS
OUT_MS = (WARM_UP_MS + 4 * MINUTE_MS, WARM_UP_MS + 5 * MINUTE_MS)
OUT = "advisers"
T0_MS = 1_794_200_400_000
"""A whole minute; every time in the file counts from the end of the warm-up after it."""
PER_HOUR = 160
NOISE_M = 0.08
READINGS_A_FRAME = 2
Point = tuple[float, float]
Places = Mapping[int, Point]

DOORS: Sequence[tuple[Point, Point]] = (((20.0, 24.8), (20.0, 22.0)), ((39.8, 21.0), (37.0, 21.0)))
"""Outside and inside of each door."""
PLANS: Mapping[str, tuple[float, Sequence[tuple[tuple[float, float, float, float], float]]]] = {
    "teller": (0.45, (((4.5, 6.0, 17.5, 10.0), 240.0), ((2.5, 2.8, 19.5, 4.2), 210.0))),
    "seated": (0.2, (((4.5, 13.5, 13.5, 19.5), 420.0), ((2.5, 2.8, 19.5, 4.2), 240.0))),
    "machine": (0.25, (((32.5, 14.5, 35.5, 19.5), 50.0), ((37.2, 13.5, 38.8, 18.5), 80.0))),
    "adviser": (0.1, (((29.0, 2.5, 37.0, 7.5), 900.0),)),
}
"""What a visitor comes for: its share, and where they stay (x0, y0, x1, y1 in m) for how long on average (s)."""


def main() -> None:
    """Walk, count, compress."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("sample_history/load.ndjson.xz"))
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    config = Path(__file__).parent.parent / "configs" / "load.toml"
    site = parse_site(config.read_text(encoding="utf-8"), str(config))
    told = list(record(site, np.random.default_rng(args.seed)))
    kept = [
        {"at_ms": at_ms, "kind": kind, "body": body}
        for at_ms, kind, body in sorted(only_recorded(told), key=lambda each: each[0])
    ]
    text = "\n".join(json.dumps(line, separators=(",", ":")) for line in kept) + "\n"
    args.out.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    windows = sum(line["kind"] == "window" for line in kept)
    print(
        f"{args.out}: {windows} windows, {len(kept) - windows} notices, {len(text)} bytes, compressed {args.out.stat().st_size}"
    )


def visitors(rng: np.random.Generator, until_s: float) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Each visitor's begin (s) and path: rows of (s since then, x, y)."""
    at_s = 0.0
    shares = [share for share, _ in PLANS.values()]
    while (at_s := at_s + float(rng.exponential(3600 / PER_HOUR))) < until_s:
        _, stays = PLANS[list(PLANS)[int(rng.choice(len(PLANS), p=shares))]]
        come, go = DOORS[int(rng.random() < 0.2)], DOORS[int(rng.random() < 0.2)]
        knots: list[tuple[float, Point]] = [(0.0, come[0]), (0.0, come[1])]
        for (x0, y0, x1, y1), mean_s in stays:
            spot = (float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1)))
            knots.append((float(rng.gamma(3.0, mean_s / 3)), spot))
        knots += [(0.0, go[1]), (0.0, go[0])]
        speed = float(rng.uniform(0.8, 1.4))
        rows, t_s, before = [], 0.0, knots[0][1]
        for stay_s, (x, y) in knots:
            t_s += math.dist(before, (x, y)) / speed
            rows.append((t_s, x, y))
            if stay_s:
                t_s += stay_s
                rows.append((t_s, x, y))
            before = (x, y)
        yield at_s, np.array(rows)


def moments(rng: np.random.Generator) -> Iterator[tuple[int, Places]]:
    """Every frame's time (ms from the warm-up's start) and who is where, as a tracker would say: with slow noise."""
    end_ms = WARM_UP_MS + RECORDED_MS + 2 * WINDOW_MS
    paths = list(visitors(rng, end_ms / 1000))
    sway: dict[int, NDArray[np.float64]] = {}
    for t_ms in range(0, end_ms, FRAME_MS):
        here: dict[int, Point] = {}
        for person, (at_s, rows) in enumerate(paths, 1):
            since_s = t_ms / 1000 - at_s
            if 0 <= since_s <= rows[-1, 0]:
                moved = 0.9 * sway.get(person, np.zeros(2)) + rng.normal(0, NOISE_M * 0.44, 2)
                sway[person] = moved
                x, y = (float(np.interp(since_s, rows[:, 0], rows[:, axis])) for axis in (1, 2))
                here[person] = (x + float(moved[0]), y + float(moved[1]))
        yield t_ms, here


def record(site: Site, rng: np.random.Generator) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(when the box has it, kind, body) with absolute times, warm-up included."""
    sights = {
        camera.id: sight(calibrate(camera.calibration.points, camera.calibration.picture_px), site.plan)
        for camera in site.cameras
    }
    accounts = Accounts(
        site, method="simulated tracks", prefix="n", watch=Watch(site.plan, site.zones, site.lines, sights)
    )
    occupancy = Occupancy(site.plan, sights, site.sensors)
    ears = {sensor.id: _Ear(sensor, rng) for sensor in site.sensors}
    accounts.begin(T0_MS)
    stretches: list[Stretch] = []
    for since_ms, places in moments(rng):
        t_ms = T0_MS + since_ms
        up = [camera for camera in sights if not (camera == OUT and OUT_MS[0] <= since_ms < OUT_MS[1])]
        people = tuple(_seen(person, at, sights, up) for person, at in places.items())
        stretches.append(
            Stretch(t_ms, t_ms + FRAME_MS, tuple(p for p in people if p.seen), frozenset(up), frozenset(up))
        )
        for camera in up:
            own = [person for p in people for name, person in p.seen if name == camera]
            accounts.book.frame(camera, t_ms, analysed=bool(own))
            for notice in accounts.online(camera, t_ms, own):
                yield t_ms, "notice", _json(notice)
        for sensor in ears.values():
            for reading_ms, range_m in sensor.readings(t_ms, places):
                occupancy.reading(sensor.id, reading_ms, range_m)
        if since_ms % WINDOW_MS == 1_000 and since_ms > WINDOW_MS:  # a second after its end a window is final
            end_ms = t_ms - 1_000
            due = [stretch for stretch in stretches if stretch.start_ms < end_ms]
            stretches = stretches[len(due) :]
            for stretch in due:
                occupancy.stretch(stretch)
            accounts.enter(due)
            quality = {
                c.id: CameraQuality("up" if c.id in up else "stalled", 0.04 + 0.01 * n)
                for n, c in enumerate(site.cameras)
            }
            closed = accounts.close(
                end_ms, quality, lambda start_ms: [ear.window(start_ms) for ear in ears.values()]
            )
            for window in closed:
                filled = occupancy.close(window.start_ms, ())
                more = {"pairs": _pairs(site, rng), **({"filled": filled} if filled is not None else {})}
                yield t_ms, "window", _json(window.model_copy(update=more))


def _seen(person: int, at: Point, sights: Mapping[str, Sight], up: Sequence[str]) -> SitePerson:
    seen = [
        (camera, Person(person, (600.0, 300.0, 650.0, 420.0), at, 0.15, 0.9))
        for camera in up
        if bool(sights[camera].holds(np.array([at]))[0])
    ]
    return SitePerson(person, at, tuple(seen))


class _Ear:
    """A range sensor among people 1.7 m tall: ten readings a second, 2 cm of noise, one in twenty without an echo."""

    def __init__(self, sensor: Sensor, rng: np.random.Generator) -> None:
        self.id = sensor.id
        self._sensor, self._rng = sensor, rng
        self._reach_m = (sensor.height_m - 1.2) * math.tan(math.radians(sensor.cone_deg / 2))
        self._read: list[tuple[int, float | None]] = []

    def readings(self, t_ms: int, places: Places) -> Iterator[tuple[int, float | None]]:
        """The readings of one frame's time."""
        near = min(
            (math.dist(at, (self._sensor.x_m, self._sensor.y_m)) for at in places.values()), default=99.0
        )
        true_m = (
            math.hypot(near, self._sensor.height_m - 1.7) if near < self._reach_m else self._sensor.height_m
        )
        for n in range(READINGS_A_FRAME):
            heard = None if self._rng.random() < 0.05 else round(true_m + float(self._rng.normal(0, 0.02)), 2)
            reading = (t_ms + n * FRAME_MS // READINGS_A_FRAME, heard)
            self._read.append(reading)
            yield reading

    def window(self, start_ms: int) -> SensorWindow:
        """What it read in a window."""
        own = [heard for at_ms, heard in self._read if start_ms <= at_ms < start_ms + WINDOW_MS]
        self._read = [each for each in self._read if each[0] >= start_ms + WINDOW_MS]
        valid = [round(heard * 1000) for heard in own if heard is not None]
        present = sum(mm < 1000 * (self._sensor.present_below_m or 0) for mm in valid)
        return SensorWindow(
            sensor=self.id, state="up", observed_ms=WINDOW_MS, readings=len(own), valid=len(valid),
            nearest_mm=min(valid), farthest_mm=max(valid), sum_mm=sum(valid),
            present_ms=present * WINDOW_MS // len(valid),
        )  # fmt: skip


def _pairs(site: Site, rng: np.random.Generator) -> list[CameraPair]:
    ids = sorted(camera.id for camera in site.cameras)
    return [
        CameraPair(
            first=a, second=b, disagreement_mm=int(rng.integers(80, 220)), clock_ms=int(rng.integers(-40, 40))
        )
        for n, a in enumerate(ids)
        for b in ids[n + 1 :]
    ]


def _json(body: Window | Notice) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(body.to_json())
    return told


def only_recorded(
    told: Sequence[tuple[int, str, dict[str, Any]]],
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """What is after the warm-up, by times that count from its end; windows settle only notices that are told too."""
    zero_ms = T0_MS + WARM_UP_MS
    windows = [
        (at_ms, body)
        for at_ms, kind, body in told
        if kind == "window" and 0 <= body["start_ms"] - zero_ms < RECORDED_MS
    ]
    settled = {
        notice
        for _, body in windows
        for line in body["lines"]
        for fate in ("confirmed", "withdrawn")
        for notice in line.get(fate, ())
    }
    kept: set[str] = set()
    for at_ms, kind, body in told:
        if kind == "notice" and body["id"] in settled and body["at_ms"] >= zero_ms:
            kept.add(body["id"])
            times = {key: body[key] - zero_ms for key in ("at_ms", "seen_ms")}
            yield at_ms - zero_ms, kind, body | times
    for at_ms, body in windows:
        for line in body["lines"]:
            for fate in ("confirmed", "withdrawn"):
                if fate in line:
                    line[fate] = [notice for notice in line[fate] if notice in kept]
        yield at_ms - zero_ms, "window", body | {"start_ms": body["start_ms"] - zero_ms}


if __name__ == "__main__":
    main()
