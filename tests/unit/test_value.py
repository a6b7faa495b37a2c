"""The funnel: every journey once per stage, and small counts that cannot be computed back."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from hub.loop.journey import Happened
from hub.loop.value import (
    Tally,
    by_week,
    cohorts,
    cost,
    grouped,
    journeys,
    released,
    released_over,
    share,
    whole_weeks,
)


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
    assert cohorts(found, {"hall": ZoneInfo("UTC")}) == {"1969-12-29": (2, 1)}


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


def test_costs_are_exact_in_the_digits_that_were_entered() -> None:
    """Not 24.299999999999997: whoever adds up what is told gets what is told."""
    assert cost({"served": 3, "booked": 3}.get, {"served": 8.1, "booked": 0.1}) == 24.6
    assert cost({"served": 3}.get, {"served": 8.1}) == 24.3


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


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 12)), min_size=2, max_size=5), st.data()
)
def test_two_answers_never_differ_by_what_is_not_told(
    parts: list[dict[str, int]], data: st.DataObject
) -> None:
    """An answer over more weeks and branches is the sum of what is told of each: subtraction gives nothing new."""
    cut = data.draw(st.integers(1, len(parts) - 1))
    whole, total = released_over(parts, "abc")
    left, left_total = released_over(parts[:cut], "abc")
    right, right_total = released_over(parts[cut:], "abc")
    for every, one, other in (
        *((whole[g], left[g], right[g]) for g in "abc"),
        (total, left_total, right_total),
    ):
        assert every.at_least == one.at_least + other.at_least
        absent = one.count is None or other.count is None
        assert every.count == (None if absent else every.at_least)


def test_weeks_are_the_branches_own() -> None:
    """Sunday evening in London is Monday in Shanghai; a period is widened to whole weeks of a zone."""
    at_ms = 1_795_392_000_000  # 2026-11-23T00:00Z, a Monday
    zones = {"hall": ZoneInfo("Asia/Shanghai"), "annex": ZoneInfo("America/New_York")}
    entries = [
        Happened("served", at_ms - 3_600_000, "hall", "a", customer="c1"),
        Happened("served", at_ms, "annex", "b", customer="c2"),
    ]
    found = journeys(entries, at_ms + 1)
    assert cohorts(found, zones) == {"2026-11-16": (1, 0), "2026-11-23": (1, 0)}
    assert [len(block) for block in by_week(found, zones)] == [1, 1]
    start_ms, end_ms = whole_weeks(at_ms, at_ms + 1, zones["hall"])
    assert (start_ms, end_ms) == (at_ms - 8 * 3_600_000, at_ms - 8 * 3_600_000 + 7 * 86_400_000)
    assert whole_weeks(start_ms, end_ms, zones["hall"]) == (start_ms, end_ms)


def test_another_service_that_follows_a_visit_and_is_served_is_a_cross_sale() -> None:
    """Of the visit that led to it; the same service again, or one that was never served, is none."""

    def follow(journey: str, then: str, service: str) -> Happened:
        return Happened(
            "follow_up", 5, "hall", journey, "account", detail={"journey": then, "service": service}
        )

    entries = [
        Happened(stage, at, "hall", journey, service, "card")
        for journey, service, stages in (
            ("a", "account", ("served",)), ("b", "account", ("served",)), ("c", "account", ("served",)),
            ("a2", "advice", ("booked", "served")), ("b2", "advice", ("booked",)), ("c2", "account", ("served",)),
        )
        for at, stage in enumerate(stages)
    ]  # fmt: skip
    entries += [follow("a", "a2", "advice"), follow("b", "b2", "advice"), follow("c", "c2", "account")]
    sold = {each.known["service"]: each.cross_sold for each in journeys(entries, 100) if each.cross_sold}
    assert sold == {"account": True}
    assert grouped(journeys(entries, 100), "service")["account"].counts["cross_sold"] == 1
