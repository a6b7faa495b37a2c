"""`edge replay`, `edge simulate` and `evaluate` as their users run them."""

from __future__ import annotations

import csv
import filecmp
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from reference import PETS, RETAIL, needs_reference
from restamped import write_mp4

from branchloop.errors import BranchloopError, DependencyError, InputError
from branchloop.share import share
from branchloop.site.site import config_hash
from branchloop.wire.desired import make
from edge.configured import KEPT, keep
from edge.main import cli

CLIP = share("sample_video/plaza.mp4")
POINTS = share("sample_video/points.csv")
SITE = share("configs/demo.toml")


def branchloop(*args: object, code: int = 0) -> str:
    """Run the command; returns its output, the error's sentence when it fails as expected."""
    shown = subprocess.run(
        [sys.executable, "-m", "branchloop.cli", *map(str, args)], capture_output=True, text=True, check=False
    )
    assert shown.returncode == code, shown.stderr
    return shown.stderr if code else shown.stdout


def figures(*args: object) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(branchloop(*args, "--json").strip().splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("replay")
    return out, figures(
        "edge", "replay", SITE, "--camera", f"hall={CLIP}", "--fps", "hall=7", "--until", "65", "--out", out
    )


def test_two_replays_are_byte_identical(replayed: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Tracks, floor, events and heat, to the last byte."""
    out, first = replayed
    second = figures(
        "edge",
        "replay",
        SITE,
        "--camera",
        f"hall={CLIP}",
        "--fps",
        "hall=7",
        "--until",
        "65",
        "--out",
        tmp_path,
    )
    names = sorted(path.name for path in out.iterdir())
    assert names == ["events.ndjson", "floor.csv", "heat.npz", "tracks-hall.txt"]
    assert filecmp.cmpfiles(out, tmp_path, names, shallow=False) == (names, [], [])
    made = json.loads((out / "events.ndjson").read_text(encoding="utf-8").splitlines()[0])
    assert (made["event"], made["config_hash"]) == ("made", config_hash(SITE.read_text(encoding="utf-8")))
    assert made["clips"] == [hashlib.sha256(CLIP.read_bytes()).hexdigest()]
    with np.load(out / "heat.npz") as heat:
        assert {"event": "made", **json.loads(str(heat["made"]))} == made
    assert first["crossings"] == second["crossings"]


def test_what_was_published_is_replayed_where_that_is_asked_for(tmp_path: Path) -> None:
    """The box runs version 2 of the hub, with another name for a line: by the file alone only with a warning."""
    site, box = tmp_path / "branch.toml", tmp_path / "box"
    own = SITE.read_text(encoding="utf-8").replace("data/box-1", "box")
    site.write_text(own, encoding="utf-8")
    box.mkdir()
    wanted = make(own.replace('id = "street"', 'id = "drawn"'), "plaza", 2, 0, 1)
    where = ["replay", str(site), "--camera", f"hall={CLIP}", "--fps", "hall=7", "--until", "6", "--json"]

    def told(*more: str) -> tuple[set[str], dict[str, Any], dict[str, Any], str]:
        """Lines that were watched, how the results were made, what is reported and said."""
        done = CliRunner().invoke(cli, [*where, "--out", str(tmp_path / "out"), *more])
        assert done.exit_code == 0, done.output
        rows = list(map(json.loads, (tmp_path / "out/events.ndjson").read_text("utf-8").splitlines()))
        window = next(row for row in rows if row["event"] == "window")
        lines = {line["line"] for line in window["lines"]}
        return lines, rows[0], json.loads(done.stdout.strip().splitlines()[-1]), done.stderr

    _, made, _, said = told()
    assert (made["config_version"], "from the hub" in said) == (1, False), "nothing was published yet"
    keep(box, wanted)
    lines, made, _, said = told()
    assert ({"street", "drawn"} & lines, made["config_version"]) == ({"street"}, 1)
    assert "the box runs version 2 from the hub" in said
    assert "--in-force" in said
    lines, made, report, said = told("--in-force")
    assert ({"street", "drawn"} & lines, "warning" in said) == ({"drawn"}, False)
    assert (made["config_version"], made["config_hash"]) == (2, wanted.hash)
    assert (report["config_version"], report["config_from"]) == (2, "hub")
    (box / KEPT).unlink()
    (box / KEPT).mkdir()
    assert "cannot be read" in told()[3]
    unread = CliRunner().invoke(cli, [*where, "--out", str(tmp_path / "out"), "--in-force"])
    assert isinstance(unread.exception, DependencyError), "what cannot be read is not guessed"


def test_nobody_is_observed_in_a_hole_of_a_recording(tmp_path: Path) -> None:
    """As of a live camera that was out: no coverage, other people after it, and frames keep their numbers."""
    video = cv2.VideoCapture(str(CLIP))
    pictures = [np.asarray(video.read()[1], np.uint8) for _ in range(60)]
    clip = write_mp4(tmp_path / "holed.mp4", pictures, [1 / 7] * 29 + [12.0] + [1 / 7] * 30)
    out = tmp_path / "out"
    told = figures("edge", "replay", SITE, "--camera", f"hall={clip}", "--fps", "hall=7", "--out", out)
    assert told["frames"] == 60
    assert told["observed_s"] == pytest.approx(29 / 7 + 1.0 + 29 / 7, abs=0.02)
    events = [json.loads(line) for line in (out / "events.ndjson").read_text(encoding="utf-8").splitlines()]
    windows = {event["t_s"]: event for event in events if event["event"] == "window"}
    assert list(windows) == [0.0, 5.0, 10.0, 15.0, 20.0]
    states = [window["cameras"][0]["state"] for window in windows.values()]
    assert states == ["stalled", "stalled", "stalled", "up", "up"]  # when it closes, as in operation
    assert windows[10.0]["looked_ms"] == windows[10.0]["person_ms"] == 0
    for visit in (event for event in events if event["event"] == "visit"):
        assert visit["t_s"] < 6 or visit["start_s"] > 16
    with (out / "floor.csv").open(newline="") as file:
        places = list(csv.DictReader(file))
    before = {row["id"] for row in places if float(row["t_s"]) < 6}
    after = {row["id"] for row in places if float(row["t_s"]) > 16}
    assert before
    assert after
    assert not before & after
    assert not [row for row in places if 6 < float(row["t_s"]) < 16]
    frames = {int(row.split(",")[0]) for row in (out / "tracks-hall.txt").read_text().splitlines()}
    assert {30, 31, 60} <= frames <= set(range(1, 61))


def test_the_sample_agrees_with_its_truth(replayed: tuple[Path, dict[str, Any]]) -> None:
    """A smoke test on the thirty frames that were looked at."""
    truth = share("sample_video/plaza_truth.txt")
    people = figures("evaluate", "people", "--tracks", replayed[0] / "tracks-hall.txt", "--truth", truth)
    assert people["mota"] >= 0.8
    assert people["idf1"] >= 0.8
    assert {"hota", "id_switches", "false_positives", "misses"} <= people.keys()


def test_the_results_fit_together(replayed: tuple[Path, dict[str, Any]]) -> None:
    """Heat = the windows' time = the floor's rows; crossings of the windows = crossing events."""
    out, sums = replayed
    with np.load(out / "heat.npz") as heat:
        total = float(heat["person_seconds"].sum())
        assert heat["person_seconds"].shape == (100, 90)
        assert (float(heat["x0_m"]), float(heat["cell_m"])) == (0.0, 0.25)
        assert float(heat["observed_s"]) == pytest.approx(65, abs=0.3)
    events = [json.loads(line) for line in (out / "events.ndjson").read_text().splitlines()]
    windows = [event for event in events if event["event"] == "window"]
    assert total == pytest.approx(sum(window["person_ms"] for window in windows) / 1000)
    rows = list(csv.DictReader((out / "floor.csv").read_text().splitlines()))
    assert total == pytest.approx(len(rows) / 7, rel=0.01)
    counted = sum(line["in"] + line["out"] for window in windows for line in window["lines"])
    assert counted == sums["crossings"] == sum(event["event"] == "crossing" for event in events)
    assert counted >= 20
    tracks = [line.split(",") for line in (out / "tracks-hall.txt").read_text().splitlines()]
    assert len({(row[0], row[1]) for row in tracks}) == len(tracks)
    assert all(row[7:] == ["-1", "-1", "-1"] for row in tracks)


def test_without_a_site_points_and_bounds_will_do(tmp_path: Path) -> None:
    """Calibration from a CSV, the floor from --bounds, places in the user's own metres."""
    sums = figures(
        "edge", "replay", "--camera", f"v={CLIP}", "--points", f"v={POINTS}", "--bounds", "5,3,20,22",
        "--until", "6", "--out", tmp_path,
    )  # fmt: skip
    assert sums["people"] > 0
    with np.load(tmp_path / "heat.npz") as heat:
        assert heat["person_seconds"].shape == (76, 60)
        assert (float(heat["x0_m"]), float(heat["y0_m"])) == (5.0, 3.0)
    rows = list(csv.DictReader((tmp_path / "floor.csv").read_text().splitlines()))
    assert all(5 <= float(row["x_m"]) <= 20 and 3 <= float(row["y_m"]) <= 22 for row in rows)


def test_bad_clips_and_words_get_their_exit_codes(tmp_path: Path) -> None:
    """2 for usage, 3 for configuration, 4 for input data: one sentence each, and no result."""
    empty, rubbish = tmp_path / "empty.mp4", tmp_path / "rubbish.mp4"
    empty.write_bytes(b"")
    rubbish.write_bytes(b"no video" * 100)
    still = tmp_path / "small.avi"
    writer = cv2.VideoWriter(str(still), cv2.VideoWriter.fourcc(*"MJPG"), 7, (320, 240))
    writer.write(np.zeros((240, 320, 3), np.uint8))
    writer.release()
    out = tmp_path / "out"

    def replay(*args: object, code: int) -> str:
        done = CliRunner().invoke(cli, ["replay", *map(str, args), "--out", str(out)])
        error = done.exception
        assert isinstance(error, BranchloopError), done.output
        assert error.exit_code == code
        return str(error)

    assert "is empty" in replay(SITE, "--camera", f"hall={empty}", code=4)
    assert "is not a video" in replay(SITE, "--camera", f"hall={rubbish}", code=4)
    assert "does not exist" in replay(SITE, "--camera", "hall=nowhere.mp4", code=4)
    assert "calibrated for pictures of 768×576" in replay(SITE, "--camera", f"hall={still}", code=3)
    assert "not in the configuration" in replay(SITE, "--camera", f"cellar={CLIP}", code=2)
    assert "no clip is named" in replay(SITE, code=2)
    assert "not ID=VALUE" in replay(SITE, "--camera", "hall", code=2)
    assert "has no calibration" in replay("--camera", f"v={CLIP}", code=2)
    unreadable = branchloop(
        "edge", "replay", "nowhere.toml", "--camera", f"hall={CLIP}", "--out", out, code=3
    )
    assert "error: nowhere.toml cannot be read" in unreadable
    assert not out.exists()


def test_floor_tracks_are_counted(tmp_path: Path) -> None:
    """Three people through the simulated branch's door: two in, one out."""
    tracks = tmp_path / "tracks.csv"
    rows = ["t_s,id,x_m,y_m"]
    for person, (start, step) in enumerate(((8.8, -0.1), (8.9, -0.12), (6.8, 0.1)), 1):
        rows += [f"{i / 5},{person},{5.5 + 0.4 * person},{start + step * i:.3f}" for i in range(20)]
    tracks.write_text("\n".join(rows))
    sums = figures(
        "edge", "simulate", share("configs/simulated.toml"), "--tracks", tracks, "--out", tmp_path / "out"
    )
    assert sums["crossings"] == 3
    heat = figures("evaluate", "heat", "--heat", tmp_path / "out" / "heat.npz", "--truth", tracks)
    assert heat["mass_ratio"] == pytest.approx(1, abs=0.05)
    tracks.write_text("t_s,id,x_m,y_m\n0,1,nan,2\n")
    assert "row 2: impossible values" in branchloop(
        "edge",
        "simulate",
        share("configs/simulated.toml"),
        "--tracks",
        tracks,
        "--out",
        tmp_path / "no",
        code=4,
    )


def test_results_go_into_a_folder_or_nowhere(tmp_path: Path) -> None:
    """--out that is a file, or below one, is said to be; the file stays, and no clip was looked through."""
    taken = tmp_path / "results"
    taken.write_text("mine", encoding="utf-8")
    for out, said in ((taken, "a file has that name"), (taken / "deeper", "Not a directory")):
        words = ["replay", str(SITE), "--camera", f"hall={CLIP}", "--out", str(out)]
        error = CliRunner().invoke(cli, words).exception
        assert isinstance(error, InputError)
        assert f"{out} cannot be the folder of the results: {said}." in str(error)
    assert taken.read_text(encoding="utf-8") == "mine"


def test_a_configuration_is_checked(tmp_path: Path) -> None:
    """Right ones say so; wrong ones exit with 3 and name the mend."""
    assert "right; site plaza" in branchloop("check-config", SITE)
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(SITE.read_text(encoding="utf-8").replace("width_m", "widht_m"))
    assert "did you mean `width_m`?" in branchloop("check-config", wrong, code=3)
    hub = tmp_path / "hub.toml"
    hub.write_text(f'[hub]\ndata_dir = "d"\nsites = ["{SITE}"]\n')
    assert "1 site(s): plaza" in branchloop("check-config", hub)
    dashboard = tmp_path / "dashboard.toml"
    dashboard.write_text('[dashboard]\napi = "http://127.0.0.1:1"\n')
    assert "right" in branchloop("check-config", dashboard)


def test_the_doctor_sees_one_opencv_and_a_working_detector() -> None:
    """Exactly one version owns `cv2`; every finding of this machine is good enough to work."""
    findings = json.loads(branchloop("doctor", "--json").strip().splitlines()[-1])["findings"]
    opencv = next(f for f in findings if f["text"].startswith("OpenCV"))
    assert opencv["state"] == "good"
    assert opencv["text"].count("opencv-") == 1
    assert any("detector nanodet" in f["text"] for f in findings)
    assert any("nats-server" in f["text"] for f in findings)


@needs_reference
def test_the_published_figures_are_reached(tmp_path: Path) -> None:
    """PETS09-S2L1 with the shipped detector: the floor under which no change may fall."""
    sums = figures(
        "edge", "replay", "--camera", f"v={PETS / 'vtest.avi'}", "--points", f"v={PETS / 'points.csv'}",
        "--fps", "v=7", "--until", "57.1", "--out", tmp_path,
    )  # fmt: skip
    assert sums["frames"] == 400
    people = figures("evaluate", "people", "--tracks", tmp_path / "tracks-v.txt", "--truth", PETS / "gt.txt")
    assert people["mota"] >= 0.80
    assert people["idf1"] >= 0.68
    assert people["hota"] >= 0.53
    truth = PETS / "gt_ground_m.csv"
    heat = figures("evaluate", "heat", "--heat", tmp_path / "heat.npz", "--truth", truth, "--fps", "7")
    assert heat["r"] >= 0.96
    assert heat["mass_ratio"] == pytest.approx(1, abs=0.07)


@needs_reference
def test_another_detector_is_taken_by_path(tmp_path: Path) -> None:
    """The reference detector through the same tracker."""
    sums = figures(
        "edge", "replay", SITE, "--camera", f"hall={CLIP}", "--detector", RETAIL, "--until", "3", "--out", tmp_path
    )  # fmt: skip
    assert sums["people"] > 0
