"""Clips without a constant frame rate, by real files and by the stamps alone."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from restamped import HEADER_FPS, grey, write_mp4

from branchloop.clock import DAY_MS
from branchloop.site.site import Calibration, Camera
from edge.perceive.camera import open_clip
from edge.perceive.capture import Capture
from edge.perceive.health import Event
from edge.perceive.stamps import Timing, pace

FLOOR = Calibration(points=[(0, 0, 0, 0), (63, 0, 9, 0), (0, 47, 0, 9), (63, 47, 9, 9)], picture_px=(64, 48))
SLOWING = [0.1] * 20 + [0.4] * 20
"""10 fps, then 2.5."""
HOLED = [0.04] * 20 + [9.0] + [0.04] * 19


def times_ms(path: Path, fps: float | None = None) -> list[int]:
    return [frame.t_ms for frame in open_clip(path, fps).frames]


def after(steps_s: list[float], stretch: float = 1.0) -> list[float]:
    """When each picture begins, in ms."""
    return [1000 * stretch * at_s for at_s in itertools.accumulate(steps_s[:-1], initial=0.0)]


def test_a_clip_whose_rate_varies_is_timed_by_its_stamps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every frame is there, at its time, and it is said."""
    path = write_mp4(tmp_path / "slowing.mp4", grey(40), SLOWING)
    assert times_ms(path) == pytest.approx(after(SLOWING), abs=1)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "slowing.mp4: it leaves its rate of 4 fps, most at 2.0 s by 3.0 s" in caplog.text


def test_a_hole_stays_a_hole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The frames after it come as late as they were taken."""
    path = write_mp4(tmp_path / "holed.mp4", grey(40), HOLED)
    assert times_ms(path) == pytest.approx(after(HOLED), abs=1)
    assert "a hole of 9.0 s at 0.8 s" in caplog.text


def test_the_true_rate_stretches_stamps_that_are_wrong_with_the_header(tmp_path: Path) -> None:
    """A clip of 7 fps that says 25, header and stamps: its hole is longer in truth as well."""
    path = write_mp4(tmp_path / "holed.mp4", grey(40), HOLED)
    header_fps = open_clip(path).fps
    assert times_ms(path, header_fps / 2) == pytest.approx(after(HOLED, 2.0), abs=1)


def test_a_true_rate_that_the_stamps_keep_as_well_stretches_nothing(tmp_path: Path) -> None:
    """The camera's rate is 10 fps; the header has the recording's average, which is no rate of anything."""
    path = write_mp4(tmp_path / "slowing.mp4", grey(40), SLOWING)
    assert times_ms(path, 10.0) == pytest.approx(after(SLOWING), abs=1)


@pytest.mark.parametrize("fps", [None, 7.0])
@pytest.mark.parametrize("jitter_s", [0.0, 0.007])
def test_a_constant_rate_is_what_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fps: float | None, jitter_s: float
) -> None:
    """Stamps that are rounded or shake change no time, nor does a header that lies."""
    steps_s = [0.04 + (-1) ** index * jitter_s for index in range(40)]
    path = write_mp4(tmp_path / "even.mp4", grey(40), steps_s)
    assert times_ms(path, fps) == [round(index * 1000 / (fps or HEADER_FPS)) for index in range(40)]
    assert not caplog.records


def flat(stamps_ms: list[float], header_fps: float, fps: float | None = None) -> tuple[bool, str]:
    """Whether the frames are timed by the rate, and what is said."""
    found = pace(stamps_ms, header_fps, fps)
    assert found.fps == (fps or header_fps)
    return found.stretch is None, found.told


@pytest.mark.parametrize("milliseconds", [33, 34])
def test_whole_milliseconds_for_an_hour_are_a_constant_rate(milliseconds: int) -> None:
    """A container of whole milliseconds rounds each stamp, and not the sum of them."""
    stamps_ms = [float(round(index * 1000 / 30) + (milliseconds - 33)) for index in range(108_000)]
    assert flat(stamps_ms, 30.0) == (True, "")


@pytest.mark.parametrize("stamp_ms", [0.0, float("nan"), -9.2e21])
def test_a_container_without_stamps_is_timed_by_its_rate(stamp_ms: float) -> None:
    """Nothing, not-a-number or FFmpeg's word for it: no stamp, and nothing to say."""
    assert flat([stamp_ms] * 300, 25.0) == (True, "")
    assert flat([0.0, *[stamp_ms] * 299], 25.0) == (True, "")


def test_packets_in_the_order_of_decoding_are_a_constant_rate() -> None:
    """Pictures that look ahead lie in the file behind those they look at."""
    stamps_ms = [40.0 * (4 * group + k) for group in range(50) for k in (3, 1, 0, 2)]
    assert flat(stamps_ms, 25.0) == (True, "")


def test_another_constant_rate_than_the_headers_counts_unless_the_true_one_is_given() -> None:
    """A guess of twice the rate: the stamps are right; a given rate is better than both."""
    stamps_ms = [40.0 * index for index in range(300)]
    assert not flat(stamps_ms, 50.0)[0]
    assert flat(stamps_ms, 50.0, 24.0) == (True, "")


@pytest.mark.parametrize(
    ("second_from_ms", "fault"), [(0.0, "run backwards"), (DAY_MS * 400, "leap by 9600 h")]
)
def test_stamps_that_cannot_be_times_are_not_believed(second_from_ms: float, fault: str) -> None:
    """Two recordings joined, or a recorder whose clock was set: by the rate as ever, but not in silence."""
    steps_ms = np.cumsum([0.0] + [40.0] * 149)
    stamps_ms = [*(steps_ms * 2).tolist(), *(second_from_ms + steps_ms).tolist()]
    by_rate, told = flat(stamps_ms, 25.0)
    assert by_rate
    assert fault in told
    assert "give its parts apart" in told


def test_a_frame_out_of_order_follows_the_one_before() -> None:
    """Behind a hole a decoder may give one picture late, or one without a stamp."""
    found = pace(
        [40.0 * index for index in range(50)] + [10_000 + 40.0 * index for index in range(50)], 25.0, None
    )
    timing = Timing(found)
    stamps_ms = [0.0, 40.0, 10_000.0, 80.0, 10_080.0, float("nan"), 10_160.0]
    at_ms = [timing.at_ms(index, stamp_ms) for index, stamp_ms in enumerate(stamps_ms)]
    assert at_ms == pytest.approx([0, 40, 10_000, 10_040, 10_080, 10_120, 10_160])


def played(path: Path, camera: Camera, seconds: float, seen: Callable[[list[object]], bool]) -> list[object]:
    """What a capture of the clip gives until `seen` is content."""
    capture = Capture(camera, path.parent)
    capture.start()
    got: list[object] = []
    try:
        for _ in range(int(seconds * 2)):
            if (thing := capture.next(0.5)) is not None:
                got.append(thing)
            if seen(got):
                return got
    finally:
        capture.stop()
    raise AssertionError(f"came: {got}")


def test_a_played_clip_stalls_in_its_hole(tmp_path: Path) -> None:
    """In operation nobody is observed while the recording was not: the camera is out, and comes back."""
    steps_s = [0.1] * 10 + [4.0] + [0.1] * 9
    path = write_mp4(tmp_path / "holed.mp4", grey(20), steps_s)
    camera = Camera(id="hall", source=path.name, calibration=FLOOR, analysed_fps=30)
    got = played(path, camera, 20, lambda got: bool(got) and getattr(got[-1], "state", None) == "ended")
    assert [thing.state for thing in got if isinstance(thing, Event)] == ["up", "stalled", "up", "ended"]
    frames = [(thing.index, thing.t_ms) for thing in got if not isinstance(thing, Event)]  # type: ignore[attr-defined]
    assert len(frames) > 10
    first_ms = frames[0][1] - after(steps_s)[frames[0][0]]
    for index, t_ms in frames:
        assert t_ms - first_ms == pytest.approx(after(steps_s)[index], abs=2)
