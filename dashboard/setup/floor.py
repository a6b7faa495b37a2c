"""Set-up of lines and zones: drawn on the plan or a picture, or typed; judged as they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from branchloop.config import Fault, find_faults
from branchloop.errors import ConfigError
from branchloop.homography import Point
from branchloop.site.editing import Listed, with_entry, without_entry
from branchloop.site.site import ZONE_KINDS, Line, Site, Zone
from branchloop.text.catalogue import Language, say
from dashboard.client import Hub
from dashboard.setup import surface as setup_surface
from dashboard.setup.draft import Shape, called, parts_of, rounded, site_of
from dashboard.setup.work import Work, anew, faults, note, table

NEW_LINE, NEW_ZONE = "new-line", "new-zone"


def lines_and_zones(door: Hub, site_id: str, work: Work, site: Site, spoken: Language) -> None:
    """What is drawn on with the part in hand, its points and its fields."""
    left, right = st.columns([3, 2], gap="large")
    with right:
        known = parts_of(site)
        parts: dict[str, Line | Zone | None] = {NEW_LINE: None, NEW_ZONE: None, **known}
        parts |= {key: None for key in work.shapes if key not in parts}
        keys = list(parts)
        chosen = st.selectbox(
            say("setup.what", spoken), keys, index=keys.index(work.chosen) if work.chosen in keys else 0,
            key=f"setup-what-{work.fields}",
            format_func=lambda key: shape_called(key, work, parts[key], spoken),
        )  # fmt: skip
        work.chosen, part = chosen, parts[chosen]
        is_line = chosen == NEW_LINE or chosen.startswith("line:")
        note(say("setup.how_line" if is_line else "setup.how_zone", spoken))
        before = work.shapes.get(chosen, Shape.of(part))
        points = _point_table(work, chosen, before, spoken)
        shape = _fields(work, chosen, before, known=part is not None, is_line=is_line, spoken=spoken)
        shape = work.shapes[chosen] = replace(shape, points=points)
        kind: Listed = "line" if is_line else "zone"
        enough = len(points) == 3 if is_line else len(points) >= 3
        entry = shape.entry(is_line=is_line, known=part is not None)
        candidate, found = _made(work.text, kind, entry) if enough and shape.id else (None, [])
        if part is None and f"{kind}:{shape.id}" in known:
            found = [
                Fault(
                    f"{kind}.id",
                    f"is {shape.id!r}, which is there already: choose that one, or take another id",
                )
            ]
        faults(found, spoken)
        row = st.container(horizontal=True)
        right_one = candidate is not None and not found
        if row.button(say("setup.apply", spoken), disabled=not right_one, type="primary") and right_one:
            _put_in_place(work, chosen, kind)
            st.rerun()
        if part is not None and row.button(say("setup.remove", spoken)):
            work.follow()
            work.text = without_entry(work.text, kind, shape.id)
            work.shapes.pop(chosen, None)
            work.chosen, work.fields = "", anew()
            st.rerun()
        if row.button(say("setup.clear", spoken)):
            work.shapes[chosen], work.serial = replace(shape, points=()), anew()
            st.rerun()
        if row.button(say("setup.undo", spoken), disabled=shape == Shape.of(part)):
            del work.shapes[chosen]
            work.redraw()
            st.rerun()
    with left:
        surface = setup_surface.choose(site, spoken)
        hit = setup_surface.clicked(
            door, site_id, work, site, surface, points, closed=not is_line, spoken=spoken
        )
        if hit is not None:
            begun = points if not is_line or len(points) < 3 else ()
            work.shapes[chosen], work.serial = replace(shape, points=(*begun, hit)), anew()
            st.rerun()


def _put_in_place(work: Work, chosen: str, kind: Listed) -> None:
    """Into the newest text: what somebody else saved meanwhile is not undone by it."""
    work.follow()
    shape, site = work.shapes.get(chosen), site_of(work.text)
    if shape is None or site is None:
        return
    here = f"{kind}:{shape.id}"
    if here != chosen and here in parts_of(site):  # another has put that in place meanwhile
        return
    text, _ = _made(work.text, kind, shape.entry(is_line=kind == "line", known=chosen == here))
    if text is not None:
        del work.shapes[chosen]
        work.text, work.chosen = text, here
        work.redraw()


def _made(text: str, kind: Listed, entry: Mapping[str, Any]) -> tuple[str | None, list[Fault]]:
    """The text with the entry, and its faults; no text where it cannot be edited, and why."""
    try:
        candidate = with_entry(text, kind, entry)
    except ConfigError as error:
        return None, [Fault(kind, str(error))]
    return candidate, find_faults(candidate, Site)


def shape_called(key: str, work: Work, part: Line | Zone | None, spoken: Language) -> str:
    """A shape as it is listed; one that is no longer in the text by its id."""
    if key in (NEW_LINE, NEW_ZONE):
        return say("setup.new_line" if key == NEW_LINE else "setup.new_zone", spoken)
    name = work.shapes[key].id if part is None else called(part, spoken)
    return say("setup.line" if key.startswith("line:") else "setup.zone", spoken, name=name)


def _fields(work: Work, chosen: str, shape: Shape, *, known: bool, is_line: bool, spoken: Language) -> Shape:
    """The fields beside the points; the id of one that is `known` stays."""

    def field(name: str) -> dict[str, Any]:
        key = f"setup-{name}-{chosen}-{work.fields}"
        return {"key": key, "on_change": _typed, "args": (work, chosen, shape, name, key)}

    part_id = st.text_input(say("setup.id", spoken), shape.id, max_chars=32, disabled=known, **field("id"))
    en = st.text_input(say("setup.name_en", spoken), shape.en, **field("en"))
    zh = st.text_input(say("setup.name_zh", spoken), shape.zh, **field("zh"))
    typed = Shape(part_id.strip(), en, zh)
    if is_line:
        entrance = st.checkbox(say("setup.entrance", spoken), shape.entrance, **field("entrance"))
        return replace(typed, entrance=entrance)
    picked = st.selectbox(
        say("setup.kind", spoken), ZONE_KINDS, ZONE_KINDS.index(shape.kind), **field("kind"),
        format_func=lambda each: say(f"setup.kind.{each}", spoken),
    )  # fmt: skip
    stay = st.number_input(
        say("setup.min_stay", spoken), 0.0, 600.0, shape.min_stay_s, 0.5, **field("min_stay_s")
    )
    return replace(typed, kind=picked, min_stay_s=stay)


def _typed(work: Work, chosen: str, shape: Shape, name: str, key: str) -> None:
    """At once: the click that ends the typing may be the one that leaves the page, before its fields are read."""
    changed = {name: st.session_state[key]}
    work.shapes[chosen] = replace(work.shapes.get(chosen, shape), **changed)


def _point_table(work: Work, chosen: str, shape: Shape, spoken: Language) -> tuple[Point, ...]:
    """The points in hand, to be typed as well."""
    note(say("setup.points", spoken))
    return rounded(table(work, f"setup-points-{chosen}-{work.serial}", ("x_m", "y_m"), shape.points))
