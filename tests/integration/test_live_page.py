"""The Live page over a real hub, for a role that may not see figures of the past."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import streamlit as st
from hubworld import World, world
from streamlit.testing.v1 import AppTest
from test_api import send, window

import dashboard
from branchloop.text.catalogue import say
from hub.api.state import now_ms


def test_staff_see_the_plan_without_its_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heat of the last minutes is refused to staff: the page shows the rest, and nobody is signed out."""
    with world(tmp_path, book=True) as hub:
        start = now_ms() // 5_000 * 5_000 - 10_000
        queue = {"queue": "queue", "person_ms": 15_000, "waiting_end": 3, "joined": 3}
        send(hub, "hall", [("window", window(start, 3, queues=[queue]))])
        token = hub.token("staff", "hall")["Authorization"].split()[1]
        (tmp_path / "token").write_text(token)
        (tmp_path / "token").chmod(0o600)
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{hub.api}"\ntoken_file = "token"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        page = AppTest.from_file(str(Path(dashboard.__file__).parent / "app.py"), default_timeout=60)
        page.query_params["lang"] = "en"
        page.run()
        assert not page.exception
        assert not page.error
        assert [title.value for title in page.title] == ["Hall"]
        html = " ".join(block.proto.body for block in page.get("html"))
        assert "Waiting" in html
        assert "Floor plan of Hall" in html
        assert say("heat.refused", "en") in html
        st.cache_resource.clear()


FLOW = {
    "cell_mm": 500,
    "rows": 2,
    "cols": 4,
    "cells": [2],
    "dx_mm": [4_000],
    "dy_mm": [0],
    "path_mm": [5_000],
}
ARROW = '<path d="M'
SENSOR = """
[[sensor]]
id = "range"
source = "log:range.csv"
x_m = 1.0
y_m = 0.5
height_m = 3.0
"""


@pytest.fixture
def hall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A hub of two branches of which `hall` has a sensor, and pages that everybody signs in to."""
    with world(tmp_path, parts=SENSOR, book=True) as hub:
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{hub.api}"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        yield hub
        st.cache_resource.clear()


def live_page() -> None:
    """As the app runs it."""
    from dashboard.views import live

    live.page()


def heat_page() -> None:
    """As the app runs it."""
    from dashboard.views import heat

    heat.page()


def journeys_page() -> None:
    """As the app runs it."""
    from dashboard.views import journeys

    journeys.page()


def service_page() -> None:
    """As the app runs it."""
    from dashboard.views import service

    service.page()


def quality_page() -> None:
    """As the app runs it."""
    from dashboard.views import quality

    quality.page()


def opened(page: Callable[[], None], headers: dict[str, str], **address: str) -> AppTest:
    """A page, shown to the one of these headers at this address."""
    shown = AppTest.from_function(page, default_timeout=60)
    for key, value in address.items():
        shown.query_params[key] = value
    shown.session_state["token"] = headers["Authorization"].split()[1]
    shown.run()
    assert not shown.exception
    return shown


def words(page: AppTest) -> str:
    """The HTML on a page."""
    return " ".join(block.proto.body for block in page.get("html"))


def drawn(page: AppTest) -> str:
    """The floor plan's SVG."""
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', words(page))
    return base64.b64decode(data).decode()


def test_live_shows_which_way_people_walked(hall: World) -> None:
    """Arrows of the last quarter of an hour, and the caption says which minutes; without a walk it says so."""
    page = opened(live_page, hall.token("manager", "hall"))
    page.checkbox(key="live-flow").check().run()
    assert re.search(r"→ \d\d:\d\d–\d\d:\d\d：" + say("flow.none", "zh"), words(page))
    assert ARROW not in drawn(page)
    send(hall, "hall", [("window", window(now_ms() // 5_000 * 5_000 - 10_000, 1, flow=FLOW))])
    page.run()
    told = re.search(r"→ (\d\d):(\d\d)–(\d\d):(\d\d)：净行走方向", words(page))
    assert told is not None
    from_h, from_min, to_h, to_min = map(int, told.groups())
    assert (60 * (to_h - from_h) + to_min - from_min) % 1_440 in {15, 16}  # whole minutes
    assert ARROW in drawn(page)
    assert "另有" not in words(page)
    bigger = {**FLOW, "rows": 5, "cols": 9}
    send(hall, "hall", [("window", window(now_ms() // 5_000 * 5_000 - 15_000, 1, flow=bigger))], first=2)
    page.run()
    assert say("flow.left_out", "zh", value="5") in words(page)
    page.checkbox(key="live-flow").uncheck().run()
    assert ARROW not in drawn(page)


def test_staff_are_told_that_flow_is_not_for_them(hall: World) -> None:
    """The plan stays, and a sentence stands where the arrows would be explained."""
    page = opened(live_page, hall.token("staff", "hall"))
    page.checkbox(key="live-flow").check().run()
    assert say("flow.refused", "zh") in words(page)
    assert ARROW not in drawn(page)


def test_heat_shows_where_the_sensors_are(hall: World) -> None:
    """As a layer that can be put out, and of a branch that has some; never as if somebody stood there."""
    send(hall, "hall", [("window", window(now_ms() // 5_000 * 5_000 - 10_000, 1))])
    page = opened(heat_page, hall.token("manager", "hall"))
    assert 'class="cone"' in drawn(page)
    assert 'fill-opacity="0.18"' not in drawn(page)
    assert say("sensors.places", "zh") in words(page)
    page.checkbox(key="heat-sensors").uncheck().run()
    assert 'class="cone"' not in drawn(page)
    other = opened(heat_page, hall.token("manager", "annex"))
    assert "heat-sensors" not in {each.key for each in other.checkbox}


def test_whole_weeks_are_told_to_whom_they_are_given(hall: World) -> None:
    """Head office asks for 28 days and is answered up to the end of a week that is not over."""
    told = words(opened(journeys_page, hall.token("head_office")))
    assert re.search(r"整周统计：\d{4}-\d\d-\d\d 至 \d{4}-\d\d-\d\d，最后一周尚未结束", told)
    assert "整周" not in words(opened(journeys_page, hall.token("manager", "hall")))


def address_of(page: AppTest) -> dict[str, str]:
    """What the address of a page holds."""
    return {key: value if isinstance(value, str) else value[0] for key, value in page.query_params.items()}


def switches(page: AppTest) -> tuple[object, ...]:
    """Day, period, hours and layer of the heat page."""
    return (
        page.date_input[0].value,
        page.selectbox(key="heat-period").value,
        page.slider[0].value,
        page.segmented_control[0].value,
    )


def test_the_address_of_heat_holds_what_is_shown(hall: World) -> None:
    """A link shows the same in a fresh browser; a switch changes the address, and Back the switches."""
    headers, day = hall.token("manager", "hall"), date(2026, 1, 5)
    link = {"branch": "hall", "day": "2026-01-05", "period": "week", "hours": "9-17", "layer": "difference"}
    page = opened(heat_page, headers, **link)
    assert switches(page) == (day, "week", (9, 17), "difference")
    assert address_of(page) == link
    page.selectbox(key="heat-against").select("day").run()
    assert address_of(page) == {**link, "against": "day"}
    page.segmented_control[0].set_value("flow").run()
    assert address_of(page) == {**link, "layer": "flow"}
    page.slider[0].set_value((0, 24)).run()
    page.selectbox(key="heat-period").select("day").run()
    assert address_of(page) == {"branch": "hall", "day": "2026-01-05", "layer": "flow"}
    for key in ("hours", "period", "layer"):  # as Back does
        page.query_params[key] = link[key]
    page.run()
    assert not page.exception
    assert switches(page) == (day, "week", (9, 17), "difference")
    for key in ("day", "hours", "period", "layer"):
        del page.query_params[key]
    page.run()
    (_, period, hours, layer) = switches(page)
    assert (period, hours, layer) == ("day", (0, 24), "presence")
    assert page.date_input[0].value > day
    assert address_of(page) == {"branch": "hall"}


def test_the_addresses_of_other_pages_hold_what_is_shown(hall: World) -> None:
    """A day of service, the span and the groups of journeys, the days of quality: by link, by switch, by Back."""
    headers = hall.token("manager", "hall")
    for page, switched, link, usual in (
        (service_page, {"day": "2026-01-06"}, {"day": "2026-01-05"}, None),
        (journeys_page, {"by": "scene"}, {"days": "7", "by": "service"}, [28, "channel"]),
        (quality_page, {"days": "28"}, {"days": "7"}, [14]),
    ):
        shown = opened(page, headers, branch="hall", **link)
        assert address_of(shown) == {"branch": "hall", **link}
        assert choices(shown) == list(link.values())
        if page is service_page:
            shown.date_input[0].set_value(date(2026, 1, 6)).run()
        else:
            (value,) = switched.values()
            shown.segmented_control[-1].set_value(int(value) if value.isdigit() else value).run()
        assert address_of(shown) == {"branch": "hall", **link, **switched}
        for key, value in link.items():  # as Back does
            shown.query_params[key] = value
        shown.run()
        assert choices(shown) == list(link.values())
        for key in link:
            del shown.query_params[key]
        shown.run()
        assert address_of(shown) == {"branch": "hall"}
        today = str(datetime.now(ZoneInfo("Asia/Kolkata")).date())
        assert choices(shown) == ([today] if usual is None else [str(each) for each in usual])
        wrong = opened(page, headers, branch="hall", day="2199-01-01", days="8", by="moon")
        assert choices(wrong) == choices(shown)


def test_a_switch_used_while_the_language_changes_is_not_lost(hall: World) -> None:
    """Two clicks in a moment are one run of the script: what was chosen is shown, in the new words."""
    headers = hall.token("manager", "hall")
    page = opened(heat_page, headers, branch="hall", day="2026-01-05")
    page.session_state["language"] = "en"  # as its own switch does
    page.selectbox(key="heat-period").select("week")
    page.slider[0].set_value((9, 17))
    page.segmented_control[0].set_value("flow").run()
    assert switches(page) == (date(2026, 1, 5), "week", (9, 17), "flow")
    link = {"branch": "hall", "day": "2026-01-05", "period": "week", "hours": "9-17", "layer": "flow"}
    assert address_of(page) == link
    for another, chosen, told in ((quality_page, 28, "28"), (journeys_page, "scene", "scene")):
        page = opened(another, headers, branch="hall")
        page.session_state["language"] = "en"
        page.segmented_control[-1].set_value(chosen).run()
        assert choices(page)[-1] == told
        assert told in address_of(page).values()


def choices(page: AppTest) -> list[str]:
    """What a page's switches show."""
    return [str(each.value) for each in (*page.date_input, *page.segmented_control)]


def test_every_layer_says_that_the_branch_was_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looked in vain, and there is no outage to look for."""
    hours = 'hours = { tue = "09:00-17:00" }\n'
    with world(tmp_path, parts=hours + SENSOR, book=True) as hub:
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{hub.api}"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        headers, today = hub.token("manager", "hall"), datetime.now(ZoneInfo("Asia/Kolkata")).date()
        tuesday = today - timedelta(days=6 + today.weekday())

        def told(layer: str, day: date, against: str = "week") -> list[str]:
            link = {"day": str(day), "layer": layer, "against": against}
            return [each.value for each in opened(heat_page, headers, branch="hall", **link).info]

        closed = tuesday - timedelta(days=1)
        for layer in ("presence", "flow", "filled", "difference"):
            assert told(layer, closed) == [say("heat.closed", "zh")], layer
        assert told("flow", tuesday) == [say("flow.none", "zh")]
        assert told("difference", tuesday) == [say("difference.no_data", "zh")]
        assert told("difference", tuesday, "day") == [say("difference.closed", "zh")]
        st.cache_resource.clear()


@pytest.mark.parametrize("day", ["soon", "2199-01-01", "0001-01-01", "2026-02-30"])
def test_what_no_page_can_show_is_as_if_it_were_not_asked(hall: World, day: str) -> None:
    bad = {"day": day, "period": "year", "hours": "17-9", "layer": "filled", "against": "me"}
    page = opened(heat_page, hall.token("manager", "annex"), **bad)  # annex has no sensor that could fill
    assert not page.error
    assert switches(page)[1:] == ("day", (0, 24), "presence")
    assert page.date_input[0].value == page.date_input[0].max
    page.segmented_control[0].set_value("flow").run()
    assert address_of(page) == {"branch": "annex", "layer": "flow"}


def test_a_link_to_a_branch_of_others_says_so(hall: World) -> None:
    """Whoever sends it meant other numbers than those that are shown."""
    page = opened(heat_page, hall.token("manager", "hall"), branch="n_y")
    told = say("branch.not_yours", "zh", asked="n\\_y", shown="大厅")
    assert [each.value for each in page.warning] == [told]
    page.run()
    assert not page.warning
    assert not opened(heat_page, hall.token("manager", "hall"), branch="hall").warning


def switch_of_languages() -> None:
    """As the app runs it."""
    import streamlit

    from dashboard import session

    session.choose_language()
    streamlit.title(session.language())


def test_the_language_is_kept_in_the_address() -> None:
    """The switch changes it, and where it is changed the page follows; without it the page stays as it was."""
    page = AppTest.from_function(switch_of_languages, default_timeout=60)
    page.query_params["lang"] = "en"
    page.run()
    assert page.title[0].value == "en"
    page.segmented_control(key="language").set_value("zh").run()
    assert (page.title[0].value, address_of(page)) == ("zh", {"lang": "zh"})
    for told, spoken in (("en", "en"), ("xx", "en"), ("zh", "zh")):
        page.query_params["lang"] = told
        page.run()
        assert not page.exception
        assert (page.title[0].value, page.segmented_control(key="language").value) == (spoken, spoken)
    del page.query_params["lang"]
    page.run()
    assert page.title[0].value == "zh"


def test_heat_of_hours_that_the_clock_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a day without them the page says so; a difference to such a day is none."""
    with world(tmp_path, zone="Europe/Berlin") as hub:
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{hub.api}"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        page = opened(heat_page, hub.token("manager", "hall"))
        page.slider[0].set_value((2, 3))
        page.date_input[0].set_value(date(2025, 3, 30)).run()
        assert not page.exception
        assert not page.error
        assert [each.value for each in page.info] == [say("heat.no_hour", "zh")]
        page.date_input[0].set_value(date(2025, 4, 6)).run()
        page.segmented_control[0].set_value("difference").run()
        assert not page.exception
        assert say("difference.no_hour", "zh") in [each.value for each in page.info]
        for both, first in ((8, 8), (24, 23)):
            page.slider[0].set_value((both, both)).run()
            told = say("heat.hour_least", "zh", first=first, last=first + 1)
            assert told in [each.value for each in page.caption]
        st.cache_resource.clear()


def test_heat_of_other_cells_is_told_and_not_compared(hall: World) -> None:
    """The plan's cells were changed within the time: what is left out has its amount, and a difference is refused."""
    at_ms = now_ms() // 5_000 * 5_000 - 10_000
    other = {"cell_mm": 250, "rows": 4, "cols": 8, "cells": [3], "mps": [7_000]}
    send(hall, "hall", [("window", window(at_ms - 5_000, 1, heat=other))])
    page = opened(heat_page, hall.token("manager", "hall"))
    assert say("heat.elsewhere", "zh", value="7") in [each.value for each in page.info]
    send(hall, "hall", [("window", window(at_ms, 1))], first=2)
    page.run()
    assert say("heat.left_out", "zh", value="7.0") in words(page)
    assert say("heat.left_out", "zh", value="7") in words(page)
    page.segmented_control[0].set_value("difference").run()
    assert not page.exception
    assert say("difference.elsewhere", "zh", now="7", then="0") in [each.value for each in page.info]


def test_who_may_not_see_a_page_stays_signed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor, who is for the page Quality, comes in by the Live page; a token that is none is asked for anew."""
    with world(tmp_path) as hub:
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{hub.api}"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        page = AppTest.from_file(str(Path(dashboard.__file__).parent / "app.py"), default_timeout=60)
        page.session_state["token"] = hub.token("auditor")["Authorization"].split()[1]
        page.run()
        assert [said.value for said in page.info] == [say("error.refused", "zh")]
        assert "token" in page.session_state
        (sign_out,) = (button for button in page.sidebar.button if button.label == say("sign_out", "zh"))
        sign_out.click().run()
        assert "token" not in page.session_state
        page.session_state["token"] = "nobody's"
        page.run()
        assert [said.value for said in page.error] == [say("error.unknown_token", "zh")]
        assert "token" not in page.session_state
        st.cache_resource.clear()
