"""What a set of marks is worth: residuals, the wrong mark, and how far people are seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from branchloop import survey
from branchloop.errors import ConfigError
from branchloop.floormap import FloorMap, Mark
from branchloop.homography import apply, determinant, fit, inverse
from branchloop.site.site import Calibration, Plan
from edge.floor.calibration import calibrate

PICTURE = (1280, 720)
PLAN = Plan(width_m=12, height_m=9)
CAMERA = calibrate([(210, 650, 2, 8), (1080, 640, 10, 8), (890, 250, 9.5, 2), (380, 255, 2.5, 2)], PICTURE)
PLACES = [(2, 2), (4, 3), (9, 2), (6, 5), (3, 7), (10, 8), (8, 6), (5, 8)]


def marks(places: Sequence[tuple[float, float]] = PLACES, noise_m: float = 0.0) -> list[Mark]:
    """Marks that fit the camera exactly, or with a wobble of `noise_m` on the floor."""
    pixels = CAMERA.to_picture(np.array(places, float))
    wobble = np.random.default_rng(7).normal(0, 1, (len(places), 2)) * noise_m
    return [
        (float(u), float(v), float(x + dx), float(y + dy))
        for (u, v), (x, y), (dx, dy) in zip(pixels, places, wobble, strict=True)
    ]


def judged(points: list[Mark], **more: object) -> survey.Survey:
    found = survey.survey(Calibration(points=points, picture_px=PICTURE, **more))  # type: ignore[arg-type]
    assert found is not None
    return found


grid = st.lists(
    st.tuples(st.integers(4, 22), st.integers(4, 16)).map(lambda p: (p[0] / 2, p[1] / 2)),
    min_size=5, max_size=12, unique=True,
)  # fmt: skip


@given(grid)
@settings(max_examples=25, deadline=None)
def test_exact_marks_have_no_residual(places: list[tuple[float, float]]) -> None:
    """Whatever the places: marks of one true camera miss nothing, left out or not, and nothing is suspected."""
    points = marks(places)
    assume(survey.fault(points, PICTURE) is None)
    found = FloorMap.fit(points, Calibration(points=marks(), picture_px=PICTURE))
    assume(found is not None)
    verdict = judged(points)
    assert verdict.residual_m < 1e-6
    assert verdict.suspicion is None


@given(st.lists(st.floats(-0.2, 0.2), min_size=16, max_size=16))
@settings(max_examples=25, deadline=None)
def test_the_residual_is_that_of_the_floor(shifts: list[float]) -> None:
    """The command's residual and the one in every window are the same figure."""
    points = [(u, v, x + shifts[2 * i], y + shifts[2 * i + 1]) for i, (u, v, x, y) in enumerate(marks())]
    assert judged(points).residual_m == pytest.approx(calibrate(points, PICTURE).residual_m, rel=1e-6)


@given(st.integers(0, 7), st.floats(0.6, 3), st.booleans(), st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_mistyped_mark_is_named(which: int, by_m: float, minus: bool, downwards: bool) -> None:
    """One coordinate off by 0.6 to 3 m among eight marks of 1 cm noise: that mark is named, and its left-out error tells."""
    points = marks(noise_m=0.01)
    u, v, x, y = points[which]
    shift = -by_m if minus else by_m
    points[which] = (u, v, x, y + shift) if downwards else (u, v, x + shift, y)
    calibration = Calibration(points=points, picture_px=PICTURE)
    verdict = survey.survey(calibration)
    # A mark far off may fix a horizon below another one: there is no floor then, but still a culprit.
    doubt = verdict.suspicion if verdict is not None else survey.doubt(calibration)
    assert doubt is not None
    assert (doubt.kind, doubt.marks) == ("mistyped", (which,))
    assert doubt.rest_m < 0.05
    if verdict is not None:
        assert (verdict.marks[which].left_out_m or 1) > 0.4


def test_a_mark_that_bends_the_fit_to_itself_is_named() -> None:
    """Off by 63 cm where few others hold against it: all marks together miss little, but not what the others foretell."""
    points = marks(noise_m=0.01)
    u, v, x, y = points[2]
    points[2] = (u, v, x, y + 0.625)
    worst = [
        judged([*points[:2], (u, v, x + dx, y + dy), *points[3:]])
        for dx, dy in ((0, 0.625), (0, -0.625), (0.625, 0), (-0.625, 0))
    ]
    assert min(each.residual_m for each in worst) < survey.GOOD_M
    assert all(each.suspicion is not None and each.suspicion.marks == (2,) for each in worst)


@pytest.mark.parametrize("pair", [(0, 1), (2, 5), (3, 7), (4, 6)])
def test_two_swapped_marks_are_named(pair: tuple[int, int]) -> None:
    """Two marks that got each other's metres."""
    i, j = pair
    points = marks(noise_m=0.01)
    a, b = points[i], points[j]
    points[i], points[j] = (*a[:2], *b[2:]), (*b[:2], *a[2:])
    calibration = Calibration(points=points, picture_px=PICTURE)
    verdict = survey.survey(calibration)
    doubt = verdict.suspicion if verdict is not None else survey.doubt(calibration)
    assert doubt is not None
    assert (doubt.kind, doubt.marks) == ("swapped", pair)


def test_four_marks_accuse_nobody() -> None:
    """Four always fit: nothing may be claimed about them."""
    verdict = judged(marks(PLACES[:3] + PLACES[4:5]))
    assert verdict.residual_m < 1e-9
    assert survey.figures(verdict)["residual_cm"] is None
    assert all(mark.left_out_m is None for mark in verdict.marks)


def test_what_is_seen_and_what_is_too_far() -> None:
    """A camera that looks along a long floor sees people low at its far end, and only there."""
    short = survey.reach(judged(marks()).map, marks(), PLAN)
    assert 0 < short.seen_m2 <= short.plan_m2 == pytest.approx(108)
    assert short.low_m2 == 0
    # A camera 3 m high with f = 640 px looks level along a hall of 60 m: 1.7 m are 30 px at 36 m.
    height_m, focal = 3.0, 640.0
    hall = Plan(width_m=10, height_m=60, cell_m=0.5)
    places = [(x, y) for y in (14.0, 30.0, 50.0, 55.0) for x in (2.0, 8.0)]
    points = [(640 + focal * (x - 5) / (60 - y), 360 + focal * height_m / (60 - y), x, y) for x, y in places]
    found = survey.survey(Calibration(points=points, picture_px=PICTURE), hall)
    assert found is not None
    assert found.reach is not None
    assert found.reach.low_m2 == pytest.approx(10 * (60 - 36.3), rel=0.1)
    assert found.map.person_px((640.0, 360 + focal * height_m / 20)) == pytest.approx(
        1.7 * focal / 20, rel=1e-6
    )


@pytest.mark.parametrize("turned", [False, True])
def test_a_mirrored_floor_is_told(turned: bool) -> None:
    """X measured from the other wall fits without any residual, and places everybody on the other side."""
    sign = -1 if turned else 1  # a plan that is upside down for the camera is no mirror
    right = [(u, v, sign * x + 12 * turned, sign * y + 12 * turned) for u, v, x, y in marks()]
    wrong = [(u, v, 12 - x, y) for u, v, x, y in right]
    assert not judged(right).mirrored
    assert judged(wrong).residual_m < 1e-6
    assert judged(wrong).mirrored
    assert survey.figures(judged(wrong))["mirrored"] is True


def test_marks_in_one_corner_are_warned_of() -> None:
    """What lies outside the marks is extrapolated."""
    for points, little in (
        (marks([(2, 2), (2.5, 2), (2.5, 2.5), (2, 2.5), (2.2, 2.6)]), True),
        (marks(), False),
    ):
        verdict = survey.survey(Calibration(points=points, picture_px=PICTURE), PLAN)
        assert verdict is not None
        assert verdict.spans_little is little


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([(m[2], m[3], m[0], m[1]) for m in marks()], "swapped"),
        ([*marks(), (1300.0, 700.0, 11.0, 8.0)], "point 9 lies outside"),
        (
            [*marks(), (marks()[2][0], marks()[2][1], 1.0, 1.0)],
            "points 3 and 9 are the same place in the picture",
        ),
        ([*marks(), (5.0, 5.0, 2.0, 2.0)], "points 1 and 9 are the same place on the floor"),
        ([(100.0 * i, 50.0 * i, 1.0 * i, 0.5 * i) for i in range(1, 6)], "one line"),
        (marks()[:3], "fix no floor"),
        ([*marks(), (1.0, float("nan"), 1.0, 1.0)], "no number"),
    ],
)
def test_useless_marks_are_told_apart(points: list[Mark], said: str) -> None:
    """Each fault has its own sentence and remedy."""
    fault = survey.fault(points, PICTURE)
    assert fault is not None
    assert said in fault[0]
    assert fault[1]
    assert survey.fault(marks(), PICTURE) is None


@pytest.mark.parametrize(
    ("per_m", "said"),
    [(100, "typed in centimetres?"), (1000, "typed in millimetres?"), (1 / 0.3048, "typed in feet?")],
)
def test_marks_in_another_unit_are_told_by_the_plan(per_m: float, said: str) -> None:
    """They fit one another in any unit; only the plan tells, and the advice is not to measure again."""
    points = [(u, v, x * per_m, y * per_m) for u, v, x, y in marks()]
    fault = survey.fault(points, PICTURE, PLAN)
    assert fault is not None
    assert fault[0].endswith("of 8 marks lie beside the plan of 12 × 9 m.")
    assert said in fault[1]


def test_marks_beside_the_plan_are_refused_and_some_on_the_doorstep_are_not() -> None:
    """Measured from another origin no unit is blamed; a few marks in the street, and all within a metre, are fine."""
    far = survey.fault([(u, v, x - 100, y) for u, v, x, y in marks()], PICTURE, PLAN)
    assert far == ("8 of 8 marks lie beside the plan of 12 × 9 m.", survey.UNSEEN[1])
    assert survey.fault(marks(), PICTURE, PLAN) is None
    assert survey.fault([(u, v, x - 4, y) for u, v, x, y in marks()], PICTURE, PLAN) is None
    swapped = survey.fault([(m[2], m[3], m[0], m[1]) for m in marks()], PICTURE, PLAN)
    assert swapped is not None
    assert "swapped" in swapped[0]


def test_a_camera_that_shows_nothing_of_the_plan_is_told() -> None:
    """All marks on the doorstep of a plan that lies behind the camera."""
    small = Plan(width_m=2, height_m=2)
    verdict = survey.survey(Calibration(points=marks(), picture_px=PICTURE), PLAN)
    beside = survey.survey(
        Calibration(points=[(u, v, x + 30, y) for u, v, x, y in marks()], picture_px=PICTURE), small
    )
    assert verdict is not None
    assert beside is not None
    assert (verdict.sees_nothing, beside.sees_nothing) == (False, True)


def test_a_mark_above_the_horizon_is_no_floor() -> None:
    """A coordinate that is off by 9 m: no map is claimed, the edge refuses it too, and the mark is named."""
    points = marks(noise_m=0.005)
    points[2] = (*points[2][:3], points[2][3] + 9.0)
    calibration = Calibration(points=points, picture_px=PICTURE)
    assert survey.survey(calibration) is None
    with pytest.raises(ConfigError, match="horizon"):
        calibrate(points, PICTURE)
    doubt = survey.doubt(calibration)
    assert doubt is not None
    assert doubt.marks == (2,)


@given(st.floats(-0.25, 0.1), st.floats(-0.05, 0.05), st.floats(2.5, 9.5), st.floats(2.2, 7.9))
@settings(max_examples=40, deadline=None)
def test_point_by_point_is_as_the_arrays(k1: float, k2: float, x_m: float, y_m: float) -> None:
    """The scalar map and the edge's array map agree, lens included."""
    lens = {"distortion": [k1, k2], "focal_px": 1100.0}
    scalar = judged(marks(), **lens).map
    arrays = calibrate(marks(), PICTURE, (k1, k2), 1100.0)
    seen = scalar.to_picture((x_m, y_m))
    assert seen is not None
    assert seen == pytest.approx(tuple(arrays.to_picture(np.array([[x_m, y_m]]))[0]), abs=1e-6)
    there = scalar.to_floor((700.0, 500.0))
    assert there is not None
    assert there == pytest.approx(tuple(arrays.to_floor(np.array([[700.0, 500.0]]))[0]), abs=1e-6)


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_homography_is_found_again(shifts: list[float]) -> None:
    """Four corners moved anywhere within reason: the fit takes each corner to its place, and its inverse back."""
    corners = [(0.0, 0.0), (10.0, 0.0), (10.0, 8.0), (0.0, 8.0)]
    moved = [(x + 2 * shifts[2 * i], y + 2 * shifts[2 * i + 1]) for i, (x, y) in enumerate(corners)]
    found = fit(corners, moved)
    assert found is not None
    assert abs(determinant(found)) > 1e-12
    for corner, place in zip(corners, moved, strict=True):
        x, y, w = apply(found, corner)
        assert (x / w, y / w) == pytest.approx(place, abs=1e-7)
        u, v, d = apply(inverse(found), place)
        assert (u / d, v / d) == pytest.approx(corner, abs=1e-6)


def test_one_wrong_mark_among_many_is_found_and_costs_little() -> None:
    """The pairs tried do not grow with the marks; of very many none is left out one by one."""
    places = [(1.5 + 0.9 * i, 1.5 + 0.6 * j) for i in range(10) for j in range(8)]
    points = marks(places)
    points[40] = (*points[40][:2], points[40][2] + 3, points[40][3])
    fits = 0

    def counted(*args: Any) -> FloorMap | None:
        nonlocal fits
        fits += 1
        return whole(*args)

    whole = FloorMap.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FloorMap, "fit", counted)
        verdict = judged(points)
    assert verdict.suspicion is not None
    assert (verdict.suspicion.kind, verdict.suspicion.marks) == ("mistyped", (40,))
    assert all(mark.left_out_m is None for mark in verdict.marks)
    assert fits <= 2 + survey.MOST_SUSPECTS * (survey.MOST_SUSPECTS + 1) // 2
