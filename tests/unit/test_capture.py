"""Clips flat out and in real time, with real files."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from branchloop.errors import InputError
from branchloop.site.site import Calibration, Camera
from edge.perceive.anchor import Clock
from edge.perceive.backoff import Backoff
from edge.perceive.camera import Frame, open_clip
from edge.perceive.capture import Capture
from edge.perceive.health import Event

FLOOR = Calibration(
    points=[(0, 0, 0, 0), (99, 0, 9, 0), (0, 99, 0, 9), (99, 99, 9, 9)], picture_px=(100, 100)
)
FPS = 30.0
COUNT = 12


def camera(source: str, **more: object) -> Camera:
    return Camera.model_validate({"id": "hall", "source": source, "calibration": FLOOR, **more})


def write_clip(path: Path, count: int = COUNT, grain: int = 0) -> Path:
    """A clip whose frame i has the mean grey level 10·i, as far as MJPEG keeps it."""
    rng = np.random.default_rng(1)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (64, 48))
    for index in range(count):
        noise = rng.integers(-grain, grain + 1, (48, 64, 3))
        writer.write(np.clip(10 * index + noise, 0, 255).astype(np.uint8))
    writer.release()
    return path


def level(frame: Frame) -> int:
    return round(float(frame.image.mean()) / 10)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.avi")


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Callable[..., Capture]]:
    """Starts captures and stops them at the end."""
    started: list[Capture] = []

    def start(source: Camera, clock: Clock | None = None) -> Capture:
        one = Capture(source, tmp_path, clock, Backoff(0.02, 0.1))
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop()


def until(
    one: Capture, wanted: Callable[[Frame | Event], bool], seconds: float = 10.0
) -> list[Frame | Event]:
    """Everything that came up to and including what was wanted."""
    seen: list[Frame | Event] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        thing = one.next(0.5)
        if thing is not None:
            seen.append(thing)
            if wanted(thing):
                return seen
    raise AssertionError(f"not within {seconds} s; came: {seen}")


def in_state(state: str) -> Callable[[Frame | Event], bool]:
    return lambda thing: isinstance(thing, Event) and thing.state == state


def test_a_clip_gives_every_frame_in_order(clip: Path) -> None:
    """Flat out, nothing is dropped and time follows the frame rate."""
    opened = open_clip(clip)
    assert (opened.fps, opened.size) == (FPS, (64, 48))
    frames = list(opened.frames)
    assert [level(frame) for frame in frames] == list(range(COUNT))
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert [frame.t_ms for frame in frames] == [round(i * 1000 / FPS) for i in range(COUNT)]


def test_what_was_set_for_all_of_the_process_stays_so(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg's options go through the environment: who opens another file after this one is not held to them."""
    name = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    monkeypatch.delenv(name, raising=False)
    open_clip(clip)
    assert name not in os.environ
    monkeypatch.setenv(name, "rtsp_transport;udp")
    open_clip(clip)
    assert os.environ[name] == "rtsp_transport;udp"


def test_two_passes_are_equal(clip: Path) -> None:
    """The same clip read twice gives the same pixels."""
    opened = open_clip(clip)
    for one, other in zip(opened.frames, opened.frames, strict=True):
        assert np.array_equal(one.image, other.image)


def test_the_true_frame_rate_wins_over_the_headers(clip: Path) -> None:
    """A clip recorded at 7 fps whose header says 30 runs at 7."""
    opened = open_clip(clip, fps=7.0)
    assert opened.fps == 7.0
    assert [frame.t_ms for frame in itertools.islice(opened.frames, 8)][-1] == 1000


def broken(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"{kind}.avi"
    if kind == "directory":
        path.mkdir()
    elif kind == "zero":
        path.touch()
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(1).bytes(50_000))
    elif kind == "text":
        path.write_text("not a video\n" * 100)
    elif kind == "empty":
        write_clip(path, count=0)
    elif kind == "header":
        path.write_bytes(write_clip(tmp_path / "whole.avi").read_bytes()[:2_000])
    return path


KINDS = {
    "missing": "does not exist",
    "directory": "is not a file",
    "zero": "is empty",
    "noise": "not a video",
    "text": "not a video",
    "empty": "not a video|no picture",
    "header": "not a video|no picture",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_clip_is_an_input_error(tmp_path: Path, kind: str) -> None:
    """One sentence names the file and what is wrong, whichever way it is broken."""
    path = broken(tmp_path, kind)
    with pytest.raises(InputError, match=KINDS[kind]) as caught:
        open_clip(path)
    assert path.name in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("fps", [0.0, -1.0, 1_000.0, float("nan")])
def test_an_impossible_frame_rate_is_refused(clip: Path, fps: float) -> None:
    """A rate that no camera has is a mistake, not a speed-up."""
    with pytest.raises(InputError, match="impossible frame rate"):
        open_clip(clip, fps=fps)


def test_a_clip_that_ends_early_is_mentioned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A truncated recording is analysed as far as it goes, and it is said how far."""
    whole = write_clip(tmp_path / "whole.avi", grain=99).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    assert 0 < len(list(open_clip(cut).frames)) < COUNT
    assert f"of the {COUNT} frames that it announces" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_camera_on_a_broken_file_is_down_and_says_why(
    tmp_path: Path, capture: Callable[..., Capture], kind: str
) -> None:
    """In operation a bad file is a state with its reason, not a crash, and it is tried again."""
    path = broken(tmp_path, kind)
    one = capture(camera(path.name, fps=FPS, loop=True))
    event = until(one, in_state("down"))[-1]
    assert isinstance(event, Event)
    assert path.name in event.detail
    if kind == "missing":
        write_clip(path)
        until(one, in_state("up"))


def test_a_played_clip_keeps_real_time(clip: Path, capture: Callable[..., Capture]) -> None:
    """Frames come when they are due, stamped with when they were due, then the clip is over."""
    clock = Clock()
    one = capture(camera(clip.name, analysed_fps=60), clock)
    ages_ms: list[int] = []

    def over(thing: Frame | Event) -> bool:
        if isinstance(thing, Frame):
            ages_ms.append(clock.utc_ms(clock.now_s()) - thing.t_ms)
        return in_state("ended")(thing)

    seen = until(one, over)
    assert in_state("up")(seen[0])
    frames = [thing for thing in seen if isinstance(thing, Frame)]
    assert one.captured == COUNT
    assert len(frames) + one.dropped == COUNT
    assert min(ages_ms) >= 0
    span_ms = frames[-1].t_ms - frames[0].t_ms
    assert abs(span_ms - (frames[-1].index - frames[0].index) * 1000 / FPS) <= 1
    assert one.state == "ended"
    assert one.next(0) is None


def test_a_slow_reader_gets_the_newest_frame(tmp_path: Path, capture: Callable[..., Capture]) -> None:
    """Analysis at a third of the rate skips to what is newest then, and what it skips is counted."""
    write_clip(tmp_path / "long.avi", count=25)
    one = capture(camera("long.avi", analysed_fps=60))
    frames: list[Frame] = []

    def over(thing: Frame | Event) -> bool:
        if isinstance(thing, Frame):
            frames.append(thing)
            time.sleep(3.2 / FPS)  # the analysis of this frame
        return in_state("ended")(thing)

    until(one, over)
    assert 3 <= len(frames) <= 12
    assert one.dropped == 25 - len(frames)
    assert [level(frame) for frame in frames] == [frame.index for frame in frames]


def test_a_loop_is_cut_and_time_goes_on(clip: Path, capture: Callable[..., Capture]) -> None:
    """Between two passes comes a cut, so that tracks end; indices and times continue."""
    one = capture(camera(clip.name, analysed_fps=60, loop=True))
    cuts = 0

    def second_cut(thing: Frame | Event) -> bool:
        nonlocal cuts
        cuts += isinstance(thing, Event) and thing.what == "cut"
        return cuts == 2

    seen = until(one, second_cut)
    first = next(i for i, thing in enumerate(seen) if isinstance(thing, Event) and thing.what == "cut")
    assert all(thing.index < COUNT for thing in seen[:first] if isinstance(thing, Frame))
    after = [thing for thing in seen[first:] if isinstance(thing, Frame)]
    assert all(COUNT <= frame.index < 2 * COUNT for frame in after)
    times = [thing.t_ms for thing in seen if isinstance(thing, Frame)]
    assert times == sorted(set(times))


def test_fewer_frames_are_analysed_than_captured(tmp_path: Path, capture: Callable[..., Capture]) -> None:
    """At 10 analysed of 30 frames a second two of three are passed over, which is no drop."""
    write_clip(tmp_path / "long.avi", count=24)
    one = capture(camera("long.avi", analysed_fps=10))
    frames = [thing for thing in until(one, in_state("ended")) if isinstance(thing, Frame)]
    assert one.captured == 24
    assert 8 <= len(frames) + one.dropped <= 9


def test_a_step_of_the_wall_clock_is_told_before_the_times_change(
    clip: Path, capture: Callable[..., Capture]
) -> None:
    """Frames before the event carry the old time, frames after it the new one."""
    ahead_s = 0.0
    clock = Clock(wall_s=lambda: time.time() + ahead_s)
    one = capture(camera(clip.name, analysed_fps=60, loop=True), clock)
    before = until(one, lambda thing: isinstance(thing, Frame))[-1]
    ahead_s = 3600.0
    seen = until(one, lambda thing: isinstance(thing, Event) and thing.what == "step")
    step = seen[-1]
    assert isinstance(step, Event)
    assert step.step_ms == pytest.approx(3_600_000, abs=200)
    after = until(one, lambda thing: isinstance(thing, Frame))[-1]
    assert isinstance(before, Frame)
    assert isinstance(after, Frame)
    assert 3_600_000 < after.t_ms - before.t_ms < 3_620_000


def test_a_stopped_capture_returns_at_once(clip: Path, capture: Callable[..., Capture]) -> None:
    """`stop` ends the wait of a clip that would go on, and `next` no longer waits."""
    one = capture(camera(clip.name, fps=0.5, loop=True))
    until(one, in_state("up"))
    begun_s = time.monotonic()
    one.stop()
    while one.next(30.0) is not None:
        pass
    assert time.monotonic() - begun_s < 2.0
