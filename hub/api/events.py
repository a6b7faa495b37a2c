"""The ledger of journeys for the bank's own systems: by page, as a stream, and how the webhooks fare."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from branchloop.clock import iso
from hub.api.access import Caller, Delivering, Following
from hub.api.models import events as models
from hub.api.problems import BusyError, NotFoundError
from hub.api.state import State, now_ms
from hub.loop.delivery import envelope
from hub.loop.pairwise import pairwise
from hub.store import outgoing
from hub.store.connection import opened, reading
from hub.store.journeys import Entry, after, head

PAGE = 200
MOST_PAGE = 1_000
LAST = 2**53
"""No line's number is above it; SQLite could not even be asked for one above 2**63."""
POLL_S = 0.5
ALIVE_S = 10.0
RECHECK_S = 10.0
MOST_READERS = 50
"""Of the stream; customers' cards have another."""


def routes() -> APIRouter:
    """The routes under /api/v1/events."""
    router = APIRouter(prefix="/api/v1/events", tags=["events"])
    readers = asyncio.Semaphore(MOST_READERS)

    @router.get("")
    def events(
        request: Request,
        caller: Following,
        after_id: Annotated[
            int, Query(alias="after", ge=0, le=LAST, description="the last line that is known")
        ] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_PAGE)] = PAGE,
    ) -> models.Events:
        """What happened in the journeys of the token's branches, in order."""
        state: State = request.app.state.hub
        caller.note(f"events after {after_id}")
        with reading(state.data_dir) as db:
            found, newest = after(db, after_id, limit), head(db)
        return models.Events(
            items=[
                models.Event.model_validate(_envelope(state, caller, each)) for each in _seen(caller, found)
            ],
            next=found[-1].id if found else after_id,
            head=max(newest, after_id),  # a reader knows more than a hub that was restored
        )

    @router.get(
        "/stream", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}}
    )
    async def stream(
        request: Request,
        caller: Following,
        last: Annotated[int | None, Header(alias="Last-Event-ID", ge=0, le=LAST)] = None,
    ) -> StreamingResponse:
        """The same as server-sent events, from now on or after `Last-Event-ID`."""
        state: State = request.app.state.hub
        caller.note("follow events")
        if readers.locked():
            raise BusyError("too many readers follow the events.", hint="Try again later.")
        return StreamingResponse(
            _follow(state, caller, last, readers),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @router.get("/targets")
    def targets(request: Request, caller: Delivering) -> models.Targets:
        """How each webhook fares."""
        state: State = request.app.state.hub
        caller.note("webhooks")
        with reading(state.data_dir) as db:
            return models.Targets(
                items=[
                    models.TargetAnswer(
                        id=each.id, url=each.url, configured=each.id in state.config.webhooks,
                        disabled=each.disabled, cursor=each.cursor, behind=outgoing.behind(db, each.cursor),
                        attempts=each.attempts,
                        next_attempt=iso(each.next_ms) if each.next_ms > now_ms() else None,
                        error=each.error,
                        delivered=None if each.delivered_ms is None else iso(each.delivered_ms),
                        dead_letters=outgoing.dead_letters(db, each.id),
                    )
                    for each in outgoing.all_targets(db)
                ]
            )  # fmt: skip

    @router.post("/targets/{target}/retry")
    def retry(request: Request, caller: Delivering, target: str) -> models.Targets:
        """Try again now, also a disabled one, and from its first dead letter on."""
        state: State = request.app.state.hub
        caller.note(f"retry webhook {target[:40]}")
        with opened(state.data_dir) as db:
            if not outgoing.retry(db, target):
                raise NotFoundError(
                    "there is no such webhook.", hint="GET /api/v1/events/targets lists them."
                )
        return targets(request, caller)

    return router


async def _follow(
    state: State, caller: Caller, last: int | None, readers: asyncio.Semaphore
) -> AsyncIterator[str]:
    if readers.locked():  # others were faster since it was asked
        yield ": busy\n\n"
        return
    async with readers:
        cursor = await asyncio.to_thread(_head, state) if last is None else last
        yield f": welcome\nid: {cursor}\n\n"
        quiet_s = checked_s = 0.0
        while True:
            found = await asyncio.to_thread(_after, state, cursor)
            seen = _seen(caller, found)
            for each in seen:
                content = _envelope(state, caller, each)
                yield f"id: {each.id}\nevent: {content['type']}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n"
            if seen:
                quiet_s = 0.0
            if found:
                cursor = found[-1].id
                continue
            await asyncio.sleep(POLL_S)
            quiet_s += POLL_S
            checked_s += POLL_S
            if quiet_s >= ALIVE_S:
                quiet_s = 0.0
                yield ": alive\n\n"
            if checked_s >= RECHECK_S:
                checked_s = 0.0
                if not await asyncio.to_thread(caller.still_may):
                    return


def _seen(caller: Caller, found: list[Entry]) -> list[Entry]:
    return [each for each in found if caller.sees(each.happened.site)]


def _envelope(state: State, caller: Caller, entry: Entry) -> dict[str, Any]:
    customer = entry.happened.customer
    mine = None if customer is None else pairwise(state.book.keyring.mac, customer, f"feed:{caller.name}")
    return envelope(entry.id, entry.happened, mine)


def _head(state: State) -> int:
    with reading(state.data_dir) as db:
        return head(db)


def _after(state: State, cursor: int) -> list[Entry]:
    with reading(state.data_dir) as db:
        return after(db, cursor, PAGE)
