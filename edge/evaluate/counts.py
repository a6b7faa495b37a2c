"""`branchloop evaluate counts` and `dwell`: the box against somebody who counted or timed by hand."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from branchloop.errors import InputError
from edge.accuracy.counting import (
    CountAccuracy,
    Key,
    Times,
    Totals,
    best_shift_s,
    count_accuracy,
    total_accuracy,
)
from edge.accuracy.dwelling import Visits, dwell_accuracy
from edge.evaluate.clocks import see_recording, see_shift, see_spans
from edge.evaluate.people import bounds
from edge.tables import read_records, read_rows, read_seconds

Found = TypeVar("Found")
TOLERANCE_S = 3.0
"""A hand at a counter is late by a second or two."""
CLAIM = 0.05
"""Error rate whose proof `needed` counts crossings for."""
STAFF, VISITOR = {"yes", "true", "1", "x", "staff", "是"}, {"", "no", "false", "0", "否"}
"""What a column `staff` may hold."""


def evaluate_counts(
    counts: Path,
    truth: Path,
    tolerance_s: float = TOLERANCE_S,
    align_s: float = 0.0,
    claim: float = CLAIM,
    watched: Collection[str] = (),
) -> dict[str, Any]:
    """Crossings of the box (events.ndjson or t_s,line,direction) against a manual count, line by line.

    A manual count may be totals alone (line,direction,count), as a clicker gives them: then only sums are compared, by
    line and direction, and nothing is said of how sure that is.
    `align_s` allows the hand's clock to be off by so much. The lines that were counted by hand are those that `truth`
    names and those `watched` on which nobody crossed; others are in no figure. A manual count that says who is staff
    is compared with the box's visitors; one that does not, with everybody. Raises InputError naming file and row.
    """
    visitors = _tells_staff(truth)
    if visitors and not _tells_staff(counts):
        raise InputError(
            f"{truth} says who is staff, {counts} does not.",
            hint="Give the events.ndjson of edge replay, or a column staff in both or neither.",
        )
    said: dict[str, Any]
    if _has_totals(truth):
        all_sums, true_sums = (read_totals(file, visitors=visitors) for file in (counts, truth))
        by_hand, left_out = _lines(all_sums, true_sums, watched, truth)
        sums = _of(by_hand, all_sums)
        every, lines = total_accuracy(sums, dict.fromkeys(_either(by_hand), 0) | dict(true_sums))
        said = {"matched": False}
    else:
        all_times, true = (read_crossings(file, visitors=visitors) for file in (counts, truth))
        by_hand, left_out = _lines(all_times, true, watched, truth)
        counted = _of(by_hand, all_times)
        moments = [[t_s for times in table.values() for t_s in times] for table in (counted, true)]
        see_spans(counts, truth, *moments)
        shift_s = best_shift_s(counted, true, tolerance_s, align_s) if align_s else 0.0
        moved = {key: [t - shift_s for t in true.get(key, ())] for key in true.keys() | _either(by_hand)}
        every, lines = count_accuracy(counted, moved, tolerance_s, claim)
        see_shift(every, counted, true, tolerance_s)
        see_recording(counts, truth, moments[1], tolerance_s + align_s)
        sums, true_sums = ({key: len(times) for key, times in table.items()} for table in (counted, true))
        said = {"matched": True, "tolerance_s": tolerance_s, "shift_s": shift_s}
    apart = _apart(sums, true_sums)
    return {
        **_count(every, sum(apart.values())),
        "claim": claim,
        **said,
        "staff_included": not visitors,
        "lines_left_out": left_out,
        "lines": {line: _count(figures, apart[line]) for line, figures in lines.items()},
    }


def evaluate_dwell(visits: Path, truth: Path) -> dict[str, Any]:
    """Visits of the box (events.ndjson or zone,start_s,dwell_s) against those somebody timed, zone by zone.

    A zone that nobody timed is in no figure.
    """
    seen, true = read_visits(visits), read_visits(truth)
    if not any(true.values()):
        raise InputError(f"{truth} holds no visit.", hint="Write one row per visit: zone,start_s,dwell_s.")
    measured = {zone: seen.get(zone, ()) for zone in true}
    starts = [[start_s for found in table.values() for start_s, _ in found] for table in (measured, true)]
    see_spans(visits, truth, *starts)
    zones = {}
    for zone, figures in dwell_accuracy(measured, true).items():
        zones[zone] = {
            "visits": figures.visits,
            "true_visits": figures.true_visits,
            "median_s": figures.median_s,
            "p90_s": figures.p90_s,
            **{f"{name}_error": value for name, value in figures.errors.items()},
            **bounds({f"{name}_error": found for name, found in figures.intervals.items()}),
        }
    return {"visits": sum(len(v) for v in measured.values()), "true_visits": sum(len(v) for v in true.values()), "zones": zones, "zones_left_out": sorted(seen.keys() - true.keys())}  # fmt: skip


def read_crossings(path: Path, *, visitors: bool = False) -> Times:
    """Read crossings by line and direction: events of `edge replay`, or a table t_s,line,direction[,staff].

    Times are seconds or h:m:s. Of `visitors` alone: a line that only staff crossed then has none.
    Raises InputError naming file and row.
    """
    found: defaultdict[Key, list[float]] = defaultdict(list)
    for number, row in read_records(path, "crossing", ("t_s", "line", "direction")):
        times = found[str(row["line"]).strip(), _direction(row, path, number)]
        t_s = read_seconds(row["t_s"], path, number)
        if not (visitors and _is_staff(row, path, number)):
            times.append(t_s)
    return found


def read_totals(path: Path, *, visitors: bool = False) -> Totals:
    """Read totals by line and direction: a table line,direction,count[,staff], or crossings, which are summed."""
    if not _has_totals(path):
        return {key: len(times) for key, times in read_crossings(path, visitors=visitors).items()}
    found: defaultdict[Key, int] = defaultdict(int)
    for number, row in read_records(path, "crossing", ("line", "direction", "count")):
        text = str(row["count"] or "").strip()
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InputError(f"{path}, row {number}: {text[:20]!r} is no number of people.", hint="Mend it.")
        staff = visitors and _is_staff(row, path, number)
        found[str(row["line"]).strip(), _direction(row, path, number)] += 0 if staff else int(text)
    return found


def read_visits(path: Path) -> Visits:
    """Read visits by zone: events of `edge replay`, or a table zone,start_s,dwell_s (or end_s).

    Raises InputError naming file and row.
    """
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for number, row in read_records(path, "visit", ("zone", "start_s")):
        start_s = read_seconds(row["start_s"], path, number)
        if row.get("dwell_s") not in {None, ""}:
            dwell_s = read_seconds(row["dwell_s"], path, number)
        else:
            dwell_s = read_seconds(row.get("end_s"), path, number) - start_s
        if dwell_s < 0:
            raise InputError(f"{path}, row {number}: the visit ends before it begins.", hint="Mend it.")
        found[str(row["zone"]).strip()].append((start_s, dwell_s))
    return found


def _direction(row: Mapping[str, Any], path: Path, number: int) -> str:
    direction = str(row["direction"]).strip().lower()
    if direction not in {"in", "out"}:
        raise InputError(
            f"{path}, row {number}: the direction {direction[:20]!r} is neither in nor out.", hint="Mend it."
        )
    return direction


def _is_staff(row: Mapping[str, Any], path: Path, number: int) -> bool:
    said = str(row.get("staff") or "").strip().lower()
    if said not in STAFF | VISITOR:
        raise InputError(
            f"{path}, row {number}: staff is {said[:20]!r}, neither yes nor no.",
            hint="Leave it empty for no.",
        )
    return said in STAFF


def _lines(
    counted: Collection[Key], true: Collection[Key], watched: Collection[str], truth: Path
) -> tuple[set[str], list[str]]:
    """The lines that were counted by hand, and those that the box alone counted."""
    by_hand = {line for line, _ in true} | set(watched)
    if not by_hand:
        raise InputError(
            f"{truth} holds no crossing.", hint="Write one row per crossing: t_s,line,direction."
        )
    return by_hand, sorted({line for line, _ in counted} - by_hand)


def _of(lines: Collection[str], table: Mapping[Key, Found]) -> dict[Key, Found]:
    return {key: found for key, found in table.items() if key[0] in lines}


def _apart(counted: Totals, true: Totals) -> Counter[str]:
    """By how many the counts of each line differ: one direction cannot make up for the other."""
    apart = Counter[str]()
    for key in counted.keys() | true.keys():
        apart[key[0]] += abs(counted.get(key, 0) - true.get(key, 0))
    return apart


def _either(lines: Collection[str]) -> set[Key]:
    """Both directions of lines: one that nobody crossed has a figure as well."""
    return {(line, direction) for line in lines for direction in ("in", "out")}


def _has_totals(path: Path) -> bool:
    return "count" in _columns(path)


def _tells_staff(path: Path) -> bool:
    """Whether a file says of each crossing if it is of staff: events mark it where it is."""
    return path.suffix == ".ndjson" or "staff" in _columns(path)


def _columns(path: Path) -> list[str]:
    header = [] if path.suffix == ".ndjson" else next(iter(read_rows(path)), [])
    return [name.strip() for name in header]


def _count(figures: CountAccuracy, apart: int) -> dict[str, Any]:
    return {
        "crossings": figures.true,
        "counted": figures.counted,
        "missed": figures.missed,
        "extra": figures.extra,
        "wrong_rate": figures.wrong_rate,
        "net_error": figures.net_error,
        "absolute_error": apart / figures.true if figures.true else None,
        **bounds({"wrong_rate": figures.wrong_interval, "net_error": figures.net_interval}),
        "needed": figures.needed,
    }
