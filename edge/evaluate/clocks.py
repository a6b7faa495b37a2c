"""Whether the hand's clock was the box's: a watch that was off says nothing of the box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from branchloop.clock import WINDOW_MS
from branchloop.errors import InputError
from edge.accuracy.counting import CountAccuracy, Times, best_shift_s, matches
from edge.tables import read_records

LONGEST_S = 7 * 86_400.0
"""Times farther apart are of two clocks: seconds since the start, and since 1970."""
ANOTHER_DAY_S = 3 * 3_600.0
"""Spans of times that lie so far apart are of two clocks, where there are `ENOUGH` in both: the time of day, and seconds since the start."""
ANOTHER_START_S = 600.0
"""What `--align-s` sets right; a watch of the neighbouring zone is off by more."""
ENOUGH = 5
HARDLY, MOST = 0.2, 0.8
"""Shares of the crossings that match as they stand, and that would if a clock were set."""
ELSEWHERE_S = (-97.0, -61.0, -37.0, 37.0, 61.0, 97.0)
"""Where a busy line matches by chance: times that match hardly better as they stand are not of one clock."""
BY_CHANCE, MUCH_MORE = 1.25, 1.5
"""How many times what matches by chance is more than that, and what a shift must give of what matches without."""
MOST_TIMES = 2_000
"""Of each line and direction, to look for a shift among."""
ONE_CLOCK = "Write both on the same clock, such as seconds since the recording began."


def see_spans(made: Path, truth: Path, made_s: Sequence[float], true_s: Sequence[float]) -> None:
    """Raise InputError where the times of two files are surely of two clocks."""
    both = [*made_s, *true_s]
    if both and max(both) - min(both) > LONGEST_S:
        raise InputError(f"the times of {made} and {truth} lie more than a week apart.", hint=ONE_CLOCK)
    if min(len(made_s), len(true_s)) < ENOUGH:
        return
    if max(min(made_s) - max(true_s), min(true_s) - max(made_s)) > ANOTHER_DAY_S:
        raise InputError(
            f"the times of {made} ({min(made_s):.0f} to {max(made_s):.0f} s) and {truth} ({min(true_s):.0f} to "
            f"{max(true_s):.0f} s) have nothing in common.",
            hint=ONE_CLOCK,
        )


def see_shift(every: CountAccuracy, counted: Times, true: Times, tolerance_s: float) -> None:
    """Raise InputError where crossings match no better than by chance, and most would if one of the clocks were set.

    Most of what the box counted, too: among many that it invented some shift always suits the few true ones.
    """
    if every.missed is None or every.true < ENOUGH:
        return
    matched = every.true - every.missed
    by_chance = max(_matched(counted, true, tolerance_s, shift_s) for shift_s in ELSEWHERE_S)
    if matched > max(HARDLY * every.true, BY_CHANCE * by_chance):
        return
    for shift_s in (
        best_shift_s(counted, true, tolerance_s, ANOTHER_START_S),
        _likely_shift_s(counted, true, tolerance_s),
    ):
        then = _matched(counted, true, tolerance_s, shift_s)
        if then > MUCH_MORE * matched and then >= MOST * max(every.true, every.counted):
            far = abs(shift_s) > ANOTHER_START_S
            by = str(timedelta(seconds=round(abs(shift_s)))) if far else f"{abs(shift_s):g} s"
            raise InputError(
                f"{matched} of {every.true} crossings match, and {then} would if the hand's clock were {by} "
                f"{'ahead' if shift_s > 0 else 'behind'}.",
                hint=f"If it was, write its times {by} {'earlier' if shift_s > 0 else 'later'}; if not, mend the times."
                if far
                else f"If it was, give --align-s {math.ceil(abs(shift_s))}; if not, mend the times.",
            )


def see_recording(counts: Path, truth: Path, true_s: Sequence[float], reach_s: float) -> None:
    """Raise InputError where most of the hand's times are of no time that was recorded, as the box's windows tell it.

    `reach_s`: how far beside it a hand may be.
    """
    starts_s = [row["t_s"] for _, row in read_records(counts, "window", ("t_s",))] if counts.suffix == ".ndjson" else []  # fmt: skip
    if not starts_s:
        return
    begin_s, end_s = min(starts_s), max(starts_s) + WINDOW_MS / 1000
    beside = sum(not begin_s - reach_s <= t_s <= end_s + reach_s for t_s in true_s)
    if beside > len(true_s) / 2:
        off_s = (min(true_s) + max(true_s) - begin_s - end_s) / 2
        raise InputError(
            f"{beside} of {len(true_s)} crossings of {truth} ({min(true_s):.0f} to {max(true_s):.0f} s) lie outside the "
            f"recording ({begin_s:.0f} to {end_s:.0f} s); the watch seems about {timedelta(seconds=round(abs(off_s)))} "
            f"{'ahead' if off_s > 0 else 'behind'}.",
            hint="Write seconds since the recording began.",
        )


def _matched(counted: Times, true: Times, tolerance_s: float, shift_s: float) -> int:
    moved = {key: [t - shift_s for t in times] for key, times in true.items()}
    return sum(matches(counted.get(key, ()), times, tolerance_s) for key, times in moved.items())


def _likely_shift_s(counted: Times, true: Times, tolerance_s: float) -> float:
    """The shift, however far, that most pairs of a hand's and a box's crossing agree on; to half a second."""
    apart = [
        np.subtract.outer(np.sort(true[key])[:MOST_TIMES], np.sort(counted[key])[:MOST_TIMES]).ravel()
        for key in counted.keys() & true.keys()
    ]
    apart_s = np.sort(np.concatenate([*apart, np.empty(0)]))
    if not len(apart_s):
        return 0.0
    ends = np.searchsorted(apart_s, apart_s + 2 * tolerance_s, side="right")
    first = int(np.argmax(ends - np.arange(len(apart_s))))
    return round(2 * float(np.median(apart_s[first : ends[first]]))) / 2
