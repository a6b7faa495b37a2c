"""Set-up: marks of cameras, lines and zones drawn and typed; judged live, saved with comments kept, published to the box."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import streamlit as st

from branchloop.config import Fault
from branchloop.site.notes import notes
from branchloop.site.site import Site, parse_site
from branchloop.text.catalogue import Language, say
from branchloop.text.faults import told
from dashboard import localtime, session, tiles
from dashboard.client import Hub, Problem, Refused
from dashboard.plain import plain
from dashboard.setup.cameras import marks_of_cameras
from dashboard.setup.draft import called, parts_of, site_of
from dashboard.setup.floor import lines_and_zones, shape_called
from dashboard.setup.work import Work, away, faults, note, stored

PARTS = ("plan", "camera", "text")
OWN_FILE = "branch file"
AUTHORS = {OWN_FILE: "setup.by.file", "command line": "setup.by.command"}
"""Those that are no token's name."""


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
        st.title(f"{plain(branch['name'][spoken])} · {say('page.setup', spoken)}")
        session.ribbon(branch)
        try:
            configuration = door.configuration(site_id)
        except Refused:
            st.info(say("setup.not_yours", spoken))
            return
        work = _work(site_id, configuration)
        zone = ZoneInfo(branch["timezone"])
        session.by_itself(_status, door, site_id, work, spoken, zone)
        site = _settled(work)
        _said(work, spoken)
        part = st.segmented_control(
            say("setup.part", spoken), PARTS, default=PARTS[0] if site else "text", required=True,
            format_func=lambda key: say(f"setup.part.{key}", spoken), key=f"setup-part-{site_id}",
        )  # fmt: skip
        if part == "text" or site is None:
            _text(door, site_id, work, spoken, zone)
        elif part == "camera":
            marks_of_cameras(door, site_id, work, site, spoken)
        else:
            lines_and_zones(door, site_id, work, site, spoken)
        site = _settled(work)
        if work.follow():  # only now: all that was just drawn and typed is in hand
            st.rerun()
        _finish(door, site_id, work, site, spoken)
        st.session_state.pop("setup-said", None)


def _work(site_id: str, configuration: dict[str, Any]) -> Work:
    """What is in hand."""
    key = f"setup-{site_id}"
    work = cast("Work | None", st.session_state.get(key))
    if work is None:
        work = Work(configuration["text"], configuration["version"], configuration["text"], configuration)
        st.session_state[key] = work
    work.newest = configuration
    return work


def _settled(work: Work) -> Site | None:
    """The site of the text in hand, while that is right; what is in it is no longer in hand beside it."""
    site = site_of(work.text)
    if site is not None:
        work.settle(site)
    return site


def _status(door: Hub, site_id: str, work: Work, spoken: Language, zone: ZoneInfo) -> None:
    """Wanted, running, in hand: refreshes by itself."""
    with session.told(by_itself=True):
        configuration = door.configuration(site_id)
        if work.sent and configuration["version"] != work.newest["version"]:
            st.rerun()  # what was sent may have arrived after all
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
        _standing(configuration, spoken, zone)


def _standing(configuration: dict[str, Any], spoken: Language, zone: ZoneInfo) -> None:
    """Which version is in force, or comes to be: soon where the box is there, else once it is."""
    wanted, runs = configuration["wanted"], configuration["reported"]
    other = configuration.get("differs")
    if other is not None:
        st.error(say("setup.differs", spoken, version=other["version"], next=other["next"]))
    refused = runs["refused"] if runs else None
    if refused is not None and wanted is not None and refused["version"] < wanted["version"]:
        refused = None  # another is wanted since
    comes = wanted is not None and refused is None and (runs is None or wanted["version"] > runs["version"])
    same = wanted is not None and refused is None and runs is not None and wanted["hash"] == runs["hash"]
    if refused is not None:
        reason = told(refused["reason"], spoken)
        st.error(say("setup.refused", spoken, version=refused["version"], reason=plain(reason)))
    if away(configuration):
        device = configuration["device"]
        said = [say("setup.unheard", spoken)]
        if device is not None:
            said = [say("setup.offline", spoken, time=localtime.wall(device["last_seen"], zone, spoken))]
        if comes:
            said.append(say("setup.takes_over_later", spoken, version=wanted["version"]))
        elif same:
            said.append(say("setup.was_in_force", spoken, version=runs["version"]))
        if device is not None or comes:
            st.warning(("" if spoken == "zh" else " ").join(said))
    elif comes and runs is not None:
        st.info(say("setup.takes_over", spoken, version=wanted["version"]))
    elif same:
        st.success(say("setup.in_force", spoken, version=runs["version"]))


def _text(door: Hub, site_id: str, work: Work, spoken: Language, zone: ZoneInfo) -> None:
    key = f"setup-text-{work.serial}"
    work.text = st.text_area(
        say("setup.text", spoken), work.text, height=480, key=key, on_change=_typed, args=(work, key)
    )
    session.head(say("setup.history", spoken))
    session.by_itself(_history, door, site_id, spoken, zone)
    versions = [each["version"] for each in work.newest["history"]]
    old = [version for version in versions if version != work.newest["version"]]
    if old:
        version = st.selectbox(say("setup.rollback", spoken), old)
        if not work.untouched:
            note(say("setup.rollback_later", spoken))
        if st.button(say("setup.do_rollback", spoken), disabled=not work.untouched) and work.untouched:
            _took(door.roll_back(site_id, version), site_id)


def _typed(work: Work, key: str) -> None:
    """At once: the click that ends the typing may be the one that leaves the page."""
    work.text = st.session_state[key]


def _noted(work: Work, key: str) -> None:
    """As the text."""
    work.note = st.session_state[key]


def _history(door: Hub, site_id: str, spoken: Language, zone: ZoneInfo) -> None:
    """Versions and what became of them: refreshes by itself."""
    with session.told(by_itself=True):
        configuration = door.configuration(site_id)
        runs = configuration["reported"]
        rows = []
        for each in configuration["history"]:
            state = "published" if each["published"] else "saved"
            # Of its own file the box tells the hash of all of it, wiring too: there the version tells.
            own = each["author"] == OWN_FILE and runs and runs["version"] == each["version"]
            own = own and not configuration.get("differs")
            if runs and (own or runs["hash"] == each["hash"]):
                state = "ran" if away(configuration) else "runs"
            note = f" · {each['note']}" if each["note"] else ""
            author = say(AUTHORS[each["author"]], spoken) if each["author"] in AUTHORS else each["author"]
            rows.append(
                [
                    str(each["version"]),
                    _wall(each["saved"], zone),
                    f"{author}{note}",
                    say(f"setup.state.{state}", spoken),
                ]
            )
        heads = [say(f"setup.{name}", spoken) for name in ("version", "at", "by", "state")]
        st.html(tiles.table(heads, rows) if rows else say("setup.none", spoken))


def _finish(door: Hub, site_id: str, work: Work, site: Site | None, spoken: Language) -> None:
    """Judge the text in hand as the box would, and offer to keep it."""
    st.divider()
    if work.judged is None or work.judged[0] != work.text:
        work.judged = (work.text, door.check(site_id, work.text))
    checked = work.judged[1]
    faults([Fault(fault["key"], fault["message"]) for fault in checked["faults"]], spoken)
    if checked["ok"]:
        st.html(f'<div class="bl-light bl-good">✓ {say("setup.right", spoken)}</div>')
        for doubt in notes(parse_site(work.text)):
            st.warning(plain(doubt.told(spoken)))
    in_hand = _in_hand(work, site, spoken)
    if in_hand:
        st.warning(say("setup.in_hand", spoken, what=plain(("、" if spoken == "zh" else ", ").join(in_hand))))
    key = f"setup-note-{work.base}"
    work.note = st.text_input(
        say("setup.note", spoken), work.note, max_chars=200, key=key, on_change=_noted, args=(work, key)
    )
    row = st.container(horizontal=True)
    bad = work.text == work.saved or bool(in_hand) or not checked["ok"]
    publish = late = False
    if _unpublished(work):
        words = say("setup.publish_saved", spoken, version=work.base)
        late = row.button(words, disabled=not checked["ok"], type="primary")
    else:
        publish = row.button(say("setup.publish", spoken), disabled=bad, type="primary")
    save = row.button(say("setup.save", spoken), disabled=bad)
    # Drawn before anything is asked of the hub: who is refused finds it below the reason.
    if row.button(say("setup.discard", spoken), disabled=work.untouched):
        st.session_state.pop(f"setup-{site_id}", None)
        st.rerun()
    if late and checked["ok"]:
        _took(door.publish(site_id, work.base), site_id)
    elif (publish or save) and not bad:
        _save(door, site_id, work, publish=publish)
    elif work.base != work.newest["version"]:
        st.warning(say("setup.overtaken", spoken, version=work.newest["version"], base=work.base))


def _unpublished(work: Work) -> bool:
    """Nothing is changed, and the newest version is saved alone: what is left is to publish it."""
    newest = next(iter(work.newest["history"]), None)
    return (
        work.untouched
        and newest is not None
        and newest["version"] == work.base == work.newest["version"]
        and newest["published"] is None
        and newest["author"] != OWN_FILE
    )


def _in_hand(work: Work, site: Site | None, spoken: Language) -> list[str]:
    """What is drawn and typed and not put in place, by its names."""
    if site is None:
        return []
    parts = parts_of(site)
    shapes = [shape_called(key, work, parts.get(key), spoken) for key in work.shapes]
    names = {camera.id: called(camera, spoken) for camera in site.cameras}
    marks = [say("setup.marks_of", spoken, camera=names.get(camera, camera)) for camera in work.marks]
    return [*shapes, *marks]


def _save(door: Hub, site_id: str, work: Work, *, publish: bool) -> None:
    work.sent.append(work.text)
    try:
        answer = door.save(site_id, work.text, work.base, work.note, publish=publish)
    except Problem:
        work.newest = door.configuration(site_id)
        if work.follow():  # overtaken by what one sent before, whose answer was lost
            st.rerun()
        raise
    _took(answer, site_id)


def _took(answer: dict[str, Any], site_id: str) -> None:
    """The hub has a new version: start again from it."""
    st.session_state.pop(f"setup-{site_id}", None)
    stored(answer)
    st.rerun()


def _said(work: Work, spoken: Language) -> None:
    told = st.session_state.get("setup-said")
    if told is not None:
        key, version = told
        st.success(say(key, spoken, version=version))
    if work.meanwhile is not None:
        st.info(say("setup.followed", spoken, version=work.meanwhile))
        work.heard = work.meanwhile


def _wall(text: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(text).astimezone(zone).strftime("%m-%d %H:%M:%S")
