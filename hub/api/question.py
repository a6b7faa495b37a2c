"""What a question about the past is about: a site and a stretch, its quality and its buckets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypedDict

from branchloop.clock import iso
from branchloop.site.site import Site
from hub.api import figures, taints
from hub.api.models.answers import Taint
from hub.api.state import now_ms
from hub.store.figures.reading import Reader, Sums
from hub.store.figures.stretch import Span, buckets, is_whole
from hub.store.figures.sums import Level, LineSums, QueueSums, ZoneSums


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
        now = now_ms()
        return cls(site, told, reader.hours(site, now).spans(told), now)

    def opened_ms(self, part: Span) -> int:
        """Opening time up to now in a part of the stretch."""
        return figures.overlap_ms(self.opening, (part[0], min(part[1], self.now_ms)))

    def coverage(self, part: Span, sums: Sums) -> float | None:
        """Coverage of a part of the stretch."""
        return figures.coverage(
            self.opened_ms(part),
            sums.windows_ms,
            sums.observed_ms,
            sums.expected_ms,
            sums.open_observed_ms,
        )


def of_part(covered: float | None, part: LineSums | ZoneSums | QueueSums, sums: Sums) -> float | None:
    """Coverage of a zone or a queue: that of the branch, times how much more or less of the time that part was in sight.

    By opening time where any was observed, as coverage itself is.
    """
    if covered is None:
        return None
    if sums.open_observed_ms > 0:
        return min(1.0, covered * part.open_observed_ms / sums.open_observed_ms)
    return min(1.0, covered * part.observed_ms / sums.observed_ms) if sums.observed_ms > 0 else covered


class Quality(TypedDict):
    """What every answer about a stretch tells; see `models_figures.Stretch`."""

    from_: str
    to: str
    timezone: str
    opened_s: float
    coverage: float | None
    as_of: str | None
    tainted: list[Taint]


class Place(TypedDict):
    """What every bucket tells; see `models_figures.Bucket`."""

    start: str
    end: str
    coverage: float | None
    open: bool


def parts(reader: Reader, question: Question, level: Level) -> list[tuple[Span, Sums, bool]]:
    """Every bucket of the stretch with its totals, and whether it is a whole one."""
    site, zone = question.site, question.site.zone_info
    stored = reader.sums_by_bucket(site, question.span, level)
    cut = buckets(question.span, level, zone)
    partial = {part for part in (cut[0], cut[-1]) if not is_whole(part, level, zone)}
    return [
        (part, reader.sums(site, part), False)
        if part in partial
        else (part, stored.get(part[0], Sums()), True)
        for part in cut
    ]


def quality(reader: Reader, question: Question, sums: Sums, told: Collection[str]) -> Quality:
    """The quality of an answer; `told` are the figures (keys of the KPI table) in it."""
    return {
        "from_": iso(question.span[0]),
        "to": iso(question.span[1]),
        "timezone": question.site.timezone,
        "opened_s": question.opened_ms(question.span) / 1000,
        "coverage": question.coverage(question.span, sums),
        "as_of": None if sums.last_ms is None else iso(sums.last_ms),
        "tainted": taints.of_figures(told, reader.doubts(question.site, question.span, question.now_ms)),
    }


def place(question: Question, part: Span, sums: Sums) -> Place:
    """The quality of a bucket."""
    return {
        "start": iso(part[0]),
        "end": iso(part[1]),
        "coverage": question.coverage(part, sums),
        "open": figures.overlap_ms(question.opening, part) > 0,
    }
