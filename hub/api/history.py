"""Footfall, occupancy and zones over a stretch of time: read, then handed to the figures."""

from __future__ import annotations

from dataclasses import dataclass

from branchloop.kpis import duration_quantile_s
from branchloop.site.site import Site
from hub.api import figures
from hub.api.models import figures as models
from hub.api.question import Question, of_part, parts, place, quality
from hub.api.state import State
from hub.store.figures.reading import Reader, Sums
from hub.store.figures.sums import LineSums, ZoneSums


def footfall(state: State, site: Site, from_: int, to: int, bucket: str) -> models.Footfall:
    """Crossings of the entrances by local bucket."""
    level = figures.level_of(bucket)
    asked = figures.snap(from_, to, figures.MOST_DAYS[level])
    items = []
    with Reader.open(state.data_dir) as reader:
        question = Question.of(reader, site, asked, level)
        whole = reader.sums(site, question.span)
        crossings = reader.entered_by_bucket(site, question.span, level)
        for part, sums, is_bucket in parts(reader, question, level):
            passed = crossings.get(part[0], LineSums()) if is_bucket else reader.entered(site, part)
            through = Through.of(passed, sums)
            where = place(question, part, sums)
            where["coverage"] = covered_at(where["coverage"], site, passed, sums)
            items.append(
                models.FootfallBucket(
                    **where,
                    in_=through.went_in,
                    out=through.went_out,
                    returned=through.returned,
                    visitors=through.visitors,
                )
            )
        told = quality(reader, question, whole, ("footfall", "crossings_in", "crossings_out"))
        told["coverage"] = covered_at(told["coverage"], site, reader.entered(site, question.span), whole)
    return models.Footfall(
        **told,
        bucket=level,
        entrances=[line.id for line in site.entrances],
        items=items,
        total_in=figures.total([item.in_ for item in items]),
        total_out=figures.total([item.out for item in items]),
        total_returned=figures.total([item.returned for item in items]),
        total_visitors=figures.total([item.visitors for item in items]),
    )


def occupancy(state: State, site: Site, from_: int, to: int, bucket: str) -> models.Occupancy:
    """Mean people on the floor by local bucket."""
    level = figures.level_of(bucket)
    asked = figures.snap(from_, to, figures.MOST_DAYS[level])
    with Reader.open(state.data_dir) as reader:
        question = Question.of(reader, site, asked, level)
        whole = reader.sums(site, question.span)
        items = [
            models.OccupancyBucket(
                **place(question, part, sums),
                mean=figures.mean_people(sums.person_ms, sums.looked_ms),
                person_seconds=sums.person_ms / 1000 if sums.observed_ms else None,
                staff_person_seconds=sums.staff_ms / 1000 if sums.observed_ms else None,
            )
            for part, sums, _ in parts(reader, question, level)
        ]
        told = quality(reader, question, whole, ("occupancy", "person_seconds"))
    return models.Occupancy(**told, bucket=level, items=items)


def zones(state: State, site: Site, from_: int, to: int) -> models.Zones:
    """Visits and dwell of every zone."""
    asked = figures.snap(from_, to, figures.HEAT_DAYS)
    with Reader.open(state.data_dir) as reader:
        question = Question.of(reader, site, asked)
        sums = reader.sums(site, question.span)
        found = reader.zones(site, question.span)
        told = quality(reader, question, sums, ("zone_occupancy", "zone_visits", "dwell_median", "dwell_p90"))
    measured = sums.observed_ms > 0
    floor_ms = sums.person_ms if measured else 0
    items = []
    for zone in site.zones:
        stays = found.get(zone.id, ZoneSums())
        there = measured and stays.observed_ms > 0
        always = there and stays.observed_ms >= sums.observed_ms
        items.append(
            models.ZoneFigures(
                id=zone.id,
                kind=zone.kind,
                person_seconds=stays.person_ms / 1000 if there else None,
                share=stays.person_ms / floor_ms if always and 0 < floor_ms >= stays.person_ms else None,
                visits=stays.entries if there else None,
                dwell_median_s=duration_quantile_s(stays.bins, 0.5),
                dwell_p90_s=duration_quantile_s(stays.bins, 0.9),
                coverage=of_part(told["coverage"], stays, sums),
            )
        )
    return models.Zones(**told, floor_person_seconds=sums.person_ms / 1000 if measured else None, items=items)


@dataclass(frozen=True, slots=True)
class Through:
    """Crossings of a line, or of the entrances, without staff; None when none was there, or in sight at any time."""

    went_in: int | None = None
    went_out: int | None = None
    returned: int | None = None
    visitors: int | None = None

    @classmethod
    def of(cls, passed: LineSums, sums: Sums) -> Through:
        """Of what passed while these totals were observed."""
        if sums.observed_ms <= 0 or passed.observed_ms <= 0:
            return cls()
        return cls(passed.crossings_in, passed.crossings_out, passed.returned, passed.visitors)


def covered_at(covered: float | None, site: Site, passed: LineSums, sums: Sums) -> float | None:
    """Coverage of the entrances: that of the branch, as far as its windows told of them, and by how much of them was in sight.

    That of the branch where there are none, and were none.
    """
    return of_part(covered, passed, sums) if site.entrances or passed.told_ms else covered
