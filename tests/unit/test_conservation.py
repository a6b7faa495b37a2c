"""Who came in is inside or has gone out: within a tolerance that says what it rests on, or nothing is said."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, strategies as st

from hub.loop.conservation import (
    FEWEST_LEVELS,
    Level,
    Passage,
    balance,
    explained,
    overnight,
    seen_share,
    tickets,
)
from hub.loop.finding import CountError, Finding

SPAN = (0, 3_600_000)
BUILT = CountError()


def at_closing(
    went_in: int, went_out: int, coverage: float | None = 1.0, left: float | None = 0.0
) -> Finding:
    return overnight(
        Passage(SPAN, went_in, went_out, coverage),
        Level(0.0),
        Level(left),
        BUILT,
        open_after=False,
        rests=True,
        watched=True,
    )


def test_what_is_left_over_at_closing_is_in_minus_out_minus_who_is_seen() -> None:
    """210 in, 190 out and nobody there: twenty are left over, more than chance; with twenty there, none is."""
    finding = at_closing(210, 190)
    assert (finding.value, finding.expected, finding.outcome) == (20.0, 0.0, "off")
    assert finding.tolerance == pytest.approx(1 + 3 * (0.02 * 400) ** 0.5)
    assert finding.basis == "design"
    assert finding.numbers["went_in"] == 210
    there = at_closing(210, 190, left=20.0)
    assert (there.value, there.outcome) == (0.0, "ok")


@given(
    went_in=st.integers(0, 5_000), went_out=st.integers(0, 5_000), coverage=st.none() | st.floats(0, 1),
    left=st.none() | st.floats(0, 300),
)  # fmt: skip
def test_nothing_is_said_of_what_was_not_observed(
    went_in: int, went_out: int, coverage: float | None, left: float | None
) -> None:
    """Without coverage, people at the end, or crossings enough, no outcome; otherwise the evidence adds up."""
    finding = at_closing(went_in, went_out, coverage, left)
    if coverage is None or left is None or coverage < 0.9 or went_in + went_out < 10:
        assert finding.outcome == "unknown"
        assert finding.reason is not None
        assert finding.value is None
    else:
        numbers = finding.numbers
        assert finding.value == pytest.approx(numbers["went_in"] - numbers["went_out"] - numbers["seen"])
        assert finding.tolerance is not None
        assert (finding.outcome == "off") == (abs(finding.value or 0.0) > finding.tolerance)


@given(st.integers(10, 3_000), st.floats(0.9, 1))
def test_a_gap_widens_the_tolerance_and_never_narrows_it(crossings: int, coverage: float) -> None:
    """What may have crossed unseen is allowed for, as many as crossed in as much observed time."""
    whole, part = at_closing(crossings, 0), at_closing(crossings, 0, coverage)
    assert part.tolerance is not None
    assert whole.tolerance is not None
    missed = crossings * (1 - coverage) / coverage
    assert part.tolerance - whole.tolerance == pytest.approx(missed, abs=1e-6)


def test_counting_as_designed_hardly_ever_looks_like_drift() -> None:
    """Of 2,000 simulated days counted wrong in 2 % of the crossings, at most one in a hundred is off."""
    draw = random.Random(4)
    off = 0
    for _ in range(2_000):
        visitors = draw.randrange(20, 600)
        went_in, went_out = (
            visitors + sum(draw.choice((-1, 1)) for _ in range(visitors) if draw.random() < 0.02)
            for _ in range(2)
        )
        off += at_closing(went_in, went_out).outcome == "off"
    assert off <= 20


def test_a_door_that_misses_one_in_ten_leavers_is_found() -> None:
    """Of 200 simulated days with 300 visitors, nearly all are off when a tenth of the leavers is missed."""
    draw = random.Random(5)
    off = sum(
        at_closing(300, 300 - sum(draw.random() < 0.1 for _ in range(300))).outcome == "off"
        for _ in range(200)
    )
    assert off >= 190


def test_a_branch_that_never_closes_has_no_overnight_zero() -> None:
    """It says so, and is not taken for fine."""
    finding = overnight(
        Passage(SPAN, 900, 10, 1.0), Level(0.0), Level(0.0), BUILT, open_after=True, rests=False, watched=True
    )
    assert (finding.outcome, finding.reason) == ("unknown", "never_closes")


def test_an_acceptance_report_sets_the_tolerance() -> None:
    """A site proven to .5 % is held to it; the finding says on what it rests."""
    passage, nobody = Passage(SPAN, 205, 195, 1.0), Level(0.0)
    proven = CountError(0.005, "acceptance")
    strict = overnight(passage, nobody, nobody, proven, open_after=False, rests=True, watched=True)
    assert (strict.outcome, strict.basis) == ("off", "acceptance")
    assert (
        overnight(
            passage,
            nobody,
            nobody,
            CountError(0.05, "acceptance"),
            open_after=False,
            rests=True,
            watched=True,
        ).outcome
        == "ok"
    )


def test_the_balance_compares_with_the_people_seen() -> None:
    """Thirty inside by the doors: right with thirty seen, off with none, off with sixty."""
    passage = Passage(SPAN, 80, 50, 1.0)
    for seen, outcome in ((30.0, "ok"), (27.0, "ok"), (0.0, "off"), (60.0, "off")):
        finding = balance(passage, Level(0.0), Level(seen), BUILT)
        assert (finding.value, finding.outcome) == (30.0, outcome), seen


def test_a_door_that_is_turned_round_explains_what_does_not_fit() -> None:
    """The one whose crossings must each be the other way; a door that misses people, or two that both would do, explain nothing."""

    def turned(lines: dict[str, tuple[int, int]], seen: float) -> str:
        went_in, went_out = (sum(line[way] for line in lines.values()) for way in (0, 1))
        finding = balance(Passage(SPAN, went_in, went_out, 1.0), Level(0.0), Level(seen), BUILT)
        assert finding.outcome == "off"
        return explained(finding, lines).turned

    assert turned({"door": (50, 80)}, 30.0) == "door"
    assert turned({"door": (50, 80)}, 27.0) == "door"
    assert turned({"door": (60, 20), "yard": (40, 10)}, 10.0) == "yard"
    assert turned({"door": (50, 80)}, 0.0) == ""
    assert turned({"door": (80, 50)}, 0.0) == ""
    assert turned({"door": (20, 30), "yard": (20, 30)}, 0.0) == ""


def test_what_fits_is_not_explained() -> None:
    """And no more what was not told."""
    fits = balance(Passage(SPAN, 80, 50, 1.0), Level(0.0), Level(30.0), BUILT)
    unseen = balance(Passage(SPAN, 80, 50, 0.5), Level(0.0), Level(30.0), BUILT)
    assert explained(fits, {"door": (80, 50)}) == fits
    assert explained(unseen, {"door": (80, 50)}) == unseen


def test_a_corner_that_no_camera_sees_is_learnt_and_told() -> None:
    """Where half of those inside are usually seen, half is expected; without history all of them are."""
    earlier = [(20.0, 10.0)] * FEWEST_LEVELS
    assert seen_share(earlier) == 0.5
    assert seen_share(earlier[1:]) == 1.0
    passage = Passage(SPAN, 100, 60, 1.0)
    told = balance(passage, Level(0.0), Level(20.0), BUILT, seen_share(earlier))
    assert (told.outcome, told.expected, told.numbers["share_seen"]) == ("ok", 40.0, 0.5)
    assert balance(passage, Level(0.0), Level(20.0), BUILT).outcome == "off"


@pytest.mark.parametrize("seen", [0.0, 1.0])
def test_of_those_whom_hardly_any_camera_sees_nothing_is_said(seen: float) -> None:
    """Cameras at the doors alone, or a hall that is empty while in − out goes up: the check of people seen has no measure."""
    share = seen_share([(10.0, seen)] * FEWEST_LEVELS)
    told = balance(Passage((0, 1), 30, 20, 1.0), Level(0.0), Level(seen), BUILT, share)
    assert (told.outcome, told.reason) == ("unknown", "hardly_seen")


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), max_size=60))
def test_the_share_seen_is_a_share(earlier: list[tuple[float, float]]) -> None:
    """Whatever was seen, no more than everybody is expected."""
    assert 0 <= seen_share(earlier) <= 1


def test_more_tickets_than_visitors_means_a_door_that_misses() -> None:
    """Only in that direction: most visitors take no ticket."""
    passage = Passage(SPAN, 40, 40, 1.0)
    assert tickets(passage, 60, BUILT, kiosks=1).outcome == "off"
    assert tickets(passage, 42, BUILT, kiosks=1).outcome == "ok"
    assert tickets(passage, 5, BUILT, kiosks=1).outcome == "ok"
    assert tickets(passage, 0, BUILT, kiosks=1).reason == "too_few"
    assert tickets(passage, 5, BUILT, kiosks=0).reason == "no_kiosk"
    assert tickets(Passage(SPAN, 40, 40, 0.5), 60, BUILT, kiosks=1).reason == "coverage"
