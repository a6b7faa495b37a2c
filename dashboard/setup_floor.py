"""Set-up of lines and zones: drawn on the plan or a picture, or typed; judged as they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pandas as pd
import streamlit as st

from branchloop.config import Fault, find_faults
from branchloop.errors import ConfigError
from branchloop.homography import Point
from branchloop.site import ZONE_KINDS, Line, Site, Zone
from branchloop.sitetext import Listed, with_entry, without_entry
from branchloop.text import Language, say
from dashboard import setup_surface
from dashboard.client import Hub
from dashboard.setup_work import Work, anew, faults, note

NEW_LINE, NEW_ZONE = "new-line", "new-zone"


def lines_and_zones(door: Hub, site_id: str, work: Work, site: Site, spoken: Language) -> None:
    """What is drawn on with the part in hand, its points and its fields."""
    left, right = st.columns([3, 2], gap="large")
    with right:
        parts: dict[str, Line | Zone | None] = {NEW_LINE: None, NEW_ZONE: None}
        parts |= {f"line:{line.id}": line for line in site.lines}
        parts |= {f"zone:{zone.id}": zone for zone in site.zones}
        keys = list(parts)
        chosen = st.selectbox(
            say("setup.what", spoken), keys, index=keys.index(work.chosen) if work.chosen in keys else 0,
            key=f"setup-what-{work.shapes}",
            format_func=lambda key: _called(key, parts[key], spoken),
        )  # fmt: skip
        if chosen != work.chosen:
            work.chosen, work.points, work.serial = chosen, _points_of(parts[chosen]), anew()
        is_line = chosen == NEW_LINE or chosen.startswith("line:")
        note(say("setup.how_line" if is_line else "setup.how_zone", spoken))
        points = _point_table(work, spoken)
        entry = _fields(
            f"{chosen}-{work.shapes}", parts[chosen], is_line=is_line, points=points, spoken=spoken
        )
        kind: Listed = "line" if is_line else "zone"
        enough = len(points) == 3 if is_line else len(points) >= 3
        candidate, found = _made(work.text, kind, entry) if enough and entry["id"] else (None, [])
        if parts[chosen] is None and f"{kind}:{entry['id']}" in parts:
            found = [
                Fault(
                    f"{kind}.id",
                    f"is {entry['id']!r}, which is there already: choose that one, or take another id",
                )
            ]
        faults(found, spoken)
        row = st.container(horizontal=True)
        if row.button(say("setup.apply", spoken), disabled=candidate is None or bool(found), type="primary"):
            work.text, work.shapes = cast("str", candidate), anew()
            work.chosen = f"{kind}:{entry['id']}"
            work.points = points
            st.rerun()
        if parts[chosen] is not None and row.button(say("setup.remove", spoken)):
            work.text, work.shapes = without_entry(work.text, kind, entry["id"]), anew()
            work.chosen = ""
            st.rerun()
        if row.button(say("setup.clear", spoken)):
            work.points, work.serial = [], anew()
            st.rerun()
    with left:
        surface = setup_surface.choose(site, spoken)
        hit = setup_surface.clicked(
            door, site_id, work, site, surface, points, closed=not is_line, spoken=spoken
        )
        if hit is not None:
            kept = points if not is_line or len(points) < 3 else []
            work.points, work.serial = [*kept, hit], anew()
            st.rerun()


def _made(text: str, kind: Listed, entry: Mapping[str, Any]) -> tuple[str | None, list[Fault]]:
    """The text with the entry, and its faults; no text where it cannot be edited, and why."""
    try:
        candidate = with_entry(text, kind, entry)
    except ConfigError as error:
        return None, [Fault(kind, str(error))]
    return candidate, find_faults(candidate, Site)


def _called(key: str, part: Line | Zone | None, spoken: Language) -> str:
    if part is None:
        return say("setup.new_line" if key == NEW_LINE else "setup.new_zone", spoken)
    name = part.id if part.name is None else part.name.model_dump()[spoken]
    return say("setup.line" if isinstance(part, Line) else "setup.zone", spoken, name=name)


def _points_of(part: Line | Zone | None) -> list[Point]:
    if part is None:
        return []
    return [part.from_, part.to, part.inside] if isinstance(part, Line) else list(part.polygon)


def _fields(
    key: str, part: Line | Zone | None, *, is_line: bool, points: Sequence[Point], spoken: Language
) -> dict[str, Any]:
    """The fields beside the points, as an entry of the site file."""
    part_id = st.text_input(
        say("setup.id", spoken), part.id if part else "", max_chars=32, disabled=part is not None,
        key=f"setup-id-{key}",
    )  # fmt: skip
    names = part.name.model_dump() if part and part.name else {"en": "", "zh": ""}
    en = st.text_input(say("setup.name_en", spoken), names["en"], key=f"setup-en-{key}")
    zh = st.text_input(say("setup.name_zh", spoken), names["zh"], key=f"setup-zh-{key}")
    entry: dict[str, Any] = {"id": part_id.strip()}
    if en or zh or part is not None:
        entry["name"] = {"en": en or zh, "zh": zh or en} if en or zh else None
    places = [list(point) for point in points]
    if is_line:
        entrance = st.checkbox(
            say("setup.entrance", spoken),
            isinstance(part, Line) and part.entrance,
            key=f"setup-door-{key}",
        )
        ends = dict(zip(("from", "to", "inside"), places, strict=False))
        return {**entry, **ends, "entrance": entrance}
    kind = part.kind if isinstance(part, Zone) else "other"
    picked = st.selectbox(
        say("setup.kind", spoken), ZONE_KINDS, ZONE_KINDS.index(kind), key=f"setup-kind-{key}",
        format_func=lambda each: say(f"setup.kind.{each}", spoken),
    )  # fmt: skip
    stay = part.min_stay_s if isinstance(part, Zone) else 2.0
    least = st.number_input(say("setup.min_stay", spoken), 0.0, 600.0, stay, 0.5, key=f"setup-stay-{key}")
    return {**entry, "kind": picked, "polygon": places, "min_stay_s": least}


def _point_table(work: Work, spoken: Language) -> list[Point]:
    """The points in hand, to be typed as well."""
    table = pd.DataFrame(work.points, columns=["x_m", "y_m"], dtype=float)
    note(say("setup.points", spoken))
    edited = st.data_editor(table, num_rows="dynamic", hide_index=True, key=f"setup-points-{work.serial}")
    return [(round(float(x), 2), round(float(y), 2)) for x, y in edited.dropna().to_numpy()]
