"""The routes. Each asks `access` first, notes the read, and hands over to a module of facts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from branchloop import __version__
from branchloop.clock import iso, to_ms
from branchloop.errors import DependencyError, InputError
from branchloop.site import Site
from hub.api import history, problems
from hub.api import live as live_facts
from hub.api.access import Branches, Caller, Figures, Live
from hub.api.state import State, now_ms
from hub.api.stream import Stream
from hub.store.reading import Reader

ALIVE_MS = 10_000
MAX_BODY_BYTES = 1 << 20
From = Annotated[str, Query(alias="from", description="RFC 3339 with zone", max_length=40)]
To = Annotated[str, Query(description="RFC 3339 with zone", max_length=40)]
Bucket = Annotated[str, Query(description="minute, hour or day", max_length=10)]


def create_app(state: State | None) -> FastAPI:
    """The API over a hub's state; without one only its description can be asked for."""

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if state is None:
            yield
            return
        app.state.stream = Stream(state)
        task = asyncio.create_task(app.state.stream.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    app = FastAPI(
        title="branchloop hub",
        version=__version__,
        description="Foot traffic, heat and queues of a bank's branches. Every figure carries its quality.",
        lifespan=life,
        redoc_url=None,
    )
    app.state.hub = state
    problems.install(app)
    app.middleware("http")(_guard)
    _routes(app)
    return app


async def _guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """A limit on bodies, and the headers of a bank."""
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        return problems.problem(413, "input", "the request is too large.", f"At most {MAX_BODY_BYTES} bytes.")
    response = await call(request)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("X-Frame-Options", "DENY")
    if request.url.path.startswith("/api/"):
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _routes(app: FastAPI) -> None:
    @app.get("/health", tags=["operation"])
    def health(request: Request) -> dict[str, Any]:
        """Whether the hub works; needs no token and tells nothing of any branch."""
        state: State = request.app.state.hub
        try:
            with Reader.open(state.data_dir) as reader:
                connected, heard_ms, committed_ms = reader.ingest()
        except DependencyError:
            return {
                "status": "degraded",
                "version": __version__,
                "ingest": {"connected": False, "last_commit": None},
            }
        alive = connected and now_ms() - heard_ms < ALIVE_MS
        return {
            "status": "ok" if alive else "degraded",
            "version": __version__,
            "ingest": {
                "connected": alive,
                "last_commit": None if committed_ms is None else iso(committed_ms),
            },
        }

    @app.get("/api/v1/branches", tags=["branches"])
    def branches(request: Request, caller: Branches) -> dict[str, Any]:
        """The branches in the token's scope."""
        state: State = request.app.state.hub
        items = []
        for site in state.config.sites.values():
            if caller.sees(site.id):
                caller.enter(site.id, "list")
                items.append(_summary(state, site))
        return {"items": items, "next": None}

    @app.get("/api/v1/branches/{site_id}", tags=["branches"])
    def branch(request: Request, caller: Branches, site_id: str) -> dict[str, Any]:
        """Plan, lines, zones, cameras and sensors of a branch."""
        return _described(_enter(request, caller, site_id))

    @app.get("/api/v1/branches/{site_id}/live", tags=["figures"])
    def live(request: Request, caller: Live, site_id: str) -> dict[str, Any]:
        """What is the case right now."""
        site = _enter(request, caller, site_id)
        return live_facts.live(request.app.state.hub, site)

    @app.get("/api/v1/branches/{site_id}/heat", tags=["figures"])
    def heat(
        request: Request,
        caller: Figures,
        site_id: str,
        from_: From,
        to: To,
        cell_m: Annotated[float | None, Query(gt=0, le=100)] = None,
    ) -> dict[str, Any]:
        """Person·seconds per cell of the floor plan."""
        site = _enter(request, caller, site_id, f"heat {from_} {to}")
        return history.heat(request.app.state.hub, site, _ms(from_, "from"), _ms(to, "to"), cell_m)

    @app.get("/api/v1/branches/{site_id}/footfall", tags=["figures"])
    def footfall(
        request: Request, caller: Figures, site_id: str, from_: From, to: To, bucket: Bucket = "hour"
    ) -> dict[str, Any]:
        """Crossings of the entrances by minute, hour or day of the branch."""
        site = _enter(request, caller, site_id, f"footfall {from_} {to}")
        return history.footfall(request.app.state.hub, site, _ms(from_, "from"), _ms(to, "to"), bucket)

    @app.get("/api/v1/branches/{site_id}/occupancy", tags=["figures"])
    def occupancy(
        request: Request, caller: Figures, site_id: str, from_: From, to: To, bucket: Bucket = "hour"
    ) -> dict[str, Any]:
        """Mean number of people by minute, hour or day of the branch."""
        site = _enter(request, caller, site_id, f"occupancy {from_} {to}")
        return history.occupancy(request.app.state.hub, site, _ms(from_, "from"), _ms(to, "to"), bucket)

    @app.get("/api/v1/branches/{site_id}/zones", tags=["figures"])
    def zones(request: Request, caller: Figures, site_id: str, from_: From, to: To) -> dict[str, Any]:
        """Visits and dwell of every zone."""
        site = _enter(request, caller, site_id, f"zones {from_} {to}")
        return history.zones(request.app.state.hub, site, _ms(from_, "from"), _ms(to, "to"))

    @app.get("/api/v1/branches/{site_id}/stream", tags=["figures"], response_class=StreamingResponse)
    async def stream(
        request: Request,
        caller: Live,
        site_id: str,
        last_event_id: Annotated[str | None, Header(max_length=20)] = None,
    ) -> StreamingResponse:
        """Server-sent events: notice, window, status, alarm and dots, as they come."""
        site = await asyncio.to_thread(_enter, request, caller, site_id, "stream")
        resume = int(last_event_id) if last_event_id and last_event_id.isdigit() else None
        events = request.app.state.stream.follow(site.id, resume)
        return StreamingResponse(events, media_type="text/event-stream")


def _enter(request: Request, caller: Caller, site_id: str, detail: str = "") -> Site:
    caller.enter(site_id, detail)
    state: State = request.app.state.hub
    return state.config.sites[site_id]


def _ms(text: str, name: str) -> int:
    try:
        moment = to_ms(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"`{name}` is {text[:40]!r}: {error}.",
            hint="Write RFC 3339 with a zone: 2026-11-23T09:00:00+08:00.",
        ) from error
    if not 0 <= moment <= 4_102_444_800_000:
        raise InputError(f"`{name}` is {text[:40]!r}: out of range.", hint="Give a time from 1970 to 2099.")
    return moment


def _summary(state: State, site: Site) -> dict[str, Any]:
    facts = live_facts.live(state, site)
    device = facts["device"]
    return {
        "id": site.id,
        "name": site.name.model_dump(),
        "timezone": site.timezone,
        "simulated": site.simulated,
        "note": site.note.model_dump() if site.note else None,
        "open_now": site.is_open(now_ms()),
        "online": bool(device and device["online"]),
        "occupancy": facts["occupancy"],
        "footfall_today": facts["footfall_today"],
        "as_of": facts["as_of"],
    }


def _described(site: Site) -> dict[str, Any]:
    """A site as pages need it: nothing of its sources, calibration or box."""
    return {
        "id": site.id,
        "name": site.name.model_dump(),
        "timezone": site.timezone,
        "simulated": site.simulated,
        "note": site.note.model_dump() if site.note else None,
        "hours": site.hours,
        "version": site.version,
        "plan": {**site.plan.model_dump(), "rows": site.plan.rows, "cols": site.plan.cols},
        "lines": [line.model_dump(by_alias=True) for line in site.lines],
        "zones": [zone.model_dump() for zone in site.zones],
        "cameras": [{"id": c.id, "name": c.name.model_dump() if c.name else None} for c in site.cameras],
        "sensors": [
            {
                "id": s.id, "kind": s.kind, "name": s.name.model_dump() if s.name else None,
                "x_m": s.x_m, "y_m": s.y_m, "height_m": s.height_m, "cone_deg": s.cone_deg,
            }
            for s in site.sensors
        ],
    }  # fmt: skip
