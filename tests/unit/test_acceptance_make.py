"""A site is measured and its report signed: figures, limits, calibration and files, as they are."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from branchloop.acceptance.signing import verify_report
from branchloop.clock import to_ms
from branchloop.errors import BranchloopError, InputError, UsageError
from branchloop.keys.box import new_private, private_pem
from branchloop.keys.root import read_root, write_private
from branchloop.keys.sealing import raw_public
from branchloop.share import share
from branchloop.site.site import config_hash, parse_site
from branchloop.wire.desired import make as make_desired
from edge import acceptance
from edge.acceptance import Measures, make
from edge.configured import InForce, keep
from edge.provenance import Made, is_of, made_with
from edge.results import Results

CONFIG = share("configs/demo.toml")
FOREVER_MS = 4_000_000_000_000


@pytest.fixture
def key(tmp_path: Path) -> Path:
    write_private(tmp_path / "acceptance.pem", private_pem(new_private()))
    return tmp_path / "acceptance.pem"


def lines() -> list[str]:
    return [line["id"] for line in tomllib.loads(CONFIG.read_text(encoding="utf-8"))["line"]]


def counts(path: Path, line: str, times: list[float]) -> Path:
    path.write_text("t_s,line,direction\n" + "".join(f"{t},{line},in\n" for t in times), encoding="utf-8")
    return path


def found(hand: Path) -> Path:
    """A box that counted as the hand did, in another order."""
    path = hand.with_name(f"box-{hand.name}")
    header, *rows = hand.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([header, *reversed(rows)]), encoding="utf-8")
    return path


def accept(key: Path, measures: Measures, out: Path, **other: object) -> dict[str, object]:
    given: dict[str, object] = {"measured_by": "Wei", "expires_days": 30.0, "note": None, **other}
    return make(CONFIG, measures, key_file=key, out=out, **given)  # type: ignore[arg-type]


def test_a_site_is_accepted_in_one_go(tmp_path: Path, key: Path) -> None:
    """Tracks, counts and visits in one report whose every statement can be traced to a file."""
    truth = share("sample_video/plaza_truth.txt")
    door = lines()[0]
    hand = counts(tmp_path / "hand.csv", door, [float(t) for t in range(0, 1_800, 20)])
    box = counts(tmp_path / "box.csv", door, [t + 0.5 for t in range(0, 1_800, 20)])
    tracks = tmp_path / "tracks.txt"
    tracks.write_text(
        "".join(reversed(truth.read_text(encoding="utf-8").splitlines(keepends=True))), encoding="utf-8"
    )
    out = tmp_path / "report.json"
    said = accept(key, Measures(people=[(tracks, truth)], counts=[(box, hand)], fps=7), out)
    public = raw_public(read_root(key).public_key())
    report = verify_report(out.read_text(encoding="utf-8"), public, json.loads(out.read_text())["made_at_ms"])
    figures = {figure.key: figure for figure in report.figures}
    assert figures["people.mota"].value == 1
    assert figures["people.mota"].verdict == "undecided", "four seconds give no interval"
    assert (figures["counts.wrong_rate"].sample, figures["counts.wrong_rate"].verdict) == (90, "pass")
    assert figures["counts.wrong_rate"].subject == door
    assert said["verdict"] == report.verdict == "undecided"
    assert {file.role for file in report.evidence} == {"tracks", "truth", "counts"}
    digests = {file.name: file.sha256 for file in report.evidence}
    assert digests["hand.csv"] == hashlib.sha256(hand.read_bytes()).hexdigest()
    assert report.cameras[0].residual_mm is not None
    assert report.cameras[0].residual_mm < 200
    assert report.site == "plaza"
    assert door in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("zone", "now", "days"),
    [("Australia/Sydney", "2026-11-30T22:00Z", 0), ("America/Los_Angeles", "2026-12-02T01:00Z", 0),
     ("UTC", "2026-12-02T01:00Z", 1)],
)  # fmt: skip
def test_a_calibration_is_as_old_as_the_branch_calendar_says(zone: str, now: str, days: int) -> None:
    """Made this morning it is of today, wherever the day of UTC has got to."""
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    for key, value in (("timezone", f'"{zone}"'), ("measured_on", "2026-12-01")):
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
    site = parse_site(text, "demo.toml")
    assert (
        acceptance._camera(site, site.cameras[0].id, to_ms(datetime.fromisoformat(now)))["age_days"] == days
    )


def test_own_limits_decide(tmp_path: Path, key: Path) -> None:
    """What the bank demands counts: a stricter limit fails or needs more crossings."""
    door = lines()[0]
    times = [float(t) for t in range(0, 1_800, 20)]
    hand, box = counts(tmp_path / "h.csv", door, times), counts(tmp_path / "b.csv", door, times[5:])
    verdicts = {
        limit: accept(
            key, Measures(counts=[(box, hand)], limits={"counts.wrong_rate": limit}), tmp_path / "r.json"
        )["verdict"]
        for limit in (0.2, 0.06, 0.04)
    }
    assert verdicts == {0.2: "pass", 0.06: "undecided", 0.04: "fail"}


def test_sums_alone_carry_a_limit_of_their_own(tmp_path: Path, key: Path) -> None:
    """A clicker's totals: their difference can fail a line, its absence proves nothing, and the report says why."""
    hand = tmp_path / "hand.csv"
    hand.write_text(f"line,direction,count\n{lines()[0]},in,5000\n", encoding="utf-8")
    box = counts(tmp_path / "b.csv", lines()[0], [float(t) for t in range(5_000)])
    said = accept(key, Measures(counts=[(box, hand)]), tmp_path / "r.json")
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [figure["key"] for figure in report["figures"]] == ["counts.sum_error", "counts.net_error"]
    assert not {"low", "high", "needed"} & {name for figure in report["figures"] for name in figure}
    assert (said["verdict"], said["passed"]) == ("undecided", 0)
    assert "cancel" in report["method"][0]["en"]
    assert "不能证明达标" in (tmp_path / "r.html").read_text(encoding="utf-8")
    counts(box, lines()[0], [float(t) for t in range(4_700)])
    assert accept(key, Measures(counts=[(box, hand)]), tmp_path / "r.json")["verdict"] == "fail"
    assert (
        accept(key, Measures(counts=[(box, hand)], limits={"counts.sum_error": 0.1}), tmp_path / "r.json")[
            "verdict"
        ]
        == "undecided"
    )


@pytest.mark.parametrize(("came", "went"), [(180, 0), (120, 60)])
def test_a_line_drawn_the_wrong_way_round_is_not_accepted(
    tmp_path: Path, key: Path, came: int, went: int
) -> None:
    """Over both directions its totals are right: each direction is compared by itself."""
    hand, box = tmp_path / "hand.csv", tmp_path / "box.csv"
    for path, ways in ((hand, (came, went)), (box, (went, came))):
        rows = "".join(f"{lines()[0]},{way},{n}\n" for way, n in zip(("in", "out"), ways, strict=True))
        path.write_text(f"line,direction,count\n{rows}", encoding="utf-8")
    assert accept(key, Measures(counts=[(box, hand)]), tmp_path / "r.json")["verdict"] == "fail"
    (differ,) = [
        figure
        for figure in json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["figures"]
        if figure["key"] == "counts.sum_error"
    ]
    assert differ["value"] == round(2 * (came - went) / 180, 4)


def test_lines_that_nobody_counted_are_named_and_judged_by_nobody(tmp_path: Path, key: Path) -> None:
    """A perfect door passes whatever the box counted at another; said to be quiet, that one fails the site."""
    door, back = lines()[:2]
    times = [float(t) for t in range(0, 8_000, 20)]
    hand = counts(tmp_path / "hand.csv", door, times)
    box = counts(tmp_path / "box.csv", door, times)
    box.write_text(box.read_text() + "".join(f"{30 + 70 * i},{back},in\n" for i in range(100)))
    out = tmp_path / "r.json"

    def judged(measures: Measures) -> dict[str, Any]:
        accept(key, measures, out)
        return dict(json.loads(out.read_text(encoding="utf-8")))

    report = judged(Measures(counts=[(box, hand)]))
    assert (report["verdict"], report["not_counted"]) == ("pass", lines()[1:])
    assert {figure["subject"] for figure in report["figures"]} == {door}
    named = {part["id"]: part["name"] for part in tomllib.loads(CONFIG.read_text(encoding="utf-8"))["line"]}
    shown = (tmp_path / "r.html").read_text(encoding="utf-8")
    for language in ("en", "zh"):
        assert f"<dd>{', '.join(f'{named[each][language]} ({each})' for each in lines()[1:])}</dd>" in shown
        assert f'<span class="stated">{named[door][language]} ({door})</span>' in shown
    assert any("staff and visitors alike" in said["en"] for said in report["method"])
    report = judged(Measures(counts=[(box, hand)], watched=[back]))
    assert (report["verdict"], report["not_counted"]) == ("fail", lines()[2:])
    (quiet,) = [figure for figure in report["figures"] if figure.get("subject") == back]
    assert (quiet["key"], quiet["value"], quiet["at_most"], quiet["verdict"]) == (
        "counts.extra",
        100,
        1,
        "fail",
    )
    (whole,) = [f for f in report["figures"] if "subject" not in f and f["key"] == "counts.wrong_rate"]
    assert (whole["value"], whole["verdict"]) == (0.25, "fail")
    counts(box, door, times)
    box.write_text(f"{box.read_text()}45,{back},in\n")
    report = judged(Measures(counts=[(box, hand)], watched=[back]))
    verdicts = {
        figure.get("subject"): figure["verdict"] for figure in report["figures"] if "at_most" in figure
    }
    assert verdicts == {door: "pass", back: "undecided", None: "pass"}
    totals = tmp_path / "totals.csv"
    totals.write_text(f"line,direction,count\n{door},in,400\n{back},in,0\n", encoding="utf-8")
    box.write_text(f"{box.read_text()}99,{back},out\n")
    report = judged(Measures(counts=[(box, totals)]))
    assert {f.get("subject"): f["verdict"] for f in report["figures"] if "at_most" in f} == {
        door: "undecided",
        back: "fail",
        None: "undecided",
    }
    with pytest.raises(UsageError, match="--line says which lines one hand count watched"):
        judged(Measures(counts=[(box, hand), (box, totals)], watched=[back]))
    with pytest.raises(InputError, match="--line: the site has no line 'moon'"):
        judged(Measures(counts=[(box, hand)], watched=["moon"]))


def test_the_report_says_whether_staff_was_told_apart(tmp_path: Path, key: Path) -> None:
    """A hand count with a column staff is of visitors: a box that takes none for staff invents them."""
    door = lines()[0]
    rows = "".join(f"{20 * i},{door},in,{'yes' if i % 10 == 0 else ''}\n" for i in range(200))
    hand = tmp_path / "hand.csv"
    hand.write_text(f"t_s,line,direction,staff\n{rows}", encoding="utf-8")
    box = tmp_path / "box.csv"
    box.write_text(hand.read_text().replace("yes", ""), encoding="utf-8")
    assert accept(key, Measures(counts=[(box, hand)]), tmp_path / "r.json")["verdict"] == "fail"
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert any("visitors alone" in said["en"] for said in report["method"])
    assert "仅计访客" in (tmp_path / "r.html").read_text(encoding="utf-8")
    box.write_text(hand.read_text().replace("yes", "1"), encoding="utf-8")
    assert accept(key, Measures(counts=[(box, hand)]), tmp_path / "r.json")["verdict"] == "pass"


def test_results_of_another_configuration_are_refused(tmp_path: Path, key: Path) -> None:
    """Events and heat say what they were made with; where they do not, the report says that."""
    text, door = CONFIG.read_text(encoding="utf-8"), lines()[0]
    site, clip, out = parse_site(text), tmp_path / "clip.mp4", tmp_path / "r.json"
    assert site.box is not None
    clip.write_bytes(b"a recording")
    hand = counts(tmp_path / "hand.csv", door, [float(t) for t in range(0, 1_800, 20)])

    def replayed(made: Made | None, name: str) -> Path:
        results = Results(tmp_path / name, site.plan, (0.0, 0.0), [], made=made)
        results.close()
        with (tmp_path / name / "events.ndjson").open("a", encoding="utf-8") as events:
            for t in range(0, 1_800, 20):
                row = {"t_s": t, "event": "crossing", "line": door, "direction": "in"}
                events.write(json.dumps(row) + "\n")
        return tmp_path / name

    ours = made_with(InForce(site, config_hash(text), from_hub=False), site.box.detector, [clip])
    right = replayed(ours, "right")
    measures = Measures(counts=[(right / "events.ndjson", hand)], clips=[clip])
    assert accept(key, measures, out)["verdict"] == "pass"
    assert "does not say" not in out.read_text(encoding="utf-8")
    for name, change, said in (
        ("moved", {"config_hash": "0" * 16}, r"was made with configuration \d+ \(0{16}\)"),
        ("other", {"detector": "other.onnx"}, "was made with the detector other.onnx"),
        ("elsewhere", {"clips": ("0" * 64,)}, "was made with a recording that no --clip names"),
    ):
        folder = replayed(ours.model_copy(update=change), name)
        for path in (folder / "events.ndjson", folder / "heat.npz"):
            with pytest.raises(InputError, match=said):
                is_of(path, site, ours.config_hash, ours.clips)
        with pytest.raises(InputError, match=said):
            accept(key, replace(measures, counts=[(folder / "events.ndjson", hand)]), out)
    assert is_of(right / "heat.npz", site, ours.config_hash, ours.clips)
    with pytest.raises(InputError, match="a recording that no --clip names"):
        accept(key, replace(measures, clips=[]), out)
    silent = replayed(None, "silent") / "events.ndjson"
    accept(key, Measures(counts=[(silent, hand)]), out)
    assert "events.ndjson: does not say" in out.read_text(encoding="utf-8")
    window = {"t_s": 0, "event": "window", "config_version": site.version + 8}
    silent.write_text(f"{json.dumps(window)}\n{silent.read_text()}", encoding="utf-8")
    with pytest.raises(InputError, match=f"was made with configuration {site.version + 8}"):
        accept(key, Measures(counts=[(silent, hand)]), out)


def test_what_the_box_made_is_not_its_own_truth(tmp_path: Path, key: Path) -> None:
    """It would agree with itself to the last."""
    hand, copy = (counts(tmp_path / name, lines()[0], [1.0, 2.0]) for name in ("hand.csv", "copy.csv"))
    with pytest.raises(UsageError, match=r"copy\.csv hold the same, so nothing is measured"):
        accept(key, Measures(counts=[(hand, copy)]), tmp_path / "r.json")


def test_one_measurement_counts_once(tmp_path: Path, key: Path) -> None:
    """Its copy is no second one; two people who counted the same hour, or two hours, are."""
    times = [float(t) for t in range(0, 1_800, 20)]
    box, copy = (counts(tmp_path / name, lines()[0], times) for name in ("box.csv", "copy.csv"))
    hand, other = (
        counts(tmp_path / name, lines()[0], [t + late for t in times])
        for name, late in (("hand.csv", 0.5), ("other.csv", 1))
    )
    with pytest.raises(UsageError, match=r"copy\.csv and its truth hold the same as .*box\.csv and its own"):
        accept(key, Measures(counts=[(box, hand), (copy, hand)]), tmp_path / "r.json")
    assert accept(key, Measures(counts=[(box, hand), (copy, other)]), tmp_path / "r.json")["passed"] == 2


def test_some_visits_of_one_zone_are_enough_for_its_dwell(tmp_path: Path, key: Path) -> None:
    """A zone that nobody timed is named and judged by nobody; the number of visits has a limit only where one is set."""
    timed, other = (zone["id"] for zone in tomllib.loads(CONFIG.read_text(encoding="utf-8"))["zone"][:2])
    visits = [(20 * i, 60 + i % 7) for i in range(300)]
    box, hand = tmp_path / "box.csv", tmp_path / "visits.csv"
    for path, rows in ((box, visits), (hand, visits[::2])):
        text = "".join(f"{timed},{start},{dwell}\n" for start, dwell in rows)
        path.write_text(f"zone,start_s,dwell_s\n{text}", encoding="utf-8")
    box.write_text(f"{box.read_text()}{other},5,9\n", encoding="utf-8")
    measures = Measures(dwell=[(box, hand)])
    assert accept(key, measures, tmp_path / "r.json")["verdict"] == "pass"
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert {figure["subject"] for figure in report["figures"]} == {timed}
    assert other in report["not_timed"]
    assert timed not in report["not_timed"]
    assert other in (tmp_path / "r.html").read_text(encoding="utf-8")
    every = replace(measures, limits={"dwell.visits_error": 0.1})
    assert accept(key, every, tmp_path / "r.json")["verdict"] == "fail"


def test_what_the_site_does_not_have_is_named(tmp_path: Path, key: Path) -> None:
    """A line of another site, a figure that is none, nothing to measure, a key that others may read."""
    hand = counts(tmp_path / "h.csv", "moon-gate", [1.0, 2.0])
    with pytest.raises(InputError, match="no line 'moon-gate'"):
        accept(key, Measures(counts=[(found(hand), hand)]), tmp_path / "r.json")
    with pytest.raises(UsageError, match="no figure"):
        accept(key, Measures(counts=[(found(hand), hand)], limits={"beauty": 1}), tmp_path / "r.json")
    for figure, value in (
        ("counts.wrong_rate", "nan"), ("counts.wrong_rate", "inf"), ("counts.wrong_rate", "5"), ("counts.wrong_rate", "0"),
        ("counts.sum_error", "1"), ("dwell.median_error", "-0.1"), ("heat.mass_ratio", "1"), ("people.mota", "1"),
        ("people.idf1", "-0.1"), ("heat.r", "nan"), ("heat.emd_m", "inf"), ("heat.emd_m", "0"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=f"--limit {figure}={value} is no limit"):
            accept(
                key,
                Measures(counts=[(found(hand), hand)], limits={figure: float(value)}),
                tmp_path / "r.json",
            )
    with pytest.raises(UsageError, match="nothing is to be measured"):
        accept(key, Measures(), tmp_path / "r.json")
    key.chmod(0o644)
    with pytest.raises(BranchloopError, match="may be read by others"):
        accept(key, Measures(counts=[(found(hand), hand)]), tmp_path / "r.json")
    assert not (tmp_path / "r.json").exists()


def test_nothing_but_an_older_report_is_overwritten(tmp_path: Path, key: Path) -> None:
    """Not the evidence, the key, the configuration or a recording, by name or by a link, nor any other file."""
    hand = counts(tmp_path / "hand.csv", lines()[0], [float(t) for t in range(0, 1_800, 20)])
    clip, other, link = tmp_path / "clip.html", tmp_path / "notes.json", tmp_path / "link.json"
    clip.write_text("a recording", encoding="utf-8")
    other.write_text("{}", encoding="utf-8")
    link.symlink_to(hand)
    measures = Measures(counts=[(found(hand), hand)], clips=[clip])
    with pytest.raises(UsageError, match="--by is empty"):
        accept(key, measures, tmp_path / "r.json", measured_by=" ")
    for out, said in (
        (tmp_path / "r.html", "is the name of a page"),
        (hand, "hand.csv would take the place of .*hand.csv"),
        (link, "link.json would take the place of .*hand.csv"),
        (key, "acceptance.pem would take the place of"),
        (tmp_path / "clip.json", "clip.html would take the place of"),
        (other, "notes.json is there already, and no report"),
    ):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(UsageError, match=said):
            accept(key, measures, out)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    for _ in range(2):
        accept(key, measures, tmp_path / "r.json")
    assert {path.name for path in tmp_path.iterdir()} - {path.name for path in before} == {"r.json", "r.html"}
    other.with_suffix(".html").write_text("<!doctype html>a page of somebody", encoding="utf-8")
    other.unlink()
    with pytest.raises(UsageError, match=r"notes\.html is there already, and no page of a report"):
        accept(key, measures, other)


def test_a_report_says_which_frames_its_truth_speaks_of(tmp_path: Path, key: Path) -> None:
    """Labels on every third frame, a hole that may be nobody, and a truth that is the box's own tracks."""
    row = "{},1,{},0,10,20,{},-1,-1,-1\n"

    def mot(name: str, frames: list[int], score: float = 1) -> Path:
        path = tmp_path / name
        path.write_text("".join(row.format(i, i % 50, score) for i in frames), encoding="utf-8")
        return path

    tracks = mot("tracks-hall.txt", list(range(1, 400)), 0.8)
    third = mot("third.txt", list(range(1, 400, 3)))
    hole = mot("hole.txt", [*range(1, 100), *range(300, 400)])
    accept(key, Measures(people=[(tracks, third), (tracks, hole)]), tmp_path / "r.json")
    said = " ".join(words["en"] for words in json.loads((tmp_path / "r.json").read_text("utf-8"))["method"])
    assert "labels on some frames only" in said
    assert "200 frames without truth" in said
    assert "100 to 299 of hole.txt" in said
    with pytest.raises(InputError, match="is a score, as the box's tracks have it"):
        accept(key, Measures(people=[(third, tracks)]), tmp_path / "r.json")


def test_heat_without_windows_says_that_it_has_no_interval(tmp_path: Path, key: Path) -> None:
    """An older grid still has figures; nothing is passed on its strength."""
    heat, truth = tmp_path / "heat.npz", tmp_path / "floor.csv"
    np.savez(heat, person_seconds=np.ones((8, 8)), x0_m=0.0, y0_m=0.0, cell_m=0.5, observed_s=64)
    truth.write_text(
        "t_s,id,x_m,y_m\n" + "".join(f"{i},1,{i % 8 / 2 + 0.1},{i // 8 / 2 + 0.1}\n" for i in range(64))
    )
    accept(key, Measures(heat=[(heat, truth)]), tmp_path / "r.json")
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert ["no interval" in line["en"] for line in report["method"]] == [True, False]
    assert report["verdict"] == "undecided"


def test_heat_of_people_who_stay_says_how_long_a_recording_would_do(tmp_path: Path, key: Path) -> None:
    """One who stands there for five minutes of five is one stay, not sixty moments: no interval, nothing is passed."""
    heat, truth = tmp_path / "heat.npz", tmp_path / "floor.csv"
    np.savez(
        heat, person_seconds=np.full((2, 2), 75.0), x0_m=0.0, y0_m=0.0, cell_m=0.5, observed_s=300,
        window_start_s=np.arange(60) * 5.0, window_ends=np.arange(1, 61), window_cells=np.arange(60) % 4,
        window_mps=np.full(60, 5_000),
    )  # fmt: skip
    truth.write_text("t_s,id,x_m,y_m\n" + "".join(f"{t},1,{t % 2 / 2 + 0.1},0.1\n" for t in range(300)))
    accept(key, Measures(heat=[(heat, truth)]), tmp_path / "r.json")
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert "a recording of 50 min or more would do" in report["method"][0]["en"]
    assert not any(figure["verdict"] == "pass" for figure in report["figures"])


def test_the_command_makes_what_the_command_verifies(tmp_path: Path) -> None:
    """From a key to a verified report by command line alone."""
    times = [float(t) for t in range(0, 1_800, 20)]
    hand = counts(tmp_path / "hand.csv", lines()[0], times)

    def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "branchloop.cli", "acceptance", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run("key", tmp_path / "keys").returncode == 0
    made = run(
        "make", CONFIG, "--counts", found(hand), hand, "--limit", "counts.wrong_rate=0.05", "--by", "Wei",
        "--expires-days", "30", "--key", tmp_path / "keys" / "acceptance.pem", "--out", tmp_path / "r.json", "--json",
    )  # fmt: skip
    assert (made.returncode, made.stderr) == (0, "")
    assert json.loads(made.stdout.splitlines()[-1])["verdict"] == "pass"
    assert (tmp_path / "r.html").is_file()
    checked = run("verify", tmp_path / "r.json", "--public", tmp_path / "keys" / "acceptance.pub", "--json")
    assert json.loads(checked.stdout)["verdict"] == "pass"


def test_a_report_names_the_configuration_in_force(tmp_path: Path, key: Path) -> None:
    """A box that took a newer configuration from the hub is judged by that one's lines, version and hash."""
    own = CONFIG.read_text(encoding="utf-8")
    door = lines()[0]
    wanted = make_desired(own.replace(f'id = "{door}"', 'id = "gate"'), "plaza", 7, 0, 1)
    config = tmp_path / "site.toml"
    config.write_text(own, encoding="utf-8")
    box = parse_site(own).box
    assert box is not None
    (tmp_path / box.data_dir).mkdir(parents=True)
    keep(tmp_path / box.data_dir, wanted)
    times = [float(t) for t in range(0, 1_800, 20)]
    hand = counts(tmp_path / "hand.csv", "gate", times)
    make(config, Measures(counts=[(found(hand), hand)]), key_file=key, out=tmp_path / "r.json",
         measured_by="Wei", expires_days=30.0, note=None)  # fmt: skip
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert (report["config_version"], report["config_hash"]) == (7, wanted.hash)
