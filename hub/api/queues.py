"""The queues of a branch: right now, and over a stretch of time."""

from __future__ import annotations

from typing import TypedDict

from branchloop.clock import MINUTE_MS, iso
from branchloop.kpis import duration_quantile_s
from branchloop.site.site import Site
from hub.api import box, figures, taints
from hub.api.models import answers as models, figures as answers
from hub.api.newest import Newest, figure_of
from hub.api.question import Question, of_part, parts, place, quality
from hub.api.state import State, now_ms
from hub.store.figures.reading import Reader, Sums
from hub.store.figures.stretch import Span
from hub.store.figures.sums import QueueSums, per_camera_ms

RECENT_MS = 30 * MINUTE_MS
FIGURES = ("queue_length", "wait_median", "wait_p90", "abandonment")


class _Span(TypedDict):
    length_mean: float | None
    joined: int | None
    served: int | None
    abandoned: int | None
    lost: int | None
    abandonment: float | None
    wait_median_s: float | None
    wait_p90_s: float | None


def names(site: Site) -> list[str]:
    """The zones of a site that are queues."""
    return [zone.id for zone in site.zones if zone.kind == "queue"]


def queues(state: State, site: Site, from_: int, to: int, bucket: str) -> answers.Queues:
    """Every queue of a branch by local bucket."""
    level = figures.level_of(bucket)
    asked = figures.snap(from_, to, figures.MOST_DAYS[level])
    with Reader.open(state.data_dir) as reader:
        question = Question.of(reader, site, asked, level)
        span = question.span
        whole, in_whole = reader.sums(site, span), reader.queues(site, span)
        stored = reader.queues_by_bucket(site, span, level)
        cut = [
            (part, sums, stored.get(part[0], {}) if is_bucket else reader.queues(site, part))
            for part, sums, is_bucket in parts(reader, question, level)
        ]
        told = quality(reader, question, whole, FIGURES)
        newest, device = Newest(reader.latest(site.id) or {}), reader.device(site)
        opened = [(alert.kind, alert.subject) for alert in reader.open_alerts(site.id)]
    faults = taints.right_now(newest.body, box.said(device, now_ms()), opened)
    items = []
    for queue in names(site):
        in_buckets = []
        for part, sums, waits in cut:
            found = waits.get(queue, QueueSums())
            where = place(question, part, sums)
            where["coverage"] = of_part(where["coverage"], found, sums)
            in_buckets.append(answers.QueueBucket(**where, **_span(found, sums)))
        found = in_whole.get(queue, QueueSums())
        items.append(
            answers.QueueFigures(
                id=queue,
                waiting_now=_waiting(queue, newest, faults),
                **_span(found, whole),
                coverage=of_part(told["coverage"], found, whole),
                buckets=in_buckets,
            )
        )
    return answers.Queues(**told, bucket=level, items=items)


def recent(at_ms: int) -> Span:
    """The last half hour, to the end of this minute."""
    end_ms = at_ms - at_ms % MINUTE_MS + MINUTE_MS
    return end_ms - RECENT_MS, end_ms


def right_now(
    reader: Reader, site: Site, newest: Newest, faults: taints.Faults, now: int
) -> list[models.QueueNow]:
    """Every queue of a branch: who waits, and how long those waited who were served lately."""
    span = recent(now)
    sums, found = reader.sums(site, span), reader.queues(site, span)
    spoiled = taints.of_figure("wait_median", reader.doubts(site, span, now))
    covered = Question(site, span, reader.hours(site, now).spans(span), now).coverage(span, sums)
    items = []
    for queue in names(site):
        waits = found.get(queue, QueueSums())
        told = _span(waits, sums)
        items.append(
            models.QueueNow(
                id=queue,
                waiting=_waiting(queue, newest, faults),
                wait=figure_of(
                    told["wait_median_s"],
                    "s",
                    of_part(covered, waits, sums),
                    sums.last_ms,
                    spoiled,
                ),
                wait_p10_s=duration_quantile_s(waits.served, 0.1),
                wait_p90_s=told["wait_p90_s"],
                wait_from=iso(span[0]),
                served=told["served"],
                abandoned=told["abandoned"],
            )
        )
    return items


def _waiting(queue: str, newest: Newest, faults: taints.Faults) -> models.Figure:
    part = newest.by_id("queues", "queue").get(queue)
    waiting = None if part is None else part.get("waiting_end")
    return newest.figure(waiting, newest.coverage_of(part), taints.of_figure("queue_length", faults))


def _span(waits: QueueSums, sums: Sums) -> _Span:
    looked_ms = per_camera_ms(waits.observed_ms, sums.windows_ms, sums.expected_ms) or 0
    measured = waits.windows_ms > 0 and looked_ms > 0
    ended = waits.served_count + waits.abandoned_count
    return {
        "length_mean": figures.mean_people(waits.person_ms, looked_ms),
        "joined": waits.joined if measured else None,
        "served": waits.served_count if measured else None,
        "abandoned": waits.abandoned_count if measured else None,
        "lost": waits.lost if measured else None,
        "abandonment": waits.abandoned_count / ended if measured and ended else None,
        "wait_median_s": duration_quantile_s(waits.served, 0.5),
        "wait_p90_s": duration_quantile_s(waits.served, 0.9),
    }
