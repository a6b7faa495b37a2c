"""Capture against a real RTSP server (GStreamer's, fed by ffmpeg) that freezes, dies and comes back."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from branchloop.processes import free_port
from branchloop.share import share
from branchloop.site.site import Calibration, Camera
from edge.cameras import CameraProcess
from edge.configured import read_configured
from edge.perceive.anchor import Clock
from edge.perceive.backoff import Backoff
from edge.perceive.camera import Frame
from edge.perceive.capture import Capture
from edge.perceive.health import Event
from edge.perceive.report import EventReport, Report

DEBIAN = "ffmpeg gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
SERVER = Path(__file__).with_name("rtsp_server.py")
SYSTEM_PYTHON = "/usr/bin/python3"
FPS = 15
NOTICED_S = 5.0
FEEDER = (
    "ffmpeg -nostdin -loglevel fatal -re -f lavfi -i testsrc2=size={size}:rate={fps} -c:v libx264"
    " -preset ultrafast -tune zerolatency -g {fps} -bsf:v dump_extra=freq=keyframe"
    " -f rtp -payload_type 96 rtp://127.0.0.1:{port}"
)
LOGIN = "kamera:p@ss w/rd"


def missing() -> str:
    """What this machine lacks to serve RTSP, or nothing."""
    if shutil.which("ffmpeg") is None or not Path(SYSTEM_PYTHON).exists():
        return "ffmpeg or the system's Python"
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    done = subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False)
    return "" if done.returncode == 0 else "GStreamer's RTSP server"


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    lacking = missing()
    if lacking:
        pytest.skip(f"no {lacking}; apt-get install {DEBIAN}")


def free_datagram_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A camera of its own: RTSP server and the ffmpeg that feeds it a test pattern."""

    def __init__(self, login: str = "", how: str = "basic") -> None:
        self.port = free_port()
        self._feed = free_datagram_port()
        guard = [*login.split(":", 1), how] if login else []
        self._command = [SYSTEM_PYTHON, str(SERVER), str(self.port), str(self._feed), *guard]
        self._feeder: subprocess.Popen[bytes] | None = None
        self.show("320x240")
        self._process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def show(self, size: str) -> None:
        """From here on pictures of that size; who is connected stays so."""
        if self._feeder is not None:
            self._feeder.kill()
            self._feeder.wait()
        command = FEEDER.format(fps=FPS, port=self._feed, size=size)
        self._feeder = subprocess.Popen(command.split(), stdout=subprocess.DEVNULL)

    def signal(self, which: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(which)

    def kill(self) -> None:
        """The power goes: no farewell."""
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def close(self) -> None:
        self.kill()
        assert self._feeder is not None
        self._feeder.kill()
        self._feeder.wait()


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture(params=["basic", "digest"])
def guarded(request: pytest.FixtureRequest) -> Iterator[Server]:
    one = Server(LOGIN, request.param)
    yield one
    one.close()


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Callable[..., Capture]]:
    started: list[Capture] = []

    def start(url: str, clock: Clock | None = None, **more: object) -> Capture:
        floor = Calibration(
            points=[(0, 0, 0, 0), (99, 0, 9, 0), (0, 99, 0, 9), (99, 99, 9, 9)], picture_px=(320, 240)
        )
        fields = {"id": "hall", "source": url, "calibration": floor, "analysed_fps": 60, **more}
        one = Capture(Camera.model_validate(fields), tmp_path, clock, Backoff(0.2, 1.0))
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop()


def until(one: Capture, state: str, seconds: float) -> list[Frame | Event]:
    """Everything up to and including the event that reports `state`."""
    seen: list[Frame | Event] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        thing = one.next(0.25)
        if thing is not None:
            seen.append(thing)
            if isinstance(thing, Event) and thing.state == state:
                return seen
    raise AssertionError(f"not {state} within {seconds} s, but {one.state}")


def frames(one: Capture, count: int, seconds: float = 10.0) -> list[Frame]:
    got: list[Frame] = []
    deadline = time.monotonic() + seconds
    while len(got) < count and time.monotonic() < deadline:
        thing = one.next(0.25)
        if isinstance(thing, Frame):
            got.append(thing)
    assert len(got) == count
    return got


def test_a_stream_is_live_from_its_first_frame(server: Server, capture: Callable[..., Capture]) -> None:
    """Frames come at the camera's rate from the start: no burst of old pictures, in which people would run.

    A loaded machine may hand some on late and then at once; old pictures would come at each of three connections.
    """
    for _ in range(3):
        one = capture(server.url)
        assert one.state == "starting"
        until(one, "up", 15)
        got = frames(one, 2 * FPS)
        one.stop()
        assert got[0].image.shape == (240, 320, 3)
        first, whole = rate(got[0], got[8]), rate(got[0], got[-1])
        if first == pytest.approx(FPS, rel=0.35) and whole == pytest.approx(FPS, rel=0.2):
            return
    raise AssertionError(f"{first:.1f} frames a second at first, {whole:.1f} in all")


def rate(one: Frame, other: Frame) -> float:
    """Frames a second between two of them, those passed over among them."""
    return (other.index - one.index) * 1000 / max(1, other.t_ms - one.t_ms)


def test_a_slow_reader_sees_what_is_now(server: Server, capture: Callable[..., Capture]) -> None:
    """A reader that takes half a second per frame gets each time the newest one; the rest is counted."""
    clock = Clock()
    one = capture(server.url, clock)
    until(one, "up", 15)
    frames(one, 1)
    for _ in range(4):
        time.sleep(0.5)  # the analysis of one frame
        frame = frames(one, 1)[0]
        assert clock.utc_ms(clock.now_s()) - frame.t_ms < 250
    assert one.dropped >= 4 * (FPS / 2 - 3)


def test_a_frozen_camera_is_noticed_and_welcomed_back(
    server: Server, capture: Callable[..., Capture]
) -> None:
    """The connection stands but nothing comes: stalled within 5 s, up again once it wakes."""
    one = capture(server.url)
    until(one, "up", 15)
    frames(one, 3)
    server.signal(signal.SIGSTOP)
    frozen_s = time.monotonic()
    event = until(one, "stalled", NOTICED_S)[-1]
    assert time.monotonic() - frozen_s <= NOTICED_S
    assert isinstance(event, Event)
    assert "no picture for 3 s" in event.detail
    server.signal(signal.SIGCONT)
    until(one, "up", 20)
    frames(one, 3)


def test_a_camera_that_stays_frozen_is_given_up_and_tried_again(
    server: Server, capture: Callable[..., Capture]
) -> None:
    """After the stall the dead connection is dropped; a later connection works."""
    one = capture(server.url)
    until(one, "up", 15)
    server.signal(signal.SIGSTOP)
    seen = until(one, "down", 10)
    assert [thing.state for thing in seen if isinstance(thing, Event)] == ["stalled", "down"]
    server.signal(signal.SIGCONT)
    until(one, "up", 20)
    frames(one, 3)


def test_a_camera_without_power_is_down_and_comes_back(
    server: Server, capture: Callable[..., Capture]
) -> None:
    """Killed, it is down within 5 s, still down while away, and up soon after it returns; frames count on."""
    one = capture(server.url)
    until(one, "up", 15)
    last = frames(one, 3)[-1]
    server.kill()
    killed_s = time.monotonic()
    event = until(one, "down", NOTICED_S)[-1]
    assert time.monotonic() - killed_s <= NOTICED_S
    assert isinstance(event, Event)
    assert "connecting anew" in event.detail
    assert one.next(1.5) is None
    server.start()
    until(one, "up", 15)
    assert frames(one, 1)[0].index > last.index


def test_nobody_there_is_down_with_its_reason(capture: Callable[..., Capture]) -> None:
    """A camera that was never there names address and cause."""
    port = free_port()
    event = until(capture(f"rtsp://127.0.0.1:{port}/cam"), "down", 10)[-1]
    assert isinstance(event, Event)
    assert f"rtsp://127.0.0.1:{port} cannot be reached" in event.detail


def test_a_login_opens_the_stream_and_is_never_written(
    guarded: Server,
    capture: Callable[..., Capture],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The right login works, a wrong one says so; neither appears in events or on the error stream."""
    monkeypatch.setenv("HALL_LOGIN", LOGIN)
    one = capture(guarded.url, credential_env="HALL_LOGIN")
    until(one, "up", 15)
    one.stop()
    monkeypatch.setenv("HALL_LOGIN", "kamera:swordfish")
    refused = until(capture(guarded.url, credential_env="HALL_LOGIN"), "down", 15)[-1]
    assert isinstance(refused, Event)
    assert "check the path, the login" in refused.detail
    written = "".join(capfd.readouterr()) + refused.detail
    for secret in ("swordfish", "p@ss", "p%40ss"):
        assert secret not in written


def test_a_stream_that_was_set_right_is_seen_in_its_size(
    server: Server, capture: Callable[..., Capture]
) -> None:
    """OpenCV scales all pictures of a connection to the size of its first; opened again it shows them as they are."""
    server.show("640x360")
    one = capture(server.url)
    until(one, "up", 15)
    assert frames(one, 3)[-1].image.shape == (360, 640, 3)
    server.show("320x240")
    deadline, shape = time.monotonic() + 30, (0, 0, 0)
    while shape != (240, 320, 3) and time.monotonic() < deadline:
        one.connect_anew()
        shape = frames(one, 40, 15)[-1].image.shape
    assert shape == (240, 320, 3)


def test_a_camera_of_another_size_is_up_once_it_is_set_right(server: Server, tmp_path: Path) -> None:
    """Nobody starts the box anew: its process looks every ten seconds."""
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    text = text.replace('"../sample_video/plaza.mp4"', f'"{server.url}"', 1)
    config = tmp_path / "site.toml"
    config.write_text(re.sub(r"^(fps|loop) = .*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    site = read_configured(config).site
    process = CameraProcess(config, site, site.cameras[0], reports, lambda: time.time_ns() // 1_000_000)
    process.start()

    def heard(state: str, words: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            process.watchdog()
            with contextlib.suppress(queue.Empty):
                report = reports.get(timeout=0.25)
                if (
                    isinstance(report, EventReport)
                    and report.event.state == state
                    and words in report.event.detail
                ):
                    return
        raise AssertionError(f"not {state} within {seconds} s")

    try:
        heard("stalled", "its marks are of 768×576 px", 40)
        server.show("768x576")
        heard("up", "", 90)
    finally:
        process.stop()


def test_stopping_closes_the_stream(server: Server, capture: Callable[..., Capture]) -> None:
    """After `stop` no connection to the camera is left."""
    one = capture(server.url)
    until(one, "up", 15)
    one.stop()
    remote = f"{server.port:04X}"
    connections = Path(f"/proc/{os.getpid()}/net/tcp").read_text().splitlines()[1:]
    # Column 2 is the peer's address and port; 01 in column 3 is an established connection.
    live = [
        line for line in connections if line.split()[2].endswith(f":{remote}") and line.split()[3] == "01"
    ]
    assert live == []
