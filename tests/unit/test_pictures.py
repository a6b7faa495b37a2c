"""What a box answers when it is asked for pictures: once, in time, and with the reason where there is none."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from branchloop.errors import InputError
from branchloop.share import share
from branchloop.site.site import parse_site
from branchloop.wire.commands import Command, Reply
from branchloop.wire.status import DeviceLight
from edge.perceive.report import BackgroundReport, decode, encode
from edge.perceive.taking import COLLECTING, LONGEST_MS, Taking
from edge.pictures import Pictures

BLANK = cv2.imencode(".png", np.zeros((6, 8, 3), np.uint8))[1].tobytes()
JPEG = b"\xff\xd8\xff" + b"picture" * 20 + b"\xff\xd9"


class Asked:
    """A camera's process, as far as it is asked."""

    def __init__(self, *, there: bool = True) -> None:
        self.there = there
        self.commands: list[str] = []
        self.until_ms: list[int] = []

    def ask_background(self, command: str, expires_ms: int) -> bool:
        if self.there:
            self.commands.append(command)
            self.until_ms.append(expires_ms)
        return self.there


class Box:
    """The pictures of a box with two cameras; time is what the test says."""

    def __init__(self) -> None:
        self.site = parse_site(share("configs/demo.toml").read_text(encoding="utf-8"))
        self.now_ms = 1_000_000
        self.cameras = {"hall": Asked(), "door": Asked()}
        self.lights = {name: DeviceLight(id=name, state="up", since_ms=1) for name in self.cameras}
        self.replies: list[Reply] = []
        self.pictures = Pictures(
            lambda: self.site,
            self.cameras,
            self.lights.__getitem__,
            lambda text: self.replies.append(Reply.model_validate_json(text)),
            lambda: self.now_ms,
            lambda reply: self.pictures.answer(reply),  # noqa: PLW0108 - it is not there yet
        )

    def hear(self, what: str, ident: str, body: dict[str, str], expires_ms: int = 1_600_000) -> None:
        command = {"id": ident * 32, "what": what, "at_ms": 1, "expires_ms": expires_ms, "body": body}
        self.pictures.take(Command.model_validate(command).to_json().encode())

    def answers(self, camera: str, ident: str, code: str = "done", detail: str = "") -> None:
        report = BackgroundReport(
            camera, ident * 32, code, self.now_ms, detail, JPEG, BLANK, (8, 6), (80, 60), 20, 0.125
        )
        self.pictures.background(report)


@pytest.fixture
def box() -> Box:
    return Box()


def test_a_background_goes_out_once_however_often_it_is_asked_for(box: Box) -> None:
    """While it is made the camera is asked once; afterwards the very same answer goes out again."""
    for _ in range(3):
        box.hear("background", "a", {"camera": "hall"})
    assert box.cameras["hall"].commands == ["a" * 32]
    box.answers("hall", "a")
    box.answers("hall", "a")
    box.hear("background", "a", {"camera": "hall"})
    assert len(box.replies) == 2
    assert box.replies[0] == box.replies[1]
    picture = box.replies[0].body
    assert (picture["media"], picture["camera_px"], picture["blank_share"]) == ("image/jpeg", [80, 60], 0.125)


def test_a_camera_that_is_away_answers_with_its_reason(box: Box) -> None:
    """Down, covered, without a process, or lost while it was asked: each says why."""
    box.lights["hall"] = DeviceLight(id="hall", state="down", since_ms=1, detail="no route to it")
    box.hear("background", "a", {"camera": "hall"})
    box.lights["hall"] = DeviceLight(
        id="hall", state="stalled", since_ms=1, detail="covered: …", fault="covered"
    )
    box.hear("background", "b", {"camera": "hall"})
    box.cameras["door"].there = False
    box.hear("background", "c", {"camera": "door"})
    assert [(reply.code, reply.detail) for reply in box.replies] == [
        ("camera_down", "no route to it"), ("camera_stalled", "covered: …"),
        ("camera_down", "its process is not running"),
    ]  # fmt: skip
    box.cameras["door"].there = True
    box.hear("background", "d", {"camera": "door"})
    box.pictures.state("door", "down", "it died")
    assert (box.replies[-1].ok, box.replies[-1].code, box.replies[-1].detail) == (
        False,
        "camera_down",
        "it died",
    )


def test_a_camera_of_another_configuration_leaves_nothing_behind(box: Box) -> None:
    """Its background of before is in no bird's-eye picture, and who waits for one is told."""
    box.hear("background", "a", {"camera": "hall"})
    box.answers("hall", "a")
    box.hear("background", "b", {"camera": "hall"})
    box.pictures.forget("hall")
    assert (box.replies[-1].id, box.replies[-1].code) == ("b" * 32, "camera_down")
    box.hear("birdseye", "c", {})
    assert box.cameras["hall"].commands[-1] == "c" * 32


def test_what_cannot_be_done_is_said_at_once(box: Box) -> None:
    """An unknown camera, a body that is none, a command for kiosks, one that came too late or took too long."""
    box.hear("background", "a", {"camera": "attic"})
    box.hear("background", "b", {"room": "hall"})
    box.hear("erase", "c", {})
    box.hear("background", "d", {"camera": "hall"}, expires_ms=999_999)
    box.hear("background", "e", {"camera": "hall"})
    box.now_ms = 1_600_000
    box.pictures.tick()
    assert [reply.code for reply in box.replies] == ["unknown", "unreadable", "unknown", "expired", "expired"]
    assert not any(reply.ok for reply in box.replies)
    box.pictures.take(b"no command")
    assert len(box.replies) == 5


def test_a_birdseye_picture_waits_for_all_cameras_and_says_so_when_none_has_one(box: Box) -> None:
    """A background that is young is used again; when no camera has one the first reason is told."""
    box.hear("birdseye", "a", {})
    assert all(camera.commands == ["a" * 32] for camera in box.cameras.values())
    box.answers("hall", "a", "refused", "too many people")
    assert not box.replies
    box.answers("door", "a", "refused", "too dark")
    assert (box.replies[0].code, box.replies[0].detail) == ("refused", "too many people")
    box.hear("background", "b", {"camera": "hall"})
    box.answers("hall", "b")
    box.hear("birdseye", "c", {})
    assert box.cameras["hall"].commands == ["a" * 32, "b" * 32], "its background is young enough"
    assert box.cameras["door"].commands[-1] == "c" * 32


def test_a_birdseye_picture_leaves_time_to_lay_it_out_and_goes_on_without_late_cameras(box: Box) -> None:
    """Cameras are given less time than there is; who has said nothing by then is left out, and told if all are."""
    box.hear("birdseye", "a", {})
    until_ms = box.cameras["hall"].until_ms[-1]
    assert box.now_ms + 240_000 < until_ms < 1_600_000 - 240_000
    box.now_ms = until_ms - 1
    box.pictures.tick()
    assert not box.replies
    box.now_ms = until_ms
    box.pictures.tick()
    assert (box.replies[0].code, box.replies[0].detail) == ("expired", "door had no background ready in time")
    box.answers("hall", "a")
    assert len(box.replies) == 1
    box.hear("background", "b", {"camera": "door"}, expires_ms=box.now_ms + 30_000)
    box.now_ms += 30_000
    box.pictures.tick()
    assert box.replies[-1].detail == "it was not ready in time: it was still being made by door"


def test_a_birdseye_picture_is_laid_out_without_the_camera_that_is_late(box: Box) -> None:
    """One camera has answered, the other never does: the lay-out is begun by the marks that the cameras run by, which it misses."""
    box.hear("birdseye", "a", {})
    box.answers("hall", "a")
    assert not box.replies
    box.now_ms = box.cameras["door"].until_ms[-1]
    box.pictures.tick()
    _until(lambda: bool(box.replies))
    assert box.replies[0].code == "refused"
    assert "hall is calibrated for pictures of 768×576 px, but sends 80×60" in (box.replies[0].detail or "")
    late = Reply(id="a" * 32, at_ms=1, ok=False, code="expired")
    box.pictures.answer(late)
    assert len(box.replies) == 1, "what was answered is answered"


def test_a_report_survives_the_pipe_and_an_endless_line_does_not() -> None:
    """What a camera's process writes is what the core reads; more than a megabyte is refused."""
    report = BackgroundReport("hall", "a" * 32, "done", 5, "", JPEG, b"\x00png", (8, 6), (80, 60), 20, 0.5)
    assert decode(encode(report)) == report
    with pytest.raises(InputError):
        decode(encode(BackgroundReport("hall", "a" * 32, "done", 5, "", b"x" * 900_000)))


class Nobody:
    def detect(self, _image_bgr: np.ndarray) -> np.ndarray:
        return np.zeros((0, 5), np.float32)


def _until(reached: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(20_000):
        if reached():
            return
        pause.wait(0.001)
    raise AssertionError("the thread never got there")


def feed(taking: Taking, told: list[BackgroundReport], step_ms: int, most: int) -> None:
    """Offer a still room until it has answered; the next frame comes when the last one was taken."""
    room = np.random.default_rng(0).integers(60, 120, (60, 80, 3), dtype=np.uint8)
    for i in range(most):
        if told:
            return
        taking.offer(room, i * step_ms)
        _until(lambda: taking._given.empty() or bool(told))
    raise AssertionError("it never answered")


def test_taking_spreads_its_samples_and_answers_everybody_who_asked() -> None:
    """Two commands get one picture, made of samples 1.5 s apart; afterwards nothing is kept."""
    told: list[BackgroundReport] = []
    taking = Taking("hall", lambda _floor: Nobody(), told.append)
    taking.ask("a" * 32, 0, LONGEST_MS * 2)
    taking.ask("b" * 32, 0, LONGEST_MS * 2)
    taking.ask("a" * 32, 0, LONGEST_MS * 2)
    feed(taking, told, 140, 2_000)
    _until(lambda: len(told) == 2)
    assert {report.command for report in told} == {"a" * 32, "b" * 32}
    assert all(report.ok and report.samples == 16 for report in told)
    assert told[0].made_ms >= 15 * 1_500


def test_taking_looks_more_often_where_it_is_given_less_time() -> None:
    """In a third of 40 s as many samples are taken as in half a minute; the rest is left for making the picture."""
    told: list[BackgroundReport] = []
    taking = Taking("hall", lambda _floor: Nobody(), told.append)
    taking.ask("a" * 32, 0, 40_000)
    feed(taking, told, 70, 400)
    assert (told[0].ok, told[0].samples) == (True, 16)
    assert 9_000 <= told[0].made_ms <= 13_400


def test_taking_ends_in_time_and_says_why_there_is_no_picture() -> None:
    """A camera that shows nothing usable until the command expires is refused with its reason."""
    told: list[BackgroundReport] = []
    taking = Taking("hall", lambda _floor: Nobody(), told.append)
    taking.ask("a" * 32, 0, round(10_000 / COLLECTING))
    for t_ms in range(0, 12_000, 1_000):
        taking.offer(None, t_ms)
        _until(lambda: taking._given.empty() or bool(told))
    _until(lambda: bool(told))
    assert (told[0].ok, told[0].code) == (False, "refused")
    assert "0 frames" in told[0].detail
    assert json.loads(encode(told[0]))[3] == "refused"


class Broken:
    def detect(self, _image_bgr: np.ndarray) -> np.ndarray:
        raise RuntimeError("the model fell over")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_detector_that_fails_leaves_nobody_waiting() -> None:
    """Whatever it raises, the command is answered, and the next one begins anew."""
    told: list[BackgroundReport] = []
    detectors: list[Broken | Nobody] = [Nobody(), Broken()]
    taking = Taking("hall", lambda _floor: detectors[-1], told.append)
    taking.ask("a" * 32, 0, LONGEST_MS * 2)
    feed(taking, told, 140, 2_000)
    assert (told[0].command, told[0].code) == ("a" * 32, "refused")
    told.clear()
    taking._detector = detectors[0]
    taking.ask("b" * 32, 0, LONGEST_MS * 2)
    feed(taking, told, 140, 2_000)
    assert told[0].ok
