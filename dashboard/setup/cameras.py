"""Set-up of cameras: marks on a picture without people and on the plan, judged as they are placed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import streamlit as st

from branchloop import survey
from branchloop.config import Fault
from branchloop.floormap import Mark
from branchloop.site.editing import with_calibration
from branchloop.site.site import Calibration, Camera, Site
from branchloop.text.catalogue import Language, say
from dashboard import session, tiles
from dashboard.client import Hub
from dashboard.drawing import as_data, picture_svg, plan_svg
from dashboard.pad import pad
from dashboard.setup.draft import Marks, called
from dashboard.setup.surface import asking, background
from dashboard.setup.work import Work, anew, faults, note, plan_pad, table


def marks_of_cameras(door: Hub, site_id: str, work: Work, site: Site, spoken: Language) -> None:
    """One camera's picture, the plan, and the table of its marks."""
    if not site.cameras:
        return
    ids = [camera.id for camera in site.cameras]
    names = {each.id: called(each, spoken) for each in site.cameras}
    chosen = st.selectbox(
        say("setup.camera", spoken),
        ids,
        format_func=lambda camera: names[camera],
        key=f"setup-camera-{site_id}",
    )
    camera = next(each for each in site.cameras if each.id == chosen)
    held = work.marks.get(chosen, Marks.of(camera))
    left, right = st.columns(2, gap="large")
    with right:
        session.head(say("setup.marks", spoken))
        marks = _mark_table(work, chosen, held)
        held = work.marks[chosen] = replace(held, points=tuple(marks))
        verdict, wrong = _judge(camera, marks, site)
        _verdict(verdict, wrong, spoken)
        row = st.container(horizontal=True)
        if row.button(say("setup.marks_apply", spoken), disabled=verdict is None, type="primary"):
            work.follow()  # where another has set them meanwhile and nobody here, they stay
            if chosen in work.marks:
                points = [list(mark) for mark in work.marks[chosen].points]
                fresh = {"points": points, "measured_on": datetime.now(site.zone_info).date()}
                work.text = with_calibration(work.text, chosen, fresh)
            work.serial = anew()
            st.rerun()
        if row.button(say("setup.undo", spoken), disabled=held == Marks.of(camera)):
            del work.marks[chosen]
            work.serial = anew()
            st.rerun()
    with left:
        asking(door, site_id, work, site, chosen, spoken)
        image = background(door, site_id, work, chosen)
        if image is None:
            st.info(say("setup.no_picture", spoken))
        note(
            say("setup.mark_how", spoken)
            if held.pending is None
            else say("setup.mark_pending", spoken, x=round(held.pending[0]), y=round(held.pending[1]))
        )
        size = camera.calibration.picture_px
        found = verdict.map if verdict else None
        words = say("setup.picture", spoken, camera=names[chosen])
        hit = pad(
            as_data(picture_svg(size, image, site, found, marks, spoken, held.pending)),
            alt=words, label=say("setup.pad", spoken, what=words), width=size[0], height=size[1],
            key=f"setup-picture-{chosen}",
        )  # fmt: skip
        if hit is not None:
            work.marks[chosen] = replace(held, pending=(round(hit[0], 1), round(hit[1], 1)))
            st.rerun()
        drawn = plan_svg(site, spoken, marks=marks, reach=found)
        place = plan_pad(drawn, site, site.name.model_dump()[spoken], spoken, f"setup-floor-{chosen}")
        note(say("setup.shade", spoken))
        if place is not None and held.pending is not None:
            work.marks[chosen] = Marks((*marks, (*held.pending, *place)))
            work.serial = anew()
            st.rerun()


def _mark_table(work: Work, camera: str, held: Marks) -> list[Mark]:
    rows = table(work, f"setup-marks-{camera}-{work.serial}", ("x_px", "y_px", "x_m", "y_m"), held.points)
    return [(a, b, round(c, 3), round(d, 3)) for a, b, c, d in rows]


def _judge(
    camera: Camera, marks: list[Mark], site: Site
) -> tuple[survey.Survey | None, tuple[str, str] | None]:
    size = camera.calibration.picture_px
    wrong = survey.fault(marks, size, site.plan)
    if wrong is not None:
        return None, wrong
    lens = camera.calibration
    fitted = Calibration(points=marks, picture_px=size, distortion=lens.distortion, focal_px=lens.focal_px)
    verdict = survey.survey(fitted, site.plan)
    if verdict is None:
        return None, survey.BEYOND_HORIZON
    return (None, survey.UNSEEN) if verdict.sees_nothing else (verdict, None)


def _verdict(verdict: survey.Survey | None, wrong: tuple[str, str] | None, spoken: Language) -> None:
    """Residuals mark by mark, and the areas."""
    if verdict is None:
        faults([Fault("", " ".join(wrong or ()))], spoken)
        return
    told = survey.figures(verdict)
    residual = "—" if verdict.always_fits else f"{told['residual_cm']:.1f} cm"
    st.html(
        tiles.row(
            [
                tiles.count(say("setup.residual", spoken), residual),
                tiles.count(say("setup.seen", spoken), f"{told['seen_percent']:.0f} %"),
                tiles.count(say("setup.too_far", spoken), f"{told['too_far_m2']:.0f} m²"),
            ]
        )
    )
    if told["suspicion"]:
        doubt = told["suspicion"]
        st.warning(say(f"setup.{doubt['kind']}", spoken, marks=", ".join(map(str, doubt["marks"]))))
    if verdict.always_fits:
        st.warning(say("setup.four_marks", spoken))
    if told["mirrored"]:
        st.warning(say("setup.mirrored", spoken))
    if told["spans_little"]:
        st.warning(say("setup.little", spoken))
    heads = [say(f"setup.{key}", spoken) for key in ("point", "miss", "left_out")]
    rows = [
        [
            str(mark["mark"]),
            "—" if verdict.always_fits else f"{mark['miss_cm']:.1f}",
            "—" if mark["left_out_cm"] is None else f"{mark['left_out_cm']:.1f}",
        ]
        for mark in told["marks"]
    ]
    st.html(tiles.table(heads, rows))
