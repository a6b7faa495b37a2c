"""Set-up: marks of cameras, lines and zones drawn and typed; judged live, saved with comments kept, published to the box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Any, cast
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from branchloop import survey
from branchloop.config import Fault, find_faults
from branchloop.errors import ConfigError
from branchloop.floormap import Mark
from branchloop.homography import Point
from branchloop.site import ZONE_KINDS, Calibration, Camera, Line, Site, Zone, parse_site
from branchloop.sitetext import Listed, with_calibration, with_entry, without_entry
from branchloop.text import Language, say
from dashboard import session, tiles
from dashboard.client import Hub, Refused
from dashboard.drawing import as_data, picture_svg, plan_svg
from dashboard.pad import pad
from dashboard.plan import PX_PER_M

PARTS = ("plan", "camera", "text")
NEW_LINE, NEW_ZONE = "new-line", "new-zone"


@dataclass(slots=True)
class Work:
    """What one viewer has in hand of one branch."""

    text: str
    base: int
    saved: str
    chosen: str = ""
    points: list[Point] = field(default_factory=list)
    camera: str = ""
    marks: list[Mark] = field(default_factory=list)
    pending: Point | None = None
    pictures: dict[str, bytes | None] = field(default_factory=dict)
    serial: int = 0
    """Rises when tables must be drawn from what is in hand, not from what was typed into them."""
    shapes: int = 0
    """Rises when a shape was put in place or removed: its fields are drawn anew."""
    judged: tuple[str, dict[str, Any]] | None = None


def page() -> None:
    """The page."""
    door = session.hub()
    if door is None:
        return
    with session.told():
        site_id = session.choose_branch(door)
        if site_id is None:
            return
        branch, spoken = door.branch(site_id), session.language()
        st.title(f"{branch['name'][spoken]} · {say('page.setup', spoken)}")
        session.ribbon(branch)
        try:
            configuration = door.configuration(site_id)
        except Refused:
            st.info(say("setup.not_yours", spoken))
            return
        work = _work(site_id, configuration)
        zone = ZoneInfo(branch["timezone"])
        st.fragment(_status, run_every=session.settings()[0].refresh_s)(door, site_id, work, spoken, zone)
        _said()
        site = _site(work.text)
        part = st.segmented_control(
            say("setup.part", spoken), PARTS, default=PARTS[0] if site else "text", required=True,
            format_func=lambda key: say(f"setup.part.{key}", spoken), key=f"setup-part-{site_id}",
        )  # fmt: skip
        if part == "text" or site is None:
            _text(door, site_id, work, configuration, spoken, zone)
        elif part == "camera":
            _camera(door, site_id, work, site, spoken)
        else:
            _plan(work, site, branch, spoken)
        _finish(door, site_id, work, spoken)


def _work(site_id: str, configuration: dict[str, Any]) -> Work:
    """What is in hand; a text that was not touched follows the hub's."""
    key = f"setup-{site_id}"
    work = cast("Work | None", st.session_state.get(key))
    if work is None or (work.text == work.saved and work.base != configuration["version"]):
        work = Work(configuration["text"], configuration["version"], configuration["text"])
        st.session_state[key] = work
    return work


def _site(text: str) -> Site | None:
    try:
        return parse_site(text)
    except ConfigError:
        return None


def _status(door: Hub, site_id: str, work: Work, spoken: Language, zone: ZoneInfo) -> None:
    """Wanted, running, in hand: refreshes by itself."""
    with session.told():
        configuration = door.configuration(site_id)
        wanted, runs = configuration["wanted"], configuration["reported"]
        none = say("setup.none", spoken)
        at = "" if runs is None else say("setup.since", spoken, time=_wall(runs["at"], zone))
        edited = "setup.same" if work.text == work.saved else "setup.changed"
        st.html(
            tiles.row(
                [
                    tiles.count(say("setup.wanted", spoken), str(wanted["version"]) if wanted else none),
                    tiles.count(say("setup.runs", spoken), str(runs["version"]) if runs else none, at),
                    tiles.count(say("setup.edited", spoken), str(work.base), say(edited, spoken)),
                ]
            )
        )
        refused = runs["refused"] if runs else None
        if refused is not None:
            st.error(say("setup.refused", spoken, version=refused["version"], reason=refused["reason"]))
        elif wanted and runs and wanted["version"] > runs["version"]:
            st.info(say("setup.takes_over", spoken, version=wanted["version"]))
        elif wanted and runs and wanted["hash"] == runs["hash"]:
            st.success(say("setup.in_force", spoken, version=runs["version"]))


def _plan(work: Work, site: Site, branch: dict[str, Any], spoken: Language) -> None:
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
            work.chosen, work.points, work.serial = chosen, _points_of(parts[chosen]), work.serial + 1
        is_line = chosen == NEW_LINE or chosen.startswith("line:")
        _note(say("setup.how_line" if is_line else "setup.how_zone", spoken))
        points = _point_table(work, spoken)
        entry = _fields(
            f"{chosen}-{work.shapes}", parts[chosen], is_line=is_line, points=points, spoken=spoken
        )
        kind: Listed = "line" if is_line else "zone"
        enough = len(points) == 3 if is_line else len(points) >= 3
        candidate = with_entry(work.text, kind, entry) if enough and entry["id"] else None
        faults = find_faults(candidate, Site) if candidate else []
        _faults(faults, spoken)
        row = st.container(horizontal=True)
        if row.button(say("setup.apply", spoken), disabled=candidate is None or bool(faults), type="primary"):
            work.text, work.shapes = cast("str", candidate), work.shapes + 1
            work.chosen = f"{kind}:{entry['id']}"
            work.points = points
            st.rerun()
        if parts[chosen] is not None and row.button(say("setup.remove", spoken)):
            work.text, work.shapes = without_entry(work.text, kind, entry["id"]), work.shapes + 1
            work.chosen = ""
            st.rerun()
        if row.button(say("setup.clear", spoken)):
            work.points, work.serial = [], work.serial + 1
            st.rerun()
    with left:
        drawn = plan_svg(site, spoken, points, closed=not is_line)
        hit = _plan_pad(drawn, site, branch["name"][spoken], spoken, "setup-plan")
        if hit is not None:
            kept = points if not is_line or len(points) < 3 else []
            work.points, work.serial = [*kept, hit], work.serial + 1
            st.rerun()


def _camera(door: Hub, site_id: str, work: Work, site: Site, spoken: Language) -> None:
    if not site.cameras:
        return
    ids = [camera.id for camera in site.cameras]
    chosen = st.selectbox(say("setup.camera", spoken), ids)
    camera = next(each for each in site.cameras if each.id == chosen)
    if chosen != work.camera:
        work.camera, work.marks, work.pending = chosen, list(camera.calibration.points), None
        work.serial += 1
    if chosen not in work.pictures:
        work.pictures[chosen] = door.background(site_id, chosen)
    left, right = st.columns(2, gap="large")
    with right:
        session.head(say("setup.marks", spoken))
        marks = _mark_table(work)
        verdict, wrong = _judge(camera, marks, site)
        _verdict(verdict, wrong, spoken)
        if st.button(say("setup.marks_apply", spoken), disabled=verdict is None, type="primary"):
            fresh = {"points": [list(mark) for mark in marks], "measured_on": datetime.now(UTC).date()}
            work.text = with_calibration(work.text, chosen, fresh)
            work.marks, work.serial = marks, work.serial + 1
            st.rerun()
    with left:
        image = work.pictures[chosen]
        if image is None:
            st.info(say("setup.no_picture", spoken))
        row = st.container(horizontal=True)
        if row.button(say("setup.ask_picture", spoken)):
            door.ask_background(site_id, chosen)
            st.info(say("setup.asked_picture", spoken))
        if row.button(say("setup.reload", spoken)):
            work.pictures.pop(chosen)
            st.rerun()
        _note(
            say("setup.mark_how", spoken)
            if work.pending is None
            else say("setup.mark_pending", spoken, x=round(work.pending[0]), y=round(work.pending[1]))
        )
        size = camera.calibration.picture_px
        found = verdict.map if verdict else None
        words = say("setup.picture", spoken, camera=chosen)
        hit = pad(
            as_data(picture_svg(size, image, site, found, marks, spoken, work.pending)),
            alt=words, label=say("setup.pad", spoken, what=words), width=size[0], height=size[1],
            key=f"setup-picture-{chosen}",
        )  # fmt: skip
        if hit is not None:
            work.pending, work.marks = (round(hit[0], 1), round(hit[1], 1)), marks
            st.rerun()
        drawn = plan_svg(site, spoken, marks=marks, reach=found)
        place = _plan_pad(drawn, site, site.name.model_dump()[spoken], spoken, f"setup-floor-{chosen}")
        _note(say("setup.shade", spoken))
        if place is not None and work.pending is not None:
            work.marks, work.serial = [*marks, (*work.pending, *place)], work.serial + 1
            work.pending = None
            st.rerun()


def _text(
    door: Hub, site_id: str, work: Work, configuration: dict[str, Any], spoken: Language, zone: ZoneInfo
) -> None:
    typed = st.text_area(say("setup.text", spoken), work.text, height=480, key=f"setup-text-{work.serial}")
    if typed != work.text:
        work.text, work.chosen, work.camera = typed, "", ""
    session.head(say("setup.history", spoken))
    st.fragment(_history, run_every=session.settings()[0].refresh_s)(door, site_id, spoken, zone)
    old = [each["version"] for each in configuration["history"][1:]]
    if old:
        version = st.selectbox(say("setup.rollback", spoken), old)
        if st.button(say("setup.do_rollback", spoken)):
            _took(door.roll_back(site_id, version), site_id, "setup.published", spoken)


def _history(door: Hub, site_id: str, spoken: Language, zone: ZoneInfo) -> None:
    """Versions and what became of them: refreshes by itself."""
    with session.told():
        configuration = door.configuration(site_id)
        runs = configuration["reported"]
        heads = ("version", "at", "by", "state")
        rows = []
        for each in configuration["history"]:
            state = "published" if each["published"] else "saved"
            if runs and runs["hash"] == each["hash"]:
                state = "runs"
            note = f" · {each['note']}" if each["note"] else ""
            cells = (str(each["version"]), _wall(each["saved"], zone), f"{each['author']}{note}")
            rows.append(
                "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
                + f"<td>{say(f'setup.state.{state}', spoken)}</td></tr>"
            )  # fmt: skip
        head = "".join(f"<th>{say(f'setup.{name}', spoken)}</th>" for name in heads)
        st.html(
            f'<table class="bl-table"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
            if rows
            else say("setup.none", spoken)
        )


def _finish(door: Hub, site_id: str, work: Work, spoken: Language) -> None:
    """Judge the text in hand as the box would, and offer to keep it."""
    st.divider()
    if work.judged is None or work.judged[0] != work.text:
        work.judged = (work.text, door.check(site_id, work.text))
    checked = work.judged[1]
    _faults([Fault(fault["key"], fault["message"]) for fault in checked["faults"]], spoken)
    if checked["ok"]:
        st.html(f'<div class="bl-light bl-good">✓ {say("setup.right", spoken)}</div>')
    untouched = work.text == work.saved
    note = st.text_input(say("setup.note", spoken), max_chars=200, key=f"setup-note-{work.base}")
    row = st.container(horizontal=True)
    for key, out in (("setup.publish", True), ("setup.save", False)):
        if row.button(
            say(key, spoken), disabled=untouched or not checked["ok"], type="primary" if out else "secondary"
        ):
            answer = door.save(site_id, work.text, work.base, note, publish=out)
            _took(answer, site_id, "setup.published" if out else "setup.saved", spoken)
    if row.button(say("setup.discard", spoken), disabled=untouched):
        st.session_state.pop(f"setup-{site_id}", None)
        st.rerun()


def _took(answer: dict[str, Any], site_id: str, key: str, spoken: Language) -> None:
    """The hub has a new version: start again from it."""
    st.session_state.pop(f"setup-{site_id}", None)
    st.session_state["setup-said"] = say(key, spoken, version=answer["version"])
    st.rerun()


def _said() -> None:
    told = st.session_state.pop("setup-said", None)
    if told:
        st.success(told)


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
    if en or zh:
        entry["name"] = {"en": en or zh, "zh": zh or en}
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
        say("setup.kind", spoken), ZONE_KINDS, ZONE_KINDS.index(kind), key=f"setup-kind-{key}"
    )
    stay = part.min_stay_s if isinstance(part, Zone) else 2.0
    least = st.number_input(say("setup.min_stay", spoken), 0.0, 600.0, stay, 0.5, key=f"setup-stay-{key}")
    return {**entry, "kind": picked, "polygon": places, "min_stay_s": least}


def _point_table(work: Work, spoken: Language) -> list[Point]:
    """The points in hand, to be typed as well."""
    table = pd.DataFrame(work.points, columns=["x_m", "y_m"], dtype=float)
    _note(say("setup.points", spoken))
    edited = st.data_editor(table, num_rows="dynamic", hide_index=True, key=f"setup-points-{work.serial}")
    return [(round(float(x), 2), round(float(y), 2)) for x, y in edited.dropna().to_numpy()]


def _mark_table(work: Work) -> list[Mark]:
    table = pd.DataFrame(work.marks, columns=["x_px", "y_px", "x_m", "y_m"], dtype=float)
    edited = st.data_editor(table, num_rows="dynamic", hide_index=True, key=f"setup-marks-{work.serial}")
    rows = edited.dropna().to_numpy()
    return [(float(a), float(b), round(float(c), 3), round(float(d), 3)) for a, b, c, d in rows]


def _judge(
    camera: Camera, marks: list[Mark], site: Site
) -> tuple[survey.Survey | None, tuple[str, str] | None]:
    size = camera.calibration.picture_px
    wrong = survey.fault(marks, size)
    if wrong is not None:
        return None, wrong
    lens = camera.calibration
    fitted = Calibration(points=marks, picture_px=size, distortion=lens.distortion, focal_px=lens.focal_px)
    verdict = survey.survey(fitted, site.plan)
    return verdict, survey.BEYOND_HORIZON if verdict is None else None


def _verdict(verdict: survey.Survey | None, wrong: tuple[str, str] | None, spoken: Language) -> None:
    """Residuals mark by mark, and the areas."""
    if verdict is None:
        _faults([Fault("", " ".join(wrong or ()))], spoken)
        return
    told = survey.figures(verdict)
    st.html(
        tiles.row(
            [
                tiles.count(say("setup.residual", spoken), f"{told['residual_cm']:.1f} cm"),
                tiles.count(say("setup.seen", spoken), f"{told['seen_percent']:.0f} %"),
                tiles.count(say("setup.too_far", spoken), f"{told['too_far_m2']:.0f} m²"),
            ]
        )
    )
    if told["suspicion"]:
        doubt = told["suspicion"]
        st.warning(say(f"setup.{doubt['kind']}", spoken, marks=", ".join(map(str, doubt["marks"]))))
    if told["spans_little"]:
        st.warning(say("setup.little", spoken))
    head = "".join(f"<th>{say(f'setup.{key}', spoken)}</th>" for key in ("point", "miss", "left_out"))
    rows = "".join(
        f"<tr><td>{mark['mark']}</td><td>{mark['miss_cm']:.1f}</td>"
        f"<td>{'—' if mark['left_out_cm'] is None else format(mark['left_out_cm'], '.1f')}</td></tr>"
        for mark in told["marks"]
    )
    st.html(f'<table class="bl-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>')


def _note(text: str) -> None:
    st.html(f'<div class="bl-light">{escape(text)}</div>')


def _faults(faults: Sequence[Fault], spoken: Language) -> None:
    if not faults:
        return
    items = "".join(
        f"<li><code>{escape(fault.key or say('setup.whole', spoken))}</code> {escape(fault.message)}</li>"
        for fault in faults
    )
    st.html(
        f'<div class="bl-light bl-bad">▲ {say("setup.faults", spoken)}</div><ul class="bl-faults">{items}</ul>'
    )


def _plan_pad(svg: str, site: Site, name: str, spoken: Language, key: str) -> Point | None:
    plan = site.plan
    words = say("setup.plan", spoken, branch=name, width=f"{plan.width_m:g}", height=f"{plan.height_m:g}")
    hit = pad(
        as_data(svg), alt=words, label=say("setup.pad", spoken, what=words),
        width=plan.width_m * PX_PER_M, height=plan.height_m * PX_PER_M, key=key,
    )  # fmt: skip
    return None if hit is None else (round(hit[0] / PX_PER_M, 2), round(hit[1] / PX_PER_M, 2))


def _wall(text: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(text).astimezone(zone).strftime("%m-%d %H:%M:%S")
