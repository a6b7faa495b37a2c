"""The simulated branch: an hour of it obeys its plan, its own truth, and its seed."""

from __future__ import annotations

import csv
import itertools
import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from branchloop import geometry
from branchloop.errors import UsageError
from branchloop.site.site import Site, parse_site

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import simulate_branch  # noqa: E402
import simulated_events  # noqa: E402
import simulated_floor as floor  # noqa: E402

if TYPE_CHECKING:
    from simulate_branch import Day

MONDAY = date(2026, 11, 9)
HOUR = "12:00-13:00"


@pytest.fixture(scope="module")
def day() -> Day:
    return simulate_branch.simulate_day(MONDAY, seed=1, hours=HOUR)


@pytest.fixture(scope="module")
def site() -> Site:
    return parse_site((ROOT / "configs" / "simulated.toml").read_text(encoding="utf-8"))


def test_same_seed_gives_the_same_day_and_another_seed_another(day: Day) -> None:
    """The simulator is deterministic in seed and date."""
    again = simulate_branch.simulate_day(MONDAY, seed=1, hours=HOUR)
    assert again.truth() == day.truth()
    for name in ("t_s", "id", "x_m", "y_m", "purpose"):
        assert np.array_equal(getattr(again, name), getattr(day, name))
    assert simulate_branch.simulate_day(MONDAY, seed=2, hours=HOUR).truth() != day.truth()


def test_the_sampling_rate_changes_nothing_that_happens(day: Day) -> None:
    """Truth is the same at 2 Hz; the instants common to both rates show the same places."""
    slow = simulate_branch.simulate_day(MONDAY, seed=1, hz=2.5, hours=HOUR)
    common = np.round(day.t_s * 5).astype(int) % 2 == 0
    assert slow.crossings == day.crossings
    assert slow.truth()["services"] == day.truth()["services"]
    assert np.array_equal(slow.t_s, day.t_s[common])
    assert np.allclose(slow.x_m, day.x_m[common])


def test_everybody_stays_on_the_plan_and_off_what_is_solid(day: Day) -> None:
    """No position lies outside the plan, in a wall, in a counter or in furniture."""
    assert day.x_m.min() >= 0
    assert day.x_m.max() <= floor.WIDTH_M
    assert day.y_m.min() >= 0
    assert day.y_m.max() <= floor.HEIGHT_M
    for x0, y0, x1, y1 in floor.BLOCKS:
        assert not ((day.x_m > x0) & (day.x_m < x1) & (day.y_m > y0) & (day.y_m < y1)).any()


def test_nobody_is_faster_than_a_brisk_walk(day: Day) -> None:
    """Every step between two samples is below 2.5 m/s, and nobody vanishes in between."""
    for i in np.unique(day.id):
        mine = day.id == i
        t, step = day.t_s[mine], np.hypot(np.diff(day.x_m[mine]), np.diff(day.y_m[mine]))
        assert np.allclose(np.diff(t), 1 / day.hz)
        assert (step * day.hz).max() < 2.5


def test_no_two_people_share_a_place(day: Day) -> None:
    """Any two people stand at least 0.25 m apart at every instant."""
    for rows in np.split(np.arange(day.t_s.size), np.flatnonzero(np.diff(day.t_s)) + 1):
        x, y = day.x_m[rows], day.y_m[rows]
        apart = np.hypot(x[:, None] - x, y[:, None] - y) + np.eye(rows.size)
        assert apart.min() > 0.25


def test_in_minus_out_is_the_number_of_people_inside(day: Day) -> None:
    """At every sampled instant the crossings so far add up to the people beyond the door line."""
    moments = np.unique(day.t_s)
    inside = np.bincount(np.searchsorted(moments, day.t_s), weights=day.y_m < floor.DOOR[0][1])
    t = np.array([c.t_s for c in day.crossings])
    step = np.array([1 if c.direction == "in" else -1 for c in day.crossings])
    settled = np.abs(moments[:, None] - t).min(axis=1) > 0.01
    counted = np.array([step[t <= moment].sum() for moment in moments])
    assert np.array_equal(counted[settled], inside[settled])
    assert counted[-1] == 0


def test_everybody_who_left_was_served_or_gave_up(day: Day) -> None:
    """Truth is consistent: one fate per visitor, times in order, one customer per counter at a time."""
    truth = day.truth()
    served = {s["id"] for s in truth["services"]}
    gone = {a["id"] for a in truth["abandonments"]}
    assert len(truth["arrivals"]) > 20
    assert not served & gone
    assert served | gone == {a["id"] for a in truth["arrivals"]}
    assert sorted(c["id"] for c in truth["crossings"] if c["direction"] == "in") == sorted(served | gone)
    for s in truth["services"]:
        assert s["joined_s"] <= s["called_s"] < s["start_s"] < s["end_s"]
    for counter in {(s["station"], s["counter"]) for s in truth["services"]}:
        mine = sorted(
            (s["start_s"], s["end_s"]) for s in truth["services"] if (s["station"], s["counter"]) == counter
        )
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(mine))


def test_tickets_are_called_in_the_order_they_were_drawn(day: Day) -> None:
    """The teller queue is first come, first served."""
    tellers = sorted(
        (s["joined_s"], s["called_s"]) for s in day.truth()["services"] if s["station"] == "teller"
    )
    called = [c for _, c in tellers]
    assert called == sorted(called)


def test_a_customer_stands_in_the_zone_of_the_service(day: Day, site: Site) -> None:
    """During service the visitor is found in the zone that the site file names for it."""
    zone_of = {"teller": "tellers", "atm": "atm", "desk": "desk"}
    polygons = {zone.id: zone.polygon for zone in site.zones}
    for s in day.truth()["services"]:
        rows = np.flatnonzero((day.id == s["id"]) & (day.t_s > s["start_s"] + 1) & (day.t_s < s["end_s"] - 1))
        for k in rows[::25]:
            assert geometry.contains(polygons[zone_of[s["station"]]], (float(day.x_m[k]), float(day.y_m[k])))


def test_the_site_file_and_the_simulator_have_one_floor(site: Site) -> None:
    """configs/simulated.toml repeats the simulator's walls, door, zones, zone of time and hours."""
    assert (site.id, site.timezone, site.simulated) == (floor.SITE, floor.TIMEZONE, True)
    assert (site.plan.width_m, site.plan.height_m) == (floor.WIDTH_M, floor.HEIGHT_M)
    assert tuple(tuple(wall) for wall in site.plan.walls) == floor.WALLS
    (door,) = site.lines
    assert ((door.from_, door.to), door.inside) == (floor.DOOR, floor.DOOR_INSIDE)
    assert {z.id: (z.kind, tuple(z.polygon)) for z in site.zones} == floor.ZONES
    assert site.hours["mon"] == simulated_events.hours_of(MONDAY)
    assert site.hours["sun"] == simulated_events.hours_of(date(2026, 11, 15))


def test_the_command_writes_tracks_and_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line writes the reference's columns and a truth whose totals it prints."""
    options = ["--seed", "3", "--date", "2026-11-14", "--hours", "11:00-11:20", "--out", str(tmp_path)]
    assert simulate_branch.main(options) == 0
    printed = json.loads(capsys.readouterr().out)
    truth = json.loads((tmp_path / "truth-2026-11-14.json").read_text(encoding="utf-8"))
    with (tmp_path / "tracks-2026-11-14.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["t_s", "id", "x_m", "y_m", "purpose"]
    assert float(rows[0]["t_s"]) >= 11 * 3600
    assert len({row["id"] for row in rows}) == printed["visitors"] == len(truth["arrivals"])


@pytest.mark.parametrize(
    ("hz", "hours"), [(0.0, HOUR), (float("nan"), HOUR), (5.0, "9 to 5"), (5.0, "09:00-10:00,11:00-12:00")]
)
def test_a_wrong_rate_or_wrong_hours_are_refused(hz: float, hours: str) -> None:
    """Bad arguments are usage errors, not strange days."""
    with pytest.raises(UsageError):
        simulate_branch.simulate_day(MONDAY, seed=1, hz=hz, hours=hours)


def test_an_empty_day_is_an_empty_day() -> None:
    """A minute too short for anybody to come gives no rows and a summary without means."""
    empty = simulate_branch.simulate_day(date(2026, 11, 15), seed=2, hours="10:00-10:01")
    assert (len(empty.visitors), empty.t_s.size) == (0, 0)
    assert empty.summary()["mean_visit_s"] is None
