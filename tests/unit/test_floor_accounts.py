"""Queues, staff, re-entry, flow and stitching: what a floor's settled paths amount to, with known truth."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from branchloop.site.site import Site, Zone, parse_site
from branchloop.wire.messages import Window
from edge.floor.counting.presence import Presence
from edge.floor.counting.stitching import Stitcher
from edge.floor.floor import Settled
from edge.floor.fusion.people import SitePerson, Stretch
from edge.simulate import Places, count

SITE = """
id = "lab"
name = { en = "Lab", zh = "实验室" }
timezone = "UTC"
reentry_s = 30
staff_after_s = 6
[staff_hours]
thu = "02:00-03:00"
[plan]
width_m = 12.0
height_m = 9.0
[[line]]
id = "door"
from = [4.0, 8.0]
to = [8.0, 8.0]
inside = [6.0, 6.0]
entrance = true
[[zone]]
id = "queue"
kind = "queue"
polygon = [[2.0, 3.0], [7.0, 3.0], [7.0, 5.0], [2.0, 5.0]]
served_in = ["tellers"]
[[zone]]
id = "tellers"
kind = "counter"
polygon = [[1.0, 1.2], [8.0, 1.2], [8.0, 2.4], [1.0, 2.4]]
[[zone]]
id = "back"
kind = "staff"
polygon = [[1.0, 0.0], [8.0, 0.0], [8.0, 1.1], [1.0, 1.1]]
"""
Leg = tuple[float, float, float]
"""At this second, at this place."""
STEP_MS = 200
DOOR_OUT, DOOR_IN = (6.0, 8.9), (6.0, 7.0)


@pytest.fixture(scope="module")
def site() -> Site:
    return parse_site(SITE)


def moments(*paths: list[Leg], offset_s: float = 0.0, until_s: float = 120.0) -> list[tuple[int, Places]]:
    """Everybody walks straight from leg to leg; before the first and after the last they are not there."""
    found: list[tuple[int, Places]] = []
    for t_ms in range(0, round(until_s * 1000), STEP_MS):
        places: dict[int, tuple[float, float]] = {}
        for person, legs in enumerate(paths, 1):
            for (t0, x0, y0), (t1, x1, y1) in itertools.pairwise(legs):
                if t0 <= t_ms / 1000 < t1:
                    share = (t_ms / 1000 - t0) / (t1 - t0)
                    places[person] = (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
        found.append((t_ms + round(offset_s * 1000), places))
    return found


def run(site: Site, seen: list[tuple[int, Places]]) -> tuple[list[Settled], list[Window]]:
    settled = list(count(site, seen))
    return settled, [window for each in settled for window in each.windows]


SERVED: list[Leg] = [
    (0, *DOOR_OUT), (2, *DOOR_IN), (5, 6, 4), (45, 5, 4), (48, 4, 1.8), (80, 4, 1.8), (90, 6, 7.5), (92, *DOOR_OUT)
]  # fmt: skip
GIVES_UP: list[Leg] = [(0, *DOOR_OUT), (2, *DOOR_IN), (5, 6, 4), (35, 5, 4), (38, 6, 7), (40, *DOOR_OUT)]
TELLER: list[Leg] = [(0, 3, 0.5), (30, 3, 0.5), (33, 3, 4), (60, 3, 4), (63, 3, 0.5), (100, 3, 0.5)]


def test_a_wait_lasts_from_joining_to_the_counter(site: Site) -> None:
    """From the queue's border to the counter's, the way between them included; served, in its window."""
    settled, windows = run(site, moments(SERVED))
    (wait,) = [wait for each in settled for wait in each.waits]
    assert (wait.outcome, wait.served_in) == ("served", "tellers")
    assert wait.wait_ms == pytest.approx(47_200 - 4_000, abs=500)
    queues = [window.queues[0] for window in windows]
    assert sum(queue.joined for queue in queues) == 1
    assert sum(queue.served.sum_ms for queue in queues) == wait.wait_ms
    assert sum(queue.abandoned.count + queue.lost for queue in queues) == 0
    assert sum(queue.person_ms for queue in queues) == pytest.approx(42_000, abs=900)
    assert max(queue.waiting_end or 0 for queue in queues) == 1


def test_leaving_unserved_is_abandoning(site: Site) -> None:
    """Out of the queue and out of the door: dated at the leaving, told at the door."""
    settled, windows = run(site, moments(GIVES_UP))
    (wait,) = [wait for each in settled for wait in each.waits]
    assert wait.outcome == "abandoned"
    assert wait.wait_ms == pytest.approx(36_000 - 4_000, abs=500)
    assert sum(window.queues[0].abandoned.count for window in windows) == 1
    assert sum(window.queues[0].served.count for window in windows) == 0


def test_a_wait_whose_end_nobody_saw_is_lost(site: Site) -> None:
    """A track that breaks off in the queue was neither served nor did it give up; so was one that begins there."""
    breaks: list[Leg] = [(0, *DOOR_OUT), (2, *DOOR_IN), (5, 6, 4), (35, 5, 4)]
    begins: list[Leg] = [(50, 5, 4), (80, 5, 4), (83, 5, 1.8), (100, 5, 1.8)]
    settled, windows = run(site, moments(breaks, begins))
    assert [wait.outcome for each in settled for wait in each.waits] == ["lost", "lost"]
    assert sum(window.queues[0].lost for window in windows) == 2
    assert sum(window.queues[0].served.count + window.queues[0].abandoned.count for window in windows) == 0


def test_passing_through_a_queue_is_no_wait(site: Site) -> None:
    """Straight across on the way to the counter."""
    through: list[Leg] = [
        (0, *DOOR_OUT),
        (2, *DOOR_IN),
        (5, 5, 5.2),
        (6.4, 5, 2.8),
        (7, 5, 1.8),
        (60, 5, 1.8),
    ]
    settled, windows = run(site, moments(through))
    assert not [wait for each in settled for wait in each.waits]
    assert sum(window.queues[0].joined + window.queues[0].person_ms for window in windows) == 0


def test_who_stands_behind_the_counter_is_staff(site: Site) -> None:
    """Staff are in no figure but their own, not even when they come out into the queue."""
    _, windows = run(site, moments(TELLER))
    assert sum(window.person_ms for window in windows[2:]) == 0
    assert sum(window.staff_ms for window in windows) == pytest.approx(95_000, abs=5_000)
    assert all(not queue.joined and not queue.person_ms for w in windows for queue in w.queues)
    assert all(not zone.entries for window in windows for zone in window.zones)
    assert all(window.heat is None and window.flow is None for window in windows[2:])


@pytest.mark.parametrize("elsewhere_s", [0, 15])
def test_a_wait_of_somebody_who_turns_out_to_be_staff_is_lost(site: Site, elsewhere_s: int) -> None:
    """In by the door, 20 s in the queue, perhaps a while beside it, and behind the counter: what had begun ends, once."""
    comes: list[Leg] = [(0, *DOOR_OUT), (2, *DOOR_IN), (5, 6, 4), (25, 5, 4), (28, 9, 4)]
    behind: list[Leg] = [(28 + elsewhere_s, 9, 4), (32 + elsewhere_s, 7, 0.5), (100, 7, 0.5)]
    settled, windows = run(site, moments(comes + behind))
    (wait,) = [wait for each in settled for wait in each.waits]
    assert (wait.outcome, wait.wait_ms) == ("lost", None)
    queues = [window.queues[0] for window in windows]
    assert sum(queue.joined for queue in queues) == sum(queue.lost for queue in queues) == 1
    assert sum(queue.served.count + queue.abandoned.count for queue in queues) == 0


def test_who_is_known_for_staff_before_the_wait_is_told_never_waited(site: Site) -> None:
    """The window in which the queue was joined is still open."""
    queue = Zone(id="aisle", kind="queue", polygon=[(1, 0), (8, 0), (8, 2), (1, 2)], min_stay_s=5.0)
    aisle = site.model_copy(update={"zones": [queue, site.zones[2]], "staff_after_s": 2.0})
    settled, windows = run(aisle, moments([(10, 5, 1.9), (15, 5, 1.5), (15.2, 5, 0.5), (60, 5, 0.5)]))
    assert not [wait for each in settled for wait in each.waits]
    assert sum(window.queues[0].joined + window.queues[0].lost for window in windows) == 0


def test_who_comes_in_staff_hours_is_staff(site: Site) -> None:
    """02:00 to 03:00 on Thursdays; an hour later the same walk is a visitor's."""
    _, early = run(site, moments(SERVED, offset_s=2 * 3600))
    _, later = run(site, moments(SERVED, offset_s=4 * 3600))
    assert [sum(getattr(w.lines[0], name) for w in early) for name in ("in_", "staff_in", "staff_out")] == [
        0,
        1,
        1,
    ]
    assert [sum(getattr(w.lines[0], name) for w in later) for name in ("in_", "out", "staff_in")] == [1, 1, 0]
    assert sum(window.queues[0].joined for window in early) == 0
    assert sum(window.person_ms for window in early[1:]) == 0


@pytest.mark.parametrize(("away_s", "returned"), [(10, 1), (50, 0)])
def test_who_comes_back_soon_is_no_new_visitor(site: Site, away_s: int, returned: int) -> None:
    """The same track, out of the door and in again: within `reentry_s` it is the same visit."""
    back = 20 + away_s
    legs: list[Leg] = [
        (0, *DOOR_OUT), (2, *DOOR_IN), (18, *DOOR_IN), (20, *DOOR_OUT), (back, *DOOR_OUT), (back + 2, *DOOR_IN), (110, *DOOR_IN)
    ]  # fmt: skip
    _, windows = run(site, moments(legs))
    assert sum(window.lines[0].in_ for window in windows) == 2
    assert sum(window.lines[0].returned for window in windows) == returned


def test_flow_is_the_way_walked(site: Site) -> None:
    """The steps add up to the path's two ends, and its length to what was walked."""
    _, windows = run(site, moments([(0, 1, 6), (8, 9, 6), (16, 9, 6), (20, 9, 4)], until_s=30))
    flows = [window.flow for window in windows if window.flow]
    assert sum(sum(flow.dx_mm) for flow in flows) == pytest.approx(8_000, abs=400)
    assert sum(sum(flow.dy_mm) for flow in flows) == pytest.approx(-2_000, abs=400)
    assert sum(sum(flow.path_mm) for flow in flows) == pytest.approx(10_000, abs=800)


@given(st.lists(st.tuples(st.integers(1, 4_000), st.booleans()), max_size=60))
def test_presence_alternates_and_never_dates_before_it_began(spans: list[tuple[int, bool]]) -> None:
    """Changes alternate, in order of time, none in the future."""
    presence, t_ms, changes = Presence(1_000, 1_500), 0, [0]
    for span_ms, inside in spans:
        before = presence.inside
        changed = presence.step(t_ms, t_ms + span_ms, inside=inside)
        t_ms += span_ms
        assert changed == (before != presence.inside)
        if changed:
            assert changes[-1] <= presence.since_ms <= t_ms
            changes.append(presence.since_ms)
        assert presence.held_until_ms <= t_ms


def test_presence_dates_a_clean_step_exactly_and_ignores_flicker() -> None:
    """In at 400 ms, out at 5,000; one sample in ten on the wrong side changes nothing."""
    presence, seen = Presence(1_000, 1_500), []
    for t_ms in range(0, 10_000, 200):
        inside = 400 <= t_ms < 5_000 if t_ms % 2_000 else not 400 <= t_ms < 5_000
        if presence.step(t_ms, t_ms + 200, inside=inside):
            seen.append((presence.inside, presence.since_ms))
    assert seen == [(True, 400), (False, 5_000)]


def stitched(*tracks: list[tuple[int, float, float]], batches: int = 1) -> list[set[int]]:
    """Walkers of each batch of stretches for tracks of (ms, x, y)."""
    times = sorted({t_ms for track in tracks for t_ms, _, _ in track})
    stretches = [
        Stretch(
            t_ms, t_ms + 200,
            tuple(SitePerson(i, (x, y), ()) for i, track in enumerate(tracks, 1) for t, x, y in track if t == t_ms),
            frozenset({"c"}), frozenset(),
        )
        for t_ms in times
    ]  # fmt: skip
    stitcher, size = Stitcher(), -(-len(stretches) // batches)
    return [
        {person.id for stretch in stitcher.step(stretches[i : i + size]) for person in stretch.people}
        for i in range(0, len(stretches), size)
    ]


def walk(
    first_ms: int, last_ms: int, x: float, speed: float = 1.2, y: float = 4.0
) -> list[tuple[int, float, float]]:
    return [(t_ms, x + speed * (t_ms - first_ms) / 1000, y) for t_ms in range(first_ms, last_ms, 200)]


def test_a_track_that_broke_goes_on_as_the_same_walker() -> None:
    """The same way, 1.4 s later, where that walker would be."""
    before, after = walk(0, 2_000, 1.0), walk(3_200, 5_000, 1.0 + 1.2 * 3.2)
    assert stitched(before, after) == [{1}]
    assert stitched(before, after, batches=2) == [{1}, {1}]


def test_somebody_else_is_never_stitched() -> None:
    """Not the next one on the same way, not one who comes towards, not when two might be meant, not two at once."""
    before = walk(0, 2_000, 1.0)
    assert stitched(before, walk(5_200, 7_000, 1.0)) == [{1, 2}]
    assert stitched(before, walk(2_600, 4_400, 4.0, speed=-1.2)) == [{1, 2}]
    assert stitched(before, walk(0, 2_000, 1.0, y=4.5), walk(2_600, 4_400, 4.1, y=4.2)) == [{1, 2, 3}]
    assert stitched(before, walk(1_000, 4_400, 2.2)) == [{1, 2}]


def test_a_cut_parts_what_would_fit() -> None:
    """Where a clip starts anew nobody goes on."""
    stretches = [
        Stretch(t, t + 200, (SitePerson(person, (x, y), ()),), frozenset({"c"}), frozenset())
        for person, path in ((1, walk(0, 2_000, 1.0)), (2, walk(2_200, 4_000, 1.0 + 1.2 * 2.2)))
        for t, x, y in path
    ]
    whole, cut = Stitcher(), Stitcher()
    cut.cut(2_100)
    assert {p.id for s in whole.step(stretches) for p in s.people} == {1}
    assert {p.id for s in cut.step(stretches) for p in s.people} == {1, 2}


def test_a_hundred_people_at_once_stay_bounded_and_are_all_accounted_for(site: Site) -> None:
    """Every one is in the integrals, and no window outgrows a payload."""
    legs = [
        [(0.0, 1 + 0.1 * i, 3.0), (20.0, 11 - 0.1 * i, 8.5), (40.0, 1 + 0.1 * i, 3.0)] for i in range(100)
    ]
    _, windows = run(site, moments(*legs, until_s=40))
    assert max(window.people_end or 0 for window in windows) == 100
    assert sum(window.person_ms for window in windows) == pytest.approx(100 * 40_000, abs=100 * 250)
    assert max(len(window.to_json()) for window in windows) < 64 * 1024


def test_a_moment_told_twice_counts_once(site: Site) -> None:
    """Times that repeat add no time, no crossing and no wait."""
    once = moments(SERVED)
    _, windows = run(site, once)
    _, again = run(site, [moment for moment in once for _ in range(2)])
    assert [w.model_dump() for w in again] == [w.model_dump() for w in windows]


def test_a_track_that_is_found_again_beside_its_heir_parts_from_it() -> None:
    """Somebody seemed to go on for a lost track until that is there again: two people, never one in two places."""
    lost = [*walk(0, 2_000, 1.0), *walk(4_400, 6_000, 9.0)]
    heir = walk(3_200, 6_000, 1.0 + 1.2 * 3.2)
    assert stitched(lost, heir, batches=3) == [{1}, {1}, {1, 2}]
