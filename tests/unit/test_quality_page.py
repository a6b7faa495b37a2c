"""The page Quality as HTML: words for every code, gaps shown as gaps, shapes beside colours, nothing rounded away."""

from __future__ import annotations

import re
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from branchloop.kpis import TAINTS
from branchloop.text.catalogue import LANGUAGES, WORDS, Language, say
from branchloop.wire.messages import CameraFault, PairFault, SensorFault
from dashboard import acceptance, coverage_calendar, evidence, quality, tiles
from hub.api.models.quality import HourState
from hub.loop.alerts import CHECKS, OF_BOXES
from hub.loop.finding import Basis, Outcome, Reason
from hub.loop.trust import Reason as TrustReason, Verdict

ZONE = ZoneInfo("Asia/Shanghai")


def hour(number: int, state: str = "observed", coverage: float | None = 1.0) -> dict[str, Any]:
    return {
        "start": f"2026-11-23T{number:02d}:00:00Z", "hour": number, "state": state,
        "coverage": coverage if state == "observed" else 0.0 if state == "gap" else None,
    }  # fmt: skip


def day(date: str, hours: dict[int, dict[str, Any]]) -> dict[str, Any]:
    return {
        "date": date, "coverage": 1.0,
        "hours": [hours.get(number, hour(number, "closed")) for number in range(24)],
    }  # fmt: skip


def finding(check: str = "overnight", **other: Any) -> dict[str, Any]:
    return {
        "check": check, "subject": "", "from": "2026-11-22T16:00:00.000Z", "to": "2026-11-23T16:00:00.000Z",
        "outcome": "ok", "reason": None, "value": -2.0, "expected": 0.0, "tolerance": 9.9, "basis": "design",
        "numbers": {"went_in": 220.0, "went_out": 222.0, "seen": 0.0}, **other,
    }  # fmt: skip


def answer(**other: Any) -> dict[str, Any]:
    return {
        "timezone": "Asia/Shanghai", "server_time": "2026-11-24T02:07:30Z",
        "trust": {"verdict": "plausible", "reasons": ["no_report"], "tainted": [], "coverage": 0.9996, "entrances": 0.9996, "report": None},
        "coverage": 0.97,
        "days": [day("2026-11-23", {9: hour(9), 10: hour(10, "gap"), 11: hour(11, "gap"), 12: hour(12, coverage=0.5)})],
        "cameras": [], "sensors": [], "balance": [finding()], "findings": [], "alerts": [], "reports": [], **other,
    }  # fmt: skip


def test_every_code_of_the_hub_has_words() -> None:
    """Verdicts, reasons, outcomes, bases, checks, faults and silences, in both languages."""
    keys = [f"quality.verdict.{code}" for code in get_args(Verdict)]
    keys += [f"quality.reason.{code}" for code in get_args(TrustReason)]
    keys += [f"quality.outcome.{code}" for code in get_args(Outcome)]
    keys += [f"quality.why.{code}" for code in get_args(Reason)]
    keys += [f"quality.basis.{code}" for code in get_args(Basis)]
    keys += [
        f"alert.{kind}"
        for kind in (*CHECKS, *get_args(CameraFault), *get_args(SensorFault), *get_args(PairFault))
    ]
    keys += [f"alert.{part}_silent" for part in ("camera", "sensor", "box", "kiosk")]
    keys += [f"alert.{kind}" for kind in OF_BOXES]
    keys += [f"quality.report.{code}" for code in ("pass", "fail", "undecided", "stated", "valid", "expired")]
    for key in keys:
        assert all(WORDS[key]), key
    assert set(quality.VERDICTS) == set(get_args(Verdict))
    assert set(quality.OUTCOMES) == set(get_args(Outcome))
    assert set(get_args(HourState)) == {"observed", "gap", "closed", "before", "ahead"}


@given(st.floats(0, 1))
def test_a_gap_is_never_rounded_away(share: float) -> None:
    """Only full coverage is 100 %."""
    assert (evidence.percent(share) == "100") == (share >= 1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_verdict_says_why(language: Language) -> None:
    """A shape beside the colour, the sentence, its reasons, and the figures in doubt by name."""
    told = answer(trust={"verdict": "no", "reasons": ["coverage", "alert"], "tainted": ["footfall"], "coverage": 0.5, "entrances": 0.5},
                  alerts=[{"cleared": None}, {"cleared": "2026-11-23T01:00:00Z"}])  # fmt: skip
    html = quality.verdict(told, language)
    assert say("quality.verdict.no", language) in html
    assert "✕" in html
    assert say("quality.reason.coverage", language, value="50.0") in html
    assert say("quality.reason.alert", language, value="1") in html
    assert ("visitors" if language == "en" else "进店客流") in html


def test_a_long_list_of_doubtful_figures_has_a_name() -> None:
    """Everything is "all figures", not twelve names."""
    told = answer(
        trust={
            "verdict": "no",
            "reasons": [],
            "tainted": list(TAINTS["covered"]),
            "coverage": 1.0,
            "entrances": None,
        }
    )
    assert "Doubtful: all figures<" in quality.verdict(told, "en")
    told["trust"]["tainted"] = list(TAINTS["moved"])
    assert "all figures that go by places" in quality.verdict(told, "en")


def test_the_calendar_tells_gap_closed_and_part_apart_by_shape() -> None:
    """One hatched cell a gap, one shaded an hour closed, and a bar as tall as the coverage."""
    svg = coverage_calendar.svg(answer()["days"], "en")
    assert svg.count('fill="url(#gap)"') == 2
    assert svg.count('fill="#ECEDEF"') == 2  # 8 and 13: one hour on both sides of those ever open
    heights = [float(found) for found in re.findall(r'height="([\d.]+)" rx="2" fill="#0B6E69"', svg)]
    assert heights == [18.0, 9.0]
    assert "Mon 11-23" in svg


def test_the_calendar_in_words() -> None:
    """Its alternative text counts the gaps; the list beside it says which hours."""
    words = coverage_calendar.alt(answer(), "en")
    assert "97.0 % of the opening time was observed, 2 hours with nothing observed" in words
    assert "2026-11-23: 10–12" in coverage_calendar.gap_list(answer(), "en")
    whole = answer(days=[day("2026-11-23", {9: hour(9)})])
    assert "Every opening hour" in coverage_calendar.gap_list(whole, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_branch_that_nobody_watched_has_no_perfect_record(language: Language) -> None:
    """Hours before the first observation are no gaps, and no proof that there are none."""
    told = answer(days=[day("2026-11-23", {9: hour(9, "before"), 10: hour(10, "before")})])
    shown = coverage_calendar.gap_list(told, language)
    assert say("quality.gaps.none", language) not in shown
    assert say("quality.gaps.unwatched", language) in shown


def test_a_gap_does_not_reach_into_the_future() -> None:
    """Of the hour under way it goes up to now by the branch's clock."""
    told = answer(
        days=[day("2026-11-23", {9: hour(9, "gap"), 10: hour(10, "gap")})],
        timezone="UTC", server_time="2026-11-23T10:07:30Z",
    )  # fmt: skip
    assert "09–10:07<" in coverage_calendar.gap_list(told, "en")
    assert "09–11<" in coverage_calendar.gap_list({**told, "server_time": "2026-11-23T11:00:00Z"}, "en")
    assert ": 09–10<" in coverage_calendar.gap_list({**told, "server_time": "2026-11-23T10:00:20Z"}, "en")


def test_a_day_that_was_not_observed_shows_no_number() -> None:
    """A dash and the reason, never a zero; a checked day shows its tolerance."""
    unknown = finding(
        outcome="unknown",
        reason="coverage",
        value=None,
        expected=None,
        tolerance=None,
        basis=None,
        numbers={"coverage": 0.4},
    )
    html = quality.balance_table(answer(balance=[finding(), unknown]), "en")
    known, other = html.split("<tr>")[2:]
    assert "−2" in known
    assert "±\N{NO-BREAK SPACE}9.9" in known
    assert "✓" in known
    assert other.count("<td>—</td>") == 5
    assert "not enough observed" in other


def test_the_left_over_of_the_last_day_that_could_be_told() -> None:
    """On a tile, with its day and what is allowed."""
    tiles = quality.figures(answer(), "en")
    assert any("−2" in tile and "11-23 · allowed ± 9.9" in tile for tile in tiles)
    assert any(">99.9\N{NO-BREAK SPACE}%<" in tile for tile in tiles)
    empty = quality.figures(answer(balance=[]), "en")
    assert any("No day could be checked yet." in tile for tile in empty)


def test_an_alert_shows_its_evidence() -> None:
    """Open ones first, with numbers and taints; a cleared one says from when to when; a name is escaped."""
    alerts = [
        {"kind": "covered", "subject": "cam", "raised": "2026-11-23T01:00:00Z", "cleared": "2026-11-23T02:00:00Z",
         "tainted": list(TAINTS["covered"]), "evidence": {"state": "stalled"}},
        {"kind": "overnight", "subject": "", "raised": "2026-11-22T16:00:00Z", "cleared": None,
         "tainted": ["footfall"], "evidence": finding(value=30.0, numbers={"went_in": 150.0, "went_out": 120.0, "seen": 0.0})},
        {"kind": "cameras_apart", "subject": "cam/b", "raised": "2026-11-22T16:00:00Z", "cleared": None,
         "tainted": [], "evidence": {"disagreement_mm": 1_400, "clock_ms": None}},
        {"kind": "stuck", "subject": "eye", "raised": "2026-11-22T16:00:00Z", "cleared": None, "tainted": [],
         "evidence": {"state": "up", "observed_ms": 5_000, "detail": "the same range for a minute: its readings are not believed"}},
    ]  # fmt: skip
    html = quality.alert_list(answer(alerts=alerts), {("camera", "cam"): "<Hall>"}, "en", ZONE)
    assert "Two cameras see different people · &lt;Hall&gt; / b" in html
    assert "people 1.4\N{NO-BREAK SPACE}m apart, clocks — apart" in html
    assert html.index("In − out at closing") < html.index("Camera covered · &lt;Hall&gt;")
    assert "found 30, expected 0, allowed ±\N{NO-BREAK SPACE}9.9 (150 in, 120 out, 0 seen)" in html
    assert "the same range for a minute: its readings are not believed" in html
    assert "读数持续一分钟不变" in quality.alert_list(answer(alerts=alerts), {}, "zh", ZONE)
    assert "open since 11-23 00:00" in html
    assert "11-23 09:00 to 11-23 10:00" in html


def test_a_door_that_is_turned_round_is_named() -> None:
    """In the evidence of what does not fit, and where to mend it."""
    told = {
        "kind": "balance", "subject": "", "raised": "2026-11-23T01:00:00Z", "cleared": None, "tainted": [],
        "evidence": finding("balance", value=-40.0, expected=40.0, turned="door"),
    }  # fmt: skip
    names = {("line", "door"): "Main <door>"}
    html = quality.alert_list(answer(alerts=[told]), names, "en", ZONE)
    assert "It would fit if the point inside of line Main &lt;door&gt; were on its other side" in html
    assert "请在“网点配置”页核对" in quality.alert_list(answer(alerts=[told]), names, "zh", ZONE)


def test_an_alert_that_tells_of_another_camera_names_it() -> None:
    """By its name where the hub knows it; a line of the same id has another one."""
    alert = {"kind": "camera_silent", "subject": "cam", "raised": "2026-11-23T01:00:00Z", "cleared": None, "tainted": [],
             "evidence": {"state": "up", "detail": "cam and b see different people where both look (1.4 m apart): one was moved, or they are swapped"}}  # fmt: skip
    names = {("camera", "cam"): "Hall camera", ("camera", "b"): "North", ("line", "b"): "Door"}
    assert "Hall camera and North see different people" in quality.alert_list(
        answer(alerts=[alert]), names, "en", ZONE
    )
    assert "Hall camera 与 North 在共同视野内" in quality.alert_list(
        answer(alerts=[alert]), names, "zh", ZONE
    )


def test_a_camera_of_a_pair_that_does_not_fit_is_no_green_one() -> None:
    """While the alert is open; a third camera and a cleared alert change nothing."""
    camera = {"state": "up", "fault": None, "coverage": 1.0, "coverage_day": 1.0, "faults": [],
              "calibration_residual_mm": None, "calibration_age_days": None}  # fmt: skip
    cameras = [{**camera, "id": each} for each in ("a", "b", "c")]
    alert = {"kind": "clocks_apart", "subject": "a/b", "cleared": None}
    html = quality.part_table(answer(cameras=cameras, alerts=[alert]), {}, "en")
    assert html.count("disagrees with another") == 2
    assert html.count("works") == 1
    over = answer(cameras=cameras, alerts=[{**alert, "cleared": "2026-11-23T01:00:00Z"}])
    assert quality.part_table(over, {}, "en").count("works") == 3


def test_what_a_box_says_of_itself_is_told_with_its_reason() -> None:
    told = {"subject": "box-1", "raised": "2026-11-23T01:00:00Z", "cleared": None, "tainted": []}
    reason = "the core ended 3 times within 3600 s of work by it, without a word."
    alerts = [
        {**told, "kind": "configuration_refused", "evidence": {"version": 7, "code": "crashed", "reason": reason}},
        {**told, "kind": "configuration_differs", "evidence": {"version": 3, "next": 5}},
        {**told, "kind": "box_crashes", "evidence": {"count": 4, "error": "IndexError: <x>"}},
        {**told, "kind": "box_crashes", "evidence": {"count": 5, "error": ""}},
        *({**told, "kind": "box_clock_behind", "evidence": {"behind_ms": hours * 3_600_000}} for hours in (1, 30, 720)),
        *({**told, "kind": "kiosk_clock", "evidence": {"by_ms": by_ms}} for by_ms in (-2_700_000, 2_700_000)),
    ]  # fmt: skip
    english = quality.alert_list(answer(alerts=alerts), {}, "en", ZONE)
    assert f"version 7: {reason}" in english
    assert (
        "of version 3: pages show what the hub holds, the box counts by its own. Set version = 5 in"
        in english
    )
    assert "4 times within an hour; IndexError: &lt;x&gt;" in english
    assert "5 times within an hour<" in english
    for behind in ("60 min", "30 h", "30 days"):
        assert f"{behind} behind the hub&#x27;s, so what it counts lies under earlier hours" in english
    assert "45 min behind the hub&#x27;s, whose time it goes by" in english
    assert "45 min ahead of the hub&#x27;s" in english
    chinese = quality.alert_list(answer(alerts=alerts), {}, "zh", ZONE)
    assert "在 3600 秒内终止 3 次" in chinese
    assert "比中心慢 30 小时" in chinese


def test_what_is_beyond_its_limit_says_so_in_words() -> None:
    """A calibration of 400 days is too old, one of 20 is not; a camera with a fault shows it instead of its state."""
    camera = {"id": "hall", "state": "stalled", "fault": "covered", "coverage": 0.9, "coverage_day": None,
              "faults": [{"fault": "covered", "seconds": 7_200.0}], "calibration_residual_mm": 60, "calibration_age_days": 400}  # fmt: skip
    told = answer(
        cameras=[camera],
        findings=[
            finding("calibration_age", subject="hall", outcome="off"),
            finding("calibration_residual", subject="hall"),
        ],
    )
    html = quality.part_table(told, {("camera", "hall"): "Hall"}, "en")
    assert "disagrees with another" not in html
    assert "400\N{NO-BREAK SPACE}days, too much" in html
    assert "6.0\N{NO-BREAK SPACE}cm, too much" not in html
    assert "Camera covered 120 min" in html
    assert tiles.FAULTY[0] in html


def test_the_zero_of_four_marks_is_no_residual() -> None:
    """They always fit: the table shows a dash, and the check stands among those that could not be made."""
    camera = {"id": "hall", "state": "up", "fault": None, "coverage": 0.9, "coverage_day": None,
              "faults": [], "calibration_residual_mm": 0, "calibration_age_days": 20}  # fmt: skip
    unmade = finding("calibration_residual", subject="hall", outcome="unknown", reason="four_marks",
                     value=None, expected=None, tolerance=None, basis=None)  # fmt: skip
    told = answer(cameras=[camera], findings=[unmade, finding("calibration_age", subject="hall", value=20.0)])
    html = quality.part_table(told, {}, "en")
    assert "cm" not in html
    assert "<td>—</td><td>20\N{NO-BREAK SPACE}days</td>" in html
    shown = quality.check_table(told, {("camera", "hall"): "Hall"}, "en")
    assert "? Four marks always fit: Calibration residual · Hall" in shown
    assert "四个标记点总能吻合" in quality.check_table(told, {}, "zh")
    assert "0.0\N{NO-BREAK SPACE}cm" in quality.part_table(answer(cameras=[camera]), {}, "en")


def test_a_camera_that_is_not_heard_of_is_at_odds_with_nobody() -> None:
    """As on Live: what it once did not fit together with is told of one that works."""
    camera = {"id": "hall", "fault": None, "coverage": 0.9, "coverage_day": None, "faults": []}
    apart = {"kind": "cameras_apart", "subject": "hall/door", "cleared": None}
    for state, words in (("up", "disagrees with another"), ("unknown", "not heard of")):
        html = quality.part_table(answer(cameras=[{**camera, "state": state}], alerts=[apart]), {}, "en")
        assert ("disagrees with another" in html) == (state == "up")
        assert words in html


def test_a_report_shows_intervals_limits_and_its_end() -> None:
    """An expired one says so, one of another configuration too."""
    figure = {"key": "counts.wrong_rate", "subject": "door", "unit": "share", "value": 0.01, "low": 0.002, "high": 0.03,
              "sample": 400, "sample_of": "crossings", "needed": None, "at_least": None, "at_most": 0.05, "verdict": "pass"}  # fmt: skip
    report = {"digest": "a", "state": "expired", "verdict": "pass", "same_configuration": False, "config_version": 1, "simulated": False,
              "measured_by": "<Wei>", "made": "2026-01-01T00:00:00Z", "expires": "2026-06-01T00:00:00Z", "figures": [figure], "not_counted": ["back", "door"]}  # fmt: skip
    branch = {
        "version": 2,
        "lines": [{"id": "door", "name": {"en": "Door", "zh": "门"}}],
        "zones": [{"id": "door", "name": {"en": "Foyer", "zh": "门厅"}}],
        "cameras": [{"id": "door", "name": {"en": "Door camera", "zh": "门口摄像头"}}],
    }
    html = acceptance.report(answer(reports=[report]), branch, "en")
    for words in (
        "expired on 2026-06-01",
        "&lt;Wei&gt;",
        "now 2",
        "· Door",
        "1.0\N{NO-BREAK SPACE}%",
        "≤\N{NO-BREAK SPACE}5.0\N{NO-BREAK SPACE}%",
        "400 true crossings",
    ):
        assert words in html, words
    assert "Door camera" not in html
    assert "passed (1 of 2 lines)<" in html
    assert "Nobody counted back, Door by hand" in html
    assert "未人工计数：back、门；" in acceptance.report(answer(reports=[report]), branch, "zh")
    counted = {**report, "not_counted": []}
    assert "counted" not in acceptance.report(answer(reports=[counted]), branch, "en")
    assert "No report was uploaded" in acceptance.report(answer(), branch, "en")


def test_checks_that_could_not_be_made_stand_apart() -> None:
    """By their reason, under those that were made; a line is not called by a camera's name."""
    made = finding("line_history", subject="hall", value=62.0, expected=60.0, tolerance=30.0, basis="history")
    unmade = [finding(check, subject=subject, outcome="unknown", reason="coverage", value=None, expected=None, tolerance=None, basis=None)
              for check, subject in (("camera_history", "hall"), ("sensor_disagrees", "eye"))]  # fmt: skip
    names = {("line", "hall"): "Middle", ("camera", "hall"): "Hall camera", ("sensor", "eye"): "Eye"}
    html = quality.check_table(answer(findings=[made, *unmade]), names, "en")
    table, below = html.split("</table>")
    assert "history · Middle" in table
    assert "Hall camera" not in table
    assert (
        "Not enough observed: Movement against the camera&#x27;s history · Hall camera, Sensor against cameras · Eye"
        in below
    )
    many = quality.check_table(answer(findings=[unmade[0], unmade[0] | {"subject": "b"}]), names, "en")
    assert "Movement against the camera&#x27;s history (2)" in many
    assert "No check could be made yet" in quality.check_table(answer(findings=unmade), names, "en")
