"""Source, mailbox and health: the parts of a capture that need no picture."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from branchloop.errors import ConfigError
from branchloop.site.site import Calibration, Camera
from edge.perceive.health import Health
from edge.perceive.mailbox import Mailbox
from edge.perceive.source import resolve

FLOOR = Calibration(
    points=[(0, 0, 0, 0), (99, 0, 9, 0), (0, 99, 0, 9), (99, 99, 9, 9)], picture_px=(100, 100)
)


def camera(source: str, **more: object) -> Camera:
    return Camera.model_validate({"id": "hall", "source": source, "calibration": FLOOR, **more})


def test_a_file_is_looked_up_beside_the_site_file(tmp_path: Path) -> None:
    """A relative source belongs to the folder of its site file."""
    source = resolve(camera("clips/a.mp4"), tmp_path)
    assert (source.kind, source.live) == ("file", False)
    assert source.target == str(tmp_path / "clips" / "a.mp4")


def test_a_login_is_escaped_and_never_shown(tmp_path: Path) -> None:
    """User and password reach the stream's address, and no text that may be logged."""
    source = resolve(
        camera("rtsp://10.0.0.9/stream?t=abc", credential_env="CAM"), tmp_path, {"CAM": "ka m:p@ss/w:rd"}
    )
    assert source.target == "rtsp://ka%20m:p%40ss%2Fw%3Ard@10.0.0.9/stream?t=abc"
    assert source.shown == "rtsp://10.0.0.9:554"
    assert "p%40ss" not in repr(source)
    assert "abc" not in repr(source)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("http://10.0.0.9/v.mjpg?channel=1&s=abc", "http://10.0.0.9:80/v.mjpg"),
        ("http://[fd00::9]:81/v?s=abc#abc", "http://[fd00::9]:81/v"),
        ("rtsp://10.0.0.9:555/live?channel=1&subtype=0&s=abc", "rtsp://10.0.0.9:555"),
    ],
)
def test_of_a_stream_no_query_is_shown(tmp_path: Path, source: str, shown: str) -> None:
    """It is asked for whole; a key that nobody took for one is in no log."""
    stream = resolve(camera(source), tmp_path)
    assert (stream.target, stream.shown) == (source, shown)
    assert "abc" not in repr(stream)


def test_a_login_stands_where_the_address_waits_for_it(tmp_path: Path) -> None:
    """Escaped, and nowhere else."""
    asked = camera("rtsp://10.0.0.9/user={user}_password={password}_channel=1", credential_env="CAM")
    source = resolve(asked, tmp_path, {"CAM": "{password}:a&b c"})
    assert source.target == "rtsp://10.0.0.9/user=%7Bpassword%7D_password=a%26b%20c_channel=1"
    assert source.shown == "rtsp://10.0.0.9:554"


@pytest.mark.parametrize("value", [None, "", "user-without-password", ":only-password"])
def test_a_missing_login_is_named(tmp_path: Path, value: str | None) -> None:
    """The error names the variable, not what it holds."""
    environ = {} if value is None else {"CAM": value}
    with pytest.raises(ConfigError, match="environment variable CAM holds no login") as caught:
        resolve(camera("rtsp://10.0.0.9/s", credential_env="CAM"), tmp_path, environ)
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("usb:first", "no USB camera"),
        ("usb:-1", "no USB camera"),
        ("rtsp://", "no valid host"),
        ("rtsp://10.0.0.9:port/s", "no valid host"),
        ("http://10.0.0.9:port/s", "no valid host"),
    ],
)
def test_an_impossible_source_is_a_configuration_error(tmp_path: Path, source: str, complaint: str) -> None:
    """What no time can mend is refused at the start."""
    with pytest.raises(ConfigError, match=complaint):
        resolve(camera(source), tmp_path)


def test_usb_cameras_go_by_number(tmp_path: Path) -> None:
    """`usb:2` is the third camera."""
    source = resolve(camera("usb:2"), tmp_path)
    assert (source.kind, source.target, source.live) == ("usb", 2, True)


def test_the_mailbox_keeps_the_newest_frame_and_every_event() -> None:
    """An unfetched frame is replaced and counted; events keep their place before later frames."""
    box: Mailbox[str, int] = Mailbox()
    box.put_frame(1)
    box.put_frame(2)
    box.put_event("cut")
    assert [box.get(0), box.get(0), box.get(0)] == [2, "cut", None]
    box.put_frame(3)
    box.put_event("cut")
    box.put_frame(4)
    box.put_event("over")
    assert [box.get(0), box.get(0), box.get(0), box.get(0)] == ["cut", 4, "over", None]
    assert box.replaced == 2


def test_a_waiting_reader_is_woken() -> None:
    """A frame put by another thread ends the wait."""
    box: Mailbox[str, int] = Mailbox()
    threading.Timer(0.05, box.put_frame, (7,)).start()
    assert box.get(10.0) == 7


def test_health_goes_through_its_states() -> None:
    """Starting → up → stalled → up → down → up → ended, each told once."""
    health = Health(3.0)
    assert health.tick(100.0) is None
    assert health.data(100.0) == "up"
    assert health.data(101.0) is None
    assert health.tick(103.9) is None
    assert health.tick(104.0) == "stalled"
    assert health.tick(110.0) is None
    assert health.data(111.0) == "up"
    assert health.lost(112.0, "gone") == "down"
    assert health.lost(113.0, "gone") is None
    assert health.tick(200.0) is None
    assert health.data(201.0) == "up"
    assert health.silent_at_s() == 204.0
    assert health.ended() == "ended"
    assert health.silent_at_s() == float("inf")


def test_another_reason_of_a_source_that_stays_down_is_told_once_a_minute() -> None:
    """The last one told is the one that counts; two that alternate at every attempt are not told each time."""
    health = Health(3.0)
    told = []
    for attempt in range(40):
        now_s, why = 10.0 * attempt, "refused" if attempt % 2 else "login"
        if health.lost(now_s, why):
            told.append((now_s, why))
    assert told == [
        (0.0, "login"),
        (70.0, "refused"),
        (140.0, "login"),
        (210.0, "refused"),
        (280.0, "login"),
        (350.0, "refused"),
    ]
    assert health.lost(500.0, "refused") is None
    health.data(501.0)
    assert health.lost(502.0, "refused") == "down"
