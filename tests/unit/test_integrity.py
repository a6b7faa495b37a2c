"""A camera whose pictures show nothing is found out; one that works is left alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scripted import Nobody, Script

from branchloop.doctor_finding import good
from branchloop.share import share
from branchloop.site.site import parse_site
from branchloop.wire.desired import make
from edge.configured import KEPT, keep
from edge.doctor.box import configuration, examine
from edge.floor.floor import Floor
from edge.floor.windows import no_sensors
from edge.perceive import watch
from edge.perceive.camera import Frame
from edge.perceive.faults import view_file
from edge.perceive.health import Event
from edge.perceive.integrity import FROZEN_S, Fault, Integrity
from edge.perceive.kept_view import KeptView, store_view
from edge.perceive.orders import encode_site
from edge.perceive.report import EventReport, FrameReport, Report, decode
from edge.perceive.viewpoint import Viewpoint

Image = NDArray[np.uint8]
FPS = 7


def plaza(frames: int) -> Iterator[Image]:
    clip = cv2.VideoCapture(str(share("sample_video/plaza.mp4")))
    for _ in range(frames):
        ok, image = clip.read()
        assert ok
        yield np.asarray(image, np.uint8)
    clip.release()


def judge(integrity: Integrity, images: Iterator[Image] | list[Image], start_s: float) -> list[Fault | None]:
    return [integrity.observe(image, start_s + i / FPS) for i, image in enumerate(images)]


def watched(config: Path) -> list[Report]:
    """All that the process of the camera `hall` reports of its clip."""
    command = [sys.executable, "-m", "edge.perceive.watch", str(config), "hall"]
    reports: list[Report] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        site = parse_site(config.read_text(encoding="utf-8"))
        process.stdin.write(encode_site(site, site.cameras[0]) + "\n")
        process.stdin.flush()
        for line in filter(str.strip, process.stdout):
            reports.append(decode(line))
            if isinstance(reports[-1], EventReport) and reports[-1].event.state == "ended":
                break
        process.kill()
    return reports


def test_real_footage_is_believed() -> None:
    """Forty seconds of people walking about raise nothing."""
    assert set(judge(Integrity(), plaza(280), 0)) == {None}


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("covered", lambda image: np.full_like(image, 3)),
        ("covered", lambda image: np.clip(cv2.blur(image, (301, 301)).astype(int) // 12, 0, 255).astype(np.uint8)),
        ("blurred", lambda image: cv2.GaussianBlur(image, (0, 0), 7)),
    ],
)  # fmt: skip
def test_a_spoiled_picture_is_found_within_five_seconds_and_forgiven_when_it_is_well(
    name: Fault, spoil: object
) -> None:
    """A lens is covered or smeared after half a minute: told, and taken back once it is clean."""
    assert callable(spoil)
    integrity = Integrity()
    images = list(plaza(210))
    assert set(judge(integrity, images, 0)) == {None}
    verdicts = judge(integrity, [spoil(image) for image in images[:70]], 30)
    assert verdicts[35] == name
    assert set(verdicts) <= {None, name}
    assert judge(integrity, images[:70], 40)[35] is None


def test_the_same_picture_for_a_minute_is_frozen() -> None:
    """A stream that repeats its last picture shows nobody who comes."""
    integrity = Integrity()
    images = list(plaza(FPS))
    judge(integrity, images, 0)
    verdicts = judge(integrity, [images[-1]] * round((FROZEN_S + 5) * FPS), 1)
    assert verdicts[round(50 * FPS)] is None
    assert verdicts[-1] == "frozen"
    assert judge(integrity, images * 5, 80)[-1] is None, "pictures that move again are believed"


def test_a_covered_camera_observes_nothing(tmp_path: Path) -> None:
    """The camera's own process says `stalled` with the reason, sends no frames meanwhile, then goes on."""
    images = list(plaza(30))
    video = cv2.VideoWriter(str(tmp_path / "c.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 5, (768, 576))
    for image in (*images[:15], *([np.full_like(images[0], 4)] * 35), *images[:30]):
        video.write(image)
    video.release()
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    text = text.replace('"../sample_video/plaza.mp4"', '"c.mp4"').replace("fps = 7.0\n", "fps = 5.0\n", 1)
    (tmp_path / "site.toml").write_text(text.replace("loop = true", "loop = false", 1), encoding="utf-8")
    reports = watched(tmp_path / "site.toml")
    stalled = [i for i, r in enumerate(reports) if isinstance(r, EventReport) and r.event.state == "stalled"]
    well = [i for i, r in enumerate(reports) if isinstance(r, EventReport) and "well again" in r.event.detail]
    assert len(stalled) >= 2, "told again, so that the box does not take the process for a hanging one"
    assert "covered" in reports[stalled[0]].event.detail  # type: ignore[union-attr]
    assert not any(isinstance(r, FrameReport) for r in reports[stalled[0] : well[0]])
    assert any(isinstance(r, FrameReport) for r in reports[well[0] :])


@pytest.mark.parametrize(("what", "step_ms"), [("step", 3_000), ("step", -3_600_000), ("cut", 0)])
def test_a_clock_that_is_set_changes_nothing_of_a_frozen_camera(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: Literal["step", "cut"], step_ms: int
) -> None:
    """Not a second of it is observed until its pictures move again, and then it is told well. A cut judges afresh, and says so."""
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    images, t_ms = list(plaza(80)), 1_800_000_000_000
    told: list[Frame | Event] = [Event("state", t_ms, state="up")]
    pictures = [*images[:20], *[images[20]] * 140, *images[20:]]
    for number, image in enumerate(pictures):
        t_ms += 500
        if number == 150:
            t_ms += step_ms
            told.append(Event(what, t_ms, step_ms=step_ms))
        told.append(Frame(number, t_ms, image))
    lines: list[str] = []
    monkeypatch.setattr(watch, "Capture", lambda *_: Script(told))
    monkeypatch.setattr(watch, "_hear", lambda *_: None)
    monkeypatch.setattr(watch, "load_detector", lambda *_, **__: Nobody())
    monkeypatch.setattr(watch, "_write", lines.append)
    with pytest.raises(StopIteration):
        watch.watch(parse_site(text), tmp_path)
    reports = [decode(line) for line in lines]
    floor = Floor(parse_site(text, "site.toml"), prefix="t", method="test")
    seen = []
    for report in reports:
        if isinstance(report, FrameReport):
            floor.frame("hall", report.t_ms, None)
            seen += floor.settle(report.t_ms, no_sensors).windows
        elif report.event.what == "step":
            seen += floor.finish(no_sensors, "step").windows
        elif report.event.what == "cut":
            floor.cut("hall")
        elif report.event.state is not None:
            floor.state("hall", report.event.state, report.event.fault)
    seen += floor.finish(no_sensors).windows
    last = seen[-1].cameras[0]
    assert (last.state, last.fault) == ("up", None)
    at = next(i for i, r in enumerate(reports) if isinstance(r, EventReport) and r.event.what == what)
    well = next(
        i for i, r in enumerate(reports) if isinstance(r, EventReport) and "well again" in r.event.detail
    )
    if what == "cut":
        assert well == at + 1
    else:
        assert well > at
        assert {r.event.fault for r in reports[at + 1 : well] if isinstance(r, EventReport)} == {"frozen"}
        assert not any(isinstance(r, FrameReport) for r in reports[at:well])


def test_a_picture_of_another_size_than_the_marks_observes_nothing(tmp_path: Path) -> None:
    """A stream that was set smaller would place everybody elsewhere: `stalled` with the reason, and the doctor says it too."""
    video = cv2.VideoWriter(str(tmp_path / "c.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 7, (384, 288))
    for image in plaza(21):
        video.write(cv2.resize(image, (384, 288)))
    video.release()
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    text = text.replace('"../sample_video/plaza.mp4"', '"c.mp4"').replace("loop = true", "loop = false", 1)
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    reports = watched(tmp_path / "site.toml")
    said = [
        each.event.detail
        for each in reports
        if isinstance(each, EventReport) and each.event.state == "stalled"
    ]
    assert "384×288 px" in said[0]
    assert "768×576 px" in said[0]
    assert not any(isinstance(each, FrameReport) for each in reports)
    found = examine(parse_site(text, "site.toml"), tmp_path / "site.toml")
    (finding,) = [each for each in found if "camera hall" in each["text"]]
    assert finding["state"] == "bad"
    assert said[0] in finding["text"]


def test_the_doctor_looks_at_what_the_box_runs(tmp_path: Path) -> None:
    """A sensor's height was corrected on Set-up: that one is judged by, and the version is said."""
    text = share("configs/demo.toml").read_text(encoding="utf-8").replace("data/box-1", "box")
    config = tmp_path / "site.toml"
    config.write_text(text, encoding="utf-8")
    (tmp_path / "box").mkdir()
    site, said = configuration(config)
    assert (site.version, said) == (1, good("configuration: version 1, from site.toml"))
    own_m = site.sensors[0].height_m
    keep(tmp_path / "box", make(text.replace(f"height_m = {own_m}", "height_m = 4.2"), "plaza", 2, 0, 1))
    site, said = configuration(config)
    assert (own_m != 4.2, site.sensors[0].height_m, site.box is not None) == (True, 4.2, True)
    assert said["text"].startswith("configuration: version 2, from the hub; of site.toml its wiring")
    (tmp_path / "box" / KEPT).unlink()
    (tmp_path / "box" / KEPT).mkdir()
    site, said = configuration(config)
    assert (site.version, said["state"], "cannot be read" in said["text"]) == (1, "bad", True)


def test_the_doctor_names_what_no_camera_sees() -> None:
    """A zone behind the camera's back: nothing is ever counted there."""
    path = share("configs/demo.toml")
    site = parse_site(path.read_text(encoding="utf-8"), path.name)
    hidden = site.zones[0].model_copy(
        update={"id": "hidden", "polygon": [(0.0, 23.0), (2.0, 23.0), (2.0, 25.0)]}
    )
    found = examine(site.model_copy(update={"zones": [*site.zones, hidden]}), path)
    assert [each["text"] for each in found if "no camera sees it" in each["text"]] == [
        "zone hidden: no camera sees it, so nothing is counted there; draw it where one looks"
    ]


def test_a_camera_restarted_while_it_is_blurred_observes_nothing(tmp_path: Path) -> None:
    """Its own process finds what was usual, tells `blurred`, and sends no frames from then on."""
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    text = text.replace('"../sample_video/plaza.mp4"', '"c.mp4"').replace("loop = true", "loop = false", 1)
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    site = parse_site(text, "site.toml")
    view = KeptView(site, site.cameras[0], tmp_path)
    judge(view.integrity(), plaza(180), 0)
    view.keep()
    path = view_file(site, site.cameras[0], tmp_path)
    assert path is not None
    video = cv2.VideoWriter(str(tmp_path / "c.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 7, (768, 576))
    for image in plaza(70):
        video.write(cv2.GaussianBlur(image, (0, 0), 9))
    video.release()
    reports = watched(tmp_path / "site.toml")
    told = [i for i, r in enumerate(reports) if isinstance(r, EventReport) and r.event.fault == "blurred"]
    assert told
    assert not any(isinstance(report, FrameReport) for report in reports[told[0] :])


def test_a_camera_that_was_bumped_while_it_was_off_counts_on_and_says_so(tmp_path: Path) -> None:
    """Its own process finds the stored view, tells `moved` with pixels and metres, and goes on sending boxes."""
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    text = text.replace('"../sample_video/plaza.mp4"', '"c.mp4"').replace("loop = true", "loop = false", 1)
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    site = parse_site(text, "site.toml")
    view = Viewpoint()
    judge(Integrity(view), plaza(160), 0)
    path = view_file(site, site.cameras[0], tmp_path)
    assert path is not None
    store_view(path, view.looks, None)
    video = cv2.VideoWriter(str(tmp_path / "c.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 7, (768, 576))
    for image in plaza(60):
        video.write(np.roll(image, 60, axis=1))
    video.release()
    reports = watched(tmp_path / "site.toml")
    (moved,) = [i for i, r in enumerate(reports) if isinstance(r, EventReport) and r.event.fault == "moved"]
    event = reports[moved].event  # type: ignore[union-attr]
    assert event.state == "up"
    assert "m on the floor" in event.detail
    assert abs(int(event.detail.split("off by ")[1].split(" px")[0]) - 60) <= 3
    assert any(isinstance(r, FrameReport) and r.boxes is not None and len(r.boxes) for r in reports[moved:])
    assert list(path.parent.iterdir()) == [path]
