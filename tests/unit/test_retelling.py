"""A view that slides on is told again: by how far it is off now, and not at every step."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from scripted import Nobody, Script

from branchloop.share import share
from branchloop.site.site import parse_site
from edge.perceive import watch
from edge.perceive.camera import Frame
from edge.perceive.faults import view_file
from edge.perceive.health import Event
from edge.perceive.kept_view import store_view
from edge.perceive.report import EventReport, decode
from edge.perceive.retelling import EVERY_S, Retelling
from edge.perceive.viewpoint import Motion, Viewpoint

WIDTH_PX = 768


def off(px: float, turn_deg: float = 0.0, scale: float = 1.0, *, found: bool = True) -> Motion:
    return Motion(px / WIDTH_PX, 0.0, turn_deg, found, scale)


@pytest.mark.parametrize(
    ("now", "other"),
    [
        (off(21), True),
        (off(17), True),
        (off(7), True),
        (off(-11), True),
        (off(11, turn_deg=4), True),
        (off(11, scale=1.1), True),
        (off(0, found=False), True),
        (off(14), False),
        (off(9), False),
        (off(11, turn_deg=-2), False),
        (off(11, scale=0.95), False),
    ],
)
def test_what_is_told_again_is_another_thing(now: Motion, *, other: bool) -> None:
    """By half again, ten pixels, a few degrees; the steps in which it is measured are none."""
    retelling = Retelling()
    assert not retelling.due(off(11), WIDTH_PX, 100)
    assert retelling.due(now, WIDTH_PX, 100 + EVERY_S) == other


def test_it_is_told_at_most_once_a_minute_and_afresh_after_it_was_well() -> None:
    """A view that goes back and forth fills no log; one that is well and moves again has been told by its fault."""
    retelling = Retelling()
    due = [t_s for t_s in range(300) if retelling.due(off(11 if t_s // 10 % 2 else 44), WIDTH_PX, t_s)]
    assert due[0] == 70
    assert min(np.diff(due)) >= EVERY_S
    assert not retelling.due(None, WIDTH_PX, 400)
    assert not retelling.due(off(11), WIDTH_PX, 500)


def test_a_view_that_slides_tells_how_far_it_is_by_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pixel every two seconds: each line of the camera's own process is by half again or ten pixels further."""
    clip = cv2.VideoCapture(str(share("sample_video/plaza.mp4")))
    image = np.asarray(clip.read()[1], np.uint8)
    clip.release()
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    site = parse_site(text)
    view = Viewpoint()
    for t_s in range(40):
        view.observe(np.ascontiguousarray(image[::2, ::2, 1]), t_s)
    path = view_file(site, site.cameras[0], tmp_path)
    assert path is not None
    store_view(path, view.looks, None)
    rng, t_ms = np.random.default_rng(1), 1_800_000_000_000
    told: list[Frame | Event] = [Event("state", t_ms, state="up")]
    for second in range(0, 100, 2):
        seen = np.roll(image, second // 2, axis=1)
        seen[0, 0] = rng.integers(0, 256, 3)  # a sensor is never quite still
        told.append(Frame(second, t_ms + 1_000 * second, seen))
    lines: list[str] = []
    monkeypatch.setattr(watch, "Capture", lambda *_: Script(told))
    monkeypatch.setattr(watch, "_hear", lambda *_: None)
    monkeypatch.setattr(watch, "load_detector", lambda *_, **__: Nobody())
    monkeypatch.setattr(watch, "_write", lines.append)
    with pytest.raises(StopIteration):
        watch.watch(site, tmp_path)
    moved = [
        (report.event.at_ms, int(report.event.detail.split("off by ")[1].split(" px")[0]))
        for report in map(decode, lines)
        if isinstance(report, EventReport) and report.event.fault == "moved"
    ]
    assert moved[0][1] < 20
    assert moved[-1][1] >= 30, moved
    assert len(moved) == 2
    assert all(later[0] - before[0] >= 60_000 for before, later in itertools.pairwise(moved))
