"""What the Set-up page draws: well formed, in the right places, and nothing in it can run."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET

import pytest

from branchloop.floormap import FloorMap
from branchloop.share import share
from branchloop.site.site import parse_site
from branchloop.text.setup import WORDS
from branchloop.theme import BAD
from dashboard.drawing import as_data, picture_svg, plan_svg, too_far_cells
from dashboard.views.setup import PARTS

SITE = parse_site(share("configs/demo.toml").read_text(encoding="utf-8"))
LENS = SITE.cameras[0].calibration
SVG = "{http://www.w3.org/2000/svg}"


def found() -> FloorMap:
    fitted = FloorMap.fit(LENS.points, LENS)
    assert fitted is not None
    return fitted


def circles(svg: str) -> list[tuple[float, float]]:
    return [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in ET.fromstring(svg).iter(f"{SVG}circle")]  # noqa: S314 - our own


def test_a_draft_is_drawn_where_it_was_clicked() -> None:
    """Metres become the plan's units (40 a metre); a zone closes, a line does not reach its inner point."""
    svg = plan_svg(SITE, "en", [(1.0, 2.0), (3.0, 2.0), (3.0, 5.0)], closed=True)
    assert {(40.0, 80.0), (120.0, 80.0), (120.0, 200.0)} <= set(circles(svg))
    assert 'polygon points="40.0,80.0 120.0,80.0 120.0,200.0"' in svg
    assert 'polyline points="40.0,80.0 120.0,80.0"' in plan_svg(
        SITE, "en", [(1.0, 2.0), (3.0, 2.0), (3.0, 5.0)]
    )


def test_a_picture_shows_marks_and_the_floor_on_it() -> None:
    """Every mark with its number at its pixels, every line and zone projected, the background under them."""
    svg = picture_svg((768, 576), b"jpeg", SITE, found(), LENS.points, "en", (5.0, 6.0))
    assert circles(svg) == [*((mark[0], mark[1]) for mark in LENS.points), (5.0, 6.0)]
    assert f"data:image/jpeg;base64,{base64.b64encode(b'jpeg').decode()}" in svg
    tree = ET.fromstring(svg)  # noqa: S314 - our own
    assert len(list(tree.iter(f"{SVG}polyline"))) >= len(SITE.lines) + len(SITE.zones)
    named = {text.text for text in tree.iter(f"{SVG}text")}
    assert {"Street door", "Garden door"} <= named
    assert circles(picture_svg((768, 576), None, SITE, None, [], "zh")) == []


def test_a_draft_is_shown_on_the_picture_where_the_camera_sees_it() -> None:
    """A zone in the making has its corners at their pixels; a corner that is out of sight has none."""
    corners = [(12.0, 14.0), (14.0, 20.0), (17.0, 15.0)]
    seen = [found().shows(corner) for corner in corners]
    assert None not in seen
    svg = picture_svg((768, 576), None, SITE, found(), [], "en", draft=[*corners, (0.1, 24.9)], closed=True)
    assert circles(svg) == [pytest.approx(each, abs=0.06) for each in seen]
    closed, open_ = (
        picture_svg((768, 576), None, SITE, found(), [], "en", draft=corners, closed=closed).count("polyline")
        for closed in (True, False)
    )
    assert closed == open_
    assert f'stroke="{BAD}"' in svg


def test_the_floor_from_above_lies_under_the_plan() -> None:
    """What is drawn stays on top of the picture."""
    svg = plan_svg(SITE, "en", [(1.0, 2.0), (3.0, 2.0)], under=['<image id="above"/>'])
    assert -1 < svg.index('id="above"') < svg.index("<circle")


def test_names_cannot_become_markup() -> None:
    """A line called like a tag is shown as that text."""
    bad = SITE.lines[0].model_copy(update={"name": SITE.name.model_copy(update={"en": "<script>x</script>"})})
    site = SITE.model_copy(update={"lines": [bad]})
    for svg in (plan_svg(site, "en"), picture_svg((768, 576), None, site, found(), [], "en")):
        assert "<script" not in svg
        ET.fromstring(svg)  # noqa: S314 - our own
    assert as_data("<svg/>") == "data:image/svg+xml;base64,PHN2Zy8+"


def test_what_is_not_seen_is_shaded() -> None:
    """The cells of the plan that the camera does not see are drawn; a plan it sees whole has none."""
    unseen, low = too_far_cells(SITE, found())
    assert unseen.count("h-") > 100
    assert 'd=""' in low


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_its_name(part: str) -> None:
    """In both languages, as everything else of the page."""
    assert all(WORDS[f"setup.part.{part}"])
    assert all(english and chinese for english, chinese in WORDS.values())
