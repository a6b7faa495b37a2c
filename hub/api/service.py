"""A day of service: what tickets say by service, and what the floor says beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from branchloop.clock import from_ms, iso, local_day_end_ms, local_day_start_ms, to_ms
from branchloop.site.kiosk import Service
from branchloop.site.serving import fellow_queues
from branchloop.site.site import Site
from hub.api import queues
from hub.api.models import figures as models_figures, service as models
from hub.api.newest import stale
from hub.api.state import State
from hub.loop import service_day as rules
from hub.loop.forecast import Wait
from hub.loop.value import SMALL
from hub.store.book import service_day as kept
from hub.store.book.forecasting import waits
from hub.store.connection import reading


def day(state: State, site: Site, asked: date, now_ms: int, *, small: bool) -> models.ServiceDay:
    """The day's figures; with `small`, for who may not see single persons."""
    start_ms, end_ms = (
        local_day_start_ms(asked, site.zone_info), local_day_end_ms(asked, site.zone_info)
    )  # fmt: skip
    is_today = from_ms(now_ms, site.zone_info).date() == asked
    with reading(state.data_dir) as db:
        visits = kept.visits(db, state.book, site, asked)
        if is_today:
            visits += kept.over_midnight(db, site, now_ms)
        told = kept.told(db, site, end_ms)
        expected = waits(db, state.book, site, now_ms) if is_today else {}
    whole = rules.total(visits)
    rows = [rules.counts(each for each in visits if each.service == service.id) for service in site.services]
    if small:
        offered = {service.id for service in site.services}
        rest = rules.counts(each for each in visits if each.service not in offered)
        rows, whole = rules.released(rows, rest, whole)
    told_of_ms = now_ms if is_today else None
    floor = [] if start_ms > now_ms else _floor(state, site, start_ms, end_ms, told_of_ms)
    return models.ServiceDay(
        day=asked.isoformat(),
        as_of=iso(now_ms),
        total=_figures(None, whole, visits, told, None, small=small),
        services=[
            _figures(
                service,
                row,
                [each for each in visits if each.service == service.id],
                [each for each in told if each.service == service.id],
                expected.get(service.id),
                small=small,
            )
            for service, row in zip(site.services, rows, strict=True)
        ],
        floor=floor,
        beside=_beside(whole.came if site.services else None, floor, share=_share_counters(site)),
    )


def _figures(
    service: Service | None,
    row: rules.Counts,
    visits: Sequence[rules.Visit],
    told: Sequence[rules.Told],
    wait: Wait | None,
    *,
    small: bool,
) -> models.ServiceFigures:
    closed = row.came is None
    lengths = rules.lengths([] if closed else visits)
    error = rules.error(told)
    few = small and (error.waits < SMALL or any(map(_few, _by_service(told))))
    return models.ServiceFigures(
        service=None if service is None else service.id,
        name=None if service is None else service.name,
        came=row.came, waiting=row.waiting, serving=row.serving, parked=row.parked, served=row.served,
        left=row.left, sent_on=row.sent_on, left_share=row.gone, missed=row.missed, no_show=row.no_show,
        wait_median_s=lengths.wait_median_s, wait_p90_s=lengths.wait_p90_s,
        service_median_s=lengths.service_median_s, service_p90_s=lengths.service_p90_s,
        outcomes=None if row.outcomes is None else {str(key): count for key, count in row.outcomes.items()},
        expected_wait_s=wait and wait.expected_s,
        expected_low_s=wait and wait.low_s,
        expected_high_s=wait and wait.high_s,
        error=models.ForecastError(
            waits=None if few else error.waits,
            mae_s=None if few else error.mae_s,
            covered=None if few else error.covered,
            no_wait=None if few else error.no_wait,
            no_wait_wrong=None if few else error.no_wait_wrong,
        ),
        absent="small" if closed else None,
    )  # fmt: skip


def _by_service(told: Sequence[rules.Told]) -> list[rules.Error]:
    """The total less what is told of the others would tell a service of which too few were judged."""
    return [
        rules.error(each for each in told if each.service == service)
        for service in {each.service for each in told}
    ]


def _few(error: rules.Error) -> bool:
    return any(0 < count < SMALL for count in (error.waits, error.no_wait, error.no_wait_wrong))


def _floor(
    state: State, site: Site, start_ms: int, end_ms: int, now_ms: int | None
) -> list[models.FloorQueue]:
    names: Mapping[str, object] = {zone.id: zone.name for zone in site.zones}
    seen = queues.queues(state, site, start_ms, end_ms, "day").items
    return [_queue(queue, names[queue.id], start_ms, now_ms) for queue in seen]


def _queue(
    queue: models_figures.QueueFigures, name: object, start_ms: int, now_ms: int | None
) -> models.FloorQueue:
    waiting = queue.waiting_now
    end_ms = None if waiting.as_of is None else to_ms(datetime.fromisoformat(waiting.as_of))
    is_now = now_ms is not None and end_ms is not None and end_ms > start_ms and not stale(end_ms, now_ms)
    return models.FloorQueue.model_validate(
        {
            "id": queue.id, "name": name, "waiting_now": waiting.value if is_now else None,
            "joined": queue.joined, "served": queue.served, "abandoned": queue.abandoned,
            "abandonment": queue.abandonment, "wait_median_s": queue.wait_median_s, "coverage": queue.coverage,
        }
    )  # fmt: skip


def _share_counters(site: Site) -> bool:
    """Whether somebody may join two queues on the way to one counter: then their joins are not people."""
    return any(zone.kind == "queue" and fellow_queues(zone, site.zones) for zone in site.zones)


def _beside(tickets: int | None, floor: Sequence[models.FloorQueue], *, share: bool) -> models.Beside:
    joins = [each.joined for each in floor if each.joined is not None]
    joined = sum(joins) if floor and len(joins) == len(floor) and not share else None
    covered = [each.coverage for each in floor if each.coverage is not None]
    return models.Beside(
        tickets=tickets,
        joined=joined,
        difference=None if joined is None or tickets is None else joined - tickets,
        absent="shared_counters" if share else None,
        coverage=min(covered) if covered and len(covered) == len(floor) else None,
    )
