"""Counts against a manual count: what is missed, what is invented, and how sure that is."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st
from scipy.stats import poisson

from branchloop.errors import InputError
from edge.accuracy.counting import best_shift_s, count_accuracy, most_extra, needed, poisson_interval
from edge.accuracy.dwelling import dwell_accuracy
from edge.evaluate.counts import evaluate_counts, evaluate_dwell, read_crossings, read_visits
from edge.measuring import acceptance, evaluate

DOOR = ("door", "in")
times = st.lists(st.floats(0, 3_600), max_size=40)


@settings(max_examples=60, deadline=None)
@given(counted=times, true=times)
def test_nothing_is_counted_twice(counted: list[float], true: list[float]) -> None:
    """Hits are shared: what is not missed equals what is not extra."""
    every, lines = count_accuracy({DOOR: counted}, {DOOR: true}, 3.0, 0.05)
    assert every.true - every.missed == every.counted - every.extra
    assert lines["door"] == every
    if every.wrong_interval is not None and every.wrong_rate is not None:
        assert every.wrong_interval[0] <= every.wrong_rate <= every.wrong_interval[1]
    if every.net_interval is not None and every.net_error is not None:
        assert every.net_interval[0] <= every.net_error <= every.net_interval[1]


@settings(max_examples=40, deadline=None)
@given(true=times, late=st.floats(0, 2.9))
def test_a_late_hand_is_no_error(true: list[float], late: float) -> None:
    """Within the tolerance every crossing finds its own."""
    every, _ = count_accuracy({DOOR: true}, {DOOR: [t + late for t in true]}, 3.0, 0.05)
    assert (every.missed, every.extra) == (0, 0)


def test_errors_do_not_cancel() -> None:
    """One missed and one invented make the right sum and two errors; so do in and out confused."""
    true = {DOOR: [float(t) for t in range(0, 1_000, 10)]}
    counted = {DOOR: [*true[DOOR][1:], 995.0]}
    every, _ = count_accuracy(counted, true, 3.0, 0.05)
    assert (every.net_error, every.wrong_rate) == (0, pytest.approx(0.02))
    every, _ = count_accuracy({("door", "out"): true[DOOR]}, true, 3.0, 0.05)
    assert every.wrong_rate == pytest.approx(2)


def test_a_perfect_count_of_few_proves_little() -> None:
    """No error in twenty leaves up to 18 %; the number that would prove 5 % is told and is right."""
    true = {DOOR: [float(t) for t in range(0, 200, 10)]}
    every, _ = count_accuracy(true, true, 3.0, 0.05)
    assert every.wrong_interval == (0.0, pytest.approx(poisson_interval(0)[1] / 20))
    assert every.wrong_interval[1] > 0.18
    assert every.needed == 74
    many = {DOOR: [float(t) for t in range(0, 740, 10)]}
    proven, _ = count_accuracy(many, many, 3.0, 0.05)
    assert proven.wrong_interval is not None
    assert proven.wrong_interval[1] <= 0.05


def test_what_is_too_bad_is_proven_by_no_number() -> None:
    """At 6 % errors no count proves 5 %; the closer to the limit, the more are needed."""
    assert needed(0.06, 0.05) is None
    counts = [needed(rate, 0.05) or 0 for rate in (0, 0.01, 0.02, 0.04)]
    assert counts == sorted(set(counts))
    assert counts[0] == 74


def test_groups_need_more_than_the_exact_interval_says() -> None:
    """Four missed at once, twice: what would be enough is more than what was not."""
    true = [float(t) for t in range(0, 3_600, 10)]
    every, _ = count_accuracy(
        {("door", "in"): [t for t in true if not (600 <= t < 640 or 640 <= t < 680)]},
        {("door", "in"): true},
        3,
        0.05,
    )
    assert every.wrong_rate is not None
    assert every.wrong_interval is not None
    assert every.wrong_interval[1] > 0.05
    assert (needed(every.wrong_rate, 0.05) or 0) < every.true < (every.needed or 0)


def test_whatever_is_enough_so_is_more() -> None:
    """Rounding made 176 prove what 180 did not."""
    for rate in (0.005, 0.01, 0.02, 0.03):
        enough = needed(rate, 0.05) or 0
        assert all(poisson_interval(round(rate * n))[1] <= 0.05 * n for n in range(enough, enough + 400))


@given(events=st.integers(0, 300))
def test_the_exact_interval_is_garwoods(events: int) -> None:
    """A mean at either end would make what was seen a 2.5 % event."""
    low, high = poisson_interval(events)
    assert poisson.cdf(events, high) == pytest.approx(0.025)
    if events:
        assert poisson.sf(events - 1, low) == pytest.approx(0.025)


def test_people_who_come_in_groups_widen_the_interval() -> None:
    """All errors in one minute of an hour say less than as many spread out."""
    true = {DOOR: [float(t) for t in range(0, 3_600, 6)]}
    spread = {DOOR: [t for i, t in enumerate(true[DOOR]) if i % 20]}
    bunched = {DOOR: true[DOOR][30:]}
    wide, narrow = (count_accuracy(c, true, 2.0, 0.05)[0] for c in (bunched, spread))
    assert wide.missed == narrow.missed
    assert wide.wrong_interval is not None
    assert narrow.wrong_interval is not None
    assert wide.wrong_interval[1] > 1.3 * narrow.wrong_interval[1]


def test_clocks_are_brought_together() -> None:
    """A stopwatch started 41.5 s early is found by what matches."""
    rng = np.random.default_rng(4)
    true = np.sort(rng.uniform(0, 1_800, 60))
    for tolerance_s in (1.0, 3.0):
        assert best_shift_s({DOOR: list(true)}, {DOOR: list(true + 41.5)}, tolerance_s, 60) == 41.5
    assert best_shift_s({DOOR: list(true)}, {DOOR: list(true)}, 3.0, 60) == 0


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_technicians_table_is_read(tmp_path: Path) -> None:
    """Seconds or h:m:s, any column order, a spreadsheet's mark at the beginning; events of a replay as well."""
    hand = write(tmp_path / "hand.csv", "\ufeffline,t_s,direction\ndoor,0:00:10,In\ndoor,75,out\n")
    box = write(
        tmp_path / "events.ndjson",
        '{"t_s": 10.4, "event": "crossing", "line": "door", "direction": "in"}\n{"t_s": 5, "event": "window"}\n'
        '{"t_s": 60.0, "event": "crossing", "line": "door", "direction": "out"}\n',
    )
    assert read_crossings(hand) == {("door", "in"): [10], ("door", "out"): [75]}
    figures = evaluate_counts(box, hand)
    assert (figures["crossings"], figures["missed"], figures["extra"]) == (2, 1, 1)
    assert figures["absolute_error"] == 0
    assert figures["lines"]["door"]["wrong_rate"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("t_s,line\n1,door\n", "lacks a column"),
        ("t_s,line,direction\nsoon,door,in\n", "row 2: 'soon' is no time"),
        ("t_s,line,direction\n1,door,up\n", "row 2: the direction 'up'"),
        ("t_s,line,direction\n1:2:3:4,door,in\n", "is no time"),
        ("t_s,line,direction\n1:-30,door,in\n", "row 2: '1:-30' is no time"),
        ("\nt_s,line,direction\n\n1,door,in\n\n2,door,up\n", "row 6: the direction 'up'"),
        ("t_s;line;direction\n1,5;door;in\n", "are separated by semicolons"),
        ("line\tdirection\tcount\ndoor\tin\t5\n", "are separated by tabs"),
        ("t_s,line,direction\n", "holds no crossing"),
        ("t_s,line,direction\n1,door,in\n12,street\n", "row 3: direction is missing"),
        ("line,direction,count\ndoor,in\n", "row 2: count is missing"),
        ("t_s,line,direction\n12,5,door,in\n", "row 2: it has 4 values for 3 columns"),
    ],
)
def test_a_broken_count_is_named(tmp_path: Path, text: str, said: str) -> None:
    """File, row and remedy."""
    path = write(tmp_path / "hand.csv", text)
    with pytest.raises(InputError, match=said):
        evaluate_counts(path, path)


def test_a_sign_is_that_of_the_whole_time(tmp_path: Path) -> None:
    """Before the recording began: twenty seconds, ninety, and half a one."""
    hand = write(
        tmp_path / "hand.csv",
        "t_s,line,direction\n-0:00:20,door,in\n-1:30,door,in\n-0.5,door,in\n 0:01:05 ,door,in\n",
    )
    assert read_crossings(hand) == {("door", "in"): [-20, -90, -0.5, 65]}


def test_a_row_may_end_early_or_in_empty_cells(tmp_path: Path) -> None:
    """What may be empty may be missing, and spreadsheets end rows with commas; a visit without its zone is named."""
    hand = write(tmp_path / "hand.csv", "t_s,line,direction,staff\n1,door,in\n2,door,in,yes,,\n")
    assert read_crossings(hand, visitors=True) == {("door", "in"): [1]}
    visits = write(tmp_path / "visits.csv", "start_s,dwell_s,zone\n1,20,desk\n30,40\n")
    with pytest.raises(InputError, match="row 3: zone is missing"):
        read_visits(visits)
    with pytest.raises(InputError, match="row 2: it has 4 values for 3 columns"):
        read_visits(write(visits, "zone,start_s,dwell_s\ndesk,12,5,30\n"))


def test_a_clicker_gives_sums(tmp_path: Path) -> None:
    """Totals by line and direction against the box's crossings: the net error, and nothing about what cancels."""
    hand = write(tmp_path / "hand.csv", "line,direction,count\ndoor,in,100\ndoor,out,80\ndoor,in,10\n")
    box = write(tmp_path / "box.csv", "t_s,line,direction\n" + "5,door,in\n" * 108 + "9,door,out\n" * 82)
    figures = evaluate_counts(box, hand)
    assert (figures["crossings"], figures["counted"], figures["missed"]) == (190, 190, None)
    assert (figures["net_error"], figures["wrong_rate"]) == (0, None)
    assert (figures["net_error_low"], figures["net_error_high"], figures["needed"]) == (None, None, None)
    assert figures["absolute_error"] == figures["lines"]["door"]["absolute_error"] == pytest.approx(4 / 190)
    with pytest.raises(InputError, match="row 2: '-3' is no number"):
        evaluate_counts(box, write(tmp_path / "hand.csv", "line,direction,count\ndoor,in,-3\n"))


HEADS = ("t_s,line,direction\n", "line,direction,count\n")
FORMS = pytest.mark.parametrize("totals", [False, True])


def crossings(path: Path, *, totals: bool, **lines: int) -> Path:
    """So many people in on each line, ten seconds apart or as totals."""
    rows = (
        [f"{line},in,{n}\n" for line, n in lines.items()]
        if totals
        else [f"{10 * i},{line},in\n" for line, n in lines.items() for i in range(n)]
    )
    return write(path, HEADS[totals] + "".join(rows))


@FORMS
def test_a_line_that_nobody_watched_is_no_error(tmp_path: Path, *, totals: bool) -> None:
    """Of two doors one was counted by hand: the other is named, and in no figure."""
    box = crossings(tmp_path / "box.csv", totals=False, door=400, back=100)
    figures = evaluate_counts(box, crossings(tmp_path / "hand.csv", totals=totals, door=400))
    assert (figures["crossings"], figures["counted"], figures["net_error"]) == (400, 400, 0)
    assert figures["absolute_error"] == 0
    assert figures["wrong_rate"] == (None if totals else 0)
    assert list(figures["lines"]) == ["door"]
    assert figures["lines_left_out"] == ["back"]


@FORMS
def test_nobody_crossed_can_be_said(tmp_path: Path, *, totals: bool) -> None:
    """By an option, in totals by a row with 0: what the box counted there was invented."""
    box = crossings(tmp_path / "box.csv", totals=False, door=400, back=100)
    hand = crossings(tmp_path / "hand.csv", totals=totals, door=400)
    figures = evaluate_counts(box, hand, watched=["back"])
    assert (figures["net_error"], figures["absolute_error"]) == (0.25, 0.25)
    assert figures["lines_left_out"] == []
    back = figures["lines"]["back"]
    assert (back["crossings"], back["missed"], back["extra"], back["wrong_rate"]) == (0, 0, 100, None)
    if totals:
        assert evaluate_counts(box, crossings(hand, totals=True, door=400, back=0)) == figures
    quiet = evaluate_counts(
        crossings(box, totals=False, door=3), crossings(hand, totals=totals), watched=["back"]
    )
    assert (quiet["crossings"], quiet["extra"], quiet["absolute_error"]) == (0, 0, None)
    assert quiet["lines_left_out"] == ["door"]


@pytest.mark.parametrize("seconds", ["10.1", "3600", "0", "inf", "nan"])
def test_a_hand_is_not_late_by_more_than_ten_seconds(tmp_path: Path, seconds: str) -> None:
    """Within an hour anybody is matched with anybody: such a count would pass whatever the box did."""
    hand = crossings(tmp_path / "hand.csv", totals=False, door=4)
    counts = ["counts", "--counts", str(hand), "--truth", str(hand), "--tolerance-s"]
    assert CliRunner().invoke(evaluate, [*counts, "10"]).exit_code == 0
    report = [
        "site.toml",
        "--counts",
        str(hand),
        str(hand),
        "--by",
        "Wei",
        "--key",
        "k.pem",
        "--out",
        "r.json",
    ]
    for command, args in ((evaluate, counts), (acceptance, [*report, "--tolerance-s"])):
        done = CliRunner().invoke(command, [*args, seconds])
        assert (done.exit_code, "'--tolerance-s'" in done.stderr) == (2, True)


def test_the_command_names_what_nobody_counted(tmp_path: Path) -> None:
    """On standard error, with the option that says otherwise."""
    box = crossings(tmp_path / "box.csv", totals=False, door=4, back=1)
    hand = crossings(tmp_path / "hand.csv", totals=False, door=4)
    args = ["counts", "--counts", str(box), "--truth", str(hand)]
    done = CliRunner().invoke(evaluate, args)
    assert (done.exit_code, "note: line back was not counted by hand" in done.stderr) == (0, True)
    done = CliRunner().invoke(evaluate, [*args, "--line", "back", "--json"])
    assert done.stderr == ""
    assert json.loads(done.stdout)["lines"]["back"]["extra"] == 1


@given(limit=st.floats(0, 1))
def test_invented_crossings_on_a_quiet_line_are_bounded(limit: float) -> None:
    """One more than may be, and even the fewest that are likely are above what the limit allows of the most unseen."""
    most, allowed = most_extra(limit), limit * poisson_interval(0)[1]
    assert poisson_interval(most)[0] <= allowed < poisson_interval(most + 1)[0]


def test_a_hand_count_that_tells_staff_judges_who_is_taken_for_staff(tmp_path: Path) -> None:
    """Visitors are compared with visitors; one taken for the other is an error. Without the column everybody counts."""
    rows = [(10 * i, "door", "in", i in {3, 4}) for i in range(40)]
    events = (
        {"t_s": t, "event": "crossing", "line": line, "direction": way, **({"staff": True} if staff else {})}
        for t, line, way, staff in rows
    )
    box = write(tmp_path / "events.ndjson", "".join(f"{json.dumps(event)}\n" for event in events))
    table = [f"{t},{line},{way}" for t, line, way, _ in rows]
    everybody = evaluate_counts(box, write(tmp_path / "hand.csv", "t_s,line,direction\n" + "\n".join(table)))
    assert (everybody["crossings"], everybody["wrong_rate"], everybody["staff_included"]) == (40, 0, True)

    def told(staff: set[int], word: str = "yes") -> dict[str, Any]:
        said = [f"{row},{word if i in staff else ''}" for i, row in enumerate(table)]
        return evaluate_counts(
            box, write(tmp_path / "hand.csv", "t_s,line,direction,staff\n" + "\n".join(said))
        )

    right = told({3, 4})
    assert (right["crossings"], right["missed"], right["extra"], right["staff_included"]) == (38, 0, 0, False)
    assert told({3, 4}, "是") == right
    wrong = told({3, 9})
    assert (wrong["crossings"], wrong["missed"], wrong["extra"]) == (38, 1, 1)
    clicked = "line,direction,count,staff\ndoor,in,38,\ndoor,in,2,yes\nback,in,1,yes\n"
    sums = evaluate_counts(box, write(tmp_path / "hand.csv", clicked))
    assert (sums["crossings"], sums["net_error"], list(sums["lines"])) == (38, 0, ["back", "door"])
    with pytest.raises(InputError, match="row 5: staff is 'perhaps', neither yes nor no"):
        told({3}, "perhaps")
    with pytest.raises(InputError, match=r"hand.csv says who is staff, .*box.csv does not"):
        evaluate_counts(crossings(tmp_path / "box.csv", totals=False, door=3), tmp_path / "hand.csv")


def test_two_clocks_are_told_apart_from_a_bad_count(tmp_path: Path) -> None:
    """Seconds since 1970 against seconds since the start: an error that says so, for counts and visits."""
    hand = write(tmp_path / "hand.csv", "t_s,line,direction\n10,door,in\n")
    box = write(tmp_path / "box.csv", "t_s,line,direction\n1790000010,door,in\n")
    with pytest.raises(InputError, match="more than a week apart"):
        evaluate_counts(box, hand)
    hand = write(tmp_path / "hand.csv", "zone,start_s,dwell_s\nqueue,10,5\n")
    box = write(tmp_path / "box.csv", "zone,start_s,dwell_s\nqueue,1790000010,5\n")
    with pytest.raises(InputError, match="more than a week apart"):
        evaluate_dwell(box, hand)


def test_a_hand_that_wrote_the_time_of_day_is_told(tmp_path: Path) -> None:
    """Hours apart, or by a watch that is half a minute off: no report of a box that counted wrongly."""
    at_s = [12.0, 31.0, 47.5, 80.0, 104.0, 111.0, 150.0, 163.5, 190.0, 222.0]

    def counts(name: str, shift_s: float, n: int = len(at_s)) -> Path:
        rows = "".join(f"{t_s + shift_s},door,in\n" for t_s in at_s[:n])
        return write(tmp_path / name, f"t_s,line,direction\n{rows}")

    box = counts("box.csv", 0)
    with pytest.raises(InputError, match=r"hand\.csv \(32412 to 32622 s\) have nothing in common"):
        evaluate_counts(box, counts("hand.csv", 32_400))
    with pytest.raises(InputError, match=r"of 10 crossings match, and 10 would .* 24\.5 s ahead") as told:
        evaluate_counts(box, counts("hand.csv", 24.5))
    assert "--align-s 25" in told.value.hint
    assert evaluate_counts(box, counts("hand.csv", 24.5), align_s=25)["missed"] == 0
    assert evaluate_counts(box, counts("hand.csv", 32_400, 4))["missed"] == 4  # as few may be all there were
    for shift_s, said in ((3_600, "1:00:00 ahead"), (-1_020, "0:17:00 behind"), (3_624.5, "1:00:24 ahead")):
        with pytest.raises(InputError, match=f"0 of 10 crossings match, and 10 would .* {said}") as told:
            evaluate_counts(box, counts("hand.csv", shift_s))
        assert "earlier" in told.value.hint or shift_s < 0
    others = "".join(f"{3_600 + 7.3 * t_s % 180},door,in\n" for t_s in at_s)
    blind = write(tmp_path / "hand.csv", f"t_s,line,direction\n{others}")
    assert evaluate_counts(box, blind)["missed"] == 10  # its camera may have gone blind
    visits = "zone,start_s,dwell_s\n" + "".join(f"queue,{t_s},5\n" for t_s in at_s)
    late = "zone,start_s,dwell_s\n" + "".join(f"queue,{t_s + 32_400},5\n" for t_s in at_s)
    with pytest.raises(InputError, match="have nothing in common"):
        evaluate_dwell(write(tmp_path / "seen.csv", visits), write(tmp_path / "late.csv", late))


def test_summer_time_is_told_in_a_busy_morning(tmp_path: Path) -> None:
    """Three hours overlap when a watch is an hour off, and on a busy line many match by chance: that is no count."""
    rng = np.random.default_rng(2)
    at_s = np.sort(rng.uniform(0, 4 * 3_600, 1_200))
    found = at_s[rng.random(len(at_s)) > 0.04] + 0.4

    def table(name: str, times: np.ndarray) -> Path:
        return write(
            tmp_path / name, "t_s,line,direction\n" + "".join(f"{t_s:.1f},door,in\n" for t_s in times)
        )

    box = table("box.csv", found)
    with pytest.raises(InputError, match=r"1:00:00 (ahead|behind)"):
        evaluate_counts(box, table("hand.csv", at_s + 3_600))
    assert (evaluate_counts(box, table("hand.csv", at_s))["wrong_rate"] or 0) < 0.1


def test_a_count_of_no_time_that_was_recorded_is_refused(tmp_path: Path) -> None:
    """The box's windows say what was recorded: another hour's people were not there to be counted."""
    rows = [{"event": "window", "t_s": t_s} for t_s in range(0, 1_800, 5)]
    rows += [{"event": "crossing", "t_s": t_s, "line": "door", "direction": "in"} for t_s in (60, 400, 900)]
    box = write(tmp_path / "events.ndjson", "".join(f"{json.dumps(row)}\n" for row in rows))
    rng = np.random.default_rng(4)

    def hand(begin_s: float) -> Path:
        times = "".join(f"{t_s:.1f},door,in\n" for t_s in rng.uniform(begin_s, begin_s + 1_800, 60))
        return write(tmp_path / "hand.csv", f"t_s,line,direction\n{times}")

    with pytest.raises(
        InputError,
        match=r"60 of 60 crossings .* outside the recording \(0 to 1800 s\).* about 0:\d\d:\d\d ahead",
    ):
        evaluate_counts(box, hand(3_000))
    assert evaluate_counts(box, hand(0))["crossings"] == 60


@given(st.integers(0, 1_000))
@settings(max_examples=20, deadline=None)
def test_a_box_that_invents_many_is_judged_all_the_same(seed: int) -> None:
    """Some shift always suits the few true ones; that is no watch which was off."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        tables = [
            write(
                Path(folder) / name, "t_s,line,direction\n" + "".join(f"{t_s:.1f},door,in\n" for t_s in times)
            )
            for name, times in (
                ("box.csv", rng.uniform(0, 1_800, 200)),
                ("hand.csv", rng.uniform(0, 1_800, 6)),
            )
        ]
        assert (evaluate_counts(*tables)["extra"] or 0) >= 194


def test_dwell_errors_are_of_the_median_and_the_ninth_decile() -> None:
    """A box that sees every stay 10 % short, and one in ten not at all."""
    rng = np.random.default_rng(6)
    true = [(float(start), float(rng.gamma(4, 30))) for start in np.sort(rng.uniform(0, 7_200, 400))]
    measured = [(start, 0.9 * dwell) for i, (start, dwell) in enumerate(true) if i % 10]
    figures = dwell_accuracy({"queue": measured}, {"queue": true, "desk": [(1.0, 2.0)]})
    queue = figures["queue"]
    assert queue.errors["visits"] == pytest.approx(-0.1)
    assert queue.errors["median"] == pytest.approx(-0.1, abs=0.03)
    low, high = queue.intervals["median"] or (0, 0)
    assert low < -0.1 < high
    assert high - low < 0.2
    assert figures["desk"].errors["visits"] == -1
    assert figures["desk"].errors["median"] is None


def test_visits_are_read_with_their_end_or_their_length(tmp_path: Path) -> None:
    """Start and end, or start and dwell; an end before the start is named."""
    path = write(tmp_path / "v.csv", "zone,start_s,end_s\nqueue,0:01:00,0:03:00\n")
    assert read_visits(path) == {"queue": [(60, 120)]}
    assert evaluate_dwell(path, path)["zones"]["queue"]["median_error"] == 0
    write(path, "zone,start_s,dwell_s\nqueue,60,120\n")
    assert read_visits(path) == {"queue": [(60, 120)]}
    with pytest.raises(InputError, match="row 2: the visit ends before"):
        read_visits(write(path, "zone,start_s,end_s\nqueue,9,3\n"))
