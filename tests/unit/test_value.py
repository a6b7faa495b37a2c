"""The funnel: every journey once per stage, and small counts that cannot be computed back."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from hub.loop.journey import Happened
from hub.loop.value import Tally, cohorts, cost, grouped, journeys, released, share


def step(stage: str, at_s: int, journey: str, customer: str | None = None) -> Happened:
    return Happened(stage, at_s * 1000, "hall", journey, channel="card", customer=customer)  # type: ignore[arg-type]


def test_a_walk_in_enters_at_arrived_and_does_not_raise_conversion() -> None:
    entries = [
        step("booked", 1, "a"),
        step("reminded", 2, "a"),
        step("arrived", 3, "b"),
        step("arrived", 4, "b"),
    ]
    tally = grouped(journeys(entries, 10_000), "channel")["card"]
    assert tally.counts["arrived"] == 1
    assert tally.counts["entered:arrived"] == 1
    assert share(tally.counts["both:arrived"], tally.counts["reminded"]) == 0
    assert share(tally.counts["both:start"], tally.counts["impression"]) is None


def test_who_comes_later_has_returned_and_the_later_journey_is_not_counted_outside_the_period() -> None:
    entries = [step("served", 1, "a", "c1"), step("arrived", 100, "b", "c1"), step("served", 2, "d", "c2")]
    found = journeys(entries, 50_000)
    assert [journey.returned for journey in found] == [True, False]
    assert cohorts(found, ZoneInfo("UTC")) == {"1969-12-29": (2, 1)}


def test_medians_need_five_and_no_shows_are_not_those_who_came() -> None:
    tally = Tally()
    steps = [
        step(stage, at + n, f"j{n}") for n in range(5) for stage, at in (("arrived", 0), ("checked_in", 60))
    ]
    for journey in journeys(steps[:8], 10**9):
        tally.add(journey)
    assert tally.median_s("checked_in") is None
    for journey in journeys(steps[8:], 10**9):
        tally.add(journey)
    assert tally.median_s("checked_in") == 60
    for journey in journeys([step("booked", 1, "m"), step("missed", 2, "m"), step("arrived", 3, "m")], 10**9):
        tally.add(journey)
    assert (tally.counts["missed"], tally.counts["booked_arrived"]) == (0, 1)


def test_without_costs_nothing_costs_null() -> None:
    assert cost({"served": 3}.get, {}) is None
    assert cost({"served": None}.get, {"served": 2.0}) is None
    assert cost({"served": 3}.get, {"served": 2.0}) == 6


@given(st.lists(st.integers(0, 12), max_size=7))
def test_no_absent_count_can_be_computed_back(counts: list[int]) -> None:
    """For each absent count there are other counts with the same answer in which it differs."""
    shown, total = released(counts)
    absent = [place for place, count in enumerate(shown) if count is None]
    assert all(count is None for count, true in zip(shown, counts, strict=True) if 0 < true < 5)
    for place in absent:
        others = []
        for other in absent:
            swapped = list(counts)
            swapped[place], swapped[other] = counts[other], counts[place]
            others.append(swapped)
        others += [[*counts[:place], value, *counts[place + 1 :]] for value in range(1, 5)]
        assert any(each[place] != counts[place] and released(each) == (shown, total) for each in others)
