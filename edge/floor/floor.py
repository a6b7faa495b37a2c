"""A site's floor: frames of its cameras in, notices at once and windows when they are final out.

No clock, no thread: time comes with the frames. A frame settles when its window closes, which is
`lookback_s` after the window's end, or with the others of its second at most 5 s after the frame, whichever is first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from branchloop.clock import window_start_ms
from branchloop.site.site import Site
from branchloop.wire.messages import CameraFault, DeviceState, Notice, Window
from edge.floor.accounts import Accounts, Passage
from edge.floor.calibration import FloorCalibration, calibrate
from edge.floor.counting.queueing import Wait
from edge.floor.counting.zones import Visit
from edge.floor.fusion.agreement import Agreement
from edge.floor.fusion.people import Fusion, Stretch
from edge.floor.observation import Observation
from edge.floor.overlap import Overlap
from edge.floor.sensors.occupancy import Occupancy
from edge.floor.sight import sight
from edge.floor.tracking.track import TrackerSettings
from edge.floor.tracking.tracker import MAX_LOOKBACK_MS, Tracker
from edge.floor.watch import Watch
from edge.floor.windows import CameraQuality, ClosedBy, Sensors

AT_ONCE_MS = 1_000
"""So much that is held for long becomes final together: for each such step everybody's path, and who was who, is worked out anew.

Less where the site looks back so long that it would be final too early, and frame by frame where frames are rare: it costs
little there, and each tells much.
"""


@dataclass(slots=True)
class Settled:
    """What became final: the site's timeline, its events, and the windows that closed."""

    stretches: list[Stretch] = field(default_factory=list)
    crossings: list[Passage] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)


@dataclass(slots=True)
class _Eye:
    tracker: Tracker
    calibration: FloorCalibration
    state: DeviceState = "starting"
    t_ms: int | None = None
    fault: CameraFault | None = None
    """As the camera says; what the floor sees of it by itself, `overlap` tells."""
    faulty: CameraFault | None = None
    """The fault that a window which is still open has seen, gone or not."""
    ended: bool = False
    overlap: Overlap = field(default_factory=Overlap)

    @property
    def faulty_now(self) -> CameraFault | None:
        """What is wrong with its pictures at this moment."""
        return self.fault or ("crowded" if self.overlap.crowded else None)


class Floor:
    """All cameras of a site on one plan."""

    def __init__(
        self, site: Site, *, prefix: str, method: str, settings: TrackerSettings | None = None
    ) -> None:
        self.site = site
        self._prefix = prefix
        self._lookback_ms = round(site.tracking.lookback_s * 1000)
        self._at_once_ms = max(1, min(AT_ONCE_MS, MAX_LOOKBACK_MS - self._lookback_ms))
        self._settings = settings or TrackerSettings(
            birth_score=site.tracking.birth_score,
            high_score=site.tracking.high_score,
            low_score=site.tracking.low_score,
        )
        self._method = method
        self._eyes = {camera.id: self._eye(camera.id) for camera in site.cameras}
        sights = {camera: sight(eye.calibration, site.plan) for camera, eye in self._eyes.items()}
        self._watch = Watch(site.plan, site.zones, site.lines, sights)
        self._accounts = Accounts(site, method=method, prefix=prefix, watch=self._watch)
        self._fusion = Fusion(list(self._eyes), sights)
        self._occupancy = Occupancy(site.plan, sights, site.sensors)
        self._restarts = 0
        self._settled_ms = 0

    def calibration(self, camera: str) -> FloorCalibration:
        """The calibration of one camera."""
        return self._eyes[camera].calibration

    def frame(self, camera: str, t_ms: int, observation: Observation | None) -> list[Notice]:
        """A camera's next frame (None: held by the motion gate); notices for those who wait."""
        eye = self._eyes[camera]
        self._accounts.begin(t_ms)
        self._accounts.book.frame(camera, t_ms, analysed=observation is not None)
        if observation is None:
            eye.tracker.hold(t_ms)
        else:
            eye.tracker.step(observation)
            clear = observation.scores >= self._settings.high_score
            eye.overlap.take(t_ms, observation.boxes_px[clear])
            eye.faulty = eye.faulty or eye.faulty_now
        eye.t_ms, eye.state = t_ms, "up"
        return self._accounts.online(camera, t_ms, eye.tracker.present())

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

    def reading(self, sensor: str, t_ms: int, range_m: float | None) -> None:
        """A range sensor's reading (None: no echo), before the windows that it belongs to close."""
        self._occupancy.reading(sensor, t_ms, range_m)

    def agreements(self) -> list[Agreement]:
        """How well each pair of cameras that share floor agrees about the people there."""
        return self._fusion.agreements()

    def cut(self, camera: str) -> None:
        """The camera's scene was cut (a clip looped): all its tracks end."""
        self._end_all(self._eyes[camera])

    def state(self, camera: str, state: DeviceState, fault: CameraFault | None = None) -> None:
        """A camera's state changed; one that is not up no longer holds up the windows."""
        eye = self._eyes[camera]
        eye.state, eye.fault = state, fault
        eye.faulty = fault or eye.faulty
        if state != "up":
            eye.overlap = Overlap()
            self._end_all(eye)

    def ended(self, camera: str) -> None:
        """No more frames come of this camera: it holds up no window, and those that are open tell its last state."""
        eye = self._eyes[camera]
        eye.ended = True
        self._end_all(eye)

    def settle(self, now_ms: int, sensors: Sensors, upto_ms: int | None = None) -> Settled:
        """Make final what is due at `now_ms` (only needed when no camera is up), or up to `upto_ms`, and close windows."""
        self._accounts.begin(now_ms)
        watermark_ms = self.due_ms(now_ms) if upto_ms is None else upto_ms
        if watermark_ms <= self._settled_ms:
            return Settled()
        return self._settle(watermark_ms, sensors, "time")

    def leave(self, border_ms: int, coming: Site) -> None:
        """From `border_ms` on another configuration counts; what it knows nothing of ends there."""
        self._accounts.book.leave(border_ms, coming)

    def take_over(self, leaving: Floor) -> None:
        """Go on with what lasts on another floor that watched the same people and has settled as much."""
        self._accounts.take_over(leaving._accounts)

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
        self._fusion = self._fusion.afresh()
        self._occupancy.forget()
        self._accounts = Accounts(
            self.site, method=self._method, prefix=f"{self._prefix}-{self._restarts}", watch=self._watch
        )
        return settled

    def _end_all(self, eye: _Eye) -> None:
        eye.tracker.end_all()
        if eye.t_ms is not None:
            self._accounts.cut(eye.t_ms + 1)

    def _settle(self, watermark_ms: int, sensors: Sensors, closed_by: ClosedBy) -> Settled:
        self._settled_ms = watermark_ms
        for camera, eye in self._eyes.items():
            settled = eye.tracker.settle(watermark_ms - 1)
            outlook = eye.tracker.outlook() if len(self._eyes) > 1 else {}
            self._fusion.add(camera, settled, outlook)
        final = Settled(stretches=self._fusion.advance(watermark_ms))
        for stretch in final.stretches:
            self._occupancy.stretch(stretch)
        enter(self._accounts, final, last=closed_by != "time")
        quality = {
            camera: CameraQuality(eye.state, eye.calibration.residual_m, eye.faulty)
            for camera, eye in self._eyes.items()
        }
        closed = self._accounts.close(watermark_ms, quality, sensors, closed_by)
        if closed:
            pairs = [agreement.told() for agreement in self.agreements()]
            final.windows = [self._filled(window).model_copy(update={"pairs": pairs}) for window in closed]
            for eye in self._eyes.values():
                eye.faulty = eye.faulty_now
        return final

    def _filled(self, window: Window) -> Window:
        """A window with what the sensors tell of the floor that no camera saw."""
        doubtful = {s.sensor for s in window.sensors if s.fault is not None or s.state != "up"}
        filled = self._occupancy.close(window.start_ms, doubtful)
        return window if filled is None else window.model_copy(update={"filled": filled})

    def due_ms(self, now_ms: int) -> int:
        """Up to when everything may become final: every camera that is up has looked long enough beyond."""
        looking = [eye for eye in self._eyes.values() if eye.state == "up" and not eye.ended]
        t_ms = min((eye.t_ms for eye in looking if eye.t_ms is not None), default=now_ms)
        held_ms = t_ms - MAX_LOOKBACK_MS
        rare = bool(looking) and all(eye.tracker.closely for eye in looking)
        at_once_ms = 1 if rare else self._at_once_ms
        return max(held_ms + -held_ms % at_once_ms, window_start_ms(t_ms - self._lookback_ms))

    def _eye(self, camera_id: str) -> _Eye:
        camera = next(camera for camera in self.site.cameras if camera.id == camera_id)
        marks = camera.calibration
        fitted = calibrate(marks.points, marks.picture_px, marks.distortion, marks.focal_px)
        plan = self.site.plan
        return _Eye(Tracker(fitted, self._settings, (plan.width_m, plan.height_m)), fitted)


def enter(accounts: Accounts, settled: Settled, *, last: bool) -> None:
    """Enter settled stretches into the accounts: what they amount to joins them."""
    events = accounts.enter(settled.stretches, last=last)
    settled.crossings += events.crossings
    settled.visits += events.visits
    settled.waits += events.waits
