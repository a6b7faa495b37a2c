"""The routes of journeys and value: the funnel of a branch, and of all branches in scope."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from hub.api.access import Figures
from hub.api.branches import Format, Over
from hub.api.funnel_answer import Table, as_csv, funnel_answer
from hub.api.models import value as models
from hub.api.state import State
from hub.loop.value import By

CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
Grouping = Annotated[By, Query(description="what the journeys are grouped by")]
Which = Annotated[Table, Query(description="which table as csv; costs and value are in `groups`")]


def routes() -> APIRouter:
    """The routes of the funnel."""
    router = APIRouter(prefix="/api/v1", tags=["value"])

    @router.get("/branches/{site_id}/funnel", response_model=models.Funnel, responses=CSV)
    def of_branch(
        request: Request,
        caller: Figures,
        site_id: str,
        asked: Over,
        by: Grouping = "channel",
        format_: Format = "json",
        table: Which = "stages",
    ) -> models.Funnel | Response:
        """Journeys of a branch that began in the period; counts 1 to 4 only for who sees persons there."""
        site = asked.enter(caller, site_id, "funnel")
        state: State = request.app.state.hub
        answer = funnel_answer(state, [site], asked.span, by, small=not caller.sees_persons)
        return answer if format_ == "json" else as_csv(answer, table)

    @router.get("/funnel", response_model=models.Funnel, responses=CSV)
    def of_all(
        request: Request,
        caller: Figures,
        asked: Over,
        by: Grouping = "branch",
        format_: Format = "json",
        table: Which = "stages",
    ) -> models.Funnel | Response:
        """Journeys of all branches in the token's scope that began in the period."""
        state: State = request.app.state.hub
        sites = [
            asked.enter(caller, site, "funnel") for site in sorted(state.config.sites) if caller.sees(site)
        ]
        answer = funnel_answer(state, sites, asked.span, by, small=not caller.sees_persons)
        return answer if format_ == "json" else as_csv(answer, table)

    return router
