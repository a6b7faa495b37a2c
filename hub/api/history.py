"""Footfall, occupancy and zones over a stretch of time: read, then handed to the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from branchloop.kpis import duration_quantile_s
from branchloop.site import Site
from hub.api import figures
from hub.api import models_figures as models
from hub.api.question import Question, of_part, parts, place, quality
from hub.api.state import State
from hub.store.reading import Crossings, Reader, Sums
from hub.store.sums import Watched, ZoneSums


def footfall(state: State, site: Site, from_: int, to: int, bucket: str) -> models.Footfall:
    """Crossings of the entrances by local bucket."""
    level = figures.level_of(bucket)
    asked = figures.snap(from_, to, figures.MOST_DAYS[level])
    entrances = [line.id for line in site.entrances]
    items = []
    with Reader.open(state.data_dir) as reader:
        question = Question.of(reader, site, asked, level)
        whole = reader.sums(site, question.span)
        crossings = reader.lines_by_bucket(site, question.span, level)
        for part, sums, is_bucket in parts(reader, question, level):
            lines = crossings.get(part[0], {}) if is_bucket else reader.lines(site, part)
            through = Through.of(lines, entrances, sums, reader.watched(site, entrances, part))
            where = place(question, part, sums)
            where["coverage"] = through.coverage(where["coverage"], sums)
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
        watched = reader.watched(site, entrances, question.span)
        passed = Through.of(reader.lines(site, question.span), entrances, whole, watched)
    told["coverage"] = passed.coverage(told["coverage"], whole)
    return models.Footfall(
        **told,
        bucket=level,
        entrances=entrances,
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
    """Crossings of some lines together, without staff; None when none of them was there, or in sight at any time."""

    went_in: int | None = None
    went_out: int | None = None
    returned: int | None = None
    visitors: int | None = None
    watched: Watched | None = None
    """How long they were observed; None where there is none to tell of."""

    @classmethod
    def of(cls, lines: Crossings, names: Sequence[str], sums: Sums, watched: Watched | None) -> Through:
        """Of the lines of these names; one that no window named was drawn later, or had another name.

        A further door takes nothing from the coverage of the time before it: the lines of then counted alone.
        """
        passed = [lines[name] for name in names if name in lines]
        told = watched if names else None
        if sums.observed_ms <= 0 or not any(line.observed_ms for line in passed):
            return cls(watched=told)
        return cls(
            sum(line.crossings_in for line in passed),
            sum(line.crossings_out for line in passed),
            sum(line.returned for line in passed),
            sum(line.visitors for line in passed),
            told,
        )

    def coverage(self, covered: float | None, sums: Sums) -> float | None:
        """That of the branch, as far as its windows told of these lines, and by how much of them was in sight."""
        return covered if self.watched is None else of_part(covered, self.watched, sums)
