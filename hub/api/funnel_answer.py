"""The funnel as it is told: to who sees persons as it is, to others made of parts that are guarded one by one."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Literal

from fastapi.responses import Response

from branchloop.clock import iso
from branchloop.site.site import Site
from hub.api.models import value as models
from hub.api.state import State
from hub.api.tables import MEDIA_TYPE
from hub.config.value import Value
from hub.loop.journey import STAGES, UNRECORDED, Happened
from hub.loop.value import (
    By,
    Tally,
    Told,
    amount,
    by_week,
    cohorts,
    cost,
    grouped,
    journeys,
    released,
    released_over,
    share,
    whole_weeks,
)
from hub.store import funnel
from hub.store.connection import reading

Table = Literal["stages", "groups", "cohorts"]
_COLUMNS = (
    *STAGES, *(f"entered:{stage}" for stage in STAGES), *(f"both:{stage}" for stage in STAGES),
    "cancelled", "missed", "booked_arrived", "cross_sold",
)  # fmt: skip


def funnel_answer(
    state: State,
    sites: Sequence[Site],
    span: tuple[int, int],
    by: By,
    *,
    small: bool,
    partner: str | None = None,
) -> models.Funnel:
    """Journeys of branches that began in `[from, to)` UTC ms; with `partner` only those of its pages.

    `small`: for who may not see single persons. Then the period is widened to whole weeks of each branch, each
    week of each branch is guarded by itself, and only what is told of each is added up.
    """
    entries: list[Happened] = []
    spans = {site.id: whole_weeks(*span, site.zone_info) if small else span for site in sites}
    with reading(state.data_dir) as db:
        for site in sites:
            entries += funnel.since(db, site.id, spans[site.id][0])
    found = [
        each
        for each in journeys(entries, max((to for _, to in spans.values()), default=span[1]))
        if each.first_ms < spans[each.known["branch"] or ""][1]
        and (partner is None or each.known["partner"] == partner)
    ]
    groups = grouped(found, by)
    whole = Tally()
    for journey in found:
        whole.add(journey)
    zones = {site.id: site.zone_info for site in sites}
    blocks = [grouped(block, by) for block in by_week(found, zones)] if small else [groups]
    told: dict[str, dict[str, Told]] = {name: {} for name in groups}
    totals: dict[str, Told] = {}
    for column in _COLUMNS:
        parts = [{name: tally.counts[column] for name, tally in block.items()} for block in blocks]
        if small and column.startswith("entered:"):  # a stage less its conversion would tell it
            shown, total = {name: Told(None) for name in groups}, Told(None)
        elif small:
            shown, total = released_over(parts, groups)
        else:
            shown = {name: Told(count, count) for name, count in parts[0].items()}
            total = Told(whole.counts[column], whole.counts[column])
        totals[column] = total
        for name in groups:
            told[name][column] = shown[name]
    value = state.config.value
    return models.Funnel(
        from_=iso(min((each for each, _ in spans.values()), default=span[0])),
        to=iso(max((each for _, each in spans.values()), default=span[1])),
        by=by,
        currency=value.currency,
        total=_group(None, totals, whole, value),
        groups=[_group(name, told[name], groups[name], value) for name in groups],
        cohorts=_cohorts(cohorts(found, zones), small=small),
    )


def as_csv(answer: models.Funnel, table: Table) -> Response:
    """One of the answer's tables."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    groups = (*answer.groups, answer.total)
    if table == "stages":
        writer.writerow(
            [answer.by, "stage", "journeys", "entered", "conversion_share", "median_s", "absent", "at_least"]
        )
        writer.writerows(
            [
                _cell(group.group or "*"), each.stage, each.journeys, each.entered, each.conversion,
                each.median_s, each.absent, each.at_least,
            ]
            for group in groups
            for each in group.stages
        )  # fmt: skip
    elif table == "groups":
        writer.writerow(
            [
                answer.by, "cancelled", "no_show_share", "cross_sold", f"cost_{answer.currency}",
                f"cost_per_served_{answer.currency}", f"value_{answer.currency}", "absent",
            ]
        )  # fmt: skip
        writer.writerows(
            [
                _cell(each.group or "*"), each.cancelled, each.no_show, each.cross_sold, each.cost,
                each.cost_per_served, each.value, each.absent,
            ]
            for each in groups
        )  # fmt: skip
    else:
        writer.writerow(["week", "customers", "returned", "absent"])
        writer.writerows([each.week, each.customers, each.returned, each.absent] for each in answer.cohorts)
    name = "funnel.csv" if table == "stages" else f"funnel-{table}.csv"
    return Response(
        out.getvalue(),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _group(name: str | None, told: Mapping[str, Told], tally: Tally, value: Value) -> models.FunnelGroup:
    counts = {column: each.count for column, each in told.items()}
    stages = []
    for before, stage in zip((None, *STAGES), STAGES, strict=False):
        hidden = counts[stage] is None or (before is not None and counts[before] is None)
        hidden = hidden or counts[f"both:{stage}"] is None
        if stage in UNRECORDED and counts[stage] == 0:
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
                journeys=counts[stage],
                entered=counts[f"entered:{stage}"],
                conversion=None
                if before is None or hidden
                else share(counts[f"both:{stage}"], counts[before]),
                median_s=None if hidden else tally.median_s(stage),
                absent="small" if hidden else None,
                at_least=told[stage].at_least if counts[stage] is None else None,
            )
        )
    missed, arrived = counts["missed"], counts["booked_arrived"]
    spent, served = cost(counts.get, value.costs), counts["served"]
    return models.FunnelGroup(
        group=name,
        stages=stages,
        cancelled=counts["cancelled"],
        no_show=None if missed is None or arrived is None else share(missed, missed + arrived),
        cost=spent,
        cost_per_served=None if spent is None or not served else spent / served,
        value=_worth(served, counts["cross_sold"], value),
        cross_sold=counts["cross_sold"],
        absent="small"
        if any(count is None and not column.startswith("entered:") for column, count in counts.items())
        else None,
    )


def _worth(served: int | None, cross_sold: int | None, value: Value) -> float | None:
    """What is entered of both; absent when a count is, or nothing is entered."""
    parts = [
        None if count is None else amount(each, count)
        for each, count in ((value.per_served, served), (value.per_cross_sell, cross_sold))
        if each is not None
    ]
    return None if not parts or None in parts else float(sum(part or 0 for part in parts))


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


def _cell(text: str) -> str:
    """A scene comes from outside: a spreadsheet must not take it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
