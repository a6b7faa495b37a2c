"""Heat: where people spent their time and which way they went, by day and hour; the sum is the API's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from branchloop.text.catalogue import Language, label, say
from dashboard import difference, flow, heat, periods, plan, session, tiles
from dashboard.client import Hub, Problem
from dashboard.devices import device_names
from dashboard.evidence import percent
from dashboard.plain import plain
from dashboard.views import heat_choice, heat_hours, heat_tables
from dashboard.views.heat_choice import Choice

UNEVEN = 0.05


def page() -> None:
    """The page."""
    door = session.hub()
    if door is None:
        return
    with session.told():
        site = session.choose_branch(door)
        if site is None:
            return
        branch = door.branch(site)
        spoken, zone = session.language(), ZoneInfo(branch["timezone"])
        st.title(f"{plain(branch['name'][spoken])} · {say('heat.title', spoken)}")
        session.ribbon(branch)
        choice = heat_choice.choose(branch, spoken, zone)
        if not choice.spans:
            st.info(say("heat.no_hour", spoken))
            return
        seen = each(choice.spans, lambda start, end: door.heat(site, start, end))
        if periods.widened(seen, choice.spans):
            st.info(say("heat.widened", spoken))
        footfall, bucket = visitors(door, site, choice.spans)
        zones = each(choice.spans, lambda start, end: door.zones(site, start, end))
        names = device_names(branch, spoken)
        st.html(tiles.row(figures(seen, footfall, spoken, zone, names)))
        left, right = st.columns([4, 3], gap="large")
        with left:
            _floor(door, branch, choice, seen, spoken)
        with right:
            _beside(door, branch, choice, seen, footfall, bucket, zones, spoken, zone)


def each(spans: Sequence[periods.Span], ask: Callable[[str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    """The hub's answers about several spans."""
    return [ask(start.isoformat(), end.isoformat()) for start, end in spans]


def visitors(
    door: Hub, site: str, spans: Sequence[periods.Span]
) -> tuple[list[dict[str, Any]], heat_hours.Bucket]:
    """Visitors by hour; by day where the hub has hours no longer."""
    try:
        return each(spans, lambda start, end: door.footfall(site, start, end, "hour")), "hour"
    except Problem:
        return each(spans, lambda start, end: door.footfall(site, start, end, "day")), "day"


def figures(
    seen: Sequence[Mapping[str, Any]],
    footfall: Sequence[Mapping[str, Any]],
    spoken: Language,
    zone: ZoneInfo,
    names: Mapping[str, str],
) -> list[str]:
    """The tiles: the sum shown is that of the API's own totals."""
    covered = periods.coverage(seen)
    common = {"coverage": covered, "as_of": periods.as_of(seen)}
    filled = periods.total(seen, "filled_person_seconds")
    tainted = {
        key: _spoiling(key, answers) for key, answers in (("person_seconds", seen), ("footfall", footfall))
    }
    beside = " · ".join(_beside_total(filled, left_out(seen), spoken))
    elsewhere_alone = periods.total(seen, "total") is None and left_out(seen) > 0  # it was measured
    entered = periods.coverage(footfall)
    apart = entered is not None and (covered is None or percent(entered) != percent(covered))
    why = why_unseen(seen, spoken) if periods.opened_s(seen) == 0 else ""
    mean = say("period.mean", spoken, value=len(seen)) if len(seen) > 1 else ""
    return [
        tiles.tile(
            say("heat.total", spoken),
            {
                "value": periods.total(seen, "total"),
                "unit": "person·s",
                "tainted": tainted["person_seconds"],
                **common,
            },
            spoken,
            zone,
            digits=1,
            note="" if elsewhere_alone else beside,
            why=beside if elsewhere_alone else why,
            names=names,
        ),
        tiles.tile(
            label("footfall", spoken),
            {
                "value": periods.total(footfall, "total_visitors"),
                "unit": "people",
                "coverage": entered,
                "as_of": periods.as_of(footfall),
                "tainted": tainted["footfall"],
            },
            spoken,
            zone,
            note=say("coverage.value", spoken, value=percent(entered))
            if apart and entered is not None
            else "",
            why=why,
            names=names,
        ),
        tiles.tile(
            label("coverage", spoken),
            {"value": covered, "unit": "%", **common},
            spoken,
            zone,
            shown=None if covered is None else (percent(covered), "%"),
            note=mean,
            why=why,
        ),
    ]


def why_unseen(seen: Sequence[Mapping[str, Any]], spoken: Language) -> str:
    """Why there is nothing of a time: nobody looked, or the branch was not open."""
    if periods.opened_s(seen) > 0:
        return say("heat.no_data", spoken)
    to_come = any(datetime.fromisoformat(answer["to"]) > datetime.now(UTC) for answer in seen)
    return say("heat.not_open_yet" if to_come else "heat.closed", spoken)


def _closed(seen: Sequence[Mapping[str, Any]], spoken: Language) -> str:
    """That the branch was not open, where nothing was counted for that; else nothing."""
    nothing = periods.total(seen, "total") is None and periods.opened_s(seen) == 0
    return why_unseen(seen, spoken) if nothing else ""


def left_out(answers: Sequence[Mapping[str, Any]]) -> float:
    """Person·seconds that were stored for other cells, and are in neither total nor picture."""
    return periods.total(answers, "left_out_person_seconds") or 0.0


def _beside_total(filled: float | None, elsewhere: float, spoken: Language) -> list[str]:
    return [
        *([] if filled is None else [say("heat.beside", spoken, value=f"{filled:,.1f}")]),
        *([] if elsewhere <= 0 else [say("heat.left_out", spoken, value=f"{elsewhere:,.1f}")]),
    ]


def _beside(
    door: Hub,
    branch: Mapping[str, Any],
    choice: Choice,
    seen: Sequence[Mapping[str, Any]],
    footfall: Sequence[Mapping[str, Any]],
    bucket: heat_hours.Bucket,
    zones: Sequence[Mapping[str, Any]],
    spoken: Language,
    zone: ZoneInfo,
) -> None:
    session.head(say("zones", spoken))
    st.html(heat_tables.zone_table(branch, zones, spoken))
    if any(zone_["kind"] == "queue" for zone_ in branch["zones"]):
        queues = each(choice.spans, lambda start, end: door.queues(branch["id"], start, end, "day"))
        session.head(say("queues", spoken))
        st.html(heat_tables.queue_table(branch, queues, spoken))
    session.head(say("heat.footfall" if bucket == "hour" else "heat.footfall_days", spoken))
    items = [item for answer in footfall for item in answer["items"]]
    if any(item["visitors"] is not None for item in items):
        st.altair_chart(heat_hours.footfall_chart(items, spoken, zone, bucket), width="stretch")
    else:  # a chart of nothing is a frame without a word, to whoever hears it read
        st.html(f'<div class="bl-note">— {escape(why_unseen(seen, spoken))}</div>')
    tainted = periods.tainted(seen, footfall, zones)
    if tainted:
        session.head(say("taint.stretch", spoken))
        st.html(tiles.taint_list(tainted, device_names(branch, spoken), spoken))
    session.head(say("gaps", spoken))
    st.html(heat_hours.gaps_of(seen, spoken, zone, device_names(branch, spoken), why_unseen(seen, spoken)))


def _floor(
    door: Hub,
    branch: Mapping[str, Any],
    choice: Choice,
    seen: Sequence[Mapping[str, Any]],
    spoken: Language,
) -> None:
    layers: list[str] = []
    if choice.picture:
        session.add_picture(door, branch["id"], layers)
    draw = {"presence": _presence, "filled": _filled, "flow": _flow, "difference": _difference}[choice.layer]
    told = draw(door, branch["id"], choice, seen, layers, spoken)
    total = periods.total(seen, "total")
    value = "—" if total is None else f"{total:.0f}"
    words = say("plan.alt", spoken, branch=branch["name"][spoken], value=value)
    # Where they are: who stood there is not of one moment.
    sensors: dict[str, bool | None] | None = {} if choice.sensors else None
    st.html(plan.as_image(plan.floor_svg(branch, spoken, layers, sensors=sensors), words))
    if choice.sensors:
        st.html(f'<div class="bl-note">◇ {escape(say("sensors.places", spoken))}</div>')
    if told.startswith("<"):
        st.html(told)
    else:
        st.info(told)


def _presence(
    _door: Hub,
    _site: str,
    _choice: Choice,
    seen: Sequence[Mapping[str, Any]],
    layers: list[str],
    spoken: Language,
) -> str:
    per_m2, cell_m = _density(seen)
    scale = heat.scale_of(per_m2)
    elsewhere = left_out(seen)
    if scale.empty and elsewhere > 0:
        return say("heat.elsewhere", spoken, value=f"{elsewhere:,.0f}")
    if periods.total(seen, "total") is None:
        return why_unseen(seen, spoken)
    if scale.empty:
        return say("heat.nobody", spoken)
    layers.append(heat.layer(per_m2, scale, cell_m))
    return heat.legend(scale, spoken) + heat.left_out_note(elsewhere, spoken)


def _filled(
    door: Hub,
    site: str,
    choice: Choice,
    seen: Sequence[Mapping[str, Any]],
    layers: list[str],
    spoken: Language,
) -> str:
    answers = each(choice.spans, lambda start, end: door.heat(site, start, end, "filled"))
    total, elsewhere = periods.total(answers, "total"), left_out(answers)
    if total is None and elsewhere > 0:
        return say("heat.elsewhere", spoken, value=f"{elsewhere:,.0f}")
    if total is None:
        return _closed(seen, spoken) or say("heat.not_estimated", spoken)
    per_m2, cell_m = _density(answers)
    scale = heat.scale_of(per_m2, _density(seen)[0])
    layers.append(heat.striped(per_m2, scale, cell_m))
    return (
        heat.legend(scale, spoken) + heat.estimate_note(total, spoken) + heat.left_out_note(elsewhere, spoken)
    )


def _flow(
    door: Hub,
    site: str,
    choice: Choice,
    seen: Sequence[Mapping[str, Any]],
    layers: list[str],
    spoken: Language,
) -> str:
    told = each(choice.spans, lambda start, end: door.flow(site, start, end))
    cell_m = next((answer["cell_m"] for answer in reversed(told) if answer["cell_m"] is not None), None)
    elsewhere_m = flow.left_out_m(told, cell_m)
    if cell_m is None:
        return (elsewhere_m <= 0 and _closed(seen, spoken)) or flow.nothing(elsewhere_m, spoken)
    answers = [answer for answer in told if answer["cell_m"] == cell_m]
    across, down, path = (periods.grid(answers, key) for key in ("dx_m", "dy_m", "path_m"))
    layers.append(flow.layer(across, down, path, cell_m))
    return flow.legend(path / cell_m**2, spoken) + flow.left_out_note(elsewhere_m, spoken)


def _difference(
    door: Hub,
    site: str,
    choice: Choice,
    seen: Sequence[Mapping[str, Any]],
    layers: list[str],
    spoken: Language,
) -> str:
    compared = periods.so_far(choice.spans, datetime.now(choice.spans[0][0].tzinfo))
    spans = periods.earlier(compared, choice.against_days)
    if len(spans) < len(compared):
        return say("difference.no_hour", spoken)
    before = each(spans, lambda start, end: door.heat(site, start, end))
    if not before:
        return say("difference.no_data", spoken)
    if left_out(seen) > 0 or left_out(before) > 0:
        return say(
            "difference.elsewhere",
            spoken,
            now=f"{left_out(seen):,.0f}",
            then=f"{left_out(before):,.0f}",
        )
    here, there = periods.coverage(seen), periods.coverage(before)
    now, then = periods.total(seen, "total"), periods.total(before, "total")
    if here is None or there is None or now is None or then is None:
        then_closed = then is None and periods.opened_s(before) == 0
        return _closed(seen, spoken) or say(
            "difference.closed" if then_closed else "difference.no_data", spoken
        )
    (now_m2, cell_m), (then_m2, _) = _density(seen), _density(before)
    scale = difference.scale_of(now_m2 - then_m2)
    layers.append(difference.layer(now_m2 - then_m2, scale, cell_m))
    lines = [
        say(
            "difference.totals",
            spoken,
            now=f"{now:,.0f}",
            then=f"{then:,.0f}",
            here=round(100 * here),
            there=round(100 * there),
        )
    ]
    here_h, there_h = periods.lasted_h(compared), periods.lasted_h(spans)
    if here_h != there_h:
        lines.append(say("difference.clocks", spoken, here=f"{here_h:.3g}", there=f"{there_h:.3g}"))
    if abs(here - there) > UNEVEN:
        lines.append(say("difference.uneven", spoken))
    notes = "".join(f'<div class="bl-note">{escape(line)}</div>' for line in lines)
    return difference.legend(scale, spoken) + notes


def _density(answers: Sequence[Mapping[str, Any]]) -> tuple[heat.Grid, float]:
    cell_m: float = answers[0]["cell_m"]
    return heat.density(periods.grid(answers, "person_seconds"), cell_m), cell_m


def _spoiling(figure: str, answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [fault for fault in periods.tainted(answers) if figure in fault["figures"]]
