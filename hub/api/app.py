"""The routes. Each asks `access` first, notes the read, and hands over to a module of facts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from branchloop import __version__
from branchloop.clock import iso, to_ms
from branchloop.errors import DependencyError, InputError
from branchloop.site import Site
from branchloop.topics import ID_PATTERN
from hub.api import (
    booking,
    configuration,
    consents,
    enrolment,
    history,
    models,
    pages,
    pictures,
    problems,
    quality_routes,
    queues,
    tables,
)
from hub.api import heat as floor
from hub.api import live as live_facts
from hub.api.access import Branches, Figures, Live
from hub.api.guard import Guard
from hub.api.state import State, now_ms
from hub.api.stream import Stream
from hub.store.reading import Reader

ALIVE_MS = 10_000
LATEST_MS = 4_102_444_800_000
From = Annotated[str, Query(alias="from", description="RFC 3339 with zone", max_length=40)]
To = Annotated[str, Query(description="RFC 3339 with zone", max_length=40)]
Bucket = Annotated[str, Query(description="minute, hour or day", max_length=10)]
Format = Annotated[
    Literal["json", "csv"], Query(description="csv: a row a bucket; what was not measured is an empty field")
]
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in {
        401: "No valid token came with the request.",
        403: "The token's role or sites do not allow this.",
        404: "There is no such branch (told only to roles that see all).",
        422: "The question is wrong; `hint` says how to mend it.",
        503: "The hub cannot answer now.",
    }.items()
}


_TAKEN: dict[str, Any] = {
    **_PROBLEMS[422],
    "description": "Somebody was faster, or the step does not follow.",
}
_TOO_SOON: dict[str, Any] = {**_PROBLEMS[422], "description": "The picture that is there is young enough."}
_LINK_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {**_PROBLEMS[422], "description": description}
    for status, description in {
        404: "The link is not known, or has expired.",
        413: "The photos are too large.",
        422: "What was sent is wrong; `hint` says how to mend it.",
        429: "Too many unknown links were tried.",
        503: "The hub cannot answer now.",
    }.items()
}


class HubApi(FastAPI):
    """FastAPI whose description knows our problems."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = models.Problem.model_json_schema()
        return document


def create_app(state: State | None) -> FastAPI:
    """The API over a hub's state; without one only its description can be asked for."""

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if state is None:
            yield
            return
        stream = app.state.stream = Stream(state)
        await asyncio.to_thread(stream.begin)
        task = asyncio.create_task(stream.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    app = HubApi(
        title="branchloop hub",
        version=__version__,
        description="Foot traffic, heat and queues of a bank's branches. Every figure carries its quality.",
        lifespan=life,
        docs_url=None,  # its page would fetch scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.hub = state
    problems.install(app)
    app.add_middleware(Guard)
    app.include_router(_operation())
    app.include_router(_branches())
    app.include_router(booking.routes(), responses={**_PROBLEMS, 409: _TAKEN})
    app.include_router(enrolment.staff_routes(), responses=_PROBLEMS)
    app.include_router(enrolment.link_routes(), responses=_LINK_PROBLEMS)
    app.include_router(consents.routes(), responses=_PROBLEMS)
    app.include_router(pictures.routes(_TOO_SOON), responses=_PROBLEMS)
    app.include_router(quality_routes.routes(), responses=_PROBLEMS)
    app.include_router(configuration.routes(), responses={**_PROBLEMS, 409: _TAKEN})
    app.include_router(pages.routes())
    return app


def _operation() -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/health")
    def health(request: Request) -> models.Health:
        """Whether the hub works; needs no token and tells nothing of any branch."""
        state: State = request.app.state.hub
        stream: Stream = request.app.state.stream
        readable = True
        connected, heard_ms, committed_ms = False, 0, None
        try:
            with Reader.open(state.data_dir) as reader:
                connected, heard_ms, committed_ms = reader.ingest()
        except DependencyError:
            readable = False
        alive = connected and now_ms() - heard_ms < ALIVE_MS
        return models.Health(
            status="ok" if alive and readable and stream.running else "degraded",
            version=__version__,
            ingest=models.Ingest(
                connected=alive, last_commit=None if committed_ms is None else iso(committed_ms)
            ),
            checks={
                "database": readable,
                "ingest": alive,
                "live": state.dots.connected,
                "stream": stream.running,
            },
        )

    return router


def _branches() -> APIRouter:
    router = APIRouter(prefix="/api/v1/branches", responses=_PROBLEMS)

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
        with Reader.open(state.data_dir) as reader:
            items = [live_facts.summary(reader, caller.enter(site, "list")) for site in seen[:limit]]
        return models.Branches(items=items, next=seen[limit - 1] if len(seen) > limit else None)

    @router.get("/{site_id}", tags=["branches"])
    def branch(caller: Branches, site_id: str) -> models.Branch:
        """Plan, lines, zones, cameras and sensors of a branch."""
        return _described(caller.enter(site_id))

    @router.get("/{site_id}/live", tags=["figures"])
    def live(request: Request, caller: Live, site_id: str) -> models.Live:
        """What is the case right now."""
        return live_facts.live(request.app.state.hub, caller.enter(site_id))

    @router.get("/{site_id}/heat", tags=["figures"])
    def heat(
        request: Request,
        caller: Figures,
        site_id: str,
        from_: From,
        to: To,
        cell_m: Annotated[float | None, Query(gt=0, le=100)] = None,
        layer: Annotated[
            Literal["presence", "filled"],
            Query(description="what cameras saw, or what was estimated from sensors where none looked"),
        ] = "presence",
    ) -> models.Heat:
        """Person·seconds per cell of the floor plan, at most 400 days at once."""
        site = caller.enter(site_id, f"heat {from_} {to}")
        return floor.heat(request.app.state.hub, site, _ms(from_, "from"), _ms(to, "to"), cell_m, layer)

    @router.get("/{site_id}/flow", tags=["figures"])
    def flow(request: Request, caller: Figures, site_id: str, from_: From, to: To) -> models.Flow:
        """Which way people walked, by cell of a coarse grid, at most 400 days at once."""
        site = caller.enter(site_id, f"flow {from_} {to}")
        return floor.flow(request.app.state.hub, site, _ms(from_, "from"), _ms(to, "to"))

    @router.get("/{site_id}/footfall", tags=["figures"], response_model=models.Footfall, responses=_CSV)
    def footfall(
        request: Request,
        caller: Figures,
        site_id: str,
        from_: From,
        to: To,
        bucket: Bucket = "hour",
        format_: Annotated[Format, Query(alias="format")] = "json",
    ) -> models.Footfall | Response:
        """Crossings of the entrances by minute (7 days), hour (62) or day (800) of the branch."""
        site = caller.enter(site_id, f"footfall {from_} {to}")
        answer = history.footfall(request.app.state.hub, site, _ms(from_, "from"), _ms(to, "to"), bucket)
        return answer if format_ == "json" else _csv(site, "footfall", tables.footfall(answer))

    @router.get("/{site_id}/occupancy", tags=["figures"], response_model=models.Occupancy, responses=_CSV)
    def occupancy(
        request: Request,
        caller: Figures,
        site_id: str,
        from_: From,
        to: To,
        bucket: Bucket = "hour",
        format_: Annotated[Format, Query(alias="format")] = "json",
    ) -> models.Occupancy | Response:
        """Mean number of people by minute (7 days), hour (62) or day (800) of the branch."""
        site = caller.enter(site_id, f"occupancy {from_} {to}")
        answer = history.occupancy(request.app.state.hub, site, _ms(from_, "from"), _ms(to, "to"), bucket)
        return answer if format_ == "json" else _csv(site, "occupancy", tables.occupancy(answer))

    @router.get("/{site_id}/queues", tags=["figures"], response_model=models.Queues, responses=_CSV)
    def queues_(
        request: Request,
        caller: Figures,
        site_id: str,
        from_: From,
        to: To,
        bucket: Bucket = "hour",
        format_: Annotated[Format, Query(alias="format")] = "json",
    ) -> models.Queues | Response:
        """Lengths, waits and abandonment of every queue by minute (7 days), hour (62) or day (800)."""
        site = caller.enter(site_id, f"queues {from_} {to}")
        answer = queues.queues(request.app.state.hub, site, _ms(from_, "from"), _ms(to, "to"), bucket)
        return answer if format_ == "json" else _csv(site, "queues", tables.queues(answer))

    @router.get("/{site_id}/zones", tags=["figures"])
    def zones(request: Request, caller: Figures, site_id: str, from_: From, to: To) -> models.Zones:
        """Visits and dwell of every zone, at most 400 days at once."""
        site = caller.enter(site_id, f"zones {from_} {to}")
        return history.zones(request.app.state.hub, site, _ms(from_, "from"), _ms(to, "to"))

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
            hint="Write RFC 3339 with a zone: 2026-11-23T09:00:00+08:00.",
        ) from error
    if not 0 <= moment <= LATEST_MS:
        raise InputError(f"`{name}` is {text[:40]!r}: out of range.", hint="Give a time from 1970 to 2099.")
    return moment


def _event_id(text: str | None) -> int | None:
    """The id to resume after; what is no id of ours resumes nothing."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _described(site: Site) -> models.Branch:
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
        cameras=[models.CameraPlace(id=camera.id, name=camera.name) for camera in site.cameras],
        sensors=[
            models.SensorPlace(
                id=sensor.id, kind=sensor.kind, name=sensor.name,
                x_m=sensor.x_m, y_m=sensor.y_m, height_m=sensor.height_m, cone_deg=sensor.cone_deg,
            )
            for sensor in site.sensors
        ],
    )  # fmt: skip
