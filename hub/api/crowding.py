"""How busy a branch is: for the pages of partners, as a stream, and for the bank's own figures."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from branchloop.clock import iso
from branchloop.site.site import Site
from hub.api.access import Figures
from hub.api.card.access import Page
from hub.api.crowd_stream import CrowdStream
from hub.api.models import card as models
from hub.api.state import State, now_ms
from hub.loop.crowding import Crowd
from hub.store.connection import reading

SMALL = 3
"""Fewer people than this are not counted to a page: see docs/privacy.md."""
STALLED_S = 30.0
"""A reader that takes nothing for so long is let go."""


def routes() -> APIRouter:
    """The routes under /api/v1/card that a page's token opens."""
    router = APIRouter(prefix="/api/v1/card", tags=["card"])

    @router.get("/crowding")
    def crowding(page: Page) -> models.Crowding:
        """How busy the branch is, the hours ahead, and the quietest of the next seven days."""
        return told(page.state, page.site, exact=False)

    @router.get(
        "/crowding/stream",
        response_class=StreamingResponse,
        responses={200: {"description": "Server-sent events", "content": {"text/event-stream": {}}}},
    )
    async def stream(request: Request, page: Page) -> StreamingResponse:
        """Server-sent events `crowding`, each the whole answer: as it changes, until the page's token expires."""
        crowds: CrowdStream = request.app.state.crowd_stream
        crowds.admit()
        return Events(
            crowds.follow(page.site, page.embed.expires_ms),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    return router


def branch_routes() -> APIRouter:
    """The same for who may see the branch's figures: small counts, too."""
    router = APIRouter(prefix="/api/v1/branches/{site_id}", tags=["figures"])

    @router.get("/crowding")
    def crowding(request: Request, caller: Figures, site_id: str) -> models.Crowding:
        """How busy the branch is, the hours ahead, and the quietest of the next seven days."""
        return told(request.app.state.hub, caller.enter(site_id, "crowding"), exact=True)

    return router


def told(state: State, site: Site, *, exact: bool) -> models.Crowding:
    """The answer of this moment; without `exact` as strangers may read it."""
    at_ms = now_ms()
    with reading(state.data_dir) as db:
        now = state.crowds.now(db, site, at_ms)
    small = not exact and now.people is not None and now.people < SMALL
    return models.Crowding(
        site=site.id,
        branch=site.name,
        timezone=site.timezone,
        simulated=site.simulated,
        open=now.open,
        level=now.level,
        people=None if small else now.people,
        fewer_than=SMALL if small else None,
        as_of=None if now.as_of_ms is None else iso(now.as_of_ms),
        today=[_hour(each.start_ms, each.crowd, exact=exact) for each in now.hours],
        best=[iso(start_ms) for start_ms in now.best],
        basis_weeks=now.weeks,
    )


def expected(people: float, *, exact: bool) -> float:
    """A forecast as it is told: in whole people where strangers read it."""
    return round(people, 1) if exact else float(round(people))


def _hour(start_ms: int, crowd: Crowd | None, *, exact: bool) -> models.CrowdHour:
    if crowd is None:
        return models.CrowdHour(start=iso(start_ms), level=None, people=None, low=None, high=None)
    return models.CrowdHour(
        start=iso(start_ms),
        level=crowd.level,
        people=expected(crowd.people, exact=exact),
        low=expected(crowd.low, exact=exact),
        high=expected(crowd.high, exact=exact),
    )


class Events(StreamingResponse):
    """A stream whose reader must take what is sent."""

    async def stream_response(self, send: Send) -> None:
        """Send until the end, or until the reader stalls."""

        async def timed(message: Message) -> None:
            async with asyncio.timeout(STALLED_S):
                await send(message)

        with contextlib.suppress(TimeoutError):
            await super().stream_response(timed)
