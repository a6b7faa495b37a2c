"""The routes of branches and their figures. Each asks `access` first, notes the read, and hands over to a module of facts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from branchloop.clock import to_ms
from branchloop.errors import InputError
from branchloop.site.site import Site
from branchloop.wire.topics import ID_PATTERN
from hub.api import heat as floor, history, live as live_facts, queues, tables
from hub.api.access import Branches, Caller, Figures, Live
from hub.api.models import answers as models, figures as answers
from hub.api.state import State
from hub.api.stream import Stream
from hub.store.figures.reading import Reader
from hub.store.figures.stretch import Span

LATEST_MS = 4_102_444_800_000
_MOMENT = "RFC 3339 with zone; a + in an address is %2B"
From = Annotated[str, Query(alias="from", description=_MOMENT, max_length=40)]
To = Annotated[str, Query(description=_MOMENT, max_length=40)]
Bucket = Annotated[str, Query(description="minute, hour or day", max_length=10)]
Format = Annotated[
    Literal["json", "csv"],
    Query(alias="format", description="csv: a row a bucket; what was not measured is an empty field"),
]
AnswerT = TypeVar("AnswerT")
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


class Stretch:
    """A question about a stretch of time; a wrong one is refused only after access was decided."""

    def __init__(self, from_: From, to: To) -> None:
        self._from = from_
        self._to = to

    def enter(self, caller: Caller, site: str, what: str) -> Site:
        """Ask for the site, and note what of it."""
        return caller.enter(site, f"{what} {self._from} {self._to}")

    @property
    def span(self) -> Span:
        """`[start, end)` in UTC ms. Raises InputError, also for an empty one."""
        start, end = _ms(self._from, "from"), _ms(self._to, "to")
        if end <= start:
            raise InputError("`to` is not after `from`.", hint="Swap them, or ask for a longer time.")
        return start, end


class Buckets(Stretch):
    """The same, cut into buckets, as JSON or as a table."""

    def __init__(self, from_: From, to: To, bucket: Bucket = "hour", format_: Format = "json") -> None:
        super().__init__(from_, to)
        self.bucket = bucket
        self._csv = format_ == "csv"

    def told(
        self, site: Site, what: str, answer: AnswerT, table: Callable[[AnswerT], str]
    ) -> AnswerT | Response:
        """The answer in the form that was asked for."""
        return _csv(site, what, table(answer)) if self._csv else answer


Over = Annotated[Stretch, Depends()]
ByBucket = Annotated[Buckets, Depends()]


def routes() -> APIRouter:
    """The routes under /api/v1/branches that tell of branches and their figures."""
    router = APIRouter(prefix="/api/v1/branches")

    @router.get("", tags=["branches"])
    def branches(
        request: Request,
        caller: Branches,
        after: Annotated[
            str | None, Query(pattern=ID_PATTERN, description="`next` of the page before")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> models.Branches:
        """The branches in the token's scope, by id."""
        state: State = request.app.state.hub
        seen = [site for site in sorted(state.config.sites) if caller.sees(site) and site > (after or "")]
        page = seen[:limit]
        if len(page) == 1:
            caller.enter(page[0], "list")
        elif page:
            caller.note(f"list {page[0]} to {page[-1]}, {len(page)} branches")
        with Reader.open(state.data_dir) as reader:
            items = [live_facts.summary(reader, state.config.sites[site]) for site in page]
        return models.Branches(items=items, next=seen[limit - 1] if len(seen) > limit else None)

    @router.get("/{site_id}", tags=["branches"])
    def branch(caller: Branches, site_id: str) -> models.Branch:
        """Plan, lines, zones, cameras and sensors of a branch."""
        return _described(caller.enter(site_id), caller.permissions)

    @router.get("/{site_id}/live", tags=["figures"])
    def live(request: Request, caller: Live, site_id: str) -> models.Live:
        """What is the case right now."""
        return live_facts.live(request.app.state.hub, caller.enter(site_id))

    @router.get("/{site_id}/heat", tags=["figures"])
    def heat(
        request: Request,
        caller: Figures,
        site_id: str,
        asked: Over,
        cell_m: Annotated[float | None, Query(gt=0, le=100)] = None,
        layer: Annotated[
            Literal["presence", "filled"],
            Query(description="what cameras saw, or what was estimated from sensors where none looked"),
        ] = "presence",
    ) -> answers.Heat:
        """Person·seconds per cell of the floor plan, at most 400 days at once."""
        site = asked.enter(caller, site_id, "heat")
        return floor.heat(request.app.state.hub, site, *asked.span, cell_m, layer)

    @router.get("/{site_id}/flow", tags=["figures"])
    def flow(request: Request, caller: Figures, site_id: str, asked: Over) -> answers.Flow:
        """Which way people walked, by cell of a coarse grid, at most 400 days at once."""
        site = asked.enter(caller, site_id, "flow")
        return floor.flow(request.app.state.hub, site, *asked.span)

    @router.get("/{site_id}/footfall", tags=["figures"], response_model=answers.Footfall, responses=_CSV)
    def footfall(
        request: Request, caller: Figures, site_id: str, asked: ByBucket
    ) -> answers.Footfall | Response:
        """Crossings of the entrances by minute (7 days), hour (62) or day (800) of the branch."""
        site = asked.enter(caller, site_id, "footfall")
        answer = history.footfall(request.app.state.hub, site, *asked.span, asked.bucket)
        return asked.told(site, "footfall", answer, tables.footfall)

    @router.get("/{site_id}/occupancy", tags=["figures"], response_model=answers.Occupancy, responses=_CSV)
    def occupancy(
        request: Request, caller: Figures, site_id: str, asked: ByBucket
    ) -> answers.Occupancy | Response:
        """Mean number of people by minute (7 days), hour (62) or day (800) of the branch."""
        site = asked.enter(caller, site_id, "occupancy")
        answer = history.occupancy(request.app.state.hub, site, *asked.span, asked.bucket)
        return asked.told(site, "occupancy", answer, tables.occupancy)

    @router.get("/{site_id}/queues", tags=["figures"], response_model=answers.Queues, responses=_CSV)
    def queues_(
        request: Request, caller: Figures, site_id: str, asked: ByBucket
    ) -> answers.Queues | Response:
        """Lengths, waits and abandonment of every queue by minute (7 days), hour (62) or day (800)."""
        site = asked.enter(caller, site_id, "queues")
        answer = queues.queues(request.app.state.hub, site, *asked.span, asked.bucket)
        return asked.told(site, "queues", answer, tables.queues)

    @router.get("/{site_id}/zones", tags=["figures"])
    def zones(request: Request, caller: Figures, site_id: str, asked: Over) -> answers.Zones:
        """Visits and dwell of every zone, at most 400 days at once."""
        site = asked.enter(caller, site_id, "zones")
        return history.zones(request.app.state.hub, site, *asked.span)

    @router.get(
        "/{site_id}/stream",
        tags=["figures"],
        response_class=StreamingResponse,
        responses={200: {"description": "Server-sent events", "content": {"text/event-stream": {}}}},
    )
    async def stream(
        request: Request,
        caller: Live,
        site_id: str,
        last_event_id: Annotated[str | None, Header(max_length=40)] = None,
    ) -> StreamingResponse:
        """Server-sent events: notice, window, status, alarm and dots as they come, gap where some are gone."""
        events: Stream = request.app.state.stream
        events.admit()
        site = await asyncio.to_thread(caller.enter, site_id, "stream")
        return StreamingResponse(
            events.follow(site.id, _event_id(last_event_id), caller.still_may),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    return router


def _csv(site: Site, what: str, text: str) -> Response:
    name = f"{site.id}-{what}.csv"
    return Response(
        text, media_type=tables.MEDIA_TYPE, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _ms(text: str, name: str) -> int:
    try:
        moment = to_ms(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"`{name}` is {text[:40]!r}: {error}.",
            hint="Write RFC 3339 with a zone: 2026-11-23T09:00:00+08:00; in an address its + is %2B.",
        ) from error
    if not 0 <= moment <= LATEST_MS:
        raise InputError(f"`{name}` is {text[:40]!r}: out of range.", hint="Give a time from 1970 to 2099.")
    return moment


def _event_id(text: str | None) -> int | None:
    """The id to resume after; what is no id of ours resumes nothing."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _described(site: Site, may: list[str]) -> models.Branch:
    plan = site.plan
    return models.Branch(
        id=site.id,
        name=site.name,
        timezone=site.timezone,
        simulated=site.simulated,
        note=site.note,
        hours=dict(site.hours),
        version=site.version,
        plan=models.FloorPlan(
            width_m=plan.width_m,
            height_m=plan.height_m,
            cell_m=plan.cell_m,
            rows=plan.rows,
            cols=plan.cols,
            walls=plan.walls,
        ),
        lines=[
            models.LinePlace(
                id=line.id, name=line.name, from_=line.from_, to=line.to, inside=line.inside, entrance=line.entrance
            )
            for line in site.lines
        ],
        zones=[
            models.ZonePlace(
                id=zone.id, kind=zone.kind, name=zone.name, polygon=zone.polygon, min_stay_s=zone.min_stay_s
            )
            for zone in site.zones
        ],
        may=may,
        cameras=[models.CameraPlace(id=camera.id, name=camera.name) for camera in site.cameras],
        sensors=[
            models.SensorPlace(
                id=sensor.id, kind=sensor.kind, name=sensor.name,
                x_m=sensor.x_m, y_m=sensor.y_m, height_m=sensor.height_m, cone_deg=sensor.cone_deg,
            )
            for sensor in site.sensors
        ],
    )  # fmt: skip
