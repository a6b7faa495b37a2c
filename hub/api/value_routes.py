"""The routes of journeys and value: the funnel of a branch, and of all branches in scope."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from branchloop.clock import iso
from branchloop.site import Site
from hub.api import models_value as models
from hub.api.access import Figures
from hub.api.branches import Format, Over
from hub.api.state import State
from hub.api.tables import MEDIA_TYPE
from hub.config_value import Value
from hub.loop.journey import STAGES, UNRECORDED, Happened
from hub.loop.value import By, Tally, cohorts, cost, grouped, journeys, released, share
from hub.store import funnel
from hub.store.connection import reading

_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
Grouping = Annotated[By, Query(description="what the journeys are grouped by")]
_COLUMNS = (
    *STAGES, *(f"entered:{stage}" for stage in STAGES), *(f"both:{stage}" for stage in STAGES),
    "cancelled", "missed", "booked_arrived",
)  # fmt: skip


def routes() -> APIRouter:
    """The routes of the funnel."""
    router = APIRouter(prefix="/api/v1", tags=["value"])

    @router.get("/branches/{site_id}/funnel", response_model=models.Funnel, responses=_CSV)
    def of_branch(
        request: Request,
        caller: Figures,
        site_id: str,
        asked: Over,
        by: Grouping = "channel",
        format_: Format = "json",
    ) -> models.Funnel | Response:
        """Journeys of a branch that began in the period; counts 1 to 4 only for who sees persons there."""
        site = asked.enter(caller, site_id, "funnel")
        answer = _funnel(request.app.state.hub, [site], asked.span, by, small=not caller.sees_persons)
        return _told(answer, format_)

    @router.get("/funnel", response_model=models.Funnel, responses=_CSV)
    def of_all(
        request: Request, caller: Figures, asked: Over, by: Grouping = "branch", format_: Format = "json"
    ) -> models.Funnel | Response:
        """Journeys of all branches in the token's scope that began in the period."""
        state: State = request.app.state.hub
        sites = [
            asked.enter(caller, site, "funnel") for site in sorted(state.config.sites) if caller.sees(site)
        ]
        return _told(_funnel(state, sites, asked.span, by, small=not caller.sees_persons), format_)

    return router


def _funnel(
    state: State, sites: Sequence[Site], span: tuple[int, int], by: By, *, small: bool
) -> models.Funnel:
    entries: list[Happened] = []
    with reading(state.data_dir) as db:
        for site in sites:
            entries += funnel.since(db, site.id, span[0])
    found = journeys(entries, span[1])
    groups = grouped(found, by)
    whole = Tally()
    for journey in found:
        whole.add(journey)
    told: dict[str, dict[str, int | None]] = {name: {} for name in groups}
    totals: dict[str, int | None] = {}
    for column in _COLUMNS:
        counts = [tally.counts[column] for tally in groups.values()]
        shown: Sequence[int | None]
        shown, total = released(counts) if small else ([*counts], sum(counts))
        if small and column.startswith("entered:"):  # a stage less its conversion would tell it
            shown, total = [None for _ in counts], None
        totals[column] = total
        for name, count in zip(groups, shown, strict=True):
            told[name][column] = count
    weeks = cohorts(found, sites[0].zone_info if sites else ZoneInfo("UTC"))
    value = state.config.value
    return models.Funnel(
        from_=iso(span[0]),
        to=iso(span[1]),
        by=by,
        currency=value.currency,
        total=_group(None, totals, whole, value),
        groups=[_group(name, told[name], groups[name], value) for name in groups],
        cohorts=_cohorts(weeks, small=small),
    )


def _group(
    name: str | None, told: Mapping[str, int | None], tally: Tally, value: Value
) -> models.FunnelGroup:
    stages = []
    for before, stage in zip((None, *STAGES), STAGES, strict=False):
        hidden = told[stage] is None or (before is not None and told[before] is None)
        hidden = hidden or told[f"both:{stage}"] is None
        if stage in UNRECORDED and told[stage] == 0:
            stages.append(
                models.FunnelStage(
                    stage=stage, journeys=None, entered=None, conversion=None, median_s=None,
                    absent="not_recorded",
                )
            )  # fmt: skip
            continue
        stages.append(
            models.FunnelStage(
                stage=stage,
                journeys=told[stage],
                entered=told[f"entered:{stage}"],
                conversion=None if before is None or hidden else share(told[f"both:{stage}"], told[before]),
                median_s=None if hidden else tally.median_s(stage),
                absent="small" if hidden or told[f"entered:{stage}"] is None else None,
            )
        )
    missed, arrived = told["missed"], told["booked_arrived"]
    spent, served = cost(told.get, value.costs), told["served"]
    return models.FunnelGroup(
        group=name,
        stages=stages,
        cancelled=told["cancelled"],
        no_show=None if missed is None or arrived is None else share(missed, missed + arrived),
        cost=spent,
        cost_per_served=None if spent is None or not served else spent / served,
        value=None if value.per_served is None or served is None else value.per_served * served,
        absent="small" if None in told.values() else None,
    )


def _cohorts(weeks: Mapping[str, tuple[int, int]], *, small: bool) -> list[models.Cohort]:
    sizes, backs = [size for size, _ in weeks.values()], [back for _, back in weeks.values()]
    shown = released(sizes)[0] if small else sizes
    came = released(backs)[0] if small else backs
    return [
        models.Cohort(
            week=week, customers=size, returned=back, absent="small" if size is None or back is None else None
        )
        for week, size, back in zip(weeks, shown, came, strict=True)
    ]


def _told(answer: models.Funnel, format_: Format) -> models.Funnel | Response:
    if format_ == "json":
        return answer
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([answer.by, "stage", "journeys", "entered", "conversion_share", "median_s", "absent"])
    for group in (*answer.groups, answer.total):
        for each in group.stages:
            name = _cell(group.group or "*")
            writer.writerow(
                [name, each.stage, each.journeys, each.entered, each.conversion, each.median_s, each.absent]
            )
    return Response(
        out.getvalue(),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": 'attachment; filename="funnel.csv"'},
    )


def _cell(text: str) -> str:
    """A scene comes from outside: a spreadsheet must not take it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
