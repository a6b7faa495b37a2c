"""Accuracy figures agree with TrackEval's, and with what can be computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from branchloop.errors import InputError, UsageError
from branchloop.share import share
from branchloop.site.site import parse_site
from edge.accuracy.heat import Grid, earth_mover_m, heat_accuracy, truth_grid
from edge.accuracy.mot import tracking_accuracy
from edge.evaluate.people import evaluate_heat, evaluate_people, read_mot
from edge.measuring import evaluate
from edge.options import RATE, read_bounds
from edge.simulate import simulate


def box(x: float) -> list[float]:
    return [x, 0.0, 10.0, 20.0]


def frames(ids: list[list[int]], places: list[list[float]]) -> dict[int, tuple[list[int], np.ndarray]]:
    return {
        number: (who, np.array([box(x) for x in where]).reshape(-1, 4))
        for number, (who, where) in enumerate(zip(ids, places, strict=True), 1)
    }


def test_a_perfect_tracker_is_perfect() -> None:
    """The truth against itself."""
    truth = read_mot(share("sample_video/plaza_truth.txt"))
    figures = tracking_accuracy(truth, truth, sorted(truth))
    assert (figures.mota, figures.idf1, figures.hota, figures.id_switches) == (1, 1, 1, 0)


def test_figures_equal_those_of_trackeval() -> None:
    """A miss, a false box, a swap and a shifted box; TrackEval 1.3.0 gives these numbers for them."""
    truth = frames([[1, 2]] * 6, [[0, 100]] * 6)
    tracks = frames(
        [[7, 8], [7, 8], [7], [8, 7], [8, 7, 9], [8, 7]],
        [[0, 100], [2, 100], [0], [0, 100], [0, 100, 200], [1, 104]],
    )
    figures = tracking_accuracy(truth, tracks, list(range(1, 7)))
    assert (figures.id_switches, figures.false_positives, figures.misses) == (2, 2, 2)
    assert figures.mota == pytest.approx(0.5)
    assert figures.idf1 == pytest.approx(0.4166666666666667)
    assert figures.hota == pytest.approx(0.4558801853116937)
    assert figures.deta == pytest.approx(0.7179294389820705)
    assert figures.assa == pytest.approx(0.2896752613857877)


@pytest.mark.parametrize("empty", ["truth", "tracks"])
def test_pairs_go_on_beyond_an_empty_frame_as_in_trackeval(empty: str) -> None:
    """Nobody is switched by a frame without truth or without tracks; TrackEval 1.3.0 gives these numbers."""
    truth = frames([[1, 2]] * 3, [[0, 3]] * 3)
    tracks = frames([[7, 8]] * 3, [[0, 3], [0, 3], [2, 1]])
    del {"truth": truth, "tracks": tracks}[empty][2]
    figures = tracking_accuracy(truth, tracks, [1, 2, 3])
    wrong = (0, 2, 0) if empty == "truth" else (0, 0, 2)
    assert (figures.id_switches, figures.false_positives, figures.misses) == wrong


def test_only_the_frames_of_the_truth_count(tmp_path: Path) -> None:
    """Tracks after the last true frame are neither right nor wrong."""
    truth = share("sample_video/plaza_truth.txt")
    more = tmp_path / "tracks.txt"
    more.write_text(truth.read_text() + "700,9,1,1,50,50,1,-1,-1,-1\n")
    assert evaluate_people(more, truth)["false_positives"] == 0


def test_boxes_that_the_truth_ignores_are_nobody(tmp_path: Path) -> None:
    """Confidence 0 marks what is not to be judged: neither a miss if not found, nor invented if found."""
    truth, tracks = tmp_path / "truth.txt", tmp_path / "tracks.txt"
    row = "{},{},{},0,10,20,{},-1,-1,-1\n"
    truth.write_text("".join(row.format(i, 1, 0, 1) + row.format(i, 2, 100, 0) for i in range(1, 9)))
    found = "".join(row.format(i, 7, 0, 0) for i in range(1, 9))
    for also in ("", "".join(row.format(i, 8, 101, 0.9) for i in range(1, 5))):
        tracks.write_text(found + also)
        figures = evaluate_people(tracks, truth)
        assert (figures["truth_boxes"], figures["misses"], figures["false_positives"]) == (8, 0, 0)
    tracks.write_text(found + row.format(1, 8, 300, 1))
    assert evaluate_people(tracks, truth)["false_positives"] == 1


def labelled(path: Path, judged: Sequence[int], confidence: float = 1) -> Path:
    path.write_text("".join(f"{i},1,{i % 50},0,10,20,{confidence:g},-1,-1,-1\n" for i in judged))
    return path


@pytest.mark.parametrize(
    ("at", "every"),
    [
        (range(1, 400, 5), 5),
        ([i for i in range(2, 400, 3) if not 100 < i < 160], 3),
        ([i * 7 // 2 for i in range(100)], None),
        (range(1, 400), 1),
    ],
)
def test_frames_that_nobody_labelled_are_not_judged(
    tmp_path: Path, at: Sequence[int], every: int | None
) -> None:
    """Every fifth frame, every third with nobody there for a while, twice a second of seven."""
    tracks = labelled(tmp_path / "tracks.txt", [i for i in range(400) if not 100 < i < 160], 0.9)
    figures = evaluate_people(tracks, labelled(tmp_path / "truth.txt", at), fps=7)
    assert (figures["every"], figures["without_truth"]) == (every, 0)
    seen = 59 if every == 1 else len([i for i in at if 100 < i < 160])
    assert (figures["false_positives"], figures["misses"]) == (0, seen)
    assert (figures["mota_low"] is None, figures["block_unit"]) == (False, "frames")
    assert figures["block"] == pytest.approx(35, abs=2), "5 s of frames, however few are labelled"


def test_a_hole_in_the_truth_is_told(tmp_path: Path) -> None:
    """Nobody there, or nobody who labelled: the file does not tell, so both its frames and a warning stand there."""
    whole = range(1, 401)
    tracks = labelled(tmp_path / "tracks.txt", whole, 0.9)
    truth = labelled(tmp_path / "truth.txt", [i for i in whole if i not in range(100, 300)])
    figures = evaluate_people(tracks, truth)
    assert (figures["without_truth"], figures["without_truth_longest"]) == (200, (100, 299))
    assert figures["without_truth_many"]
    assert figures["false_positives"] == 200
    told = CliRunner().invoke(evaluate, ["people", "--tracks", str(tracks), "--truth", str(truth), "--json"])
    assert "the longest stretch 100 to 299" in told.stderr
    looked = "".join(f"{i},0,0,0,0,0,0,-1,-1,-1\n" for i in range(100, 300))
    truth.write_text(truth.read_text() + looked)
    figures = evaluate_people(tracks, truth)
    assert (figures["without_truth"], figures["without_truth_many"]) == (0, False), "said to be empty"
    assert figures["false_positives"] == 200


def test_what_the_box_made_is_no_truth(tmp_path: Path) -> None:
    """Scores are a detector's. Held against each other the wrong way round, the figures would be somebody else's."""
    tracks, truth = (
        labelled(tmp_path / name, range(1, 50), score) for name, score in (("t.txt", 0.873), ("gt.txt", 1))
    )
    assert evaluate_people(tracks, truth)["mota"] == 1
    with pytest.raises(InputError, match=r"t\.txt, row 1: the confidence 0\.873 is a score") as told:
        evaluate_people(truth, tracks)
    assert "what people labelled as truth" in told.value.hint


@pytest.mark.parametrize(
    "content",
    [
        "",
        "1,2,3\n",
        "a,b,c,d,e,f\n",
        "1,1,0,0,5,5\n1,1,0,0,5,5\n",
        "1,1,0,0,5,5,0\n",
        "inf,1,0,0,5,5\n",
        "1,1,0,0,5,5\n20000000000,1,0,0,5,5\n",
        "\x00\xff",
    ],
)
def test_a_broken_truth_is_named(tmp_path: Path, content: str) -> None:
    """File and row, one sentence."""
    path = tmp_path / "truth.txt"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"truth\.txt"):
        evaluate_people(path, path)


def test_a_table_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """UTF-8 with a byte order mark: the mark belongs to no number and no column."""
    boxes, heat, places = tmp_path / "truth.txt", tmp_path / "heat.npz", tmp_path / "floor.csv"
    boxes.write_text("1,1,0,0,5,5\n", encoding="utf-8-sig")
    assert evaluate_people(boxes, boxes)["truth_boxes"] == 1
    np.savez(heat, person_seconds=np.ones((8, 8)), x0_m=0.0, y0_m=0.0, cell_m=0.5, observed_s=64)
    places.write_text("t_s,id,x_m,y_m\n0,1,0.1,0.1\n1,1,0.1,0.1\n", encoding="utf-8-sig")
    assert evaluate_heat(heat, places)["places"] == 2


@pytest.mark.parametrize(
    ("scale", "hint"),
    [(1 / 0.3048, "written in feet"), (100, "written in centimetres"), (-1, "upper left corner")],
)
def test_places_of_another_unit_are_refused(tmp_path: Path, scale: float, hint: str) -> None:
    """They lie beside the floor; were they left out unsaid, the heat would have no truth."""
    heat, places = tmp_path / "heat.npz", tmp_path / "floor.csv"
    np.savez(heat, person_seconds=np.ones((30, 40)), x0_m=0.0, y0_m=0.0, cell_m=0.25, observed_s=64)
    walk = [(5 + 0.2 * t, 4 + 0.1 * t) for t in range(20)]
    places.write_text(
        "t_s,id,x_m,y_m\n" + "".join(f"{t},1,{x * scale},{y * scale}\n" for t, (x, y) in enumerate(walk))
    )
    with pytest.raises(InputError, match=r"20 of 20 places of .*floor\.csv lie beside the floor") as told:
        evaluate_heat(heat, places)
    assert hint in told.value.hint


def test_places_beside_the_floor_are_counted_apart(tmp_path: Path) -> None:
    heat, places = tmp_path / "heat.npz", tmp_path / "floor.csv"
    np.savez(heat, person_seconds=np.ones((8, 8)), x0_m=0.0, y0_m=0.0, cell_m=0.5, observed_s=64)
    places.write_text("t_s,id,x_m,y_m\n0,1,0.1,0.1\n1,1,0.1,4.1\n")
    told = evaluate_heat(heat, places)
    assert (told["places"], told["places_beside"]) == (1, 1)


@pytest.mark.parametrize("row", ["nan,2,0.1,0.1", "1,2,nan,0.1", "1,2,0.1,inf", "0,1,0.2,0.1"])
def test_places_that_are_none_are_refused(tmp_path: Path, row: str) -> None:
    """What is no number, and one who is in two places at once."""
    heat, places = tmp_path / "heat.npz", tmp_path / "floor.csv"
    np.savez(heat, person_seconds=np.ones((8, 8)), x0_m=0.0, y0_m=0.0, cell_m=0.5, observed_s=64)
    places.write_text(f"t_s,id,x_m,y_m\n0,1,0.1,0.1\n{row}\n")
    with pytest.raises(InputError, match=r"floor\.csv has"):
        evaluate_heat(heat, places)


@pytest.mark.parametrize(("seconds", "cell_m"), [(-1.0, 0.5), (1.0, np.inf), (1.0, 1e-9), (np.nan, 0.5)])
def test_a_grid_that_is_none_is_refused(tmp_path: Path, seconds: float, cell_m: float) -> None:
    """Nobody stays for less than nothing, and a cell has a size."""
    heat, places = tmp_path / "heat.npz", tmp_path / "floor.csv"
    np.savez(heat, person_seconds=np.full((8, 8), seconds), x0_m=0.0, y0_m=0.0, cell_m=cell_m, observed_s=64)
    places.write_text("t_s,id,x_m,y_m\n0,1,0.1,0.1\n")
    with pytest.raises(InputError, match="holds no grid of numbers"):
        evaluate_heat(heat, places)


def test_options_take_no_number_that_is_none() -> None:
    """Python reads nan and inf as numbers, and nan is neither under nor over a bound."""
    for text in ("nan", "inf"):
        with pytest.raises(click.BadParameter, match="no finite number"):
            RATE.convert(text, None, None)
        with pytest.raises(UsageError, match="--bounds"):
            read_bounds(f"0,0,1,{text}")


def test_earth_is_moved_straight() -> None:
    """A single cell moved by a knight's move, in metres; nothing moved costs nothing."""
    a, b = np.zeros((12, 12)), np.zeros((12, 12))
    a[2, 3] = b[4, 7] = 5
    assert earth_mover_m(a, b, 0.5) == pytest.approx(0.5 * np.hypot(2, 4))
    assert earth_mover_m(a, a, 0.5) == pytest.approx(0, abs=1e-9)
    assert earth_mover_m(a, np.zeros((12, 12)), 0.5) is None


@pytest.mark.parametrize("cell_m", [0.1, 0.2, 0.25, 0.4, 0.5, 1.0, 2.0])
def test_whatever_the_cells_two_metres_are_two(cell_m: float) -> None:
    """Cells that half a metre is no multiple of, or that are larger: everything is told in metres."""
    grids = [np.zeros((round(12 / cell_m), round(12 / cell_m))) for _ in range(2)]
    for x_m, grid in zip((6, 4), grids, strict=True):
        grid[round(6 / cell_m), round(x_m / cell_m)] = 100
    found = heat_accuracy(*(Grid(grid, 0, 0, cell_m) for grid in grids))
    assert found.emd_m == pytest.approx(2.0)


def test_equal_grids_agree_and_a_half_weighs_half() -> None:
    """R 1, distance 0, mass as it is."""
    random = np.random.default_rng(1)
    grid = Grid(random.random((16, 20)), -1.0, 2.0, 0.25)
    same = heat_accuracy(grid, grid)
    assert (same.r, same.mass_ratio) == (pytest.approx(1), pytest.approx(1))
    half = heat_accuracy(Grid(grid.person_seconds / 2, -1.0, 2.0, 0.25), grid)
    assert half.mass_ratio == pytest.approx(0.5)
    assert half.emd_m == pytest.approx(0, abs=1e-6)


def test_truth_is_binned_where_it_belongs() -> None:
    """Row 0 starts at y0; places off the grid are left out."""
    like = Grid(np.zeros((2, 2)), 10.0, 20.0, 1.0)
    grid = truth_grid(like, np.array([[10.5, 20.5], [11.5, 21.5], [9.9, 20.5]]), np.array([1.0, 2.0, 4.0]))
    assert grid.person_seconds.tolist() == [[1, 0], [0, 2]]


def test_heat_files_are_read_and_checked(tmp_path: Path) -> None:
    """A truth in frames needs its rate; a file that is no grid is refused."""
    heat, truth = tmp_path / "heat.npz", tmp_path / "floor.csv"
    np.savez(heat, person_seconds=np.ones((8, 8)), x0_m=0.0, y0_m=0.0, cell_m=0.5, observed_s=64)
    truth.write_text(
        "frame,id,x_m,y_m\n" + "".join(f"{i},1,{i % 8 / 2 + 0.1},{i // 8 / 2 + 0.1}\n" for i in range(64))
    )
    with pytest.raises(InputError, match="--fps"):
        evaluate_heat(heat, truth)
    assert evaluate_heat(heat, truth, fps=2)["mass_ratio"] == pytest.approx(64 / 32)
    heat.write_bytes(b"rubbish")
    with pytest.raises(InputError, match="heat grid"):
        evaluate_heat(heat, truth, fps=2)


def test_intervals_hold_the_figures_and_shrink_with_more_film(tmp_path: Path) -> None:
    """A tracker that loses its man now and then: more minutes, narrower intervals; few give none."""
    rng = np.random.default_rng(3)

    def measured(frames: int) -> dict[str, float]:
        lost = np.repeat(rng.random(frames // 20) < 0.2, 20)
        truth, tracks = tmp_path / "truth.txt", tmp_path / "tracks.txt"
        row = "{},1,{},0,10,20,1,-1,-1,-1\n"
        truth.write_text("".join(row.format(i + 1, i % 50) for i in range(frames)))
        tracks.write_text("".join(row.format(i + 1, i % 50) for i in range(frames) if not lost[i]))
        return evaluate_people(tracks, truth, fps=7)

    short, long = measured(1_000), measured(8_000)
    for figures in (short, long):
        assert figures["mota_low"] < figures["mota"] < figures["mota_high"]
        assert figures["hota_low"] < figures["hota"] < figures["hota_high"]
    width = [figures["mota_high"] - figures["mota_low"] for figures in (short, long)]
    assert width[1] < 0.6 * width[0]
    assert measured(100)["mota_low"] is None


def test_heat_that_is_kept_by_window_has_intervals(tmp_path: Path) -> None:
    """One who stands in the right place with the right weight in every window: no spread, no distance."""
    cells, mps = np.arange(20), np.full(20, 5_000)
    heat, truth = tmp_path / "heat.npz", tmp_path / "floor.csv"
    np.savez(
        heat, person_seconds=np.bincount(cells, mps / 1000, 64).reshape(8, 8), x0_m=0.0, y0_m=0.0, cell_m=0.5,
        observed_s=100, window_start_s=np.arange(20) * 5.0, window_ends=np.arange(1, 21), window_cells=cells,
        window_mps=mps,
    )  # fmt: skip
    truth.write_text(
        "t_s,id,x_m,y_m\n"
        + "".join(f"{t},1,{t // 5 % 8 / 2 + 0.1},{t // 5 // 8 / 2 + 0.1}\n" for t in range(100))
    )
    figures = evaluate_heat(heat, truth, block=5)
    assert figures["r_low"] == pytest.approx(1)
    assert (figures["mass_ratio_low"], figures["mass_ratio_high"]) == (pytest.approx(1), pytest.approx(1))
    assert figures["emd_m_high"] == pytest.approx(0, abs=1e-6)
    late = tmp_path / "late.csv"
    late.write_text("t_s,id,x_m,y_m\n" + "".join(f"{1_000 + t},1,0.1,0.1\n" for t in range(100)))
    with pytest.raises(
        InputError, match=r"100 of 100 places of .*late.csv .* outside the recording \(0 to 100 s\)"
    ):
        evaluate_heat(heat, late, block=5)
    rows = truth.read_text().splitlines()[1:]
    moved = [row.split(",", 1) for row in rows]
    for by, outside in ((-40, 40), (40, 40), (0, 0)):
        beside = tmp_path / "beside.csv"
        beside.write_text("t_s,id,x_m,y_m\n" + "".join(f"{int(t) + by},{rest}\n" for t, rest in moved))
        figures = evaluate_heat(heat, beside, block=5)
        assert (figures["places"], figures["places_outside"]) == (100 - outside, outside)
        assert figures["mass_ratio"] == pytest.approx(100 / (100 - outside))
        assert figures["mass_ratio_low"] - 1e-9 <= figures["mass_ratio"] <= figures["mass_ratio_high"] + 1e-9
    shifted = truth.read_text().replace(",1,0.1,", ",1,0.6,")
    truth.write_text(shifted)
    figures = evaluate_heat(heat, truth, block=5)
    assert figures["r_low"] <= figures["r"] < 0.99
    assert figures["emd_m_low"] <= figures["emd_m"] <= figures["emd_m_high"]


def test_heat_of_people_who_stay_has_no_interval_in_a_short_recording(tmp_path: Path) -> None:
    """An hour with stays of ten minutes holds three blocks of twice that: none, and how long would do; `--block-s` is heard."""
    windows = 720
    heat, truth = tmp_path / "heat.npz", tmp_path / "floor.csv"
    np.savez(
        heat, person_seconds=np.full((1, 4), 900.0), x0_m=0.0, y0_m=0.0, cell_m=0.5, observed_s=3_600,
        window_start_s=np.arange(windows) * 5.0, window_ends=np.arange(1, windows + 1),
        window_cells=np.arange(windows) % 4, window_mps=np.full(windows, 5_000),
    )  # fmt: skip

    def stay(stay_s: int) -> None:
        rows = (f"{t},{t // stay_s},{t // 5 % 4 / 2 + 0.1},0.1\n" for t in range(3_600))
        truth.write_text("t_s,id,x_m,y_m\n" + "".join(rows))

    stay(600)
    figures = evaluate_heat(heat, truth)
    assert [figures[f"{name}_low"] for name in ("r", "emd_m", "mass_ratio")] == [None] * 3
    assert (figures["block"], figures["enough_s"]) == (1_200, 6_000)
    assert evaluate_heat(heat, truth, block=60)["mass_ratio_low"] == pytest.approx(1)
    stay(60)
    figures = evaluate_heat(heat, truth)
    assert (figures["block"], figures["mass_ratio_low"]) == (120, pytest.approx(1))


def test_rows_of_another_clock_are_told(tmp_path: Path) -> None:
    """One at 0 and the rest since 1970 are 300 million windows of nobody."""
    tracks = tmp_path / "tracks.csv"
    tracks.write_text("t_s,id,x_m,y_m\n0,1,2,2\n" + "".join(f"{1_794_000_000 + i},1,2,2\n" for i in range(5)))
    config = share("configs/simulated.toml")
    site = parse_site(config.read_text(encoding="utf-8"), str(config))
    with pytest.raises(
        InputError, match=r"nobody is anywhere between t_s 0 and 1794000000, more than a week"
    ):
        simulate(site, tracks, tmp_path / "out")


def test_a_simulated_floor_is_measured_with_intervals(tmp_path: Path) -> None:
    """The box's own windows reach the file: the heat of known tracks against those tracks, from files alone."""
    config = share("configs/simulated.toml")
    site = parse_site(config.read_text(encoding="utf-8"), str(config))
    turn = np.arange(400) / 25
    steps = np.column_stack([4 + 3.4 * np.sin(turn), 4 + 3.4 * np.cos(0.7 * turn)])
    tracks = tmp_path / "tracks.csv"
    tracks.write_text(
        "t_s,id,x_m,y_m\n" + "".join(f"{i / 5},1,{x:.3f},{y:.3f}\n" for i, (x, y) in enumerate(steps))
    )
    simulate(site, tracks, tmp_path)
    figures = evaluate_heat(tmp_path / "heat.npz", tracks, block=5)
    assert figures["r"] > 0.99
    assert figures["r_low"] > 0.9
    assert figures["mass_ratio"] == pytest.approx(1, abs=0.01)
    assert (figures["block"], figures["block_unit"]) == (5, "s")
