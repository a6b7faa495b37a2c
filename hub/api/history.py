"""Heat, footfall, occupancy and zones over a stretch of time: read, then handed to the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from branchloop.clock import bucket_start_ms, iso
from branchloop.kpis import duration_quantile_s
from branchloop.site import Site
from hub.api import figures, models
from hub.api.state import State, now_ms
from hub.store.reading import Crossings, Reader, Sums
from hub.store.stretch import Span, buckets, is_whole
from hub.store.sums import Level, LineSums


@dataclass(frozen=True, slots=True)
class Question:
    """A site and a stretch, with its opening time, at one moment."""

    site: Site
    span: Span
    opening: Sequence[Span]
    now_ms: int

    @classmethod
    def of(cls, reader: Reader, site: Site, span: Span, level: Level | None = None) -> Question:
        """The question widened to what is kept. Raises InputError when buckets of `level` are gone."""
        told = figures.tellable(site, span, reader.kept(site), level)
        return cls(site, told, figures.open_spans(site, told), now_ms())

    def coverage(self, part: Span, sums: Sums) -> float | None:
        """Coverage of a part of the stretch."""
        return figures.coverage(
            figures.overlap_ms(self.opening, (part[0], min(part[1], self.now_ms))),
            figures.cameras_expected(self.site),
            sums.observed_ms,
            sums.expected_ms,
            sums.open_observed_ms,
        )


class _Quality(TypedDict):
    from_: str
    to: str
    timezone: str
    coverage: float | None
    as_of: str | None


class _Place(TypedDict):
    start: str
    end: str
    coverage: float | None
    open: bool


def heat(state: State, site: Site, from_: int, to: int, cell_m: float | None) -> models.Heat:
    """Person·seconds per cell; integers until the last division."""
    asked = figures.snap(from_, to, figures.HEAT_DAYS)
    times = figures.factor(site.plan, cell_m)
    with Reader.open(state.data_dir) as reader:
        question = Question.of(reader, site, asked)
        span = question.span
        grid = reader.heat(site, span)
        left_out = reader.heat_left_out(site, span)
        sums = reader.sums(site, span)
        methods = reader.methods(site, span)
        level = figures.gap_level(span, reader.kept(site))
        from_ms = bucket_start_ms(span[0], level, site.zone_info)
        observed = reader.observed(site, (from_ms, span[1]), level)
    cells = np.zeros((site.plan.rows, site.plan.cols), np.int64)
    if grid is not None:
        cells = grid.reshape(cells.shape)
    cells = figures.coarse(cells, times)
    measured = sums.observed_ms > 0
    gaps = figures.gaps(site, question.opening, question.now_ms, observed, level)
    return models.Heat(
        **_quality(question, sums),
        cell_m=round(site.plan.cell_m * times, 9),
        rows=cells.shape[0],
        cols=cells.shape[1],
        x0_m=0.0,
        y0_m=0.0,
        unit="person·s",
        person_seconds=(cells / 1000).tolist(),
        total=int(cells.sum()) / 1000 if measured else None,
        max=int(cells.max(initial=0)) / 1000 if measured else None,
        open_coverage=sums.open_observed_ms / sums.open_expected_ms if sums.open_expected_ms else None,
        left_out_person_seconds=left_out / 1000,
        gaps=[models.Gap(from_=iso(start), to=iso(end)) for start, end in gaps],
        method=methods,
        simulated=site.simulated,
    )


def footfall(state: State, site: Site, from_: int, to: int, bucket: str) -> models.Footfall:
    """Crossings of the entrances by local bucket."""
    level = figures.level_of(bucket)
    asked = figures.snap(from_, to, figures.MOST_DAYS[level])
    entrances = [line.id for line in site.lines if line.entrance]
    items = []
    with Reader.open(state.data_dir) as reader:
        question = Question.of(reader, site, asked, level)
        whole = reader.sums(site, question.span)
        crossings = reader.lines_by_bucket(site, question.span, level)
        for part, sums, is_bucket in _parts(reader, question, level):
            lines = crossings.get(part[0], {}) if is_bucket else reader.lines(site, part)
            went_in, went_out = through(lines, entrances, sums)
            items.append(models.FootfallBucket(**_place(question, part, sums), in_=went_in, out=went_out))
    return models.Footfall(
        **_quality(question, whole),
        bucket=level,
        entrances=entrances,
        items=items,
        total_in=figures.total([item.in_ for item in items]),
        total_out=figures.total([item.out for item in items]),
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
                **_place(question, part, sums),
                mean=figures.mean_people(sums.person_ms, sums.windows_ms, sums.observed_ms, sums.expected_ms),
                person_seconds=sums.person_ms / 1000 if sums.observed_ms else None,
            )
            for part, sums, _ in _parts(reader, question, level)
        ]
    return models.Occupancy(**_quality(question, whole), bucket=level, items=items)


def zones(state: State, site: Site, from_: int, to: int) -> models.Zones:
    """Visits and dwell of every zone."""
    asked = figures.snap(from_, to, figures.HEAT_DAYS)
    with Reader.open(state.data_dir) as reader:
        question = Question.of(reader, site, asked)
        sums = reader.sums(site, question.span)
        found = reader.zones(site, question.span)
    measured = sums.observed_ms > 0
    quality = _quality(question, sums)
    items = []
    for zone in site.zones:
        person_ms, entries, bins = found.get(zone.id, (0, 0, {}))
        items.append(
            models.ZoneFigures(
                id=zone.id,
                kind=zone.kind,
                person_seconds=person_ms / 1000 if measured else None,
                visits=entries if measured else None,
                dwell_median_s=duration_quantile_s(bins, 0.5),
                dwell_p90_s=duration_quantile_s(bins, 0.9),
                coverage=quality["coverage"],
            )
        )
    return models.Zones(**quality, items=items)


def through(lines: Crossings, names: Sequence[str], sums: Sums) -> tuple[int | None, int | None]:
    """Crossings in and out of some lines together; None when nothing was observed, or there is no line."""
    if sums.observed_ms <= 0 or not names:
        return None, None
    passed = [lines.get(name, LineSums()) for name in names]
    return sum(line.crossings_in for line in passed), sum(line.crossings_out for line in passed)


def _parts(reader: Reader, question: Question, level: Level) -> list[tuple[Span, Sums, bool]]:
    """Every bucket of the stretch with its totals, and whether it is a whole one."""
    site, zone = question.site, question.site.zone_info
    stored = reader.sums_by_bucket(site, question.span, level)
    parts = buckets(question.span, level, zone)
    partial = {part for part in (parts[0], parts[-1]) if not is_whole(part, level, zone)}
    return [
        (part, reader.sums(site, part), False)
        if part in partial
        else (part, stored.get(part[0], Sums()), True)
        for part in parts
    ]


def _quality(question: Question, sums: Sums) -> _Quality:
    return {
        "from_": iso(question.span[0]),
        "to": iso(question.span[1]),
        "timezone": question.site.timezone,
        "coverage": question.coverage(question.span, sums),
        "as_of": None if sums.last_ms is None else iso(sums.last_ms),
    }


def _place(question: Question, part: Span, sums: Sums) -> _Place:
    return {
        "start": iso(part[0]),
        "end": iso(part[1]),
        "coverage": question.coverage(part, sums),
        "open": figures.overlap_ms(question.opening, part) > 0,
    }
