"""Several cameras, one floor: everybody once, with one id, whatever clocks, rates and calibrations do.

The hall is rendered geometry (see hall.py): boxes of walkers with truth, no pictures.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hall import Eye, Moments, Run, corner_eyes, id_score, run, streams, three_eyes, truth_person_s, walkers

from edge.floor.fusion.agreement import Agreement, Complaints, PairMeter
from edge.floor.fusion.alignment import PairAlignment
from edge.floor.fusion.clock_offset import search_offset

NORTH, SOUTH = corner_eyes(2)
LOPSIDED = replace(NORTH, at_m=(0.2, 2.5, 3.0), to_m=(5.0, 3.5))


@cache
def crowd(count: int = 12, seconds: float = 40.0, seed: int = 1) -> Moments:
    return walkers(count, seconds, seed)


def only(done: Run) -> Agreement:
    (agreement,) = done.floor.agreements()
    return agreement


def one_walker(start: float = 0.5, end: float = 11.0, speed: float = 1.2, y: float = 4.5) -> Moments:
    seconds = (end - start) / speed
    return [(t, {1: (start + speed * t, y)}) for t in np.arange(0, seconds, 0.05).tolist()]


def mass(done: Run, moments: Moments) -> float:
    return done.person_s() / truth_person_s(moments)


@pytest.mark.parametrize("fps", [(5.0, 5.0), (5.0, 25.0)])
def test_everybody_is_counted_once_at_any_frame_rates(fps: tuple[float, float]) -> None:
    """Twelve walkers before two cameras: about their person-seconds, not twice as many."""
    done = run([replace(NORTH, fps=fps[0]), replace(SOUTH, fps=fps[1])], crowd())
    assert mass(done, crowd()) == pytest.approx(1, abs=0.1)
    together = only(done).together
    assert together is not None
    assert together >= 0.85


@pytest.mark.parametrize("hides", [False, True])
def test_a_crowd_that_walks_through_itself_is_counted_once(hides: bool) -> None:
    """Four streams of people who cross, also where who is hidden by somebody nearer is missed."""
    moments = streams(40)
    done = run(corner_eyes(2, hides=hides), moments)
    assert mass(done, moments) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("clock_s", [-0.5, 0.5])
def test_clocks_half_a_second_apart_are_found_and_corrected(clock_s: float) -> None:
    """The offset is reported to a tenth of a second, and still everybody is one."""
    done = run([NORTH, replace(SOUTH, clock_s=clock_s)], crowd())
    assert only(done).clock_offset_s == pytest.approx(clock_s, abs=0.12)
    assert mass(done, crowd()) == pytest.approx(1, abs=0.12)


def test_a_calibration_that_is_off_by_some_decimetres_is_learnt_and_told() -> None:
    """Both keep their person, the disagreement is reported as it is, and corrected places meet."""
    agreement = only(run([NORTH, replace(SOUTH, bias_m=(0.4, -0.3))], crowd()))
    assert agreement.disagreement_m == pytest.approx(0.5, abs=0.12)
    assert agreement.bias_m == pytest.approx((-0.4, 0.3), abs=0.12)
    assert agreement.apart_m is not None
    assert agreement.apart_m < 0.2
    assert agreement.coherent


def test_four_cameras_are_better_than_two_and_two_better_than_one() -> None:
    """Removing cameras worsens the share of the truth that is found under its own id."""
    scores = [id_score(run(corner_eyes(count), crowd()), crowd())[0] for count in (1, 2, 4)]
    assert scores == sorted(scores)
    assert scores[0] < scores[2] - 0.03


def test_missing_any_one_of_three_cameras_loses_people() -> None:
    """Each of them looks where the others do not: the figure is the share of person-moments found."""
    eyes = three_eyes()
    whole = id_score(run(eyes, crowd()), crowd())[0]
    for eye in eyes:
        rest = [other for other in eyes if other is not eye]
        assert id_score(run(rest, crowd()), crowd())[0] < whole - 0.02, eye.id


def halves(gap_m: float) -> list[Eye]:
    """Two cameras from the side on the two halves of the hall, with `gap_m` of blind floor between them."""
    return [
        Eye("left", (2.9 - gap_m / 2, -6.0, 5.0), (2.9 - gap_m / 2, 4.5), focal_px=1_200.0, drop=0.05),
        Eye("right", (9.1 + gap_m / 2, -6.0, 5.0), (9.1 + gap_m / 2, 4.5), focal_px=1_200.0, drop=0.05),
    ]


@pytest.mark.parametrize("gap_m", [-0.5, 0.5, 2.0])
@pytest.mark.parametrize("speed", [0.8, 1.4])
def test_who_walks_from_view_to_view_keeps_the_id(gap_m: float, speed: float) -> None:
    """Over overlapping, adjacent and separated views."""
    done = run(halves(gap_m), one_walker(speed=speed))
    assert len(done.ids()) == 1
    seen_by = {c for s in done.settled for st in s.stretches for p in st.people for c, _ in p.seen}
    assert seen_by == {"left", "right"}


def test_nobody_is_handed_over_to_another_walker() -> None:
    """One leaves for good at the blind floor; another appears there later, or at once but far away."""
    gap = halves(2.0)
    gone = [(float(t), {1: (1.0 + 1.2 * t, 4.5)} if t < 2.8 else {}) for t in np.arange(0, 16, 0.05)]
    late = [(t, {**here, **({2: (8.0 + 1.2 * (t - 11), 4.5)} if 11 < t < 14 else {})}) for t, here in gone]
    assert len(run(gap, late).ids()) == 2
    far = [(t, {**here, **({2: (11.0, 1.0 + 1.2 * (t - 4))} if 4 < t < 9 else {})}) for t, here in gone]
    assert len(run(gap, far).ids()) == 2
    back = [(t, {**here, **({2: (11.0 - 1.2 * (t - 4), 4.5)} if 4 < t < 6 else {})}) for t, here in gone]
    assert len(run(gap, back).ids()) == 2


def test_two_abreast_over_the_gap_keep_their_own_ids_or_get_new_ones() -> None:
    """They never change places under each other's id."""
    moments = [
        (float(t), {1: (1.0 + 1.2 * t, 4.0), 2: (1.0 + 1.2 * t, 5.2)}) for t in np.arange(0, 8.3, 0.05)
    ]
    done = run(halves(1.5), moments)
    lanes: dict[int, set[bool]] = {}
    for settled in done.settled:
        for stretch in settled.stretches:
            for person in stretch.people:
                lanes.setdefault(person.id, set()).add(person.place_m[1] > 4.6)
    assert all(len(lane) == 1 for lane in lanes.values())
    assert len(lanes) <= 4


def test_clocks_ten_seconds_apart_are_said_and_nobody_is_doubled() -> None:
    """Too much to correct: the offset is named, and the shared floor is counted by one camera alone."""
    moments = crowd(30, 80.0)
    apart = [NORTH, replace(SOUTH, clock_s=10.0)]
    agreement = only(done := run(apart, moments))
    assert not agreement.coherent
    assert agreement.clock_offset_s == pytest.approx(10, abs=1)
    assert "clock of south" in str(agreement.fault)
    (pair,) = [window for settled in done.settled for window in settled.windows][-1].pairs
    assert (pair.first, pair.second, pair.wrong) == ("north", "south", "clocks_apart")
    assert pair.clock_ms == pytest.approx(10_000, abs=1_000)
    blind = sum((p.end_ms - p.start_ms) * len(p.uncounted) for s in done.settled for p in s.stretches) / 1000
    assert blind > 0.2 * truth_person_s(moments)  # these would have been counted twice
    assert mass(done, moments) < 1.25


def test_a_track_that_a_corrected_clock_moves_out_of_memory_stops_nothing() -> None:
    """Pairs are found before the clocks are learnt anew; one track then lay beyond what is remembered."""
    moments = [(t, here) for t, here in crowd(30, 90.0, 2) if 5 <= t < 27]
    done = run([NORTH, replace(SOUTH, clock_s=2.5)], moments)
    stretches = [stretch for settled in done.settled for stretch in settled.stretches]
    assert all(a.end_ms == b.start_ms for a, b in itertools.pairwise(stretches))
    assert stretches[-1].end_ms >= 46_000


@cache
def sound_pair() -> Agreement:
    return only(run([LOPSIDED, SOUTH], crowd(8, 25.0)))


def test_a_bad_pair_doubles_nobody_before_it_is_judged() -> None:
    """From the first second on, one camera alone counts the shared floor until both are found to agree."""
    moments = crowd(12, 20.0)
    bad = run([NORTH, replace(SOUTH, bias_m=(1.6, -1.2))], moments)
    assert mass(bad, moments) < 1.1
    sound = run([NORTH, SOUTH], moments)
    assert mass(sound, moments) == pytest.approx(1, abs=0.05)


def test_a_verdict_goes_by_the_last_person_moments_however_many_came_before() -> None:
    """A camera that is bumped in a crowd is not excused by its past, and comes back when people are joined again."""
    meter = PairMeter(("a", "b"), PairAlignment())
    few = np.zeros((5, 2))
    assert not meter.trusted
    for _ in range(300):
        meter.moment(few, few, 5, [])
    assert meter.trusted
    moments = 0
    while meter.trusted:
        meter.moment(few, few, 1, [])
        moments += 1
    assert moments * 5 <= 50  # 10 person-seconds
    for _ in range(30):
        meter.moment(few, few, 5, [])
    assert meter.trusted


@pytest.mark.parametrize(
    "eyes",
    [
        [replace(LOPSIDED, calibrated_as=SOUTH), replace(SOUTH, calibrated_as=LOPSIDED)],
        [NORTH, replace(SOUTH, turned_deg=5.0)],
    ],
    ids=["swapped", "bumped by 5 degrees"],
)
def test_swapped_and_bumped_cameras_are_told_with_metres(eyes: list[Eye]) -> None:
    """The figure of disagreement is far above that of a sound pair, and a sentence says so."""
    sound = sound_pair()
    wrong = only(run(eyes, crowd(24, 60.0)))
    assert sound.fault is None
    assert sound.disagreement_m is not None
    assert sound.disagreement_m < 0.3
    assert wrong.disagreement_m is not None
    assert wrong.disagreement_m > 1.0
    assert wrong.fault is not None
    assert "m apart" in wrong.fault
    assert wrong.told().wrong in {"cameras_apart", "cameras_disagree"}
    assert wrong.told().disagreement_mm == round(1000 * wrong.disagreement_m)
    assert sound.told().wrong is None


def test_complaints_come_once_and_end_after_a_quiet_minute() -> None:
    """A fault that flickers is told once."""
    sound = Agreement(("a", "b"), 0.1, 0.1, (0.0, 0.0), 0.0, 0.95)
    wrong = replace(sound, disagreement_m=1.4)
    complaints = Complaints()
    assert complaints.news([sound]) == []
    ((pair, fault),) = complaints.news([wrong])
    assert pair == ("a", "b")
    assert "1.4 m apart" in str(fault)
    assert [complaints.news([one]) for one in (wrong, sound, wrong)] == [[], [], []]
    told = [complaints.news([sound]) for _ in range(12)]
    assert told == [*[[]] * 11, [(("a", "b"), None)]]


def test_a_complaint_follows_its_figure() -> None:
    """A clock whose offset is learnt in steps is told as far off as it is, once a minute at most; so is another fault."""
    sound = Agreement(("a", "b"), 0.1, 0.1, (0.0, 0.0), 0.0, 0.95)
    complaints = Complaints()
    said = [
        fault
        for window in range(49)
        for _, fault in complaints.news([replace(sound, clock_offset_s=min(0.8 + 0.4 * window, 9.6))])
    ]
    assert said == [f"the clock of b is {offset:+.1f} s off that of a" for offset in (0.8, 5.6, 9.6)]
    assert complaints.about("a") == said[-1:]
    ((_, fault),) = complaints.news([replace(sound, disagreement_m=1.4)])
    assert complaints.about("b") == [fault]
    assert "1.4 m apart" in str(fault)


def test_what_stands_against_a_camera_is_kept_as_it_was_said() -> None:
    """Until it is over, or until the pair is no longer one."""
    first = Agreement(("a", "b"), 1.4, 0.1, (0.0, 0.0), 0.0, 0.95)
    second = replace(first, cameras=("b", "c"))
    complaints = Complaints()
    told = [fault for _, fault in complaints.news([first, second])]
    complaints.news([replace(first, disagreement_m=1.6), second])
    assert [complaints.about(camera) for camera in "abc"] == [told[:1], told, told[1:]]
    assert complaints.news([first]) == [(("b", "c"), None)]
    assert [complaints.about(camera) for camera in "abc"] == [told[:1], told[:1], []]
    assert complaints.news([first, second]) == [(("b", "c"), told[1])]


def test_an_offset_is_found_only_where_there_is_one() -> None:
    """Two halls of strangers have none."""
    random = np.random.default_rng(5)
    path = np.cumsum(random.normal(0, 0.25, (400, 3, 2)), axis=0) + random.uniform(0, 9, (3, 2))
    first = [path[i] for i in range(300)]
    second = [path[i + 35] for i in range(300)]
    assert search_offset(first, second, 0.2) == pytest.approx(-7.0, abs=0.3)
    strangers = np.cumsum(random.normal(0, 0.25, (300, 3, 2)), axis=0) + random.uniform(20, 29, (3, 2))
    assert search_offset(first, list(strangers), 0.2) is None


@pytest.mark.parametrize("moments", [0, 1, 2, 7, 60, 99, 100])
def test_a_short_while_is_searched_as_far_as_it_goes(moments: int) -> None:
    """Sooner after the start than the search reaches."""
    crowd = [np.random.default_rng(t).uniform(0, 8, (6, 2)) for t in range(moments)]
    assert search_offset(crowd, crowd, 0.2) in (None, 0.0)


def test_the_same_frames_give_the_same_people() -> None:
    """To the last digit."""
    eyes, few = corner_eyes(2), crowd(6, 15.0)
    one, two = run(eyes, few), run(eyes, few)
    assert [s.stretches for s in one.settled] == [s.stretches for s in two.settled]


def test_a_hundred_people_at_once_stay_bounded_and_are_about_a_hundred() -> None:
    """Two cameras, a crowd that hides nothing from them: each is one, and no figure explodes."""
    random = np.random.default_rng(3)
    grid = [(1.2 + 1.0 * (i % 10), 0.8 + 0.75 * (i // 10)) for i in range(100)]
    moments = [
        (float(t), {i + 1: (x + 0.1 * np.sin(t + i), y) for i, (x, y) in enumerate(grid)})
        for t in np.arange(0, 6, 0.1)
    ]
    above = [
        Eye("one", (5.0, -8.0, 9.0), (6.0, 4.5), focal_px=640.0, drop=0.05),
        Eye("two", (7.0, 17.0, 9.0), (6.0, 4.5), focal_px=640.0, drop=0.05),
    ]
    done = run(above, moments, seed=int(random.integers(99)))
    middle = [
        len(st.people) for s in done.settled for st in s.stretches if 3_000 < st.start_ms - 20_000 < 5_500
    ]
    assert np.median(middle) == pytest.approx(100, abs=12)
