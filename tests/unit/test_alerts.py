"""Alerts are raised once a condition has held and cleared once it has been gone; they never flap."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, strategies as st

from branchloop.kpis import BY_KEY
from hub.loop.alerts import (
    BOX,
    CHECKS,
    DAILY,
    DEVICE,
    HOURLY,
    TOLD,
    Change,
    Rule,
    Watch,
    rule_of,
    step,
    tainted,
)
from hub.loop.trust import trust

HOUR = 3_600_000
RULES = st.builds(
    Rule,
    raise_after_ms=st.integers(0, 100),
    clear_after_ms=st.integers(0, 100),
    forget_ms=st.integers(50, 200),
)
LOOKS = st.lists(st.tuples(st.integers(1, 60), st.none() | st.booleans()), max_size=60)
Told = list[tuple[int, Change]]


def run(rule: Rule, looks: list[tuple[int, bool | None]]) -> Told:
    """Changes told by looks at (time, holds)."""
    watch, told = Watch(), []
    for at_ms, holds in looks:
        watch, change = step(watch, rule, holds=holds, at_ms=at_ms)
        if change is not None:
            told.append((at_ms, change))
    return told


def timed(looks: list[tuple[int, bool | None]]) -> list[tuple[int, bool | None]]:
    at_ms, found = 0, []
    for later_ms, holds in looks:
        at_ms += later_ms
        found.append((at_ms, holds))
    return found


@given(RULES, LOOKS)
def test_an_alert_never_flaps(rule: Rule, looks: list[tuple[int, bool | None]]) -> None:
    """Raised and cleared in turns; every raise rests on the condition alone for long enough, every clear on its absence."""
    known = [(at_ms, holds) for at_ms, holds in timed(looks) if holds is not None]
    told = run(rule, timed(looks))
    assert [change for _, change in told] == ["raised", "cleared"] * (len(told) // 2) + ["raised"] * (
        len(told) % 2
    )
    for at_ms, change in told:
        holds = change == "raised"
        held_ms = rule.raise_after_ms if holds else rule.clear_after_ms
        run_of = []
        for seen_ms, seen in reversed([look for look in known if look[0] <= at_ms]):
            if seen != holds:
                break
            run_of.append(seen_ms)
        assert run_of[0] - run_of[-1] >= held_ms
        assert all(
            later - earlier <= rule.forget_ms
            for later, earlier in pairwise(run_of)
            if earlier >= at_ms - held_ms
        )


@given(RULES, LOOKS, st.data())
def test_looking_again_changes_nothing(
    rule: Rule, looks: list[tuple[int, bool | None]], data: st.DataObject
) -> None:
    """Repeated looks, as after a crash, and looks that come late tell nothing more."""
    plain = timed(looks)
    again: list[tuple[int, bool | None]] = []
    for look in plain:
        again.append(look)
        again += [look] * data.draw(st.integers(0, 2))
    assert run(rule, again) == run(rule, plain)


@given(RULES, LOOKS)
def test_what_is_not_known_neither_raises_nor_clears(
    rule: Rule, looks: list[tuple[int, bool | None]]
) -> None:
    """Leaving the unknown looks out makes no difference."""
    plain = timed(looks)
    assert run(rule, plain) == run(rule, [look for look in plain if look[1] is not None])


def test_a_fault_of_a_moment_is_no_alert() -> None:
    """A camera covered for 15 s tells nothing; for 20 s it does, and clears after a minute without."""
    seconds = [(1_000 * s, 10 <= s <= 25) for s in range(0, 60, 5)]
    assert run(DEVICE, seconds) == []
    seconds = [(1_000 * s, 10 <= s <= 30) for s in range(0, 120, 5)]
    assert run(DEVICE, seconds) == [(30_000, "raised"), (95_000, "cleared")]


def test_one_odd_hour_is_no_drift() -> None:
    """Two in a row are, also over a night; one fine hour among them begins anew."""
    assert run(HOURLY, [(9 * HOUR, True), (10 * HOUR, False), (11 * HOUR, True)]) == []
    assert run(HOURLY, [(17 * HOUR, True), (34 * HOUR, True)]) == [(34 * HOUR, "raised")]
    fine = [(h * HOUR, False) for h in (11, 12, 13)]
    assert run(HOURLY, [(9 * HOUR, True), (10 * HOUR, True), *fine]) == [
        (10 * HOUR, "raised"),
        (13 * HOUR, "cleared"),
    ]


def test_a_day_that_does_not_add_up_is_told_at_once() -> None:
    """And forgotten after two that do, the shorter day of a clock change included."""
    assert run(DAILY, [(24 * HOUR, True), (48 * HOUR, False), (71 * HOUR, False)]) == [
        (24 * HOUR, "raised"),
        (71 * HOUR, "cleared"),
    ]


def test_every_kind_has_a_rule_and_taints_only_known_figures() -> None:
    """Checks go by hours or days, devices by seconds."""
    assert rule_of("covered") is DEVICE
    assert rule_of("box_silent") is rule_of("kiosk_silent") is BOX
    assert rule_of("overnight") is DAILY
    for kind in (*CHECKS, "covered", "moved", "stuck", "camera_silent", "sensor_silent", "box_silent"):
        assert tainted(kind)
        assert set(tainted(kind)) <= set(BY_KEY)
    assert rule_of("box_crashes") is rule_of("configuration_refused") is TOLD
    assert tainted("kiosk_silent") == tainted("configuration_refused") == ()


def test_the_verdict_follows_the_evidence() -> None:
    """Proven needs a report; an alert on the counts is a no; nothing observed is no verdict at all."""
    assert trust(0.99, [], True, "valid").verdict == "proven"
    assert trust(0.99, [], True, "none").reasons == ("no_report",)
    assert trust(0.99, [], True, "expired").verdict == "plausible"
    assert trust(0.99, [], True, "undecided").reasons == ("report_undecided",)
    assert trust(0.99, [], False, "valid").verdict == "care"
    assert trust(0.8, [], True, "valid").reasons == ("coverage",)
    assert trust(0.3, [], True, "valid").verdict == "no"
    assert trust(0.99, [], True, "valid", 0.99).verdict == "proven"
    assert trust(0.99, [], True, "valid", 0.7).verdict == "care"
    assert trust(0.99, [], True, "valid", 0.7).reasons == ("entrances",)
    assert trust(0.99, [], True, "valid", 0.3).verdict == "no"
    assert trust(0.99, ["stuck"], True, "valid").verdict == "care"
    assert trust(0.99, ["calibration_age", "line_history"], True, "valid").verdict == "care"
    assert trust(0.99, ["calibration_age"], True, "valid").tainted
    assert trust(0.99, ["overnight"], True, "valid").verdict == "no"
    assert trust(0.99, [], True, "failed").verdict == "no"
    assert trust(None, [], True, "valid").verdict == trust(0.0, [], True, "valid").verdict == "unknown"


@given(
    st.none() | st.floats(0, 1),
    st.lists(st.sampled_from([*CHECKS, "covered", "stuck", "kiosk_silent"])),
    st.booleans(),
    st.sampled_from(["none", "valid", "undecided", "failed", "expired"]),
)
def test_bad_news_never_improves_the_verdict(
    coverage: float | None, kinds: list[str], checked: bool, report: str
) -> None:
    """One more alert, or less coverage, and the verdict is the same or worse."""
    order = ["proven", "plausible", "care", "no", "unknown"]
    plain = trust(coverage, kinds, checked, report)  # type: ignore[arg-type]
    worse = trust(coverage, [*kinds, "covered"], checked, report)  # type: ignore[arg-type]
    assert order.index(worse.verdict) >= order.index(plain.verdict)
    less = trust(None if coverage is None else coverage / 2, kinds, checked, report)  # type: ignore[arg-type]
    assert order.index(less.verdict) >= order.index(plain.verdict)
