"""The pages' parts are pure: figures in, HTML and SVG out, gaps and staleness told."""

from __future__ import annotations

import base64
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from PIL import Image

from branchloop.errors import ConfigError
from branchloop.text.catalogue import Language
from dashboard import heat, plan, tiles
from dashboard.client import Hub, Unreachable, connections
from dashboard.config import read_config, read_token
from dashboard.devices import notices
from dashboard.views import board as board_view
from dashboard.views.heat import why_unseen
from dashboard.views.heat_hours import footfall_chart, gap_list, gaps_of

ZONE = ZoneInfo("Asia/Shanghai")
BRANCH: dict[str, Any] = {
    "plan": {"width_m": 4.0, "height_m": 2.0, "walls": [[[0, 0], [4, 0], [4, 2]]]},
    "zones": [
        {"id": "q", "name": {"en": "Queue <1>", "zh": "排队区"}, "polygon": [[1, 0.5], [2, 0.5], [2, 1.5]]}
    ],
    "lines": [{"id": "door", "name": None, "from": [0, 1], "to": [1, 1], "entrance": True}],
    "cameras": [],
    "sensors": [{"id": "s", "name": None, "x_m": 1.0, "y_m": 1.0, "height_m": 3.0, "cone_deg": 30.0}],
}


def test_heat_is_clear_where_nobody_was_and_strong_where_most_were() -> None:
    """Alpha 0 under the floor of the scale, .85 at its top."""
    cells = np.zeros((8, 16))
    cells[2, 3] = 100.0
    picture = heat.colours(cells, heat.scale_of(cells))
    assert picture[0, 0, 3] == 0
    assert picture[2, 3, 3] == round(0.85 * 255)
    assert tuple(picture[2, 3, :3]) == (253, 231, 37)


def test_smoothing_moves_heat_but_loses_none() -> None:
    """Away from the border the mass is the same."""
    cells = np.zeros((20, 20))
    cells[9:11, 9:11] = 3.0
    assert heat.density(cells, 0.5).sum() * 0.25 == pytest.approx(cells.sum())


def test_nobody_at_all_is_an_empty_scale() -> None:
    """No division by nothing, and a picture without colour."""
    cells = np.zeros((4, 8))
    assert heat.scale_of(cells).empty
    picture = Image.open(io.BytesIO(heat.raster(cells, heat.scale_of(cells))))
    assert np.asarray(picture)[..., 3].max() == 0


def test_the_floor_is_a_picture_with_words() -> None:
    """Names in the language, escaped; people as dots; the image carries its text alternative."""
    layer = heat.layer(np.ones((8, 16)), heat.scale_of(np.ones((8, 16))), 0.25)
    svg = plan.floor_svg(BRANCH, "en", [layer], [[1.0, 1.0], [2.0, 1.0]], {"s": True})
    assert "Queue &lt;1&gt;" in svg
    assert svg.count('r="9"') == 2
    assert "data:image/png;base64," in svg
    assert "排队区" in plan.floor_svg(BRANCH, "zh")
    html = plan.as_image(svg, 'a "plan"')
    assert 'alt="a &quot;plan&quot;"' in html
    encoded = re.search(r"base64,([^\"]+)", html)
    assert encoded is not None
    assert base64.b64decode(encoded[1]).decode() == svg


def test_the_name_of_a_line_stays_on_the_plan() -> None:
    """An entrance at the right edge has its name to the left; one at the top has it below the edge."""

    def words(start: list[float], end: list[float]) -> tuple[float, float, str]:
        door = {"id": "door", "name": {"en": "Door", "zh": "门"}, "from": start, "to": end, "entrance": True}
        svg = plan.floor_svg({**BRANCH, "zones": [], "lines": [door]}, "en")
        found = re.search(r'<text x="(-?\d+)" y="(-?\d+)" [^>]*text-anchor="(\w+)"[^>]*>Door<', svg)
        assert found is not None
        return float(found[1]), float(found[2]), found[3]

    width = BRANCH["plan"]["width_m"]
    assert words([width, 0.5], [width, 1.5])[2] == "end"
    assert words([0, 0.5], [0, 1.5])[2] == "start"
    assert words([0.2, 0], [1, 0])[1] > 0


def test_a_tile_tells_value_coverage_and_gap() -> None:
    """A value with its bar; an em dash and why; stale with its time."""
    good = tiles.tile(
        "Visitors", {"value": 1234, "unit": "people", "coverage": 0.5, "as_of": None}, "en", ZONE
    )
    assert "1,234" in good
    assert "width:50%" in good
    gap = tiles.tile(
        "Visitors", {"value": None, "unit": "people", "coverage": None, "as_of": None}, "en", ZONE
    )
    assert "—" in gap
    assert "not measured" in gap
    old = {"value": 3, "unit": "people", "coverage": 1.0, "as_of": "2026-11-23T01:00:00Z"}
    stale = tiles.tile("In branch now", old, "en", ZONE, stale=True)
    assert "bl-stale" in stale
    assert "as of 09:00:00" in stale


def test_lights_have_shapes_and_words() -> None:
    """Never colour alone."""
    shown = {state: tiles.light("Hall", state, "en") for state in tiles.LIGHTS}
    assert len({re.search(r'hidden="true">(.)', html)[1] for html in shown.values()}) == len(shown)  # type: ignore[index]
    assert "stalled" in shown["stalled"]
    assert "not heard of" in tiles.light("Hall", "strange", "en")


def test_gaps_are_listed_and_unobserved_hours_are_breaks() -> None:
    """Times in the branch's clock; None stays None in the chart's data."""
    html = gap_list([{"from": "2026-11-23T01:00:00Z", "to": "2026-11-23T02:30:00Z"}], "en", ZONE)
    assert "11-23 09:00 to 11-23 10:30" in html
    items = [
        {"start": "2026-11-23T01:00:00Z", "visitors": None},
        {"start": "2026-11-23T02:00:00Z", "visitors": 4},
    ]
    chart = footfall_chart(items, "en", ZONE)
    assert chart.data["visitors"].isna().tolist() == [True, False]
    assert chart.to_dict()["encoding"]["x"]["sort"] == chart.data["hour"].tolist()


HALF: dict[str, Any] = {
    "from": "2026-11-23T01:00:00Z", "to": "2026-11-23T09:00:00Z", "opened_s": 28_800.0, "coverage": 0.5,
    "gaps": [], "begun": None,
    "cameras_out": [{"camera": "hall", "seconds": 28_800.0, "from": "2026-11-23T01:00:00Z", "to": "2026-11-23T09:00:00Z"}],
}  # fmt: skip


def test_no_gaps_are_told_at_full_coverage_alone() -> None:
    """One of two cameras out all day is no gap of the branch; it is told with its name and its time."""

    def told(*answers: dict[str, Any], spoken: Language = "en") -> str:
        return gaps_of(answers, spoken, ZONE, {"hall": "Hall camera"}, "closed")

    assert "Cameras were out for part of this time." in told(HALF)
    assert "Hall camera: 8 h not observed, between 11-23 09:00 and 11-23 17:00" in told(HALF)
    assert "Hall camera：11-23 09:00 至 11-23 17:00 间累计 8 小时未观测" in told(HALF, spoken="zh")
    assert "No gaps" not in told(HALF)
    assert "16 h not observed" in told(HALF, HALF)
    assert "Cameras were out" in told({**HALF, "cameras_out": []})  # which is not known
    whole = {**HALF, "coverage": 1.0, "cameras_out": []}
    assert "No gaps in this time." in told(whole)
    assert "No gaps" in told({**whole, "coverage": 1 - 10 / 28_800})  # the newest windows are on their way
    gap = [{"from": "2026-11-23T01:00:00Z", "to": "2026-11-23T02:30:00Z"}]
    both = told({**HALF, "gaps": gap})
    assert "11-23 09:00 to 11-23 10:30" in both
    assert "Hall camera" in both
    assert "closed" in told({**HALF, "coverage": None, "cameras_out": []})


def test_a_closed_day_is_no_outage() -> None:
    """Nobody looked, the branch was closed, or has not opened: three things."""
    shut = {**HALF, "opened_s": 0.0}
    assert "not observed" in why_unseen([HALF], "en")
    assert why_unseen([shut], "en") == "The branch was closed in this time."
    assert "未营业" in why_unseen([shut], "zh")
    assert "so far" in why_unseen([{**shut, "to": "2199-01-01T00:00:00Z"}], "en")
    assert "not observed" in why_unseen([HALF, shut], "en")


def test_withdrawn_notices_are_struck_out() -> None:
    """What did not come true stays visible, as such."""
    notice = {
        "id": "n", "what": "crossing", "at": "2026-11-23T01:00:00Z", "line": "door", "direction": "in",
        "subject": None, "state": None, "fate": "withdrawn",
    }  # fmt: skip
    assert "<s>door: one person in</s>" in notices(BRANCH, {"notices": [notice]}, "en", ZONE)
    assert "Nothing to report" in notices(BRANCH, {"notices": []}, "en", ZONE)


def test_a_notice_names_what_it_is_about_though_another_thing_has_its_id() -> None:
    """Ids are unique among lines, among cameras and among sensors, no further."""
    branch = {
        **BRANCH,
        "cameras": [{"id": "door", "name": {"en": "Door camera", "zh": "门口摄像头"}}],
        "sensors": [{"id": "door", "name": {"en": "Door sensor", "zh": "门口传感器"}}],
        "lines": [{"id": "door", "name": {"en": "Street door", "zh": "临街门"}}],
    }
    common = {"at": "2026-11-23T01:00:00Z", "fate": "open", "detail": None}
    crossing = {
        **common,
        "what": "crossing",
        "line": "door",
        "direction": "in",
        "subject": None,
        "state": None,
    }
    device = {**common, "what": "sensor", "line": None, "direction": None, "subject": "door", "state": "up"}
    told = notices(branch, {"notices": [crossing, device]}, "en", ZONE)
    assert "Street door: one person in" in told
    assert "sensor Door sensor" in told
    assert "camera" not in told


def test_a_hub_that_is_away_is_unreachable() -> None:
    """The page gets a typed failure, to say so in words."""
    with connections() as http, pytest.raises(Unreachable):
        Hub("http://127.0.0.1:9", "token", http).branches()


def test_a_token_file_must_be_private(tmp_path: Path) -> None:
    """A token that others may read is refused before anything is served."""
    (tmp_path / "d.toml").write_text('[dashboard]\napi = "http://127.0.0.1:1"\ntoken_file = "t"\n')
    (tmp_path / "t").write_text("secret\n")
    (tmp_path / "t").chmod(0o644)
    config = read_config(tmp_path / "d.toml")
    with pytest.raises(ConfigError, match="chmod 600"):
        read_token(config, tmp_path)
    (tmp_path / "t").chmod(0o600)
    assert read_token(config, tmp_path) == "secret"


@pytest.mark.parametrize("spoken", ["zh", "en"])
def test_the_ways_of_checking_in_add_up_to_who_came(spoken: Language) -> None:
    """Of those who are due: who cancelled is not, and who is on the waitlist has no time yet."""
    ways = ("code", "kiosk", "kiosk", "kiosk", "staff")
    items = [{"state": "arrived", "number": f"A{at:03}"} for at, _ in enumerate(ways)]
    items += [{"state": state, "number": None} for state in ("booked", "cancelled", "waitlisted")]  # type: ignore[dict-item]
    board = {"items": items, "next": [], "methods": Counter(ways), "median_wait_s": None}
    first, _, last = (re.sub(r"<[^>]+>|\s+", " ", tile) for tile in board_view.figures(board, spoken))
    assert [int(each) for each in re.findall(r"\d+", first)] == [5, 6]
    assert [int(each) for each in re.findall(r"\d+", last)] == [1, 0, 3, 1]
