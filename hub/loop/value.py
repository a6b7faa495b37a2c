"""From the ledger of journeys to the funnel: counts, conversion, cost and return. Pure.

A journey counts in the period in which it first appears, and once in every stage that it ever reached.
Conversion is the share of the journeys of the stage before that also reached this one; a journey that
enters later (a walk-in at `arrived`) is counted in `entered` there and never raises the conversion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Literal
from zoneinfo import ZoneInfo

from branchloop.clock import local_day_start_ms
from hub.loop.journey import STAGES, Happened, Stage

By = Literal["channel", "scene", "service", "branch", "partner"]
SMALL = 5
"""Counts from 1 to below this name persons to who may not see any; medians of fewer are not told."""
_UTC = ZoneInfo("UTC")
_CAME = ("arrived", "checked_in", "served")
Counts = Mapping[str, int]
"""`STAGE`, `entered:STAGE`, `both:STAGE` (with the stage before), cancelled, missed, booked_arrived, cross_sold."""


@dataclass(frozen=True, slots=True)
class Journey:
    """One errand: when (UTC ms) it first reached each stage, and what is known of it."""

    first_ms: int
    at_ms: Mapping[str, int]
    known: Mapping[str, str | None]
    customer: str | None
    returned: bool = False
    follow_up: tuple[str, str | None] | None = None
    """The errand that followed this one's visit, and for which service."""
    cross_sold: bool = False
    """It led to another service, booked as its follow-up, that was served."""


@dataclass(slots=True)
class Tally:
    """Counts of a group, and the seconds from the stage before to each stage."""

    counts: Counter[str] = field(default_factory=Counter)
    between_s: dict[str, list[float]] = field(default_factory=dict)

    def add(self, journey: Journey) -> None:
        """Count a journey."""
        at_ms = journey.at_ms
        reached = [stage for stage in STAGES if stage in at_ms or (stage == "returned" and journey.returned)]
        self.counts.update(reached)
        if reached:
            self.counts[f"entered:{reached[0]}"] += 1
        for before, stage in pairwise(STAGES):
            if before in reached and stage in reached:
                self.counts[f"both:{stage}"] += 1
                if stage in at_ms and at_ms[stage] >= at_ms[before]:
                    self.between_s.setdefault(stage, []).append((at_ms[stage] - at_ms[before]) / 1000)
        self.counts["cancelled"] += "cancelled" in at_ms
        self.counts["cross_sold"] += journey.cross_sold
        if "booked" in at_ms:
            came = any(stage in at_ms for stage in _CAME)
            self.counts["booked_arrived"] += came
            self.counts["missed"] += "missed" in at_ms and not came

    def median_s(self, stage: str) -> float | None:
        """Median seconds from the stage before; None when fewer than 5 journeys tell."""
        found = self.between_s.get(stage, [])
        return median(found) if len(found) >= SMALL else None


def journeys(entries: Iterable[Happened], until_ms: int) -> list[Journey]:
    """The journeys that first appear before `until_ms`; later ones only tell who came back."""
    found: dict[str, list[Happened]] = {}
    for each in entries:
        found.setdefault(each.journey, []).append(each)
    built = [_journey(sorted(each, key=lambda happened: happened.at_ms)) for each in found.values()]
    last: dict[str, int] = {}
    for journey in built:
        if journey.customer is not None and any(stage in journey.at_ms for stage in _CAME):
            last[journey.customer] = max(last.get(journey.customer, 0), journey.first_ms)
    served = {name for name, each in zip(found, built, strict=True) if "served" in each.at_ms}
    return [
        replace(
            each,
            returned="returned" in each.at_ms
            or (each.customer is not None and last.get(each.customer, 0) > each.first_ms),
            cross_sold=each.follow_up is not None
            and each.follow_up[0] in served
            and each.follow_up[1] not in {None, each.known["service"]},
        )
        for each in built
        if each.first_ms < until_ms
    ]


def grouped(found: Iterable[Journey], by: By) -> dict[str, Tally]:
    """The journeys by group; those of which the group is not known are in `unknown`."""
    groups: dict[str, Tally] = {}
    for journey in found:
        groups.setdefault(journey.known[by] or "unknown", Tally()).add(journey)
    return dict(sorted(groups.items()))


def monday(at_ms: int, zone: ZoneInfo) -> date:
    """The Monday of a moment's week, by the calendar of a zone."""
    day = datetime.fromtimestamp(at_ms / 1000, zone).date()
    return day - timedelta(days=day.weekday())


def whole_weeks(from_ms: int, to_ms: int, zone: ZoneInfo) -> tuple[int, int]:
    """The shortest stretch of whole weeks of a zone that holds `[from, to)`."""
    last = monday(max(from_ms, to_ms - 1), zone) + timedelta(days=7)
    return local_day_start_ms(monday(from_ms, zone), zone), local_day_start_ms(last, zone)


def cohorts(found: Iterable[Journey], zones: Mapping[str, ZoneInfo]) -> dict[str, tuple[int, int]]:
    """Monday of a customer's first journey in the period, by the calendar of its branch -> customers, those who came back."""
    firsts: dict[str, Journey] = {}
    for journey in sorted(found, key=lambda each: each.first_ms):
        if journey.customer is not None:
            firsts.setdefault(journey.customer, journey)
    weeks: dict[str, list[int]] = {}
    for first in firsts.values():
        week = weeks.setdefault(monday(first.first_ms, _zone(first, zones)).isoformat(), [0, 0])
        week[0] += 1
        week[1] += first.returned
    return {start: (size, back) for start, (size, back) in sorted(weeks.items())}


def by_week(found: Iterable[Journey], zones: Mapping[str, ZoneInfo]) -> list[list[Journey]]:
    """The journeys by branch and local week in which they began: each is in exactly one of them."""
    blocks: dict[tuple[str, date], list[Journey]] = {}
    for journey in found:
        week = monday(journey.first_ms, _zone(journey, zones))
        blocks.setdefault((journey.known["branch"] or "", week), []).append(journey)
    return [blocks[key] for key in sorted(blocks)]


@dataclass(slots=True)
class Told:
    """A count as told: absent when one of its parts is; then at least so many."""

    count: int | None = 0
    at_least: int = 0

    def add(self, part: int | None) -> None:
        """Add a part that is told, or is not."""
        self.count = None if self.count is None or part is None else self.count + part
        self.at_least += part or 0


def released_over(parts: Iterable[Mapping[str, int]], groups: Iterable[str]) -> tuple[dict[str, Told], Told]:
    """One column over several weeks and branches: each part is guarded by itself, then they are added up.

    So whatever is asked, over which time and which branches, is made of the same told numbers, and two
    answers never differ by one that is not told.
    """
    told = {group: Told() for group in groups}
    whole = Told()
    for part in parts:
        names = sorted(part)
        shown, total = released([part[name] for name in names])
        for name, count in zip(names, shown, strict=True):
            told[name].add(count)
        whole.add(total)
    return told, whole


def released(counts: Sequence[int]) -> tuple[list[int | None], int | None]:
    """The counts of one column and their total, small ones absent.

    With the small ones goes the smallest other (and those equal to it), so that the total does not tell
    them; where there is no other, the total is absent. Any order of what is absent gives the same answer.
    """
    if not any(0 < count < SMALL for count in counts):
        return list(counts), sum(counts)
    beside = min((count for count in counts if count >= SMALL), default=None)
    shown = [None if 0 < count < SMALL or count == beside else count for count in counts]
    return shown, None if beside is None else sum(counts)


def share(part: int | None, whole: int | None) -> float | None:
    """A share; None when either is absent or there is no whole."""
    return None if part is None or not whole else part / whole


def amount(each: float, count: int) -> Decimal:
    """What so many at a price come to, exact in the digits in which the price was entered: sums of lines are their total."""
    return Decimal(repr(each)) * count


def cost(of: Callable[[str], int | None], per_stage: Mapping[Stage, float]) -> float | None:
    """What the stages cost; None when no cost is given or a count is absent."""
    counts: dict[Stage, int | None] = {stage: of(stage) for stage in per_stage}
    if not per_stage or any(count is None for count in counts.values()):
        return None
    return float(sum(amount(per_stage[stage], count or 0) for stage, count in counts.items()))


def _journey(steps: Sequence[Happened]) -> Journey:
    at_ms: dict[str, int] = {}
    for step in steps:
        at_ms.setdefault(step.stage, step.at_ms)
    return Journey(
        steps[0].at_ms,
        at_ms,
        {
            "channel": next((step.channel for step in steps if step.channel), None),
            "scene": next((step.scene for step in steps if step.scene), None),
            "service": next((step.service for step in steps if step.service), None),
            "branch": steps[0].site,
            "partner": next((step.partner for step in steps if step.partner), None),
        },
        next((step.customer for step in steps if step.customer), None),
        follow_up=next((_followed(step) for step in steps if step.stage == "follow_up"), None),
    )


def _followed(step: Happened) -> tuple[str, str | None] | None:
    journey, service = step.detail.get("journey"), step.detail.get("service")
    if not isinstance(journey, str):
        return None
    return journey, service if isinstance(service, str) else None


def _zone(journey: Journey, zones: Mapping[str, ZoneInfo]) -> ZoneInfo:
    return zones.get(journey.known["branch"] or "", _UTC)
