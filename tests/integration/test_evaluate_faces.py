"""`branchloop evaluate faces` on real faces, and on lists that are wrong."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from reference import FACES, needs_reference

from branchloop import exits
from branchloop.share import share
from edge.main import cli

STILLS = [share(f"sample_video/kiosk-{number}.jpg") for number in (1, 2, 3)]


def evaluate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge.main", "evaluate", "faces", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def refused(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What the command says as it ends with code 4; in this process, which has loaded its libraries already."""
    with pytest.raises(SystemExit) as ended:
        exits.run(cli, ["evaluate", *map(str, arguments)], prog="branchloop edge")
    assert ended.value.code == 4
    return capfd.readouterr().err


@needs_reference
@pytest.mark.reference
def test_strangers_and_friends_of_a_public_set(tmp_path: Path) -> None:
    """Four people, ten pictures each: all are told apart, protected or not."""
    folders = sorted(FACES.iterdir())[:4]
    pictures = [path for folder in folders for path in sorted(folder.iterdir())]
    rows = [
        f"{a.relative_to(FACES)},{b.relative_to(FACES)},{int(a.parent == b.parent)}"
        for a, b in itertools.combinations(pictures, 2)
    ]
    (tmp_path / "pairs.csv").write_text("a,b,same\n" + "\n".join(rows))
    shown = evaluate("--pairs", tmp_path / "pairs.csv", "--images", FACES, "--json")
    assert shown.returncode == 0, shown.stderr
    figures = json.loads(shown.stdout.splitlines()[-1])
    assert figures["pairs"] == len(rows)
    assert figures["failure_to_acquire"] == 0
    assert figures["tar_at_far_0.001"] >= 0.995
    assert figures["far"] <= 0.002
    assert abs(figures["protected"]["tar_at_far_0.001"] - figures["tar_at_far_0.001"]) <= 0.005
    assert {"tar_at_far_0.01", "eer", "threshold", "frr"} <= figures.keys()


@needs_reference
@pytest.mark.reference
def test_attempts_against_galleries(tmp_path: Path) -> None:
    """Three enrolment images, a probe apart: misses and false accepts with intervals, extrapolation said."""
    for folder in sorted(FACES.iterdir())[:3]:
        (tmp_path / folder.name).mkdir()
        for path in sorted(folder.iterdir())[:5]:
            (tmp_path / folder.name / path.name).write_bytes(path.read_bytes())
    figures = json.loads(evaluate("--identities", "--images", tmp_path, "--json").stdout.splitlines()[-1])
    assert figures["attempts"]["frr"]["rate"] <= 0.02
    sizes = {entry["gallery"]: entry for entry in figures["identification"]}
    assert set(sizes) == {1, 10, 60, 300}
    assert sizes[60]["fpir_extrapolated"] is True
    assert sizes[60]["fpir"] <= 0.001
    assert sizes[1]["fpir_extrapolated"] is False


def test_lists_in_other_layouts_are_read(tmp_path: Path) -> None:
    """LFW's own layout, and words for labels."""
    from edge.evaluate.faces import read_pairs

    path = tmp_path / "pairs.csv"
    path.write_text("Ann,1,2\nAnn,1,Bob,3\n")
    same, other = read_pairs(path, tmp_path)
    assert (same.a.name, same.b.name, same.same) == ("Ann_0001.jpg", "Ann_0002.jpg", True)
    assert (other.b.name, other.same) == ("Bob_0003.jpg", False)
    path.write_text("path1,path2,label\nx.jpg,y.jpg,same\nx.jpg,z.jpg,different\n")
    assert [pair.same for pair in read_pairs(path, tmp_path)] == [True, False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,same\n", "lists no pair"),
        ("x.jpg,y.jpg,perhaps\nx.jpg,y.jpg,maybe\n", "row 1 is not a pair"),
        ("x.jpg,y.jpg,1\n", "lists only one person"),
        ("kiosk-1.jpg,kiosk-2.jpg,1\nkiosk-1.jpg,nobody.jpg,0\n", "nobody.jpg cannot be read"),
    ],
)
def test_wrong_lists_are_refused_with_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    """Exit code 4 and what to mend."""
    for still in STILLS:
        (tmp_path / still.name).write_bytes(still.read_bytes())
    (tmp_path / "pairs.csv").write_text(text)
    assert words in refused(capfd, "faces", "--pairs", tmp_path / "pairs.csv", "--images", tmp_path)


def test_clips_are_judged_against_what_was_asked(tmp_path: Path) -> None:
    """The demo's clip turns left first: right for that challenge, wrong for another; a still can do none."""
    clip, still = share("sample_video/kiosk.mp4"), STILLS[0]
    (tmp_path / "m.csv").write_text(
        "path,label,species,actions\n"
        f"{clip},live,,turn_left\n{clip},attack,recording,nod\n{still},attack,print,\n"
    )
    command = [
        sys.executable,
        "-m",
        "edge.main",
        "evaluate",
        "liveness",
        "--manifest",
        str(tmp_path / "m.csv"),
        "--json",
    ]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    figures = json.loads(shown.stdout.splitlines()[-1])
    assert figures["bpcer"] == 0
    assert figures["apcer"] == 0
    assert figures["decided_by"] == {"accepted": 1, "wrong_action": 1, "still_picture": 1}
    assert set(figures["species"]) == {"recording", "print"}
    assert "not measured on people" in figures["remark"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label,species\n", "lists nothing"),
        ("path,label,species\nx.jpg,perhaps,print\n", "row 2 is not a presentation"),
        ("path,label,species,actions\nx.mp4,live,,dance\n", "'dance' is no action"),
        ("path,label,species\nx.jpg,attack,print\n", "x.jpg cannot be read"),
    ],
)
def test_wrong_manifests_are_refused_with_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    """Exit code 4 and what to mend."""
    (tmp_path / "m.csv").write_text(text)
    assert words in refused(capfd, "liveness", "--manifest", tmp_path / "m.csv")
