"""The routes of quality: what can be trusted, alerts, and acceptance reports in and out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from branchloop.acceptance.report import Report, digest, read_tree
from branchloop.acceptance.signing import verify_report
from branchloop.clock import DAY_MS
from branchloop.errors import InputError
from branchloop.keys.sealing import decode, fingerprint
from branchloop.site.site import Site
from hub.api import quality as facts
from hub.api.access import Accepting, Quality
from hub.api.models import quality as models
from hub.api.problems import NotFoundError
from hub.api.state import State, now_ms
from hub.config.hub import HubConfig
from hub.store.connection import opened, reading
from hub.store.figures.acceptance import AcceptanceReports, Kept

Digest = Annotated[str, Path(max_length=64, description="SHA-256 of the signed text")]
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "the report's JSON exactly as it was signed",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
MOST_REPORTS = 50


def routes() -> APIRouter:
    """The routes under /api/v1/branches/SITE."""
    router = APIRouter(prefix="/api/v1/branches/{site_id}", tags=["quality"])

    @router.get("/quality")
    def quality(
        request: Request,
        caller: Quality,
        site_id: str,
        days: Annotated[int, Query(ge=1, le=62, description="local days, today included")] = 28,
    ) -> models.Quality:
        """Whether the counts can be trusted, and everything that says so."""
        site = caller.enter(site_id, f"quality {days}")
        return facts.quality(request.app.state.hub, site, days, small=not caller.sees_persons)

    @router.get("/alerts")
    def alerts(
        request: Request,
        caller: Quality,
        site_id: str,
        days: Annotated[int, Query(ge=1, le=400, description="how long cleared alerts are told")] = 30,
        after: Annotated[int | None, Query(ge=1, le=2**53, description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> models.Alerts:
        """Open alerts and those cleared lately, newest first, with evidence and the figures they taint."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, "alerts")
        with reading(state.data_dir) as db:
            return facts.alert_page(db, site, now_ms() - days * DAY_MS, after, limit)

    @router.get("/acceptance")
    def reports(request: Request, caller: Quality, site_id: str) -> models.AcceptanceReports:
        """Acceptance reports of a branch, the last made first; an expired one says so."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, "acceptance reports")
        with reading(state.data_dir) as db:
            kept = AcceptanceReports(db).newest(site.id, MOST_REPORTS)
            items = [facts.reported(db, site, each, now_ms()) for each in kept]
        return models.AcceptanceReports(items=items)

    @router.get("/acceptance/{report}", response_model=Report)
    def report(request: Request, caller: Quality, site_id: str, report: Digest) -> Response:
        """A report exactly as it was signed: anybody can verify it with `branchloop acceptance verify`."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"acceptance report {report}")
        with reading(state.data_dir) as db:
            body = AcceptanceReports(db).body(site.id, report)
        if body is None:
            raise NotFoundError("there is no such report.", hint="GET …/acceptance lists them.")
        return Response(body, media_type="application/json")

    @router.post("/acceptance", status_code=201, openapi_extra=_BODY)
    async def upload(request: Request, caller: Accepting, site_id: str) -> models.AcceptanceAnswer:
        """Take a signed report of this branch. The same report again changes nothing."""
        content = await request.body()
        return await asyncio.to_thread(_take, request.app.state.hub, caller, site_id, content)

    return router


def _take(state: State, caller: Accepting, site_id: str, content: bytes) -> models.AcceptanceAnswer:
    site = caller.enter(site_id, "upload of an acceptance report")
    at_ms = now_ms()
    text, report = verified(state.config, site, content, at_ms)
    name = digest(read_tree(text))
    with opened(state.data_dir) as db:
        AcceptanceReports(db).add(name, report, text, at_ms, caller.name)
        answer = facts.reported(db, site, Kept(name, report, at_ms, caller.name), at_ms)
    caller.enter(site_id, f"acceptance report {name} taken, measured by {report.measured_by}")
    return answer


def verified(config: HubConfig, site: Site, content: bytes, at_ms: int) -> tuple[str, Report]:
    """A report of this very branch, in force, signed by whom the hub trusts. Raises InputError otherwise."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InputError("the report is not UTF-8 text.", hint="Send the file as it was made.") from error
    trusted = list(config.acceptance.public)
    if config.people.root_public is not None:
        trusted.append(config.people.root_public)
    by_name = {fingerprint(raw): raw for raw in map(decode, trusted)}
    signed_by = read_tree(text).get("signed_by")
    public = by_name.get(signed_by) if isinstance(signed_by, str) else None
    if public is None:
        raise InputError(
            "the report is signed by nobody whom this hub trusts.",
            hint="Add the measurer's acceptance.pub to `acceptance.public` in hub.toml.",
        )
    report = verify_report(text, public, at_ms)
    if report.site != site.id:
        raise InputError(
            f"the report is of branch {report.site!r}, not of {site.id!r}.", hint="Send it to its own branch."
        )
    if report.simulated and not site.simulated:
        raise InputError(
            "the report is of a simulated branch; it proves nothing of a real one.",
            hint="Measure the branch itself.",
        )
    return text, report
