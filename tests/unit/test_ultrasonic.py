"""Ultrasonic readings: true time, valid ranges, presence with hysteresis, logs and their replay."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from branchloop.errors import InputError
from branchloop.site.site import Sensor
from edge.floor.sensors.occupancy import HOLD_MS
from edge.perceive.anchor import Clock
from edge.perceive.backoff import Backoff
from edge.perceive.health import Event
from edge.perceive.ultrasonic import Reading, SensorWindows
from edge.perceive.ultrasonic_log import Logged, LogPlayer, LogSensor, read_log

SAMPLE = Path(__file__).parents[2] / "sample_video" / "ultrasonic.csv"


def sensor(**more: object) -> Sensor:
    fields = {"id": "door", "source": "log:u.csv", "x_m": 1.0, "y_m": 1.0, "height_m": 3.0, "range_m": 4.0}
    return Sensor.model_validate({**fields, "present_below_m": 2.2, **more})


def windows(*readings: tuple[int, float | None], **more: object) -> SensorWindows:
    one = SensorWindows(sensor(**more))
    for t_ms, range_m in readings:
        one.add(Reading(t_ms, range_m))
    return one


def test_a_steady_sensor_observes_the_whole_window() -> None:
    """Ten readings a second for five seconds: all of it observed, the figures in millimetres."""
    one = windows(*((100 * i, 2.99 + 0.01 * (i % 3)) for i in range(50)))
    window = one.close(0, 5_000, "up")
    assert (window.sensor, window.state) == ("door", "up")
    assert (window.observed_ms, window.readings, window.valid) == (5_000, 50, 50)
    assert (window.nearest_mm, window.farthest_mm) == (2_990, 3_010)
    assert window.sum_mm == sum(2_990 + 10 * (i % 3) for i in range(50))
    assert window.present_ms == 0


def test_silence_is_not_observed() -> None:
    """A reading stands for a second at most."""
    window = windows((0, 3.0), (4_000, 3.0)).close(0, 5_000, "up")
    assert window.observed_ms == 2 * HOLD_MS
    assert windows().close(0, 5_000, "down").observed_ms == 0


def test_nothing_valid_gives_no_ranges() -> None:
    """Missing echoes and ranges beyond the sensor's are answers without a figure: never a silent zero."""
    window = windows((0, None), (100, 0.001), (200, 7.5)).close(0, 5_000, "up")
    assert (window.readings, window.valid, window.observed_ms) == (3, 0, 1_200)
    assert window.nearest_mm is window.farthest_mm is window.sum_mm is None


def test_presence_has_hysteresis_and_outlives_a_missing_echo() -> None:
    """Present below 2.2 m, gone above 2.3 m; a lone drop-out in between changes nothing."""
    one = windows((0, 2.25), (100, 1.3), (200, None), (300, 2.25), (400, 2.31), (500, 2.25), (600, 3.0))
    assert one.close(0, 5_000, "up").present_ms == 300


def test_presence_ends_when_no_valid_range_comes_any_more() -> None:
    """After a second without echo nobody is claimed to stand there."""
    one = windows((0, 1.3), *((100 * i, None) for i in range(1, 50)))
    assert one.close(0, 5_000, "up").present_ms == HOLD_MS + 100


def test_a_sensor_without_a_limit_says_nothing_of_presence() -> None:
    """Unknown is not zero."""
    assert windows((0, 1.0), present_below_m=None).close(0, 5_000, "up").present_ms is None


def test_a_clock_set_back_drops_what_is_open() -> None:
    """Readings of the new time are not mixed with the old."""
    window = windows((60_000, 1.0), (60_100, 1.0), (1_000, 3.0)).close(0, 5_000, "up")
    assert (window.readings, window.observed_ms, window.present_ms) == (1, 1_000, 0)


READINGS = st.lists(
    st.tuples(st.integers(0, 3_000), st.one_of(st.none(), st.floats(0.0, 6.0))), min_size=1, max_size=60
)


@given(steps=READINGS)
def test_windows_add_up_to_the_whole(steps: list[tuple[int, float | None]]) -> None:
    """Integers merge exactly: five-second windows sum up to the same figures as one long window."""
    times = itertools.accumulate(step for step, _ in steps)
    readings = [(t_ms, range_m) for t_ms, (_, range_m) in zip(times, steps, strict=True)]
    end_ms = (readings[-1][0] // 5_000 + 2) * 5_000
    whole = windows(*readings).close(0, end_ms, "up")
    one = windows(*readings)
    parts = [one.close(start, start + 5_000, "up") for start in range(0, end_ms, 5_000)]
    assert sum(part.observed_ms for part in parts) == whole.observed_ms
    assert sum(part.present_ms or 0 for part in parts) == whole.present_ms
    assert sum(part.readings for part in parts) == whole.readings == len(readings)
    assert sum(part.valid for part in parts) == whole.valid
    assert sum(part.sum_mm or 0 for part in parts) == (whole.sum_mm or 0)
    for part in parts:
        assert (part.present_ms or 0) <= part.observed_ms <= 5_000


@given(steps=READINGS)
def test_closing_as_readings_come_gives_the_same(steps: list[tuple[int, float | None]]) -> None:
    """Online and afterwards agree: a window closed when the first later reading came is final."""
    times = itertools.accumulate(step for step, _ in steps)
    readings = [(t_ms, range_m) for t_ms, (_, range_m) in zip(times, steps, strict=True)]
    end_ms = (readings[-1][0] // 5_000 + 2) * 5_000
    late = windows(*readings)
    expected = [late.close(start, start + 5_000, "up") for start in range(0, end_ms, 5_000)]
    online = SensorWindows(sensor())
    got = []
    start_ms = 0
    for t_ms, range_m in readings:
        while t_ms >= start_ms + 5_000:
            got.append(online.close(start_ms, start_ms + 5_000, "up"))
            start_ms += 5_000
        online.add(Reading(t_ms, range_m))
    got += [online.close(start, start + 5_000, "up") for start in range(start_ms, end_ms, 5_000)]
    assert got == expected


def test_the_csv_form_is_read(tmp_path: Path) -> None:
    """Comments, a header, an empty range for a missing echo."""
    path = tmp_path / "u.csv"
    path.write_text("# simulated\nt_s,range_m\n0.0,3.001\n0.1,\n\n0.2,1.25\n")
    assert read_log(path) == [Logged(0.0, 3.001), Logged(0.1, None), Logged(0.2, 1.25)]


def test_the_serial_form_is_read(tmp_path: Path) -> None:
    """Lines as the sensor wrote them, ended by CR, each behind its time."""
    path = tmp_path / "u.log"
    path.write_bytes(b"12.30 R1234\r12.40 R\r12.50 R0300\r")
    assert read_log(path) == [Logged(12.3, 1.234), Logged(12.4, None), Logged(12.5, 0.3)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "holds no reading"),
        (b"t_s,range_m\n", "holds no reading"),
        (b"t_s,range_m\n0.0,3.0\n0.1,near\n", "line 3: '0.1,near' is not a reading"),
        (b"t_s,range_m\n0.0,3.0,4\n", "line 2"),
        (b"t_s,range_m\n0.0,nan\n", "line 2"),
        (b"t_s,range_m\n0.0,1e308\n", "line 2: '0.0,1e308' is not a reading"),
        (b"t_s,range_m\n-1,3.0\n", "line 2"),
        (b"t_s,range_m\n0.5,3.0\n0.5,3.0\n", "line 3: time does not advance"),
        (b"0.1 1234\n", "line 1: '0.1 1234' is not a reading"),
        (b"\xff\xfe\x00", "is not a text log"),
    ],
)
def test_a_bad_log_names_its_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    """One sentence says file, line and remedy."""
    path = tmp_path / "u.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        read_log(path)
    assert caught.value.hint


@given(content=st.binary(max_size=200))
def test_no_log_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever the file holds, it is readings or an InputError."""
    path = tmp_path_factory.mktemp("fuzz") / "u.csv"
    path.write_bytes(content)
    try:
        assert read_log(path)
    except InputError:
        return


@pytest.mark.parametrize("name", [".", "missing.csv"])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    """A folder and a missing file are named."""
    with pytest.raises(InputError):
        read_log(tmp_path / name)


def test_a_log_keeps_its_own_pace_and_loops_without_a_jump() -> None:
    """A log that begins at 12 s starts at once; the next lap follows one interval after the last reading."""
    player = LogPlayer([Logged(12.0, 1.0), Logged(12.5, 2.0), Logged(13.0, 3.0)], 100.0, loop=True)
    taken = []
    for _ in range(5):
        due_s = player.due_s()
        assert due_s is not None
        assert player.take(due_s - 0.001) is None
        taken.append(player.take(due_s))
    assert taken == [(100.0, 1.0), (100.5, 2.0), (101.0, 3.0), (101.5, 1.0), (102.0, 2.0)]


def test_a_replay_held_up_goes_on_where_it_was() -> None:
    """After a minute's sleep the sensor does not pour out a minute of readings."""
    player = LogPlayer([Logged(float(i), 1.0) for i in range(100)], 0.0, loop=False)
    player.take(0.0)
    assert player.take(60.0) == (60.0, 1.0)
    assert player.due_s() == 61.0


def test_a_log_ends() -> None:
    """Without a loop the last reading is the last."""
    player = LogPlayer([Logged(0.0, 1.0)], 0.0, loop=False)
    player.take(0.0)
    assert player.due_s() is None
    assert player.take(9.0) is None


def everything(one: LogSensor, seconds: float) -> list[Reading | Event]:
    """All that comes until the log is over."""
    seen: list[Reading | Event] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and one.state != "ended":
        thing = one.next(0.2)
        if thing is not None:
            seen.append(thing)
    return seen


def test_a_sensor_speaks_in_real_time(tmp_path: Path) -> None:
    """Readings come with the time at which they were due, between the states up and ended."""
    (tmp_path / "u.csv").write_text("t_s,range_m\n" + "".join(f"{i / 20},2.0\n" for i in range(10)))
    seen = everything(LogSensor(sensor(), tmp_path), 5.0)
    events = [thing.state for thing in seen if isinstance(thing, Event)]
    times = [thing.t_ms for thing in seen if isinstance(thing, Reading)]
    assert events == ["up", "ended"]
    assert [t_ms - times[0] for t_ms in times] == pytest.approx([50 * i for i in range(10)], abs=1)


def test_a_silent_sensor_is_stalled_and_comes_back(tmp_path: Path) -> None:
    """Six seconds without a reading: stalled after five, up again with the next one."""
    (tmp_path / "u.csv").write_text("t_s,range_m\n0,2.0\n6,2.0\n")
    now_s = 0.0
    clock = Clock(monotonic_s=lambda: now_s, wall_s=lambda: 1e9 + now_s)
    one = LogSensor(sensor(), tmp_path, clock)
    seen: list[tuple[float, str]] = []
    while now_s < 8.0:
        thing = one.next(0)
        if thing is None:
            now_s += 0.25
        elif isinstance(thing, Event):
            seen.append((now_s, str(thing.state)))
    assert seen == [(0.0, "up"), (5.0, "stalled"), (6.0, "up"), (6.0, "ended")]


def test_a_missing_log_is_down_until_it_is_there(tmp_path: Path) -> None:
    """The state says why, and the file is tried again."""
    one = LogSensor(sensor(), tmp_path, backoff=Backoff(0.01, 0.02))
    down = one.next(1.0)
    assert isinstance(down, Event)
    assert down.state == "down"
    assert "u.csv cannot be read" in down.detail
    (tmp_path / "u.csv").write_text("t_s,range_m\n0,2.0\n")
    assert [thing.state for thing in everything(one, 5.0) if isinstance(thing, Event)] == ["up", "ended"]


def test_the_sample_log_is_simulated_says_so_and_shows_people() -> None:
    """The shipped log: 114 s at 10 Hz, labelled, with drop-outs, and somebody under the sensor at times."""
    assert "SIMULATED" in SAMPLE.read_text(encoding="ascii").splitlines()[0]
    log = read_log(SAMPLE)
    assert len(log) == 1_140
    one = windows(*((round(logged.t_s * 1000), logged.range_m) for logged in log))
    window = one.close(0, 114_000, "up")
    assert window.observed_ms == 114_000
    assert 0.01 < 1 - window.valid / window.readings < 0.06
    assert 15_000 < (window.present_ms or 0) < 60_000
