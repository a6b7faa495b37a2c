"""The pictures that the hub may ask a box for: one camera's background, and all of them on the plan.

Runs in the core process and waits for nothing: cameras answer with their reports, the bird's-eye picture is
laid out by a short-lived process. The same command again gets the same answer for as long as the core runs;
a core that was started anew makes the picture anew, and the hub takes the first answer it gets.
"""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import ValidationError

from branchloop.site.site import Site
from branchloop.wire.commands import Background, Birdseye, Command, Picture, Reply
from branchloop.wire.messages import DeviceState
from branchloop.wire.status import DeviceLight
from edge.perceive.report import BackgroundReport

YOUNG_MS = 600_000
"""A background this young is good for a bird's-eye picture as well."""
CAMERAS_SHARE = 0.5
"""Of the time given for a bird's-eye picture, the cameras' part; the rest is for laying their backgrounds out."""
_KEPT_REPLIES = 16
_AWAY = ("down", "ended")
_LOG = logging.getLogger(__name__)


class Camera(Protocol):
    """Whom to ask: see `edge.cameras.CameraProcess`."""

    def ask_background(self, command: str, expires_ms: int) -> bool:
        """False when there is nobody to ask."""
        ...


@dataclass(slots=True)
class _Open:
    command: Command
    wanted: set[str]
    got: dict[str, BackgroundReport] = field(default_factory=dict)
    why: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Camera -> code and detail, where there is no picture."""
    cameras_until_ms: int = 0
    """When the cameras must have answered."""
    laying_out: bool = False


class Pictures:
    """Answers `background` and `birdseye`. All methods are called by the core's one thread."""

    def __init__(
        self,
        site: Callable[[], Site],
        cameras: Mapping[str, Camera],
        light: Callable[[str], DeviceLight],
        reply: Callable[[str], None],
        now_ms: Callable[[], int],
        later: Callable[[Reply], None],
    ) -> None:
        """`site`: the configuration that the cameras run by; `reply` sends; `later` hands a reply made in another thread back to `answer`."""
        self._site = site
        self._cameras = cameras
        self._light = light
        self._reply = reply
        self._now_ms = now_ms
        self._later = later
        self._open: dict[str, _Open] = {}
        self._said: OrderedDict[str, str] = OrderedDict()
        self._newest: dict[str, BackgroundReport] = {}

    def take(self, payload: bytes) -> None:
        """A command as it came."""
        try:
            command = Command.model_validate_json(payload)
        except ValidationError as error:
            _LOG.warning("the hub sent a command that cannot be read: %s", error)
            return
        if command.id in self._said:
            self._reply(self._said[command.id])
        elif command.id not in self._open:
            self._begin(command)

    def background(self, report: BackgroundReport) -> None:
        """A camera has answered."""
        if report.ok:
            self._newest[report.camera] = report
        asked = self._open.get(report.command)
        if asked is not None and report.camera in asked.wanted:
            self._has(asked, report.camera, report if report.ok else (report.code, report.detail))

    def state(self, camera: str, state: DeviceState, detail: str) -> None:
        """A camera that is away answers nothing more."""
        if state in _AWAY:
            for asked in list(self._open.values()):
                if camera in asked.wanted:
                    self._has(asked, camera, (f"camera_{state}", detail))

    def forget(self, camera: str) -> None:
        """The camera is gone, or looks at something else from now on."""
        self._newest.pop(camera, None)
        for asked in list(self._open.values()):
            if camera in asked.wanted:
                self._has(asked, camera, ("camera_down", "the box has another configuration"))

    def answer(self, reply: Reply) -> None:
        """Send a reply, and keep it for whoever asks again. What was answered before stays so."""
        if reply.id in self._said:
            return
        self._open.pop(reply.id, None)
        self._said[reply.id] = text = reply.to_json()
        while len(self._said) > _KEPT_REPLIES:
            self._said.popitem(last=False)
        self._reply(text)

    def tick(self) -> None:
        """Go on without cameras that are late; let go of what has expired."""
        now_ms = self._now_ms()
        for asked in list(self._open.values()):
            if asked.command.expires_ms <= now_ms:
                what = "laid out" if asked.laying_out else f"made by {', '.join(sorted(asked.wanted))}"
                self._refuse(asked.command, "expired", f"it was not ready in time: it was still being {what}")
            elif asked.cameras_until_ms <= now_ms:
                for camera in sorted(asked.wanted):
                    self._has(asked, camera, ("expired", f"{camera} had no background ready in time"))

    def _begin(self, command: Command) -> None:
        if command.expires_ms <= self._now_ms():
            self._refuse(command, "expired", "")
            return
        try:
            if command.what == "background":
                cameras = [Background.model_validate(dict(command.body)).camera]
            elif command.what == "birdseye":
                Birdseye.model_validate(dict(command.body))
                cameras = list(self._cameras)
            else:
                self._refuse(command, "unknown", f"a box does not know `{command.what}`")
                return
        except ValidationError:
            self._refuse(command, "unreadable", "")
            return
        if not cameras or any(camera not in self._cameras for camera in cameras):
            self._refuse(command, "unknown", "the box has no such camera")
            return
        until_ms = command.expires_ms
        if command.what == "birdseye":
            until_ms = self._now_ms() + round((until_ms - self._now_ms()) * CAMERAS_SHARE)
        asked = self._open[command.id] = _Open(command, set(cameras), cameras_until_ms=until_ms)
        for camera in cameras:
            young = self._newest.get(camera)
            if command.what == "birdseye" and young is not None and self._now_ms() - young.made_ms < YOUNG_MS:
                self._has(asked, camera, young)
            else:
                self._ask(asked, camera)

    def _ask(self, asked: _Open, camera: str) -> None:
        light = self._light(camera)
        if light.state in _AWAY or light.fault not in {None, "moved"}:
            self._has(asked, camera, (f"camera_{light.state}", light.detail or ""))
        elif not self._cameras[camera].ask_background(asked.command.id, asked.cameras_until_ms):
            self._has(asked, camera, ("camera_down", "its process is not running"))

    def _has(self, asked: _Open, camera: str, got: BackgroundReport | tuple[str, str]) -> None:
        asked.wanted.discard(camera)
        if isinstance(got, BackgroundReport):
            asked.got[camera] = got
        else:
            asked.why[camera] = got
        if asked.wanted or asked.laying_out:
            return
        if not asked.got:
            code, detail = next(iter(asked.why.values()))
            self._refuse(asked.command, code, detail)
        elif asked.command.what == "background":
            self._send(asked.command, _picture(asked.got[camera]))
        else:
            asked.laying_out = True
            threading.Thread(
                target=self._lay_out, args=(asked, self._site()), name="birdseye", daemon=True
            ).start()

    def _lay_out(self, asked: _Open, site: Site) -> None:
        """In a thread: the process does the work, this only waits for it."""
        backgrounds = {
            camera: {
                "jpeg": base64.b64encode(report.jpeg).decode("ascii"),
                "blank_png": base64.b64encode(report.blank_png).decode("ascii"),
                "camera_px": report.camera_px,
                "made_ms": report.made_ms,
                "samples": report.samples,
            }
            for camera, report in asked.got.items()
        }
        made: Reply
        left_s = max(0.0, (asked.command.expires_ms - self._now_ms()) / 1000)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "edge.birdseye"],
                input=json.dumps({"site": site.model_dump(mode="json", by_alias=True), "backgrounds": backgrounds}),
                capture_output=True, text=True, timeout=left_s, check=False,
            )  # fmt: skip
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
                made = self._made(asked.command, "refused", last.removeprefix("error: "))
            else:
                made = self._made(asked.command, "done", "", Picture.model_validate_json(done.stdout))
        except subprocess.TimeoutExpired:
            made = self._made(
                asked.command, "expired", "it was not ready in time: it was still being laid out"
            )
        except (OSError, ValidationError) as error:
            made = self._made(asked.command, "refused", f"the pictures could not be laid out: {error}")
        self._later(made)

    def _send(self, command: Command, picture: Picture) -> None:
        self.answer(self._made(command, "done", "", picture))

    def _refuse(self, command: Command, code: str, detail: str) -> None:
        self.answer(self._made(command, code, detail))

    def _made(self, command: Command, code: str, detail: str, picture: Picture | None = None) -> Reply:
        body = {} if picture is None else json.loads(picture.to_json())
        return Reply(
            id=command.id, at_ms=self._now_ms(), ok=picture is not None, code=code,
            detail=detail[:300] or None, body=body,
        )  # fmt: skip


def _picture(report: BackgroundReport) -> Picture:
    return Picture(
        media="image/jpeg",
        image=base64.b64encode(report.jpeg).decode("ascii"),
        made_ms=report.made_ms,
        width_px=report.size_px[0],
        height_px=report.size_px[1],
        blank_share=report.blank_share,
        samples=report.samples,
        camera_px=report.camera_px,
        cameras=[report.camera],
    )
