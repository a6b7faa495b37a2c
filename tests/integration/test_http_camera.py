"""Capture from a real MJPEG camera on HTTP, with and without a login."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest

from branchloop.processes import free_port
from branchloop.site.site import Calibration, Camera
from edge.perceive.backoff import Backoff
from edge.perceive.capture import Capture
from edge.perceive.health import Event

USER, PASSWORD = "kamera", "p@ss w/r:d?#"
FLOOR = Calibration(points=[(0, 0, 0, 0), (99, 0, 9, 0), (0, 99, 0, 9), (99, 99, 9, 9)], picture_px=(64, 48))
PICTURE = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
CHALLENGES = {
    "basic": 'Basic realm="cam"',
    "digest": 'Digest realm="cam", nonce="7f", qop="auth"',
    "sha256": 'Digest realm="cam", nonce="7f", qop="auth", algorithm=SHA-256',
}


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class HttpCamera(ThreadingHTTPServer):
    """`asks` is how it wants its login: open, basic, digest, sha256 or query."""

    daemon_threads = True

    def __init__(self, asks: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Answer)
        self.asks = asks
        self.pause_s = 0.04
        self.going = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v.mjpg"

    def close(self) -> None:
        self.going.set()
        self.shutdown()
        self.server_close()

    def admits(self, path: str, said: str) -> bool:
        if self.asks == "basic":
            return said == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.asks == "digest":
            told = dict(re.findall(r'(\w+)="?([^",]+)', said))
            secret, asked = md5(f"{USER}:cam:{PASSWORD}"), md5(f"GET:{path}")
            want = ":".join([secret, "7f", told.get("nc", ""), told.get("cnonce", ""), "auth", asked])
            return told.get("response") == md5(want)
        if self.asks == "query":
            return parse_qs(urlsplit(path).query) == {"usr": [USER], "pwd": [PASSWORD], "n": ["1"]}
        return self.asks == "open"


class _Answer(BaseHTTPRequestHandler):
    server: HttpCamera

    def do_GET(self) -> None:
        camera = self.server
        if not camera.admits(self.path, self.headers.get("Authorization", "")):
            self.send_response(401)
            if camera.asks in CHALLENGES:
                self.send_header("WWW-Authenticate", CHALLENGES[camera.asks])
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cut")
        self.end_headers()
        head = f"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: {len(PICTURE)}\r\n\r\n".encode()
        while True:
            try:
                self.wfile.write(head + PICTURE + b"\r\n")
            except OSError:
                return
            if camera.going.wait(camera.pause_s):
                return

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


@pytest.fixture
def camera() -> Iterator[Callable[..., HttpCamera]]:
    made: list[HttpCamera] = []

    def start(asks: str, port: int = 0) -> HttpCamera:
        made.append(HttpCamera(asks, port))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Callable[..., Capture]]:
    started: list[Capture] = []

    def start(url: str, **more: object) -> Capture:
        fields = {"id": "hall", "source": url, "calibration": FLOOR, **more}
        started.append(Capture(Camera.model_validate(fields), tmp_path, None, Backoff(0.05, 0.1)))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop()


def until(one: Capture, wanted: Callable[[Event], bool], seconds: float = 15.0) -> Event:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        got = one.next(0.25)
        if isinstance(got, Event) and wanted(got):
            return got
    raise AssertionError(f"not within {seconds} s, but {one.state}")


def secret_in(text: str) -> list[str]:
    return [each for each in ("p@ss", "p%40ss", "swordfish", "r:d", "r%3Ad") if each in text]


@pytest.mark.parametrize(
    ("asks", "query"),
    [("basic", ""), ("digest", "?channel=1"), ("query", "?usr={user}&pwd={password}&n=1")],
)
def test_a_login_opens_the_pictures_and_is_never_written(
    asks: str,
    query: str,
    camera: Callable[[str], HttpCamera],
    capture: Callable[..., Capture],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The right login works as the camera asks for it, a wrong one says so; neither is in an event or the error stream."""
    url = camera(asks).url
    monkeypatch.setenv("HALL_LOGIN", f"{USER}:{PASSWORD}")
    until(capture(url + query, credential_env="HALL_LOGIN"), lambda event: event.state == "up")
    monkeypatch.setenv("HALL_LOGIN", f"{USER}:swordfish")
    refused = until(capture(url + query, credential_env="HALL_LOGIN"), lambda event: event.state == "down")
    assert refused.detail.startswith(f"{url} answers but gives no video; check the path, the login")
    assert not secret_in("".join(capfd.readouterr()) + refused.detail)


def test_a_digest_of_another_kind_is_no_login(
    camera: Callable[[str], HttpCamera], capture: Callable[..., Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg answers MD5 alone, as docs/install.md says: this would tell when that is no longer so."""
    monkeypatch.setenv("HALL_LOGIN", f"{USER}:{PASSWORD}")
    one = capture(camera("sha256").url, credential_env="HALL_LOGIN")
    assert "check the path, the login" in until(one, lambda event: event.state == "down").detail


def test_what_keeps_a_camera_down_is_told_anew(
    camera: Callable[..., HttpCamera], capture: Callable[..., Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plugged in at last it wants a login: whoever mends it reads that, and not that it cannot be reached."""
    monkeypatch.setattr("edge.perceive.health.REASON_S", 0.0)
    one = capture(f"http://127.0.0.1:{free_port()}/v.mjpg")
    address = urlsplit(until(one, lambda event: event.state == "down").detail.split()[0])
    asking = camera("basic", address.port)
    event = until(one, lambda event: "answers but gives no video" in event.detail)
    assert (event.state, one.state) == ("down", "down")
    asking.asks = "open"
    until(one, lambda event: event.state == "up")


def test_a_camera_that_hardly_gives_a_picture_is_told_how_many_it_takes(
    camera: Callable[..., HttpCamera], capture: Callable[..., Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One a minute: path, login and codec are right, so whoever reads it is told what else to look at."""
    monkeypatch.setattr("edge.perceive.camera.OPEN_TIMEOUT_S", 1.0)
    slow = camera("open")
    slow.pause_s = 60.0
    event = until(capture(slow.url), lambda event: event.state == "down")
    assert event.detail.endswith("and that it gives a picture in two seconds at least.")


def test_a_camera_is_looked_for_at_the_port_of_its_scheme(
    capture: Callable[..., Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a port in its address it is called where the stream was asked for."""
    called: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], timeout: float) -> socket.socket:
        called.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    until(capture("http://127.0.0.1/none"), lambda event: event.state == "down")
    assert called[0] == ("127.0.0.1", 80)
