"""Sensors that stick, spike, hear each other or speak garbage are found out, and sound ones are not."""

from __future__ import annotations

import math
import queue
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sonar
from hypothesis import given, settings, strategies as st

from branchloop.share import share
from branchloop.site.site import Sensor
from branchloop.wire.messages import SensorFault
from edge.perceive.health import Event
from edge.perceive.ultrasonic import Reading
from edge.perceive.ultrasonic_fault import DETAILS, TOO_NEAR, FaultWatch, why
from edge.perceive.ultrasonic_log import read_log
from edge.perceive.ultrasonic_moment import IDLE_S, Moments
from edge.sensors import SensorReport, Sensors


def sensor(name: str = "one", x_m: float = 1.0, **more: object) -> Sensor:
    fields = {"id": name, "source": "log:u.csv", "x_m": x_m, "y_m": 1.0, "height_m": 3.0, "range_m": 4.0}
    return Sensor.model_validate({**fields, **more})


def watch(
    ranges: Callable[[int], float | None], seconds: int = 90, hz: float = 10.0, **more: object
) -> FaultWatch:
    """A sensor that read `ranges(i)` so many times a second."""
    one = FaultWatch(sensor(**more))
    for i in range(round(seconds * hz)):
        one.add(Reading(round(1000 * i / hz), ranges(i)))
    return one


def fault(one: FaultWatch, *others: FaultWatch, now_ms: int = 90_000) -> SensorFault | None:
    return one.fault(now_ms, others)


def trembling(i: int) -> float | None:
    noise = random.Random(i)
    return None if noise.random() < 0.05 else round(3.0 + noise.gauss(0, 0.03), 3)


def test_a_sound_sensor_has_no_fault() -> None:
    """Noise, drop-outs, somebody who passes, and a stray echo now and then."""

    def ranges(i: int) -> float | None:
        if i % 100 == 50:
            return 0.9
        return 1.4 if 200 < i < 260 else trembling(i)

    assert fault(watch(ranges)) is None


def test_the_shipped_log_is_sound() -> None:
    """The demo's sensor is believed."""
    one = FaultWatch(sensor())
    for logged in read_log(share("sample_video/ultrasonic.csv")):
        one.add(Reading(round(logged.t_s * 1000), logged.range_m))
        assert one.fault(round(logged.t_s * 1000), []) is None


def test_the_same_range_for_a_minute_is_stuck() -> None:
    """A real sensor trembles; drop-outs in between change nothing."""
    assert fault(watch(lambda i: 1.234 if i % 20 else None)) == "stuck"
    assert fault(watch(lambda i: 1.234 + 0.001 * (i % 2))) is None


@pytest.mark.parametrize(
    "said", [lambda _: None, lambda _: 5.0, lambda _: 0.0, lambda i: 3.7 + 0.001 * (i % 2)]
)
def test_a_sensor_that_does_not_even_hear_the_floor_is_deaf(said: Callable[[int], float | None]) -> None:
    """No echo, the end of its reach, no range, or what lies below the floor: it tells nobody's absence."""
    assert fault(watch(said)) == "deaf"
    assert fault(watch(lambda i: trembling(i) if i % 9 == 0 else said(i))) != "deaf"
    assert fault(watch(said, seconds=45)) is None


@pytest.mark.parametrize("hz", [10.0, 3.0, 1.0, 0.5])
@pytest.mark.parametrize("times", [0.1, 1 / 25.4])
@pytest.mark.parametrize("reach_m", [4.0, 3.2])
def test_a_sensor_of_another_unit_is_deaf(times: float, hz: float, reach_m: float) -> None:
    """Centimetres or inches where millimetres are read, whoever stands below: nobody's head is so near the ceiling."""

    def ranges(i: int) -> float | None:
        heard = trembling(i) if i / hz % 40 > 15 else 1.3 + 0.01 * (i % 7)
        return heard and round(heard * times, 3)

    one = watch(ranges, 150, hz, range_m=reach_m)
    assert fault(one, now_ms=150_000) == "deaf"
    assert fault(watch(lambda _: round(3.0 * times, 3), 150, hz), now_ms=150_000) == "deaf", (
        "rather than stuck"
    )


def test_what_hangs_before_a_sensor_is_neither_floor_nor_anybody() -> None:
    """A lamp half a metre below it, heard all the while; not one that is a stray echo, nor what it hears beside it."""
    lamp = 0.5
    assert fault(watch(lambda i: lamp + 0.001 * (i % 3))) == "deaf"
    assert fault(watch(lambda i: trembling(i) if i % 9 == 0 else lamp + 0.001 * (i % 3))) != "deaf"
    nobody: dict[str, Any] = {"range_m": 2.5}
    assert fault(watch(lambda i: lamp + 0.001 * (i % 3) if i % 20 == 0 else None, **nobody)) is None
    assert fault(watch(lambda i: lamp + 0.001 * (i % 3) if i % 4 == 0 else None, **nobody)) == "deaf"
    assert fault(watch(lambda i: 1.3 + 0.001 * (i % 3) if i % 4 == 0 else None, **nobody)) is None


@pytest.mark.parametrize("height_m", [2.1, 2.2, 2.3, 2.6, 3.0, 4.0])
def test_the_tallest_who_stays_below_is_somebody(height_m: float) -> None:
    """Two metres and a hat's brim; lower than 2.2 m a sensor looks across a counter, and anything may be near."""
    near_m = max(0.05, height_m - 2.05)
    assert fault(watch(lambda i: near_m + 0.001 * (i % 5), height_m=height_m, range_m=5.0)) is None


def test_who_does_not_reach_the_floor_or_looks_across_a_counter_may_hear_nothing_for_hours() -> None:
    assert fault(watch(lambda _: None, range_m=3.2)) is None
    assert (
        fault(watch(lambda i: 3.4 + 0.001 * (i % 2))) is None
    )  # the floor, by a height that was measured badly
    assert fault(watch(lambda _: None, height_m=1.1)) is None


def test_a_coarse_sensor_may_rest_on_the_floor_but_not_short_of_it() -> None:
    """Whole inches: the floor's echo stays the same for hours, a person's does not."""
    assert fault(watch(lambda _: 2.97, unit="inch")) is None
    assert fault(watch(lambda _: 1.52, unit="inch")) == "stuck"


def test_ranges_that_stand_out_alone_are_spikes() -> None:
    """One in five."""
    assert fault(watch(lambda i: 0.5 + 0.07 * (i % 11) if i % 5 == 0 else trembling(i))) == "spiking"


SLOW_HZ = [3.0, 2.0, 1.0, 0.9, 0.5, 0.2]


@pytest.mark.parametrize("hz", SLOW_HZ)
def test_a_slow_sensor_is_judged_by_as_many_readings(hz: float) -> None:
    """A gateway passes on one reading in a second, or in five: stuck and spiking are found, a sound one is not."""
    assert fault(watch(lambda i: 1.234 if i % 20 else None, 150, hz), now_ms=150_000) == "stuck"
    assert fault(watch(lambda i: 1.2 if i % 4 == 0 else trembling(i), 150, hz), now_ms=150_000) == "spiking"
    assert fault(watch(trembling, 150, hz), now_ms=150_000) is None


@pytest.mark.parametrize("hz", [10.0, *SLOW_HZ])
def test_spikes_in_pairs_and_ranges_without_sense_are_found(hz: float) -> None:
    """Two of six readings off; and whatever ranges, one after the other."""
    noise = random.Random(1)
    pairs = watch(lambda i: 1.2 if i % 6 < 2 else trembling(i), 150, hz)
    senseless = watch(lambda _: noise.uniform(0.3, 3.9), 150, hz)
    assert fault(pairs, now_ms=150_000) == "spiking"
    assert fault(senseless, now_ms=150_000) == "spiking"


@pytest.mark.parametrize("hz", [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20])
def test_two_devices_on_one_topic_are_found_at_any_rate(hz: int) -> None:
    """One hears the floor, the other somebody, in turns: in every window after the first minute."""
    noise = random.Random(hz)
    one = FaultWatch(sensor())
    told = []
    for i in range(120 * hz):
        for half, range_m in enumerate((2.9, 1.2)):
            one.add(Reading(round(1000 * (i + half / 2) / hz), range_m + noise.gauss(0, 0.02)))
        if i % (5 * hz) == 0:
            told.append(one.fault(1000 * i // hz, []))
    assert set(told[12:]) == {"spiking"}


@pytest.mark.parametrize(
    ("often", "seldom", "told"),
    [(10, 5, "spiking"), (10, 2, "spiking"), (5, 1, "spiking"), (2, 1, "spiking"), (1, 0.5, "spiking"), (10, 1, None)],
)  # fmt: skip
def test_of_two_devices_one_may_speak_less(often: float, seldom: float, told: SensorFault | None) -> None:
    """Down to one reading in ten, in five of slow ones: fewer are what a sound sensor has of strays."""
    noise = random.Random(1)
    readings = [
        Reading(round(1000 * (i + noise.random() / 3) / hz), range_m + noise.gauss(0, 0.02))
        for hz, range_m in ((often, 2.9), (seldom, 1.2))
        for i in range(round(120 * hz))
    ]
    one = FaultWatch(sensor())
    for reading in sorted(readings, key=lambda one: one.t_ms):
        one.add(reading)
    assert fault(one, now_ms=120_000) == told


@pytest.mark.parametrize("hz", [10.0, 0.5])
@pytest.mark.parametrize("range_m", [5.0, 4.5, 0.0, None])
def test_nobody_in_reach_is_not_stuck(range_m: float | None, hz: float) -> None:
    """`R5000` for hours from a sensor that looks across a counter: no target, by the site's own `range_m`."""
    across = {"unit": "mm", "height_m": 1.1, "range_m": 4.5, "hz": hz}
    assert fault(watch(lambda _: range_m, 150, **across), now_ms=150_000) is None
    seldom = watch(lambda i: 1.2 if i < 3 else range_m, 150, **across)
    assert fault(seldom, now_ms=150_000) is None, "nor by somebody who was there for a moment"
    assert fault(watch(lambda _: 4.4, 150, **across), now_ms=150_000) == "stuck"


def test_a_slow_wire_full_of_garbage_is_garbled() -> None:
    """A reading in two seconds, and a third as many pieces that are none."""
    one = watch(trembling, 150, 0.5)
    one.garbage(150_000, 10)
    assert fault(one, now_ms=150_000) == "garbled"


@pytest.mark.parametrize("hz", [10, 5, 2, 1])
@pytest.mark.parametrize("name", ["t1", "t4", "q1", "walkway", "door"])
def test_people_are_no_fault(name: str, hz: int) -> None:
    """A quarter of an hour of the simulated branch, those who stand below and those who walk through the cone."""
    spots = {**sonar.SPOTS, "walkway": (6.0, 5.5), "door": (6.0, 8.0)}
    (one,) = sonar.sensors({name}, spots)
    said = sonar.listen(sonar.morning(15), [one])[name]
    heard = FaultWatch(one)
    for i, range_m in enumerate(said[:: 10 // hz]):
        heard.add(Reading(1000 * i // hz, range_m))
        if i % (5 * hz) == 0:
            assert heard.fault(1000 * i // hz, []) is None


def test_somebody_who_stands_before_a_sensor_is_no_fault() -> None:
    """At a counter: sways, leans back, reaches out an arm, and leaves now and then."""
    noise = random.Random(7)

    def ranges(i: int) -> float | None:
        t_s = i / 10
        if t_s % 40 > 30:
            return 5.0
        arm = 0.45 if t_s % 11 < 0.8 else 0.0
        lean = 0.3 if t_s % 17 > 9 else 0.0
        return round(0.9 + lean - arm + 0.05 * math.sin(t_s) + noise.gauss(0, 0.01), 3)

    one = FaultWatch(sensor(height_m=1.1, range_m=4.5))
    for i in range(9_000):
        one.add(Reading(100 * i, ranges(i)))
        if i % 50 == 0:
            assert one.fault(100 * i, []) is None


def test_spikes_at_a_neighbours_range_are_crosstalk() -> None:
    """The same spikes, but the neighbour reads just that then."""
    neighbour = watch(lambda i: 1.4 + 0.01 * (i % 3), name="two", x_m=3.0)
    one = watch(lambda i: 1.41 if i % 5 == 0 else trembling(i))
    assert fault(one, neighbour) == "crosstalk"
    assert one.near(neighbour)
    assert not one.near(FaultWatch(sensor("far", x_m=9.0)))


def test_much_garbage_is_garbled_and_ends_with_it() -> None:
    """A fifth of the pieces unreadable; a minute and a window later it is forgotten."""
    one = watch(trembling)
    one.garbage(90_000, 300)
    assert fault(one) == "garbled"
    assert fault(one, now_ms=151_000) == "garbled"  # one window more
    assert fault(one, now_ms=156_000) is None


def test_a_little_garbage_is_line_noise() -> None:
    """Half a line after plugging in."""
    one = watch(trembling)
    one.garbage(90_000, 5)
    assert fault(one) is None


def said(one: FaultWatch, readings: Sequence[Reading], garbage: int = 0) -> list[SensorFault | None]:
    """What was told in each window, of a sensor that is read by the box."""
    moments, told, end_ms = Moments(), [], 5_000
    for reading in readings:
        for got in moments.take(reading):
            while got.at_ms >= end_ms if isinstance(got, Event) else got.t_ms >= end_ms:
                one.garbage(end_ms, garbage)
                told.append(one.fault(end_ms, []))
                end_ms += 5_000
            if isinstance(got, Reading):
                one.add(got)
    return told


@pytest.mark.parametrize("hz", [10, 1])
@pytest.mark.parametrize("took_ms", [1, 40, 3_000])
@pytest.mark.parametrize("kept", [300, 30_000])
def test_a_backlog_in_one_moment_is_no_fault(hz: int, took_ms: int, kept: int) -> None:
    """A gateway was cut off and delivers what it kept: somebody came and went each half minute. Only the last is of now."""
    live = [Reading(1_000 * i // hz, trembling(i)) for i in range(180 * hz)]
    late = [Reading(90_000 + i * took_ms // kept, 1.2 if i // 300 % 2 else trembling(i)) for i in range(kept)]
    readings = sorted([*live[: 60 * hz], *late, *live[90 * hz :]], key=lambda one: one.t_ms)
    assert set(said(FaultWatch(sensor()), readings)) == {None}


def steady(i: int) -> float:
    return 2.98 + 0.003 * (i * i % 11)


def flood(seconds: int, ranges: Callable[[int], float | None] = steady) -> list[Reading]:
    return [Reading(i // 2, ranges(i)) for i in range(2_000 * seconds)]


def test_a_flood_is_judged_by_a_reading_in_a_tenth_of_a_second() -> None:
    """Two thousand readings a second: sound, stuck, senseless and garbled ones are told apart."""
    noise = random.Random(3)
    assert set(said(FaultWatch(sensor()), flood(70))) == {None}
    assert said(FaultWatch(sensor()), flood(70, lambda _: 1.234))[-1] == "stuck"
    assert said(FaultWatch(sensor()), flood(20, lambda _: noise.uniform(0.3, 3.9)))[-1] == "spiking"
    assert said(FaultWatch(sensor()), flood(20), garbage=1_000)[-1] is None, "a tenth"
    assert said(FaultWatch(sensor()), flood(20), garbage=5_000)[-1] == "garbled"


@pytest.mark.parametrize("hz", [0.5, 1, 10, 50, 100])
def test_ordinary_rates_are_not_thinned(hz: float) -> None:
    """Every reading passes as it comes; lines that come ten in a datagram as well."""
    moments = Moments()
    for i in range(500):
        reading = Reading(round(1000 * i / hz), trembling(i))
        assert moments.take(reading) == [reading]
        assert moments.wait_s == IDLE_S
    batch = [Reading(10_000_000, trembling(i)) for i in range(10)]
    assert [got for reading in batch for got in moments.take(reading)] == batch


def test_what_comes_all_at_once_is_its_first_and_its_last() -> None:
    """The last once the moment is over, by a later reading, an event, or because nothing comes; and how many there were."""
    for end in (None, Event("state", 200, state="stalled"), Reading(200, 3.0)):
        moments = Moments()
        passed = [got for i in range(500) for got in moments.take(Reading(100 + i // 50, i / 100))]
        assert passed == [Reading(100, i / 100) for i in range(10)]
        assert moments.wait_s < 0.2
        assert moments.take(end) == [Reading(109, 4.99, of=500), *([] if end is None else [end])]
        assert moments.take(None) == []


def test_a_watch_keeps_no_more_than_a_minute_can_hold() -> None:
    """Whoever feeds it: a verdict takes no time of the windows."""
    one = watch(steady, 90, 2_000)
    begin_s = time.process_time()
    assert fault(one) is None
    assert time.process_time() - begin_s < 4


@given(st.lists(st.one_of(st.none(), st.floats(0, 10)), max_size=300))
@settings(max_examples=30, deadline=None)
def test_any_readings_get_a_verdict(ranges: Sequence[float | None]) -> None:
    """Nothing raises, and too few readings are no fault."""
    one = FaultWatch(sensor())
    for i, range_m in enumerate(ranges):
        one.add(Reading(100 * i, range_m))
    found = fault(one, now_ms=100 * len(ranges))
    assert found in {None, "stuck", "spiking", "crosstalk"}
    if len(ranges) < 20:
        assert found is None


@pytest.mark.parametrize(
    ("ranges", "told", "said"),
    [
        (lambda _: 1.234, "stuck", DETAILS["stuck"]),
        (lambda i: 0.3 + 0.001 * (i % 3), "deaf", TOO_NEAR),
        (lambda i: 0.3 if i % 50 == 0 else 3.8 + 0.001 * (i % 3), "deaf", DETAILS["deaf"]),
        (lambda _: None, "deaf", DETAILS["deaf"]),
        (trembling, None, ""),
    ],
)
def test_the_window_says_why_and_leaves_presence_out(
    ranges: Callable[[int], float | None], told: SensorFault | None, said: str, tmp_path: Path
) -> None:
    """Through the box's own sensors: fault in the window, presence absent rather than wrong."""
    one = sensor(present_below_m=2.2)
    sensors = Sensors([one], tmp_path, queue.SimpleQueue())
    for window in range(15):
        for i in range(window * 50, window * 50 + 50):
            sensors.take(SensorReport("one", Reading(100 * i, ranges(i))))
        (read,) = sensors.window(window * 5_000)
    assert (read.fault, why(read, [one])) == (told, said)
    assert (read.present_ms is None) == (told is not None)
    assert read.readings == 50
