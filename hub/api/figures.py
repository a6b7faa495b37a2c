"""Coverage, means, gaps and grids from integer sums. Pure: what was not measured is None, never 0."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchloop.clock import (
    BUCKETS,
    HOUR_MS,
    MINUTE_MS,
    bucket_end_ms,
    bucket_start_ms,
    iso,
)
from branchloop.errors import InputError
from branchloop.site.site import Plan, Site
from hub.store.figures.stretch import Kept, Span, widened
from hub.store.figures.sums import LEVELS, Level, per_camera_ms

Grid = NDArray[np.int64]

MOST_DAYS: Mapping[str, int] = {"minute": 7, "hour": 62, "day": 800}
HEAT_DAYS = 400
GAP_BY_MINUTE_DAYS = 7
_DAY_MS = 24 * HOUR_MS


def snap(from_: int, to: int, most_days: int) -> Span:
    """The stretch widened to whole minutes. Raises InputError when it is too long."""
    if to - from_ > most_days * _DAY_MS + 2 * HOUR_MS:  # a span of local days may be an hour longer
        raise InputError(f"more than {most_days} days at once.", hint="Ask for less, or for larger buckets.")
    return from_ - from_ % MINUTE_MS, to + -to % MINUTE_MS


def level_of(bucket: str) -> Level:
    """The level of a bucket's name. Raises InputError for any other text."""
    for level in LEVELS:
        if level == bucket:
            return level
    raise InputError(f"bucket {bucket[:20]!r} is not known.", hint=f"Choose one of {', '.join(BUCKETS)}.")


def tellable(site: Site, span: Span, kept: Kept, level: Level | None = None) -> Span:
    """The stretch widened to what is still kept.

    Raises InputError when buckets of `level` were asked for that are gone.
    """
    if level is not None and not kept.has(level, span[0]):
        first_ms = kept.minute_ms if level == "minute" else kept.hour_ms
        raise InputError(
            f"figures by {level} are no longer kept before {iso(first_ms)}.",
            hint=f"Ask for bucket={kept.finest(span[0])}, or for a later time.",
        )
    return widened(span, site.zone_info, kept)


def overlap_ms(spans: Sequence[Span], part: Span) -> int:
    """Time of `part` that lies within ordered, disjoint `spans`."""
    total = 0
    for start, end in spans[max(0, bisect_right(spans, part) - 1) :]:
        if start >= part[1]:
            break
        total += max(0, min(end, part[1]) - max(start, part[0]))
    return total


def coverage(open_elapsed_ms: int, windows_ms: int, observed_ms: int, expected_ms: int, open_observed_ms: int) -> float | None:  # fmt: skip
    """Share of the opening time so far that was observed; of all stored time where it was closed."""
    if open_elapsed_ms > 0:
        seen_ms = per_camera_ms(open_observed_ms, windows_ms, expected_ms)
        return None if seen_ms is None else min(1.0, seen_ms / open_elapsed_ms)
    if observed_ms > 0 and expected_ms > 0:
        return min(1.0, observed_ms / expected_ms)
    return None


def mean_people(person_ms: int, looked_ms: int) -> float | None:
    """Mean number of people over the time in which cameras looked. Whom a camera that was out would have seen is in no mean."""
    return person_ms / looked_ms if looked_ms > 0 else None


def gap_level(span: Span, kept: Kept) -> Level:
    """By which buckets gaps are told: minutes for a week, hours beyond, and what is kept where that is gone."""
    by_minute = span[1] - span[0] <= GAP_BY_MINUTE_DAYS * _DAY_MS + 2 * HOUR_MS
    if by_minute and kept.has("minute", span[0]):
        return "minute"
    return "hour" if kept.has("hour", span[0]) else "day"


def gaps(site: Site, opening: Sequence[Span], now_ms: int, observed: Collection[int], level: Level) -> list[Span]:  # fmt: skip
    """Opening time, up to now, in buckets that are not among `observed` (their starts)."""
    found: list[Span] = []
    until_ms = now_ms - now_ms % MINUTE_MS
    for start, end in opening:
        at_ms = bucket_start_ms(start, level, site.zone_info)
        while at_ms < min(end, until_ms):
            next_ms = at_ms + MINUTE_MS if level == "minute" else bucket_end_ms(at_ms, level, site.zone_info)
            if at_ms not in observed:
                first, last = max(at_ms, start), min(next_ms, end, until_ms)
                if found and found[-1][1] == first:
                    first = found.pop()[0]
                found.append((first, last))
            at_ms = next_ms
    return found


def missed(site: Site, opening: Sequence[Span], by_bucket: Mapping[int, int], level: Level) -> tuple[int, Span] | None:  # fmt: skip
    """How much (ms) of the opening time was missed, and from when to when any of it was; None when nothing was.

    `by_bucket` is the missed time by the start of its bucket, in order: of one that was open in part, no more than that part.
    """
    total_ms, found = 0, []
    for at_ms, missed_ms in by_bucket.items():
        end_ms = at_ms + MINUTE_MS if level == "minute" else bucket_end_ms(at_ms, level, site.zone_info)
        inside = [
            (max(at_ms, start), min(end_ms, end)) for start, end in opening if start < end_ms and at_ms < end
        ]
        total_ms += min(missed_ms, sum(end - start for start, end in inside))
        found += inside
    return (total_ms, (found[0][0], found[-1][1])) if found else None


def factor(plan: Plan, cell_m: float | None) -> int:
    """How many cells of the plan a cell of `cell_m` is wide. Raises InputError when that is no whole number."""
    if cell_m is None:
        return 1
    times = round(cell_m / plan.cell_m)
    if times < 1 or abs(times * plan.cell_m - cell_m) > 1e-9:
        raise InputError(
            f"cell_m {cell_m:g} is not a whole multiple of the plan's {plan.cell_m:g} m.",
            hint=f"Ask for {plan.cell_m:g}, {2 * plan.cell_m:g}, {4 * plan.cell_m:g} …",
        )
    return min(times, max(plan.rows, plan.cols))


def coarse(cells: Grid, times: int) -> Grid:
    """The grid with `times` × `times` cells added up into one; the last ones hold what remains."""
    rows, cols = cells.shape
    padded = np.pad(cells, ((0, -rows % times), (0, -cols % times)))
    shape = (padded.shape[0] // times, times, padded.shape[1] // times, times)
    return np.asarray(padded.reshape(shape).sum(axis=(1, 3)))


def total(items: Sequence[Any]) -> int | None:
    """Sum of what is known; None when nothing is."""
    known = [item for item in items if item is not None]
    return sum(known) if known else None
