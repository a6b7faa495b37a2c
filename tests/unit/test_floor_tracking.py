"""The tracker, the fusion and the floor on synthetic walkers with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from walkers import Walk, boxes, calibration, lab, present, straight

from branchloop.clock import WINDOW_MS
from branchloop.wire.messages import Window
from edge.floor.floor import Floor, Settled
from edge.floor.observation import observe
from edge.floor.tracking.belief import Belief
from edge.floor.tracking.track import TrackerSettings
from edge.floor.tracking.tracker import Tracker
from edge.floor.windows import no_sensors


def run(
    walks: list[Walk],
    seconds: float,
    fps: float = 7.0,
    cameras: tuple[str, ...] = ("north",),
    drop: float = 0.0,
    noise_m: float = 0.0,
    seed: int = 1,
) -> list[Settled]:
    """Every camera sees everybody, but for drop-outs and noise."""
    random = np.random.default_rng(seed)
    floor = Floor(lab(cameras), prefix="test", method="test")
    settled: list[Settled] = []
    for i in range(int(seconds * fps)):
        for number, camera in enumerate(cameras):
            t_ms = round(i * 1000 / fps) + 37 * number
            places = [
                (x + random.normal(0, noise_m), y + random.normal(0, noise_m))
                for x, y in present(walks, t_ms / 1000)
                if random.random() >= drop
            ]
            floor.frame(camera, t_ms, observe(t_ms, boxes(places, camera), calibration(camera)))
            settled.append(floor.settle(t_ms, no_sensors))
    settled.append(floor.finish(no_sensors))
    return settled


def windows(settled: list[Settled]) -> list[Window]:
    return [window for each in settled for window in each.windows]


def crossed(settled: list[Settled]) -> tuple[int, int]:
    lines = [window.lines[0] for window in windows(settled)]
    return sum(line.in_ for line in lines), sum(line.out for line in lines)


def people(settled: list[Settled]) -> set[int]:
    return {person.id for each in settled for stretch in each.stretches for person in stretch.people}


@pytest.mark.parametrize("fps", [3.0, 7.0, 15.0])
@pytest.mark.parametrize("speed", [0.5, 1.3, 2.5])
def test_one_walker_is_one_person_and_one_crossing(fps: float, speed: float) -> None:
    """At any frame rate and walking speed."""
    settled = run([straight(1, 9, 4, 0.5, speed)], 2 + 8 / speed, fps)
    assert crossed(settled) == (1, 0)
    assert len(people(settled)) == 1


@pytest.mark.parametrize(("fps", "ids"), [(2.0, 1), (7.0, 2)])
def test_who_is_hidden_at_the_line_is_found_again_in_rare_frames(fps: float, ids: int) -> None:
    """Four seconds are eight of them, and 28 of frequent ones, where it is known to be too long."""
    whole = straight(1, 9, 4, 0.5, 0.5)

    def hidden(t_s: float) -> tuple[float, float] | None:
        return None if 6.6 < t_s < 10.6 else whole(t_s)

    settled = run([hidden], 20.0, fps=fps)
    assert len(people(settled)) == ids
    assert crossed(settled) == ((1, 0) if ids == 1 else (0, 0))


def test_a_box_that_began_nobody_is_dealt_out_in_rare_frames() -> None:
    """Two meet beyond the line, and the one is first seen there, in a box that the other's covers: nobody began in it."""

    def met(t_s: float) -> tuple[float, float] | None:
        return straight(9, 1, 4.62, 1.0, 1.2)(t_s) if 3.9 < t_s < 5.6 else None

    settled = run([straight(1, 9, 4.0, 1 / 3, 1.2), met], 12.0, fps=2.0)
    assert crossed(settled) == (1, 1)


@pytest.mark.parametrize("shift", [(0.2, 0.0, 0.0), (0.0, 0.0, 0.5), (0.1, 0.15, 0.0), (0.0, 0.65, 0.0)])
@pytest.mark.parametrize("seed", range(3))
def test_second_boxes_of_one_walker_are_nobody_in_rare_frames(
    shift: tuple[float, float, float], seed: int
) -> None:
    """Beside, of the upper half, or where another might stand, in a third of the frames: one walker, one crossing."""
    beside, below, half = shift
    random, walk = np.random.default_rng(seed), straight(1, 9, 4.0, 0.5, 0.6)
    floor, settled = Floor(lab(), prefix="test", method="test"), list[Settled]()
    for t_ms in range(0, 18_000, 500):
        found = boxes(present([walk], t_ms / 1000))
        found[:, :4] += random.normal(0, 4, found[:, :4].shape)
        if t_ms > 2_000 and len(found) and random.random() < 1 / 3:
            second = found.copy()
            second[:, [0, 2]] += 100 * beside
            second[:, [1, 3]] += 100 * below
            second[:, 3] -= half * (second[:, 3] - second[:, 1])
            found = np.concatenate([found, second])
        floor.frame("north", t_ms, observe(t_ms, found, calibration()))
        settled.append(floor.settle(t_ms, no_sensors))
    settled.append(floor.finish(no_sensors))
    assert len(people(settled)) == 1
    assert crossed(settled) == (1, 0)


def test_one_late_frame_makes_no_rare_ones_and_neither_does_jitter() -> None:
    """At seven a second; at four, which is just not rare enough; and at two they are rare at once."""
    random, belief = np.random.default_rng(1), Belief(calibration(), TrackerSettings())
    for step_ms in [143] * 20 + [1_000] + [143] * 20:
        belief.pace(step_ms)
        assert not belief.closely
    for _ in range(300):
        belief.pace(250 + round(random.normal(0, 15)))
        assert not belief.closely
    twice = Belief(calibration(), TrackerSettings())
    twice.pace(500)
    assert twice.closely


def test_slow_steady_flow_is_never_handed_over() -> None:
    """A walker every four seconds: a lost track is not given to the next one, and all are counted."""
    walks = [straight(1, 9, 4 + 0.3 * (i % 3), 4.0 * i, 1.2) for i in range(15)]
    settled = run(walks, 70)
    assert crossed(settled) == (15, 0)
    assert len(people(settled)) == 15


def test_people_side_by_side_and_in_opposite_directions() -> None:
    """A pair abreast and one who comes towards them are three crossings."""
    walks = [straight(1, 9, 3.0, 1, 1.2), straight(1, 9, 3.9, 1, 1.2), straight(9, 1, 5.5, 1, 1.2)]
    settled = run(walks, 10)
    assert crossed(settled) == (2, 1)
    assert len(people(settled)) == 3


@given(st.integers(0, 1000))
@settings(max_examples=8, deadline=None)
def test_drop_outs_and_noise_lose_nobody(seed: int) -> None:
    """With 20 % of the detections missing and 5 cm of noise, everybody is still counted once."""
    walks = [straight(1, 9, 2.0 + 1.5 * i, 1.0 + i, 1.3) for i in range(4)]
    assert crossed(run(walks, 14, drop=0.2, noise_m=0.05, seed=seed)) == (4, 0)


def test_two_cameras_see_one_person_once() -> None:
    """Frames 37 ms apart, one person: one id, and heat for one."""
    settled = run([straight(1, 9, 4, 0.5, 1.0)], 10, cameras=("north", "south"))
    assert len(people(settled)) == 1
    assert crossed(settled) == (1, 0)
    seen_ms = sum(window.person_ms for window in windows(settled))
    assert seen_ms == pytest.approx(8_000, abs=400)


def test_notices_come_at_once_and_are_confirmed() -> None:
    """The notice precedes its window, which lists its id."""
    floor = Floor(lab(), prefix="test", method="test")
    told: dict[str, int] = {}
    confirmed: dict[str, int] = {}
    walk = straight(1, 9, 4, 0.5, 1.2)
    for i in range(100):
        t_ms = round(i * 1000 / 7)
        for notice in floor.frame(
            "north", t_ms, observe(t_ms, boxes(present([walk], t_ms / 1000)), calibration())
        ):
            assert notice.seen_ms == t_ms
            told[notice.id] = t_ms
        for window in floor.settle(t_ms, no_sensors).windows:
            confirmed |= dict.fromkeys(window.lines[0].confirmed, t_ms)
    assert len(told) == 1
    assert told.keys() == confirmed.keys()
    assert all(told[notice] < confirmed[notice] for notice in told)


def test_what_is_weak_and_still_never_starts() -> None:
    """A cone that scores .55 for a minute is nobody; somebody who walks in and stands is."""
    tracker = Tracker(calibration())
    seen = 0
    for i in range(420):
        t_ms = round(i * 1000 / 7)
        walker = (min(2.0 + 0.15 * i, 6.0), 4.0)
        found = np.vstack([boxes([(3.0, 7.0)], score=0.62), boxes([walker], score=0.66)])
        tracker.step(observe(t_ms, found, calibration()))
        seen = max(seen, len(tracker.present()))
    assert seen == 1
    assert tracker.present()[0].place_m == pytest.approx((6.0, 4.0), abs=0.1)


@pytest.mark.parametrize(("apart_m", "people"), [(0.2, 1), (0.45, 2)])
@pytest.mark.parametrize("since", [0, 10])
def test_a_second_box_on_somebody_is_no_second_person(apart_m: float, people: int, since: int) -> None:
    """A detector that boxes one person twice for a while, or from the first frame on, begins nobody; somebody close by is somebody."""
    tracker = Tracker(calibration())
    for i in range(40):
        places = [(2.0 + 0.1 * i, 4.0)]
        if i >= since:
            places.append((places[0][0] + apart_m, 4.0))
        tracker.step(observe(i * 143, boxes(places), calibration()))
    assert len(tracker.present()) == people


def test_who_stops_behind_a_post_goes_on_counting() -> None:
    """Not seen at all for 1.7 s after stopping, then weakly in every third frame: the same person, where it stopped."""
    tracker = Tracker(calibration())
    told: list[tuple[int, list[tuple[int, float]]]] = []
    stopped = 36
    for i in range(140):
        t_ms = i * 143
        seen = boxes([(2.0 + 0.45 * 0.143 * min(i, stopped), 4.0)], score=0.8 if i < stopped else 0.35)
        hidden = stopped <= i < stopped + 12 or (i > stopped and i % 3 != 0)
        tracker.step(observe(t_ms, seen[:0] if hidden else seen, calibration()))
        told += [(at, [(p.id, p.place_m[0]) for p in found]) for at, found in tracker.settle(t_ms - 3_000)]
    standing = [found for at, found in told if at > (stopped + 12) * 143]
    assert len(standing) > 60
    here = [
        found for found in standing if [person for person, _ in found] == [1] and abs(found[0][1] - 4.3) < 0.4
    ]
    assert len(here) >= 0.95 * len(standing)


def test_who_stands_behind_a_closed_gate_goes_on_counting() -> None:
    """Held frames keep everybody where they were."""
    floor = Floor(lab(), prefix="test", method="test")
    settled: list[Settled] = []
    for i in range(210):
        t_ms = round(i * 1000 / 7)
        place = (min(1 + 0.2 * i, 7.0), 4.0)
        observation = observe(t_ms, boxes([place]), calibration()) if i < 60 or i % 7 == 0 else None
        floor.frame("north", t_ms, observation)
        settled.append(floor.settle(t_ms, no_sensors))
    settled.append(floor.finish(no_sensors))
    assert sum(window.person_ms for window in windows(settled)) == pytest.approx(29_800, abs=300)
    assert len(people(settled)) == 1


def test_a_cut_ends_every_track() -> None:
    """Where a clip starts anew, nobody is the same person, and no crossing bridges the cut."""
    floor = Floor(lab(), prefix="test", method="test")
    settled: list[Settled] = []
    for i in range(60):
        t_ms = round(i * 1000 / 7)
        if i == 30:
            floor.cut("north")
        place = (4.5, 4.0) if i < 30 else (5.5, 4.0)
        floor.frame("north", t_ms, observe(t_ms, boxes([place]), calibration()))
        settled.append(floor.settle(t_ms, no_sensors))
    settled.append(floor.finish(no_sensors))
    assert len(people(settled)) == 2
    assert crossed(settled) == (0, 0)


def test_a_camera_that_is_out_does_not_hold_up_the_windows() -> None:
    """The other one goes on, and coverage says that half is missing."""
    floor = Floor(lab(("north", "south")), prefix="test", method="test")
    for camera in ("north", "south"):
        floor.frame(camera, 0, observe(0, boxes([]), calibration(camera)))
    floor.state("south", "stalled")
    closed: list[Window] = []
    for i in range(1, 120):
        t_ms = round(i * 1000 / 7)
        floor.frame("north", t_ms, observe(t_ms, boxes([(3, 3)]), calibration()))
        closed += floor.settle(t_ms, no_sensors).windows
    assert [window.start_ms for window in closed] == [0, 5_000, 10_000]
    assert closed[1].observed_ms == 5_000
    assert closed[1].expected_ms == 10_000
    assert {camera.camera: camera.state for camera in closed[1].cameras} == {
        "north": "up",
        "south": "stalled",
    }


def test_with_every_camera_out_windows_say_so() -> None:
    """Time goes on by the clock; the windows hold nothing observed."""
    floor = Floor(lab(), prefix="test", method="test")
    floor.state("north", "down")
    closed = [w for now_ms in range(0, 20_000, 100) for w in floor.settle(now_ms, no_sensors).windows]
    assert [window.start_ms for window in closed] == [0, 5_000, 10_000]
    assert all(window.observed_ms == 0 and window.people_end is None for window in closed)


def test_time_may_not_run_backwards() -> None:
    """A frame from before the last one is refused, so that the caller can tell a clock step."""
    tracker = Tracker(calibration())
    tracker.step(observe(1_000, boxes([]), calibration()))
    with pytest.raises(ValueError, match="does not follow"):
        tracker.hold(1_000)


def test_who_sets_off_unseen_is_found_again_and_keeps_the_id() -> None:
    """Standing, unseen for a second, then 2 m on and nobody else about: the same walker."""
    tracker = Tracker(calibration())
    for i in range(40):
        t_s = i * 0.2
        x = 3.0 + max(0.0, t_s - 4.0) * 2.2
        seen = not 4.0 < t_s < 4.7 and x < 6.5
        tracker.step(observe(i * 200, boxes([(x, 4.0)]) if seen else boxes([]), calibration()))
    ids = {person.id for _, people in tracker.settle(8_000) for person in people}
    assert len(ids) == 1


def test_a_walker_is_not_found_again_behind_sooner_than_one_turns() -> None:
    """One leaves at 2.5 m/s; somebody 1.5 m behind that place a second later is somebody else."""
    tracker = Tracker(calibration())
    for i in range(8):
        tracker.step(observe(i * 200, boxes([(1.0 + 0.5 * i, 4.0)]), calibration()))
    for i in range(12, 22):
        tracker.step(observe(i * 200, boxes([(3.0 - 0.4 * (i - 12), 4.0)]), calibration()))
    ids = {person.id for _, people in tracker.settle(5_000) for person in people}
    assert len(ids) == 2


def test_the_last_fixes_of_who_is_lost_are_remembered_however_old() -> None:
    """They tell whether somebody was leaving when seen last; older ones go."""
    tracker = Tracker(calibration())
    walk = straight(1, 9, 4, 0.0, 1.2)
    for number in range(22):
        t_ms = 500 * number
        tracker.step(observe(t_ms, boxes(present([walk], t_ms / 1000)), calibration()))
        tracker.settle(t_ms - 1_000)
    known = next(iter(tracker._tracks))
    assert not known.ended
    assert [s.state.t_ms for s in known.past] == [5_500, 6_000, 6_500]


@given(st.integers(20, 700), st.sampled_from([0.0, 1.0, 3.0, 4.0, 4.5, 5.0]))
def test_frames_wait_five_seconds_at_most_and_many_become_final_together(
    step_ms: int, lookback_s: float
) -> None:
    site = lab(("north",))
    tracking = site.tracking.model_copy(update={"lookback_s": lookback_s})
    floor = Floor(site.model_copy(update={"tracking": tracking}), prefix="test", method="test")
    due_ms = []
    for t_ms in range(0, 20_000, step_ms):
        floor.frame("north", t_ms, None)
        due_ms.append(floor.due_ms(t_ms))
        assert t_ms - 5_000 <= due_ms[-1] <= max(0, t_ms - 1_000 * lookback_s)
    assert due_ms == sorted(due_ms)
    assert lookback_s > 4 or len(set(due_ms)) <= 22


@pytest.mark.parametrize(("fps", "past_windows_ms"), [(2, {0, 500}), (10, {0, 1_000})])
def test_frames_become_final_second_by_second_and_rare_ones_one_by_one(
    fps: int, past_windows_ms: set[int]
) -> None:
    """A second's worth at once is a second less to look back: of ten frames that is little, of two it is not."""
    floor = Floor(lab(("north",)), prefix="test", method="test")
    due_ms = set()
    for number in range(30 * fps):
        t_ms = round(1000 * number / fps)
        floor.frame("north", t_ms, observe(t_ms, boxes([], "north"), calibration("north")))
        due_ms.add(floor.due_ms(t_ms))
    assert {due % WINDOW_MS for due in due_ms if due > 0} == past_windows_ms


def test_a_camera_that_shows_nothing_does_not_tell_how_rare_frames_are() -> None:
    """One of two is down from the beginning: the other's rare frames become final one by one all the same."""
    floor = Floor(lab(("north", "south")), prefix="test", method="test")
    floor.state("south", "down")
    for number in range(22):
        t_ms = 500 * number
        floor.frame("north", t_ms, observe(t_ms, boxes([], "north"), calibration("north")))
    assert floor.due_ms(10_500) == 5_500
