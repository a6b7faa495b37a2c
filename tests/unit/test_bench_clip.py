"""The stream of `bench edge` is what it says: 720p, half occupied, fresh noise, nobody in its empty scene."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from branchloop.errors import InputError
from branchloop.share import share
from edge.bench.cameras import bench_edge
from edge.bench.clip import SIZE, STRETCH_S, is_occupied, make_stream
from edge.perceive.camera import open_clip
from edge.perceive.people import load_detector


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "stream.mp4"
    assert make_stream(share("sample_video/plaza.mp4"), path, analysed=4 * STRETCH_S, analysed_fps=2, every=1)
    return path


def test_people_are_in_the_occupied_stretches_only(stream: Path) -> None:
    """The detector sees somebody in (nearly) every frame of one kind and in none of the other."""
    detector = load_detector("nanodet", score_floor=0.6)
    seen: dict[bool, list[int]] = {True: [], False: []}
    for frame in open_clip(stream).frames:
        if frame.index % 5 == 2:
            seen[is_occupied(frame.index, 2)].append(len(detector.detect(frame.image)))
    assert min(seen[True]) >= 1
    assert max(seen[False]) == 0
    assert len(seen[True]) == len(seen[False])


def test_no_two_pictures_of_the_empty_scene_are_the_same(stream: Path) -> None:
    """Noise survives the coding, so that the decoder has work and the camera does not look frozen."""
    empty = [f.image for f in open_clip(stream).frames if not is_occupied(f.index, 2)][:4]
    assert empty[0].shape == (SIZE[1], SIZE[0], 3)
    for before, after in itertools.pairwise(empty):
        change = np.abs(before.astype(int) - after)
        assert 0.05 < change.mean() < 4


def test_the_bench_accounts_for_all_its_time(stream: Path) -> None:
    """Shares add up to one, the gate is open where people are and mostly shut elsewhere."""
    figures = bench_edge(stream, None, frames=30, stream_fps=5)
    shares = sum(value for key, value in figures.items() if key.startswith("share_"))
    assert shares == pytest.approx(1, abs=0.01)
    assert figures["cameras_per_core"] == pytest.approx(1000 / figures["cpu_ms_per_camera_second"], rel=0.01)
    assert (figures["frames"], figures["captured"], figures["picture"]) == (30, 30, "1280x720")
    assert 0.5 < figures["gate_open_share"] < 0.95


def test_without_ffmpeg_opencv_writes_the_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare machine measures as well, and the codec is told."""
    monkeypatch.setenv("PATH", "")
    path = tmp_path / "stream.mp4"
    codec = make_stream(share("sample_video/plaza.mp4"), path, analysed=6, analysed_fps=5, every=2)
    assert codec == "mpeg4"
    assert len(list(open_clip(path).frames)) == 12


@pytest.mark.parametrize(("frames", "fps"), [(0, 5), (10, 7), (10, 0)])
def test_what_cannot_be_measured_is_refused(frames: int, fps: int) -> None:
    """No frame, or a rate that 5 does not divide."""
    with pytest.raises(InputError, match="cannot be measured"):
        bench_edge(None, None, frames, fps)
