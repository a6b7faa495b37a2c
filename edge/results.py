"""What an offline run writes: MOT tracks, the fused floor, events and heat, byte for byte repeatable.

Every file is NAME.part until all are whole: a run that is ended early leaves those of the run before as they were.

People off the plan are in nobody's branch: they are written nowhere, but for the boxes of those whose
feet may be on it.
"""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from branchloop.errors import InputError
from branchloop.site.site import Plan
from branchloop.wire.messages import Window
from edge.floor.accounts import Passage
from edge.floor.calibration import FloorCalibration
from edge.floor.counting.queueing import Wait
from edge.floor.floor import Settled
from edge.floor.fusion.agreement import Agreement
from edge.floor.fusion.people import Stretch
from edge.provenance import EVENT, Made

BORDER_M = 0.5


class Results:
    """Files of one run in `out_dir`.

    `origin_m` is where the plan's corner lies in the user's metres, `lead_ms` what the user's time is short of ours;
    events and heat say what they were `made` with.
    """

    def __init__(
        self,
        out_dir: Path,
        plan: Plan,
        origin_m: tuple[float, float],
        cameras: Sequence[str],
        lead_ms: int = 0,
        calibrations: Mapping[str, FloorCalibration] | None = None,
        made: Made | None = None,
    ) -> None:
        _make_folder(out_dir)
        self._dir = out_dir
        self._names: list[str] = []
        self._plan = plan
        self._lead_ms = lead_ms
        self._origin = origin_m
        self._calibrations = calibrations or {}
        self._reference = cameras[0] if cameras else None
        self._tracks: dict[str, TextIO] = {
            camera: self._part(f"tracks-{camera}.txt").open("w") for camera in cameras
        }
        self._floor_file = self._part("floor.csv").open("w", newline="") if cameras else None
        self._floor = csv.writer(self._floor_file, lineterminator="\n") if self._floor_file else None
        if self._floor:
            self._floor.writerow(["t_s", "id", "x_m", "y_m"])
        self._events = self._part("events.ndjson").open("w")
        self._made = made.model_dump(mode="json") if made else None
        if self._made:
            self._events.write(json.dumps({"event": EVENT, **self._made}) + "\n")
        self._heat_ms = np.zeros(plan.rows * plan.cols, dtype=np.int64)
        self._by_window: list[tuple[float, list[int], list[int]]] = []
        self._watched_ms = 0
        self._summary: dict[str, Any] = {"crossings": 0, "visits": 0, "waits": 0, "windows": 0, "people": 0}
        self._people: set[int] = set()

    def add(self, settled: Settled, frame_of: Mapping[str, Mapping[int, int]]) -> None:
        """Write what became final; `frame_of` maps camera and ms to the 1-based native frame."""
        for stretch in settled.stretches:
            self._stretch(stretch, frame_of)
        for passage in sorted(settled.crossings, key=_by_time):
            self._crossing(passage)
        for visit in settled.visits:
            if visit.end_ms is not None:
                self._summary["visits"] += 1
                dwell_s = (visit.end_ms - visit.start_ms) / 1000
                self._event(
                    "visit", visit.end_ms, zone=visit.zone, id=visit.person,
                    start_s=(visit.start_ms - self._lead_ms) / 1000, dwell_s=dwell_s,
                )  # fmt: skip
        for wait in settled.waits:
            self._wait(wait)
        for window in settled.windows:
            self._window(window)

    def agree(self, agreements: Sequence[Agreement]) -> None:
        """Write how well the cameras agreed where two of them look."""
        for one in agreements:
            figures = {
                "disagreement_m": one.disagreement_m,
                "apart_m": one.apart_m,
                "clock_offset_s": one.clock_offset_s,
            }
            said = {name: round(value, 3) for name, value in figures.items() if value is not None}
            fault = {"fault": one.fault} if one.fault else {}
            self._events.write(
                json.dumps({"event": "agreement", "cameras": one.cameras, **said, **fault}) + "\n"
            )

    def close(self) -> dict[str, Any]:
        """Finish all files; returns the sums of the run."""
        for file in (*self._tracks.values(), self._events, self._floor_file):
            if file is not None:
                file.close()
        made: dict[str, Any] = {EVENT: np.array(json.dumps(self._made))} if self._made else {}
        with self._part("heat.npz").open("wb") as heat_file:
            np.savez(
                heat_file,
                person_seconds=(self._heat_ms / 1000).reshape(self._plan.rows, self._plan.cols),
                x0_m=self._origin[0],
                y0_m=self._origin[1],
                cell_m=self._plan.cell_m,
                observed_s=self._watched_ms / 1000,
                window_start_s=np.array([start_s for start_s, _, _ in self._by_window]),
                window_ends=np.cumsum([len(cells) for _, cells, _ in self._by_window], dtype=np.int64),
                window_cells=np.array([c for _, cells, _ in self._by_window for c in cells], dtype=np.int64),
                window_mps=np.array([m for _, _, mps in self._by_window for m in mps], dtype=np.int64),
                **made,
            )
        for name in self._names:
            (self._dir / f"{name}.part").replace(self._dir / name)
        self._summary["people"] = len(self._people)
        self._summary["person_seconds"] = int(self._heat_ms.sum()) / 1000
        self._summary["observed_s"] = self._watched_ms / 1000
        return self._summary

    def _part(self, name: str) -> Path:
        self._names.append(name)
        return self._dir / f"{name}.part"

    def _stretch(self, stretch: Stretch, frame_of: Mapping[str, Mapping[int, int]]) -> None:
        if stretch.observing:
            self._watched_ms += stretch.end_ms - stretch.start_ms
        people = [person for person in stretch.people if not person.glimpsed]
        on_plan = [person for person in people if self._plan.holds(person.place_m)]
        self._people.update(person.id for person in on_plan)
        for camera in sorted(stretch.frame_of & self._tracks.keys()):
            frame = frame_of[camera][stretch.start_ms]
            for person in (*people, *stretch.uncounted):
                for seen_by, seen in person.seen:
                    if seen_by == camera and (
                        self._near(person.place_m) or self._ends_on(camera, seen.box_px)
                    ):
                        x0, y0, x1, y1 = seen.box_px
                        self._tracks[camera].write(
                            f"{frame},{person.id},{x0:.2f},{y0:.2f},{x1 - x0:.2f},{y1 - y0:.2f},"
                            f"{seen.score:.3f},-1,-1,-1\n"
                        )
        if self._floor and self._reference in stretch.frame_of:
            for person in on_plan:
                self._floor.writerow(
                    [
                        f"{(stretch.start_ms - self._lead_ms) / 1000:.3f}",
                        person.id,
                        *(f"{v:.3f}" for v in self._place(person.place_m)),
                    ]
                )

    def _near(self, place_m: tuple[float, float]) -> bool:
        """On the plan but for the uncertainty of a foot point: a box at its border is not dropped."""
        x, y = place_m
        width, height = self._plan.width_m, self._plan.height_m
        return -BORDER_M <= x <= width + BORDER_M and -BORDER_M <= y <= height + BORDER_M

    def _ends_on(self, camera: str, box_px: tuple[float, float, float, float]) -> bool:
        """Whether what is seen of somebody ends on the plan, wherever the feet are that the picture's border hides."""
        calibration = self._calibrations.get(camera)
        if calibration is None or box_px[3] < calibration.picture_px[1]:
            return False
        x, y = calibration.to_floor(np.array([[(box_px[0] + box_px[2]) / 2, box_px[3]]]))[0]
        return self._near((float(x), float(y)))

    def _crossing(self, passage: Passage) -> None:
        crossing, place = passage.crossing, self._place(passage.crossing.place_m)
        self._summary["crossings"] += 1
        marks = {"staff": passage.staff, "returned": passage.returned}
        self._event(
            "crossing", crossing.at_ms, line=crossing.line, direction=crossing.direction, id=crossing.person,
            x_m=place[0], y_m=place[1], **{mark: True for mark, holds in marks.items() if holds},
        )  # fmt: skip

    def _wait(self, wait: Wait) -> None:
        self._summary["waits"] += 1
        self._event(
            "wait", wait.end_ms, queue=wait.queue, id=wait.person, outcome=wait.outcome,
            start_s=(wait.start_ms - self._lead_ms) / 1000,
            wait_s=None if wait.wait_ms is None else wait.wait_ms / 1000,
            served_in=wait.served_in,
        )  # fmt: skip

    def _window(self, window: Window) -> None:
        self._summary["windows"] += 1
        if window.heat is not None:
            np.add.at(self._heat_ms, window.heat.cells, window.heat.mps)
        heat = (window.heat.cells, window.heat.mps) if window.heat else ([], [])
        self._by_window.append(((window.start_ms - self._lead_ms) / 1000, *heat))
        body = window.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"heat"})
        body["start_ms"] -= self._lead_ms
        self._event("window", window.start_ms, **body)

    def _event(self, event: str, t_ms: int, **fields: object) -> None:
        self._events.write(
            json.dumps({"t_s": (t_ms - self._lead_ms) / 1000, "event": event, **fields}) + "\n"
        )

    def _place(self, place_m: tuple[float, float]) -> tuple[float, float]:
        return round(place_m[0] + self._origin[0], 3), round(place_m[1] + self._origin[1], 3)


def _by_time(passage: Passage) -> tuple[int, str, str]:
    return passage.crossing.at_ms, passage.crossing.line, str(passage.crossing.person)


def _make_folder(path: Path) -> None:
    """Make the folder of the results. Raises InputError when there can be none, or nothing can be put into it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        reason = "a file has that name" if path.is_file() else error.strerror
        raise InputError(
            f"{path} cannot be the folder of the results: {reason}.", hint="Name another one with --out."
        ) from error
