"""Topics, time, geometry, duration bins and words: the small parts every room shares."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from branchloop import credentials, geometry, kpis
from branchloop.clock import bucket_start_ms, from_ms, iso, local_day_end_ms, local_day_start_ms, to_ms
from branchloop.errors import InputError
from branchloop.text.catalogue import LANGUAGES, WORDS, duration, label, say
from branchloop.wire import topics

IDS = st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True)


@given(IDS, IDS, st.sampled_from(topics.KINDS))
def test_topics_survive_building_and_parsing(site: str, device: str, kind: str) -> None:
    """What is built is parsed back to the same parts."""
    assert topics.parse(topics.build(site, device, kind)) == topics.Topic(site, device, kind)


@given(st.text(max_size=60))
def test_any_other_text_is_refused_as_a_topic(text: str) -> None:
    """Nothing but a topic of ours parses, and nothing crashes."""
    try:
        topic = topics.parse(text)
    except InputError:
        return
    assert str(topic) == text


@given(st.integers(0, 4_000_000_000_000), st.sampled_from(["Asia/Shanghai", "Asia/Kolkata", "Europe/Berlin"]))
def test_buckets_hold_their_moment(t_ms: int, name: str) -> None:
    """A bucket starts at or before its moment, on the local border of its kind."""
    zone = ZoneInfo(name)
    hour, day = bucket_start_ms(t_ms, "hour", zone), bucket_start_ms(t_ms, "day", zone)
    assert day <= hour <= bucket_start_ms(t_ms, "minute", zone) <= t_ms
    assert from_ms(hour, zone).minute == 0
    assert from_ms(day, zone).hour in {0, 1}  # a day may begin at 1 where the clock skips midnight


def test_a_day_may_have_23_or_25_hours() -> None:
    """Local days follow daylight saving."""
    zone = ZoneInfo("Europe/Berlin")
    spring, autumn = from_ms(1_774_738_800_000, zone).date(), from_ms(1_792_882_800_000, zone).date()
    hours = [
        (local_day_end_ms(day, zone) - local_day_start_ms(day, zone)) / 3_600_000 for day in (spring, autumn)
    ]
    assert hours == [23, 25]


def test_times_need_a_zone() -> None:
    """A naive time is refused rather than guessed."""
    with pytest.raises(ValueError, match="ambiguous"):
        to_ms(from_ms(0).replace(tzinfo=None))
    assert iso(0) == "1970-01-01T00:00:00.000Z"


@given(st.lists(st.integers(0, 7_200_000), min_size=1, max_size=200), st.floats(0.01, 1))
def test_quantiles_of_binned_durations_are_within_a_bin(durations_ms: list[int], q: float) -> None:
    """The binned quantile lies within one bin (10 %, or 1 s) of the exact one."""
    bins: dict[int, int] = {}
    for value in durations_ms:
        index = kpis.duration_bin(value)
        bins[index] = bins.get(index, 0) + 1
    rank = max(0, -(-int(q * len(durations_ms) * 1_000_000) // 1_000_000) - 1)
    exact_s = sorted(durations_ms)[min(rank, len(durations_ms) - 1)] / 1000
    found_s = kpis.duration_quantile_s(bins, q)
    near = [sorted(durations_ms)[min(len(durations_ms) - 1, max(0, rank + k))] / 1000 for k in (-1, 0, 1)]
    assert found_s is not None
    assert any(abs(found_s - value) <= max(1.0, 0.11 * value) for value in (exact_s, *near))


def test_no_duration_has_no_quantile() -> None:
    """What was not measured is absent, not zero."""
    assert kpis.duration_quantile_s({}, 0.5) is None
    with pytest.raises(ValueError, match="negative"):
        kpis.duration_bin(-1)


def test_points_in_polygons_and_sides_of_lines() -> None:
    """The plane geometry that zones and lines rest on."""
    square = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
    assert geometry.contains(square, (1, 1))
    assert not geometry.contains(square, (3, 1))
    assert geometry.area(square) == 4
    assert geometry.is_simple(square)
    assert geometry.is_simple([*square, square[0]])
    assert not geometry.is_simple([(0, 0), (2, 2), (2, 0), (0, 2)])
    assert not geometry.is_simple([*square, *square]), "who outlines it twice encloses nothing"
    pillar = [(1.2, 0.8), (0.8, 0.8), (0.8, 1.2), (1.2, 1.2)]
    around = [*square, square[0], *pillar, pillar[0]]
    assert geometry.is_simple(around), "round a pillar, there and back on one edge"
    assert geometry.contains(around, (1.9, 1.0))
    assert not geometry.contains(around, (1.0, 1.0))
    assert geometry.side((0, 0), (2, 0), (1, 1)) == pytest.approx(1)
    assert geometry.along((0, 0), (2, 0), (1, 5)) == pytest.approx(0.5)


def test_a_client_id_is_bound_to_its_credential() -> None:
    """Another password gives another client id, and it tells nothing of the password."""
    first, second = credentials.client_id("a/b", "one"), credentials.client_id("a/b", "two")
    assert first != second
    assert "one" not in first
    assert credentials.new_password() != credentials.new_password()


def test_every_word_is_there_in_both_languages() -> None:
    """No text is missing, and both languages fill the same braces."""
    for key, (english, chinese) in WORDS.items():
        assert english, key
        assert chinese, key
        assert english.count("{") == chinese.count("{"), key
    assert say("as_of", "en", time="09:00") == "as of 09:00"
    assert label("footfall", "zh") == "进店客流"
    assert [duration(480, language) for language in LANGUAGES] == ["8 分钟", "8 min"]
    assert duration(None, "en") == "—"
