"""`branchloop calibrate` as a program: what it prints, writes and refuses."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from branchloop.errors import BranchloopError
from branchloop.share import share
from branchloop.site.editing import with_calibration, with_version
from branchloop.site.site import parse_site
from branchloop.wire.desired import make
from edge.calibrate import cli
from edge.configured import KEPT, keep

Row = tuple[float, float, float, float]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The demo's site file, with a remark at its calibration."""
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    file = tmp_path / "branch.toml"
    file.write_text(text.replace("points = [", "points = [  # by tape, 2026-11-01"), encoding="utf-8")
    return file


def rows(site: Path) -> list[Row]:
    return list(parse_site(site.read_text(encoding="utf-8")).cameras[0].calibration.points)


def write(folder: Path, marks: list[Row]) -> Path:
    file = folder / "points.csv"
    lines = ["x_px,y_px,x_m,y_m", *(",".join(f"{value:g}" for value in mark) for mark in marks)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def run(*args: object) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON of the last line (empty without one), what was said of a fault."""
    done = CliRunner().invoke(cli, [*map(str, args), "--json"])
    lines = done.stdout.strip().splitlines()
    told = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    if isinstance(done.exception, BranchloopError):
        return done.exception.exit_code, told, str(done.exception)
    return done.exit_code, told, done.stderr


def test_marks_are_judged_and_written_with_comments_kept(site: Path, tmp_path: Path) -> None:
    """The file gets the new marks and today's date; every comment stays; the residual is the site's own."""
    marks = rows(site)
    marks[4] = (marks[4][0], marks[4][1], marks[4][2] + 0.01, marks[4][3])
    before = site.read_text(encoding="utf-8")
    code, told, _ = run("points", write(tmp_path, marks), "--site", site, "--camera", "hall")
    assert code == 0
    assert told["written"] == str(site)
    assert 3 < told["residual_cm"] < 10
    assert len(told["marks"]) == len(marks)
    after = site.read_text(encoding="utf-8")
    assert rows(site) == marks
    assert parse_site(after).cameras[0].calibration.measured_on is not None
    assert [line.split("#")[1] for line in after.splitlines() if "#" in line] == [
        line.split("#")[1] for line in before.splitlines() if "#" in line
    ]


BACK = '[[camera]]\nid = "back"\nsource = "usb:1"\n\n# the doors\n'


def unmarked(site: Path) -> str:
    """A new branch: two cameras, of which none is calibrated yet; the text of its file."""
    text = site.read_text(encoding="utf-8")
    head, _, rest = text.partition("[camera.calibration]")
    fresh = head + BACK + rest[rest.index("[[line]]") :]
    site.write_text(fresh, encoding="utf-8")
    return fresh


def test_cameras_without_marks_get_their_first(site: Path, tmp_path: Path) -> None:
    """One after the other; nothing else changes, and until all have some the file is no site yet."""
    marks, (wide, high) = rows(site), (768, 576)
    before = unmarked(site)
    file = write(tmp_path, marks)
    code, _, said = run("points", file, "--site", site, "--camera", "hall")
    assert (code, "--picture is missing" in said) == (2, True)
    assert run("points", file, "--picture", f"{wide}x{high}", "--site", site)[0] == 0
    for camera in ("hall", "back"):
        assert site.read_text(encoding="utf-8").count("[camera.calibration]") == (camera == "back")
        code, told, said = run(
            "points", file, "--picture", f"{wide}x{high}", "--site", site, "--camera", camera
        )
        assert (code, told.get("written")) == (0, str(site)), said
    after = site.read_text(encoding="utf-8")
    lines = iter(after.splitlines())
    assert all(line in lines for line in before.splitlines()), "every line is still there, in its order"
    for each in parse_site(after).cameras:
        assert (each.calibration.points, each.calibration.picture_px) == (marks, (wide, high))
    assert after.index("# the doors") > after.rindex("[camera.calibration]")


def test_what_else_is_wrong_beside_missing_marks_is_refused(site: Path, tmp_path: Path) -> None:
    marks = write(tmp_path, rows(site))
    text = unmarked(site).replace("width_m = 22.5", "widht_m = 22.5")
    site.write_text(text, encoding="utf-8")
    code, _, said = run("points", marks, "--picture", "768x576", "--site", site, "--camera", "hall")
    assert (code, "did you mean `width_m`?" in said, "calibration" in said) == (3, True, False)
    assert site.read_text(encoding="utf-8") == text
    (tmp_path / "odd.toml").write_text('camera = [1, { id = "hall" }]\n', encoding="utf-8")
    code, _, said = run(
        "points", marks, "--picture", "768x576", "--site", tmp_path / "odd.toml", "--camera", "hall"
    )
    assert (code, "internal fault" in said) == (3, False), said


def test_a_link_to_the_site_file_stays_one(site: Path, tmp_path: Path) -> None:
    """The file that it leads to is written, in its own folder and with its own rights."""
    (tmp_path / "etc").mkdir()
    link = tmp_path / "etc" / "link.toml"
    link.symlink_to("../branch.toml")
    site.chmod(0o640)
    marks = rows(site)[:-1]
    code, told, _ = run("points", write(tmp_path, marks), "--site", link, "--camera", "hall")
    assert (code, told["written"]) == (0, str(link))
    assert link.is_symlink()
    assert rows(site) == marks
    assert site.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in link.parent.iterdir()] == ["link.toml"]


def test_a_full_disk_leaves_the_site_file_and_nothing_else(site: Path, tmp_path: Path) -> None:
    marks, before = write(tmp_path, rows(site)[:-1]), site.read_text(encoding="utf-8")
    there = sorted(tmp_path.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        code, _, said = run("points", marks, "--site", site, "--camera", "hall")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (code, "cannot be written: File too large" in said) == (3, True)
    assert site.read_text(encoding="utf-8") == before
    assert sorted(tmp_path.iterdir()) == there


def test_a_mistyped_mark_is_named_aloud(site: Path, tmp_path: Path) -> None:
    """For people a sentence on standard error, for programs a field; nothing is written without --camera."""
    marks = rows(site)
    marks[3] = (marks[3][0], marks[3][1], marks[3][2] + 2, marks[3][3])
    file = write(tmp_path, marks)
    code, told, _ = run("points", file, "--picture", "768x576", "--site", site)
    assert (code, told["suspicion"]["kind"], told["suspicion"]["marks"]) == (0, "mistyped", [4])
    assert told["written"] is None
    spoken = subprocess.run(
        [sys.executable, "-m", "edge.calibrate", "points", str(file), "--picture", "768x576"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "mark 4 looks mistyped" in spoken.stderr


@pytest.mark.parametrize(
    ("turn", "picture", "code", "said"),
    [
        (lambda m: (m[2], m[3], m[0], m[1]), "768x576", 4, "pixels and metres look swapped"),
        (lambda m: m, "640x480", 4, "lies outside a picture of 640 × 480"),
        (
            lambda m: (m[0] + m[1] / 100, (m[0] + m[1] / 100) / 2, m[2], m[3]),
            "768x576",
            4,
            "one line in pixels",
        ),
        (lambda m: (m[0], m[1], 3.0, m[3]), "768x576", 4, "one line in metres"),
        (lambda m: m, "small", 2, "not WxH"),
    ],
)
def test_bad_marks_end_with_their_reason(
    site: Path, tmp_path: Path, turn: Any, picture: str, code: int, said: str
) -> None:
    """One sentence and the exit code of its kind; the site file is not touched."""
    before = site.read_text(encoding="utf-8")
    got, _, told = run(
        "points", write(tmp_path, [turn(mark) for mark in rows(site)]), "--picture", picture,
        "--site", site, "--camera", "hall",
    )  # fmt: skip
    assert got == code
    assert said in told
    assert site.read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (lambda m: (m[0], m[1], m[2] * 100, m[3] * 100), "Were they typed in centimetres?"),
        (lambda m: (m[0], m[1], m[2] - 100, m[3]), "Measure from the plan's top-left corner"),
    ],
)
def test_marks_beside_the_plan_are_not_written(site: Path, tmp_path: Path, turn: Any, said: str) -> None:
    """They fit one another well; people would be counted nowhere."""
    before = site.read_text(encoding="utf-8")
    file = write(tmp_path, [turn(mark) for mark in rows(site)])
    code, _, told = run("points", file, "--picture", "768x576", "--site", site, "--camera", "hall")
    assert code == 4
    assert said in told
    assert site.read_text(encoding="utf-8") == before


def test_what_would_be_written_nowhere_is_refused(site: Path, tmp_path: Path) -> None:
    """--camera without --site, and a lens for no camera: usage, before anything is measured."""
    marks = write(tmp_path, rows(site))
    board = ("checkerboard", tmp_path / "none.png", "--cols", 9, "--rows", 6, "--square-mm", 25)
    for args in (("points", marks, "--picture", "768x576"), board):
        code, told, said = run(*args, "--camera", "hall")
        assert (code, told) == (2, {})
        assert "--site is missing. Name the site file that camera 'hall' is written into." in said
    code, _, said = run(*board, "--site", site)
    assert code == 2
    assert "--camera is missing" in said


@pytest.mark.parametrize("text", ["", "what\never\n", "x,y,x_m,y_m\n1,2,3,4\n", "100,200,1,2\n300,200,3,2\n"])
def test_a_file_that_is_no_table_of_marks_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    """It lacks the row that names the columns, which is not the same as too few marks."""
    file = tmp_path / "points.csv"
    file.write_text(text, encoding="utf-8")
    code, _, said = run("points", file, "--picture", "768x576")
    assert code == 4
    assert f"{file} lacks a column. The first row must name x_px,y_px,x_m,y_m." in said
    file.write_bytes(b"\xff\xfe\x00PNG" * 40)
    code, _, said = run("points", file, "--picture", "768x576")
    assert (code, "is not a text table" in said) == (4, True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x_px,y_px,x_m,y_m\n\n100,200,1,2\n300,nan,3,2\n", "row 4: 300, nan, 3, 2 are not four numbers"),
        ("x_px,y_px,x_m,y_m\n100,200,1,two\n", "row 2: 100, 200, 1, two are not four numbers"),
        ("x_px,y_px,x_m,y_m\n100,200,1\n", "row 2: y_m is missing"),
        ("x_px,y_px,x_m,y_m\n100,200,1,5,2,5\n", "row 2: it has 6 values for 4 columns"),
        ("x_px;y_px;x_m;y_m\n100;200;1,5;2\n", "are separated by semicolons"),
    ],
)
def test_a_mark_that_is_none_is_named_by_its_row(tmp_path: Path, text: str, reason: str) -> None:
    """As the editor counts rows; decimals with a comma slip into the next column."""
    file = tmp_path / "points.csv"
    file.write_text(text, encoding="utf-8")
    code, _, said = run("points", file, "--picture", "768x576")
    assert (code, reason in said) == (4, True), said


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_what_is_no_number_is_no_lens(site: Path, tmp_path: Path, number: str) -> None:
    """Both pass a lower bound."""
    marks = write(tmp_path, rows(site))
    into = ("points", marks, "--picture", "768x576")
    code, _, said = run(*into, "--focal-px", number, "--distortion", "-0.2,0,0,0,0")
    assert (code, "is no finite number" in said or "is not in the range" in said) == (2, True), said
    code, _, said = run(*into, "--focal-px", 520, "--distortion", f"{number},0,0,0,0")
    assert (code, "is not K1,K2,P1,P2,K3" in said) == (2, True), said
    code, _, said = run("checkerboard", marks, "--cols", 9, "--rows", 6, "--square-mm", number)
    assert (code, "is no finite number" in said or "is not in the range" in said) == (2, True), said


def test_a_spreadsheet_s_table_is_read_and_a_lens_without_focal_length_refused(
    site: Path, tmp_path: Path
) -> None:
    """A mark at the beginning of the file is no part of the first column; the sentence is ours alone."""
    file = write(tmp_path, rows(site))
    file.write_text("\ufeff" + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert run("points", file, "--picture", "768x576")[0] == 0
    code, _, said = run("points", file, "--picture", "768x576", "--distortion", "0.1,0.2")
    assert (code, "Value error" in said) == (4, False)
    assert "distortion needs focal_px" in said


def test_a_lens_belongs_to_its_picture(site: Path, tmp_path: Path) -> None:
    """Marks read in a picture of half the size halve its focal length; another shape, or half a lens, is refused."""
    text = site.read_text(encoding="utf-8")
    lens = {"focal_px": 700.0, "distortion": [-0.2, 0.05]}
    site.write_text(with_calibration(text, "hall", lens), encoding="utf-8")
    marks = rows(site)
    wide, high = parse_site(site.read_text(encoding="utf-8")).cameras[0].calibration.picture_px
    where = ("--site", site, "--camera", "hall")
    before = run("points", write(tmp_path, marks), "--picture", f"{wide}x{high}", *where)[1]
    half = write(tmp_path, [(u / 2, v / 2, x, y) for u, v, x, y in marks])
    code, told, _ = run("points", half, "--picture", f"{wide // 2}x{high // 2}", *where)
    assert code == 0
    assert told["residual_cm"] == pytest.approx(before["residual_cm"], abs=0.02)
    written = parse_site(site.read_text(encoding="utf-8")).cameras[0].calibration
    assert (written.focal_px, tuple(written.distortion)) == (350.0, (-0.2, 0.05))
    kept = site.read_text(encoding="utf-8")
    code, _, said = run("points", half, "--picture", f"{wide}x{high // 2}", *where)
    assert (code, "another shape" in said) == (2, True)
    code, _, said = run("points", half, "--focal-px", "900", *where)
    assert (code, "--distortion is missing" in said) == (2, True)
    assert site.read_text(encoding="utf-8") == kept


def test_a_bumped_and_a_swapped_camera_are_told_apart(site: Path, tmp_path: Path) -> None:
    """Marks measured anew: they hold, they have moved (5° of yaw is ~70 px here), or they are another camera's."""
    marks = rows(site)
    code, told, _ = run("verify", write(tmp_path, marks), "--site", site, "--camera", "hall")
    assert (code, told["holds"]) == (0, True)
    moved = write(tmp_path, [(m[0] - 67, m[1], m[2], m[3]) for m in marks if m[0] > 67])
    code, told, said = run("verify", moved, "--site", site, "--camera", "hall")
    assert (code, told["holds"], told["fits_camera"]) == (4, False, None)
    assert "no longer looks where" in said
    mirrored = [[768.0 - m[0], m[1], m[2], m[3]] for m in marks]
    text = site.read_text(encoding="utf-8")
    second = f'[[camera]]\nid = "back"\nsource = "usb:1"\n[camera.calibration]\npicture_px = [768, 576]\npoints = {mirrored}\n'
    site.write_text(text.replace("[[camera]]", second + "\n[[camera]]", 1), encoding="utf-8")
    code, told, said = run("verify", write(tmp_path, marks), "--site", site, "--camera", "back")
    assert (code, told["fits_camera"]) == (4, "hall")
    assert "swapped" in said


def published(site: Path, marks: list[Row], version: int = 2) -> Path:
    """The hub published these marks of the hall, and the box took them; the file that says so."""
    text = site.read_text(encoding="utf-8")
    fresh = with_calibration(text, "hall", {"points": [list(mark) for mark in marks]})
    data = site.parent / "data" / "box-1"
    data.mkdir(parents=True, exist_ok=True)
    keep(data, make(fresh, "plaza", version, 0, 1))
    return data / KEPT


def test_what_the_hub_published_is_what_marks_are_verified_against(site: Path, tmp_path: Path) -> None:
    """The camera was turned and calibrated on Set-up: the file's own marks hold no more, those in force do."""
    own = rows(site)
    turned = [(m[0] - 67, m[1], m[2], m[3]) for m in own if m[0] > 67]
    kept = published(site, turned)
    where = ("--site", site, "--camera", "hall")
    code, told, _ = run("verify", write(tmp_path, turned), *where)
    assert (code, told["holds"], told["config_version"], told["config_from"]) == (0, True, 2, "hub")
    code, told, said = run("verify", write(tmp_path, own), *where)
    assert (code, told["holds"], "on Set-up" in said) == (4, False, True)
    code, told, _ = run("review", site)
    assert (told["config_version"], told["config_from"]) == (2, "hub")
    assert len(told["cameras"]["hall"]["marks"]) == len(turned)
    assert "config_from  hub" in CliRunner().invoke(cli, ["review", str(site)]).stdout
    kept.unlink()
    code, told, _ = run("verify", write(tmp_path, own), *where)
    assert (code, told["config_version"], told["config_from"]) == (0, 1, "file")
    kept.mkdir()
    code, _, said = run("verify", write(tmp_path, own), *where)
    assert (code, "Ask as the box's user" in said) == (5, True), "what cannot be read is not guessed"


def test_marks_that_would_not_count_are_not_written(site: Path, tmp_path: Path) -> None:
    """The box runs the hub's version until the file's is above it; then the file counts, and is written."""
    own = rows(site)
    published(site, own[:-1])
    before = site.read_text(encoding="utf-8")
    points = ("points", write(tmp_path, own[:-2]), "--site", site)
    code, _, said = run(*points, "--camera", "hall")
    assert code == 3
    assert "the box runs version 2 from the hub. Calibrate on Set-up; or raise `version`" in said
    assert site.read_text(encoding="utf-8") == before
    assert run(*points, "--picture", "768x576")[0] == 0, "judged alone, nothing is to be written"
    site.write_text(with_version(before, 3), encoding="utf-8")
    code, told, said = run(*points, "--camera", "hall")
    assert (code, told["written"]) == (0, str(site)), said
    assert rows(site) == own[:-2]


def test_marks_of_another_camera_s_without_do_not_count_either(site: Path, tmp_path: Path) -> None:
    """The file is no site yet: when it is one, the box will run the hub's version."""
    published(site, rows(site))
    marks = write(tmp_path, rows(site))
    text = site.read_text(encoding="utf-8").replace("[[line]]", BACK + "\n[[line]]", 1)
    site.write_text(text, encoding="utf-8")
    code, _, said = run("points", marks, "--site", site, "--camera", "hall")
    assert (code, "version 2 from the hub" in said) == (3, True)
    assert site.read_text(encoding="utf-8") == text


Pose = tuple[float, float, float, float, float, float]
"""How a board is held: its turn (Rodrigues), and where its middle is from the lens (mm)."""


def held(count: int) -> list[Pose]:
    """As a hand holds a board: tilted now this way, now that."""
    random = np.random.default_rng(3)
    poses: list[Pose] = []
    for _ in range(count):
        turn = (*random.uniform(-0.5, 0.5, 2), random.uniform(-0.2, 0.2))
        poses.append((*turn, *random.uniform(-60, 60, 2), random.uniform(420, 560)))
    return poses


def board_pictures(folder: Path, poses: list[Pose], bent: list[float], focal: float) -> list[Path]:
    """A 10 × 7 board of 30 mm rendered through a known lens, point by point of the picture."""
    size, squares, side = (640, 480), (10, 7), 30.0
    matrix = np.array([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])
    grid = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), axis=-1).reshape(-1, 1, 2)
    rays = cv2.undistortPoints(grid.astype(np.float64), matrix, np.array(bent)).reshape(-1, 2)
    rays = np.column_stack([rays, np.ones(len(rays))])
    paths = []
    for i, pose in enumerate(poses):
        turn, _ = cv2.Rodrigues(np.array(pose[:3]))
        centre = np.array([squares[0] * side / 2, squares[1] * side / 2, 0.0])
        away = np.array(pose[3:]) - turn @ centre
        plane = np.linalg.inv(np.column_stack([turn[:, 0], turn[:, 1], away]))
        hit = rays @ plane.T
        x, y = hit[:, 0] / hit[:, 2] / side, hit[:, 1] / hit[:, 2] / side
        on = (x >= 0) & (x < squares[0]) & (y >= 0) & (y < squares[1])
        dark = on & ((np.floor(x) + np.floor(y)) % 2 == 0)
        picture = np.where(dark, 20, 230).astype(np.uint8).reshape(size[1], size[0])
        paths.append(folder / f"board-{i}.png")
        cv2.imwrite(str(paths[-1]), cv2.GaussianBlur(picture, (3, 3), 0.8))
    return paths


def test_a_lens_is_measured_from_a_board(site: Path, tmp_path: Path) -> None:
    """Pictures rendered through a known lens give its focal length and bend back; another size is refused."""
    pictures = board_pictures(tmp_path, held(9), [-0.22, 0.05, 0.0, 0.0, 0.0], 520.0)
    board = ("--cols", 9, "--rows", 6, "--square-mm", 30)
    code, told, said = run("checkerboard", *pictures, *board)
    assert code == 0, said
    assert told["focal_px"] == pytest.approx(520, rel=0.01)
    assert told["distortion"][0] == pytest.approx(-0.22, abs=0.03)
    assert told["error_px"] < 0.3
    assert told["focal_error_px"] < 5
    assert (told["pictures_used"], told["odd_pictures"], told["alike"]) == (9, [], [])
    code, _, said = run("checkerboard", *pictures, *board, "--site", site, "--camera", "hall")
    assert code == 4
    assert "640 × 480" in said
    text = site.read_text(encoding="utf-8").replace("picture_px = [768, 576]", "picture_px = [640, 480]")
    site.write_text(text, encoding="utf-8")
    kept = published(site, [mark for mark in rows(site) if mark[0] < 640 and mark[1] < 480])
    code, _, said = run("checkerboard", *pictures, *board, "--site", site, "--camera", "hall")
    assert (code, "version 2 from the hub" in said) == (3, True)
    kept.unlink()
    assert run("checkerboard", *pictures, *board, "--site", site, "--camera", "hall")[0] == 0
    lens = parse_site(site.read_text(encoding="utf-8")).cameras[0].calibration
    assert lens.focal_px == pytest.approx(520, rel=0.01)
    marks = rows(site)
    unmarked(site)
    assert run("checkerboard", *pictures, *board, "--site", site, "--camera", "back")[0] == 0
    seen = [mark for mark in marks if mark[0] < 640 and mark[1] < 480]
    code, told, said = run("points", write(tmp_path, seen), "--site", site, "--camera", "back")
    assert (code, told.get("written")) == (0, str(site)), said
    back = tomllib.loads(site.read_text(encoding="utf-8"))["camera"][1]["calibration"]
    assert (back["picture_px"], back["focal_px"]) == ([640, 480], pytest.approx(520, rel=0.01))
    assert run("checkerboard", *pictures[:3], *board)[0] == 4
    shutil.copyfile(site, tmp_path / "no-picture.png")
    assert run("checkerboard", tmp_path / "no-picture.png", *board)[0] == 4


BARREL, FOCAL = [-0.22, 0.05, 0.0, 0.0, 0.0], 520.0


def test_pictures_that_fix_no_lens_are_refused(site: Path, tmp_path: Path) -> None:
    """One picture many times, and a board that is never tilted: any focal length fits, so none is written."""
    text = site.read_text(encoding="utf-8").replace("picture_px = [768, 576]", "picture_px = [640, 480]")
    site.write_text(text, encoding="utf-8")
    into = ("--cols", 9, "--rows", 6, "--square-mm", 30, "--site", site, "--camera", "hall")
    (tmp_path / "a").mkdir()
    one = board_pictures(tmp_path / "a", held(1), BARREL, FOCAL)[0]
    same = [Path(shutil.copyfile(one, tmp_path / f"same-{i}.png")) for i in range(6)]
    code, _, said = run("checkerboard", *same, *into)
    assert code == 4
    assert "5 show it where another does" in said
    flat: list[Pose] = [(0, 0, 0.02 * i, 12.0 * i - 36, 0, 420 + 25.0 * i) for i in range(7)]
    code, _, said = run("checkerboard", *board_pictures(tmp_path, flat, BARREL, FOCAL), *into)
    assert code == 4
    assert "fixes no focal length. Tilt the board by 20 to 40°" in said
    assert site.read_text(encoding="utf-8") == text


def test_boards_far_away_are_refused(tmp_path: Path) -> None:
    """Small and hardly tilted they leave the focal length open; well tilted but in the middle, the picture's edge."""
    board = ("--cols", 9, "--rows", 6, "--square-mm", 30)
    small: list[Pose] = [
        (0.1 * (i % 3 - 1), 0.17 * (i % 2 * 2 - 1), 0.02 * i, 60.0 * i - 120, 30.0 * i - 60, 1000 + 20.0 * i)
        for i in range(5)
    ]
    code, _, said = run("checkerboard", *board_pictures(tmp_path, small, BARREL, FOCAL), *board)
    assert (code, "% only (at most 1)" in said) == (4, True), said
    middle: list[Pose] = [(*pose[:3], pose[3] / 3, pose[4] / 3, 1000.0) for pose in held(9)]
    code, _, said = run("checkerboard", *board_pictures(tmp_path, middle, BARREL, FOCAL), *board)
    assert (code, "in the middle of all pictures" in said) == (4, True), said
    assert "in each of the picture's corners" in said


def test_noise_bends_no_edge_that_no_board_reached(tmp_path: Path) -> None:
    """A term that these boards cannot tell from none is none, and the picture's corner stays within a few pixels."""
    pictures = board_pictures(tmp_path, held(9)[4:], BARREL, FOCAL)
    code, told, said = run("checkerboard", *pictures, "--cols", 9, "--rows", 6, "--square-mm", 30)
    assert code == 0, said
    assert told["distortion"][4] == 0
    corner = np.array([[[0.7, 0.5, 1.0]]])
    matrix = np.array([[FOCAL, 0, 320], [0, FOCAL, 240], [0, 0, 1.0]])
    true, found = (
        cv2.projectPoints(corner, np.zeros(3), np.zeros(3), matrix, np.array(bent))[0].ravel()
        for bent in (BARREL, told["distortion"])
    )
    assert np.hypot(*(true - found)) < 8


def test_a_lens_that_turns_back_inside_the_picture_is_refused(tmp_path: Path) -> None:
    """Beyond its turn two directions have one pixel: a person in the picture's corner would stand in two places."""
    poses: list[Pose] = [(*pose[:3], 1.8 * pose[3], pose[4], 480.0) for pose in held(12)]
    pictures = board_pictures(tmp_path, poses, [-0.5, 0.0, 0.0, 0.0, 0.0], 520.0)
    code, told, said = run("checkerboard", *pictures, "--cols", 9, "--rows", 6, "--square-mm", 30)
    assert (code, told, "turns back on itself inside the picture" in said) == (4, {}, True), said


def test_a_wrong_picture_is_named_and_a_repeated_one_not_counted(tmp_path: Path) -> None:
    """A picture that the stabiliser sheared bends the lens while the mean error is small; without it all is well."""
    board = ("--cols", 9, "--rows", 6, "--square-mm", 30)
    good = board_pictures(tmp_path, held(9), BARREL, FOCAL)
    sheared = tmp_path / "sheared.png"
    shear = np.array([[1, 0.12, 0], [0.05, 1, 0]], np.float32)
    cv2.imwrite(str(sheared), cv2.warpAffine(cv2.imread(str(good[0])), shear, (640, 480)))
    code, told, said = run("checkerboard", *good, sheared, *board)
    assert (code, told) == (4, {})
    assert f"Leave out {sheared}: the others agree to 0." in said
    again = Path(shutil.copyfile(good[2], tmp_path / "again.png"))
    code, told, _ = run("checkerboard", *good, again, *board)
    assert (code, told["alike"], told["pictures_used"]) == (0, [str(again)], 9)
    assert told["focal_px"] == pytest.approx(FOCAL, rel=0.01)


@pytest.mark.parametrize("count", [5, 7, 12])
def test_boards_held_by_hand_are_accepted(tmp_path: Path, count: int) -> None:
    """Nobody's hand is exact: tilted by what comes, with a grain in the picture, the lens is found."""
    pictures = board_pictures(tmp_path, held(count), BARREL, FOCAL)
    random = np.random.default_rng(1)
    for path in pictures:
        grainy = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) + random.normal(0, 8, (480, 640))
        cv2.imwrite(str(path), np.clip(grainy, 0, 255).astype(np.uint8))
    code, told, said = run("checkerboard", *pictures, "--cols", 9, "--rows", 6, "--square-mm", 30)
    assert code == 0, said
    assert told["focal_px"] == pytest.approx(FOCAL, rel=0.015)
