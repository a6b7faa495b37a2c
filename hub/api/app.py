"""The API put together: its routes, what goes round them, and how it is described."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, FastAPI, Request

from branchloop import __version__
from branchloop.clock import iso
from branchloop.errors import DependencyError
from hub.api import (
    booking,
    branches,
    configuration,
    consents,
    crowding,
    enrolment,
    events,
    identity,
    pages,
    partners,
    pictures,
    problems,
    quality_routes,
    queueing,
    requests,
    stranded,
    value_routes,
    verify_page,
)
from hub.api.card import (
    booking as card_booking,
    offer as card_offer,
    requests as card_requests,
    routes as cards,
    visit as card_pass,
)
from hub.api.card.access import listed
from hub.api.cors import Cors
from hub.api.crowd_stream import CrowdStream
from hub.api.guard import Guard
from hub.api.models import answers as models
from hub.api.state import State, now_ms
from hub.api.stream import Stream
from hub.store.figures.reading import Reader

ALIVE_MS = 10_000
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
_TOO_SOON: dict[str, Any] = {
    **_PROBLEMS[422],
    "description": "The picture that is there is young enough, or many are asked for.",
}
_TOO_FAST: dict[str, Any] = {**_PROBLEMS[422], "description": "Too many of these were asked in a minute."}
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

_BODY_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {**_PROBLEMS[422], "description": description}
    for status, description in {
        411: "The body does not say its length.",
        413: "The body is too large.",
    }.items()
}


class HubApi(FastAPI):
    """FastAPI whose description knows our problems."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = models.Problem.model_json_schema()
        for name in ("Events", "Event", "EventData"):  # keys may come within a version: see docs/events.md
            schemas[name].pop("additionalProperties", None)
        for operations in document["paths"].values():
            for operation in operations.values():
                if "requestBody" in operation:  # what hub.api.guard refuses before any route is asked
                    operation["responses"] |= {
                        str(status): told
                        for status, told in _BODY_PROBLEMS.items()
                        if str(status) not in operation["responses"]
                    }
        return document


def create_app(state: State | None) -> FastAPI:
    """The API over a hub's state; without one only its description can be asked for."""

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        if state is None:
            yield
            return
        stream = app.state.stream = Stream(state)
        crowds = app.state.crowd_stream = CrowdStream(
            lambda site: crowding.told(state, state.config.sites[site], exact=False),
            state.config.crowding.most_readers,
        )
        stream.tell(crowds.heard)
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
    app.add_middleware(Cors, listed=listed(state))
    for router, responses in _routers():
        app.include_router(router, responses=responses)
    return app


@functools.cache
def _routers() -> tuple[tuple[APIRouter, dict[int | str, dict[str, Any]]], ...]:
    """All routes, with what each may answer besides. They ask the request for the hub's state, so they serve any app."""
    taken = {**_PROBLEMS, 409: _TAKEN}
    of_cards = {**taken, 413: _LINK_PROBLEMS[413], 429: _TOO_FAST}
    return (
        (_operation(), {}),
        (branches.routes(), _PROBLEMS),
        (booking.routes(), taken),
        (queueing.routes(), taken),
        (stranded.routes(), _PROBLEMS),
        (enrolment.staff_routes(), _PROBLEMS),
        (enrolment.link_routes(), _LINK_PROBLEMS),
        (consents.routes(), _PROBLEMS),
        (pictures.routes(_TOO_SOON), _PROBLEMS),
        (quality_routes.routes(), _PROBLEMS),
        (configuration.routes(), taken),
        (value_routes.routes(), _PROBLEMS),
        (events.routes(), _PROBLEMS),
        (partners.routes(), taken),
        (crowding.branch_routes(), _PROBLEMS),
        (card_offer.routes(), of_cards),
        (card_booking.routes(), of_cards),
        (card_pass.routes(), of_cards),
        (card_requests.routes(), of_cards),
        (identity.routes(), of_cards),
        (crowding.routes(), of_cards),
        (requests.routes(), taken),
        (requests.verify_routes(), _LINK_PROBLEMS),
        (verify_page.routes(), {}),
        (pages.routes(), {}),
        (cards.routes(), {}),
    )


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
