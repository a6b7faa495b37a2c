"""A site's floor: frames of its cameras in, notices at once and windows when they are final out.

No clock, no thread: time comes with the frames. A frame settles when its window closes, which is
`lookback_s` after the window's end, or 5 s after the frame, whichever is first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from branchloop.clock import window_start_ms
from branchloop.messages import CameraFault, DeviceState, Notice, Window
from branchloop.site import Site
from edge.floor.calibration import FloorCalibration, calibrate
from edge.floor.fusion import Fusion, Stretch
from edge.floor.lines import Crossing
from edge.floor.notices import CrossingNotices
from edge.floor.observation import Observation
from edge.floor.tracks import MAX_LOOKBACK_MS, Tracker, TrackerSettings
from edge.floor.windows import CameraQuality, ClosedBy, Sensors, WindowBook
from edge.floor.zones import Visit


@dataclass(slots=True)
class Settled:
    """What became final: the site's timeline, its events, and the windows that closed."""

    stretches: list[Stretch] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)


@dataclass(slots=True)
class _Eye:
    tracker: Tracker
    calibration: FloorCalibration
    state: DeviceState = "starting"
    t_ms: int | None = None
    fault: CameraFault | None = None
    faulty: CameraFault | None = None
    """The fault that a window which is still open has seen, gone or not."""


class Floor:
    """All cameras of a site on one plan."""

    def __init__(
        self, site: Site, *, prefix: str, method: str, settings: TrackerSettings | None = None
    ) -> None:
        self.site = site
        self._prefix = prefix
        self._lookback_ms = round(site.tracking.lookback_s * 1000)
        self._settings = settings or TrackerSettings(
            birth_score=site.tracking.birth_score,
            high_score=site.tracking.high_score,
            low_score=site.tracking.low_score,
        )
        self._book = WindowBook(site, method)
        self._eyes = {camera.id: self._eye(camera.id) for camera in site.cameras}
        self._fusion = Fusion(list(self._eyes))
        self._notices = CrossingNotices(site.lines, prefix)
        self._restarts = 0
        self._settled_ms = 0

    def calibration(self, camera: str) -> FloorCalibration:
        """The calibration of one camera."""
        return self._eyes[camera].calibration

    def frame(self, camera: str, t_ms: int, observation: Observation | None) -> list[Notice]:
        """A camera's next frame (None: held by the motion gate); notices for those who wait."""
        eye = self._eyes[camera]
        self._book.begin(t_ms)
        self._book.frame(camera, t_ms, analysed=observation is not None)
        if observation is None:
            eye.tracker.hold(t_ms)
        else:
            eye.tracker.step(observation)
        eye.t_ms, eye.state = t_ms, "up"
        return self._notices.online(camera, t_ms, eye.tracker.present())

    def present(self) -> list[tuple[float, float]]:
        """Places of the people seen right now, one camera after the other: for the live dots only."""
        return [
            person.place_m
            for eye in self._eyes.values()
            if eye.state == "up"
            for person in eye.tracker.present()
        ]

    def watching(self, camera: str) -> bool:
        """Whether anybody is on this camera's floor, so that the gate had better stay open."""
        return bool(self._eyes[camera].tracker.present())

    def cut(self, camera: str) -> None:
        """The camera's scene was cut (a clip looped): all its tracks end."""
        self._eyes[camera].tracker.end_all()

    def state(self, camera: str, state: DeviceState, fault: CameraFault | None = None) -> None:
        """A camera's state changed; one that is not up no longer holds up the windows."""
        eye = self._eyes[camera]
        eye.state, eye.fault = state, fault
        eye.faulty = fault or eye.faulty
        if state != "up":
            eye.tracker.end_all()

    def settle(self, now_ms: int, sensors: Sensors) -> Settled:
        """Make final what is due at `now_ms` (only needed when no camera is up) and close windows."""
        self._book.begin(now_ms)
        watermark_ms = self._watermark(now_ms)
        if watermark_ms <= self._settled_ms:
            return Settled()
        return self._settle(watermark_ms, sensors, "time")

    def finish(self, sensors: Sensors, closed_by: ClosedBy = "stop") -> Settled:
        """Settle everything; for the end of a run and for a step of the clock. Starts afresh after."""
        times = [eye.t_ms for eye in self._eyes.values() if eye.t_ms is not None]
        for eye in self._eyes.values():
            eye.tracker.end_all()
        settled = self._settle(max([self._settled_ms, *(t + 1 for t in times)]), sensors, closed_by)
        self._restarts += 1
        self._settled_ms = 0
        for camera, eye in self._eyes.items():
            self._eyes[camera] = self._eye(camera)
            self._eyes[camera].state = eye.state
            self._eyes[camera].fault = self._eyes[camera].faulty = eye.fault
        self._fusion = Fusion(list(self._eyes))
        self._notices = CrossingNotices(self.site.lines, f"{self._prefix}-{self._restarts}")
        return settled

    def _settle(self, watermark_ms: int, sensors: Sensors, closed_by: ClosedBy) -> Settled:
        self._settled_ms = watermark_ms
        for camera, eye in self._eyes.items():
            outlook = eye.tracker.outlook() if len(self._eyes) > 1 else {}
            self._fusion.add(camera, eye.tracker.settle(watermark_ms - 1), outlook)
        settled = Settled(stretches=self._fusion.advance(watermark_ms))
        account(self._book, self._notices, settled)
        for line, notice in self._notices.overdue(watermark_ms):
            self._book.withdraw(line, notice, watermark_ms)
        quality = {
            camera: CameraQuality(eye.state, eye.calibration.residual_m, eye.faulty)
            for camera, eye in self._eyes.items()
        }
        settled.windows = self._book.close(watermark_ms, quality, sensors, closed_by)
        if settled.windows:
            for eye in self._eyes.values():
                eye.faulty = eye.fault
        return settled

    def _watermark(self, now_ms: int) -> int:
        up = [eye.t_ms for eye in self._eyes.values() if eye.state == "up" and eye.t_ms is not None]
        t_ms = min(up) if up else now_ms
        return max(t_ms - MAX_LOOKBACK_MS, window_start_ms(t_ms - self._lookback_ms))

    def _eye(self, camera_id: str) -> _Eye:
        camera = next(camera for camera in self.site.cameras if camera.id == camera_id)
        marks = camera.calibration
        fitted = calibrate(marks.points, marks.picture_px, marks.distortion, marks.focal_px)
        return _Eye(Tracker(fitted, self._settings), fitted)


def account(book: WindowBook, notices: CrossingNotices, settled: Settled) -> None:
    """Enter settled stretches into the windows: time, visits and crossings."""
    for stretch in settled.stretches:
        settled.visits += book.stretch(stretch)
        for final in notices.settle(stretch.start_ms, stretch.people):
            settled.crossings.append(final.crossing)
            book.crossing(final.crossing.line, final.crossing.direction, final.crossing.at_ms, final.notice)
