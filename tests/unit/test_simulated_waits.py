"""A crowded hour of the simulated branch: waits, abandonments and dwell against the simulator's truth."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "bench")]

import bench_queue  # noqa: E402
import simulate_branch  # noqa: E402
import simulated_truth  # noqa: E402
from reference import ROOT, needs_reference  # noqa: E402

from branchloop.site.site import parse_site  # noqa: E402
from edge.floor.mending import mend, noise_m  # noqa: E402
from edge.simulate import count  # noqa: E402


@pytest.fixture(scope="module")
def day() -> simulate_branch.Day:
    """A pay-day, when people give up."""
    return simulate_branch.simulate_day(date(2026, 11, 10), seed=4, hours="12:00-13:00")


@pytest.mark.parametrize(("sigma_m", "drop"), [(0.0, 0.0), (0.15, 0.1)])
def test_waits_and_dwell_are_within_five_percent(
    day: simulate_branch.Day, sigma_m: float, drop: float
) -> None:
    """Mean and median, with 15 cm of noise and one sighting in ten missing; abandonments to within one."""
    found = bench_queue.figures([day.truth()], [bench_queue.events_of(day, sigma_m, drop)])
    assert found["served"]["true"] >= 5
    assert abs(found["abandoned"]["counted"] - found["abandoned"]["true"]) <= 1
    for name in ("served", "dwell in queue", "dwell in tellers", "dwell in atm"):
        assert abs(found[name]["counted"] - found[name]["true"]) <= 1, name
        assert abs(found[name]["mean_error"]) <= 0.05, name
        assert abs(found[name]["median_error"]) <= 0.05, name


@pytest.mark.parametrize(("on", "seed", "gave_up"), [(date(2026, 11, 3), 4, 5), (date(2026, 11, 4), 3, 4)])
def test_who_gives_up_is_found_under_noise(on: date, seed: int, gave_up: int) -> None:
    """Lunch hours in which several lose patience, 15 cm of noise and one sighting in ten missing: who and when."""
    day = simulate_branch.simulate_day(on, seed=seed, hours="12:00-13:00")
    true = {w["id"]: w for w in day.truth()["waits"]}
    events = bench_queue.events_of(day, 0.15, 0.1)
    waits = {event["id"]: event for event in events if event["event"] == "wait"}
    left = {person for person, wait in true.items() if wait["outcome"] == "abandoned"}
    assert len(left) == gave_up
    assert {person for person, wait in waits.items() if wait["outcome"] == "abandoned"} == left
    for person, wait in true.items():
        assert waits[person]["outcome"] == wait["outcome"]
        assert waits[person]["wait_s"] == pytest.approx(wait["wait_s"], rel=0.05, abs=5.0)


def test_exact_tracks_are_left_alone() -> None:
    """No noise, nothing to smooth; a jump and a long absence are not filled."""
    moments = [(t, {1: (t / 1000, 2.0)}) for t in range(0, 4_000, 200)]
    assert mend(moments) == moments
    gap = [(t, {1: (t / 1000, 2.0)} if not 1_000 <= t < 4_200 else {}) for t in range(0, 6_000, 200)]
    assert [places for t, places in mend(gap) if 1_000 <= t < 4_200] == [{}] * 16
    short = [(t, {1: (t / 1000, 2.0)} if not 1_000 <= t < 2_000 else {}) for t in range(0, 4_000, 200)]
    assert all(places[1] == pytest.approx((t / 1000, 2.0)) for t, places in mend(short))
    jump = [(t, {1: (0.5 if t < 1_000 else 9.0, 2.0)} if t != 1_000 else {}) for t in range(0, 2_000, 200)]
    assert mend(jump)[5] == (1_000, {})


@pytest.mark.parametrize("step_ms", [400, 1_000, 1_100, 1_500, 2_000, 3_000])
def test_a_coarse_table_keeps_everybody_s_time(step_ms: int) -> None:
    """Who stands still is there all the while, however seldom the table says so, up to the longest gap."""
    moments = [(t_ms, {1: (4.0, 3.0)}) for t_ms in range(0, 60_001, step_ms)]
    windows = [window for settled in count(parse_site(HALL), mend(moments)) for window in settled.windows]
    assert sum(window.person_ms for window in windows) == pytest.approx(moments[-1][0], abs=10)


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_noise_is_measured_and_smoothed_away(seed: int) -> None:
    """15 cm of noise on a walk at 1.2 m/s: seen to within a third, and less than two thirds of it left."""
    rng = np.random.default_rng(seed)
    t = np.arange(0, 20, 0.2)
    true = np.column_stack([0.1 + 0.45 * t, np.full(len(t), 4.0)])
    noisy = true + rng.normal(0, 0.15, true.shape)
    assert noise_m(noisy) == pytest.approx(0.15, rel=0.35)
    mended = mend([(round(s * 1000), {1: (float(x), float(y))}) for s, (x, y) in zip(t, noisy, strict=True)])
    path = np.array([places[1] for _, places in mended])
    assert np.sqrt(np.mean((path - true) ** 2)) < 0.1


HALL = """
id = "hall"
name = { en = "Hall (simulated)", zh = "大厅（模拟）" }
timezone = "UTC"
simulated = true
[plan]
width_m = 12.0
height_m = 9.0
[[line]]
id = "door"
from = [4.8, 0.7]
to = [7.4, 0.7]
inside = [6.0, 3.0]
entrance = true
[[zone]]
id = "queue"
kind = "queue"
polygon = [[4.6, 3.8], [7.4, 3.8], [7.4, 4.6], [5.35, 4.6], [5.35, 6.8], [4.6, 6.8]]
served_in = ["left", "right"]
[[zone]]
id = "left"
kind = "counter"
polygon = [[1.8, 6.1], [4.55, 6.1], [4.55, 7.4], [1.8, 7.4]]
min_stay_s = 0.0
[[zone]]
id = "right"
kind = "counter"
polygon = [[5.4, 6.1], [8.3, 6.1], [8.3, 7.4], [5.4, 7.4]]
min_stay_s = 0.0
"""
"""Drawn for tracks that JuPedSim made: an L-shaped queue between four counters that customers only touch."""


@pytest.mark.reference
@needs_reference
@pytest.mark.parametrize(("sigma_m", "drop"), [(0.0, 0.0), (0.15, 0.1)])
def test_waits_of_a_simulator_that_is_not_ours(sigma_m: float, drop: float) -> None:
    """Six minutes with 50 people: every wait found, mean and median within 5 % of what the exact paths say."""
    site = parse_site(HALL)
    queue, *counters = [zone.polygon for zone in site.zones]
    exact: defaultdict[int, list[tuple[float, float, float]]] = defaultdict(list)
    with (ROOT / "data/people/synthetic/branch_seed1.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            exact[int(row["id"])].append((float(row["t_s"]), float(row["x_m"]), float(row["y_m"])))
    true: list[float] = []
    for path in exact.values():
        t, x, y = np.array(path).T
        reached = [start for polygon in counters for start, _ in simulated_truth.stays(t, x, y, polygon, 0.0)]
        for start, _ in simulated_truth.stays(t, x, y, queue)[:1]:
            true += [min(r for r in reached if r > start) - start] if any(r > start for r in reached) else []
    rng = np.random.default_rng(1)
    moments: defaultdict[int, dict[int, tuple[float, float]]] = defaultdict(dict)
    for person, path in exact.items():
        for t_s, x_m, y_m in path:
            if rng.random() >= drop:
                places = moments[round(t_s * 1000)]
                places[person] = (x_m + rng.normal(0, sigma_m), y_m + rng.normal(0, sigma_m))
    waits = [wait for settled in count(site, mend(sorted(moments.items()))) for wait in settled.waits]
    served = [wait.wait_ms / 1000 for wait in waits if wait.outcome == "served" and wait.wait_ms is not None]
    assert len(true) >= 8
    assert abs(len(served) - len(true)) <= 1
    assert np.mean(served) == pytest.approx(np.mean(true), rel=0.05)
    assert np.median(served) == pytest.approx(np.median(true), rel=0.05)
    assert not [wait for wait in waits if wait.outcome == "abandoned"]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("gap_s", [1.0, 2.0, 2.8])
def test_a_gap_is_filled_whoever_else_is_there(gap_s: float, beside: bool) -> None:
    """In a table of tracks nobody has a row while the only one is lost."""
    moments = [
        (t_ms, {1: (t_ms / 1000, 2.0)} | ({2: (1.0, 1.0)} if beside else {}))
        for t_ms in range(0, 10_000, 200)
    ]
    lost = [
        (
            t_ms,
            {
                who: place
                for who, place in places.items()
                if who == 2 or not 4_000 <= t_ms < 4_000 + gap_s * 1000
            },
        )
        for t_ms, places in moments
    ]
    found = mend([moment for moment in lost if moment[1]])
    assert [t_ms for t_ms, places in found if 1 in places] == [t_ms for t_ms, _ in moments]
    for t_ms, places in found:
        assert places[1] == pytest.approx((t_ms / 1000, 2.0), abs=0.01)
