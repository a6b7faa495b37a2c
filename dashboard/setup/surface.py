"""What lines and zones are drawn on: the plan, the floor seen from above under it, or a camera's picture."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from branchloop.floormap import FloorMap
from branchloop.homography import Point
from branchloop.site.site import Camera, Site
from branchloop.text.catalogue import Language, say
from branchloop.text.faults import told
from branchloop.text.pictures import told as reason_told
from dashboard import plan, session
from dashboard.client import Hub, Problem
from dashboard.drawing import as_data, picture_svg, plan_svg
from dashboard.ground import place_of
from dashboard.pad import pad
from dashboard.plain import plain
from dashboard.setup.draft import called
from dashboard.setup.work import Work, away, note, plan_pad

PLAN, ABOVE = "plan", "above"


def choose(site: Site, spoken: Language) -> str:
    """The surface to draw on: `plan`, `above`, or a camera as `camera:ID`; a site without cameras has its plan."""
    if not site.cameras:
        return PLAN
    named = {f"camera:{camera.id}": camera for camera in site.cameras}
    chosen: str = st.selectbox(
        say("setup.on", spoken), [PLAN, ABOVE, *named], key=f"setup-on-{site.id}",
        format_func=lambda key: _called(key, named.get(key), spoken),
    )  # fmt: skip
    return chosen


def _called(key: str, camera: Camera | None, spoken: Language) -> str:
    if camera is None:
        return say(f"setup.on.{key}", spoken)
    return say("setup.on.camera", spoken, name=called(camera, spoken))


def clicked(
    door: Hub, site_id: str, work: Work, site: Site, surface: str, draft: Sequence[Point], *, closed: bool,
    spoken: Language,
) -> Point | None:  # fmt: skip
    """Show the surface with what is drawn on it; the place that was just clicked, in metres on the plan."""
    camera = next((each for each in site.cameras if surface == f"camera:{each.id}"), None)
    if camera is not None:
        return _on_picture(door, site_id, work, site, camera, draft, closed=closed, spoken=spoken)
    under: list[str] = []
    if surface == ABOVE:
        asking(door, site_id, work, site, None, spoken)
        found = session.floor_picture(door, site_id)
        if found is None:
            st.info(say("setup.no_above", spoken))
        else:
            under.append(plan.picture(found.data, found.media, found.bounds_m))
    drawn = plan_svg(site, spoken, draft, closed=closed, under=under)
    return plan_pad(drawn, site, site.name.model_dump()[spoken], spoken, "setup-plan")


def asking(door: Hub, site_id: str, work: Work, site: Site, camera: str | None, spoken: Language) -> None:
    """Ask the box for a picture (of the whole floor without a camera), or load what came.

    Why the hub refuses is said, and so is what became of the request.
    """
    row = st.container(horizontal=True)
    if row.button(say("setup.ask_picture", spoken)):
        try:
            if camera is None:
                door.ask_birdseye(site_id)
            else:
                door.ask_background(site_id, camera)
        except Problem as problem:
            st.warning(say("setup.hub_refused", spoken, reason=plain(told(str(problem), spoken))))
        else:
            st.info(say("setup.asked_offline" if away(work.newest) else "setup.asked_picture", spoken))
    if row.button(say("setup.reload", spoken)):
        if camera is None:
            session.forget_floor_picture()
        else:
            work.pictures.pop(camera, None)
        _came(door, site_id, work, site, camera, spoken)


def _came(door: Hub, site_id: str, work: Work, site: Site, camera: str | None, spoken: Language) -> None:
    """Why no newer picture is here, where that is so."""
    asked = next((each["asked"] for each in door.pictures(site_id) if each["camera"] == camera), None)
    if asked is not None and asked["state"] != "done":
        names = {each.id: called(each, spoken) for each in site.cameras}
        reason = reason_told(asked["code"], asked["detail"], spoken, names)
        state = "offline" if asked["state"] == "open" and away(work.newest) else asked["state"]
        st.info(say(f"setup.asked.{state}", spoken, reason=plain(reason)))


def background(door: Hub, site_id: str, work: Work, camera: str) -> bytes | None:
    """A camera's picture without people, fetched once until it is loaded again."""
    if camera not in work.pictures:
        work.pictures[camera] = door.background(site_id, camera)
    return work.pictures[camera]


def _on_picture(
    door: Hub, site_id: str, work: Work, site: Site, camera: Camera, draft: Sequence[Point], *, closed: bool,
    spoken: Language,
) -> Point | None:  # fmt: skip
    """A camera's picture to draw on; a click on its floor becomes metres by the camera's marks."""
    asking(door, site_id, work, site, camera.id, spoken)
    image = background(door, site_id, work, camera.id)
    if image is None:
        st.info(say("setup.no_picture", spoken))
    lens = camera.calibration
    found = FloorMap.fit(lens.points, lens)
    if found is None:
        st.warning(say("setup.no_floor", spoken))
        return None
    note(say("setup.by_marks", spoken))
    words = say("setup.picture", spoken, camera=called(camera, spoken))
    drawn = picture_svg(lens.picture_px, image, site, found, [], spoken, draft=draft, closed=closed)
    hit = pad(
        as_data(drawn), alt=words, label=say("setup.pad", spoken, what=words),
        width=lens.picture_px[0], height=lens.picture_px[1], key=f"setup-draw-{camera.id}",
    )  # fmt: skip
    if hit is None:
        return None
    place = place_of(found, hit, site.plan)
    if isinstance(place, str):
        size = site.plan
        st.warning(
            say(f"setup.beyond.{place}", spoken, width=f"{size.width_m:g}", height=f"{size.height_m:g}")
        )
        return None
    return place
