"""The box's own processes and wiring: a camera process that hangs or dies, a clock that is set, a camera that stalls."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from branchloop.errors import DependencyError
from branchloop.processes import free_port, lock_directory
from branchloop.share import share
from branchloop.site import editing
from branchloop.wire.desired import make
from branchloop.wire.messages import CameraFault, DeviceState
from branchloop.wire.status import Stuck
from edge.cameras import CameraProcess
from edge.configured import read_configured, read_own
from edge.doctor.box import examine
from edge.perceive.anchor import Clock
from edge.perceive.health import Event
from edge.perceive.report import EventReport, FrameReport, Report, decode, encode
from edge.perceive.ultrasonic import Reading
from edge.pipeline import Pipeline
from edge.sensors import SensorReport
from edge.succession import DesiredHeard
from edge.supervise import run_box

T0_MS = 1_795_000_000_000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The demo's site file with a credential and a broker that nobody serves."""
    shutil.copytree(share("sample_video"), tmp_path / "sample_video")
    (tmp_path / "configs").mkdir()
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    text = text.replace("data/hub/broker/credentials/plaza--box-1", "secret").replace(":1883", ":9")
    (tmp_path / "configs" / "demo.toml").write_text(text, encoding="utf-8")
    (tmp_path / "configs" / "secret").write_text("password\n")
    (tmp_path / "configs" / "secret").chmod(0o600)
    return tmp_path / "configs" / "demo.toml"


@pytest.fixture
def camera(config: Path) -> Iterator[tuple[CameraProcess, queue.SimpleQueue[Report]]]:
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    process = hall_of(config, reports)
    process.start()
    yield process, reports
    process.stop()
    assert process.pid is None


def hall_of(config: Path, reports: queue.SimpleQueue[Report]) -> CameraProcess:
    site = read_configured(config).site
    return CameraProcess(config, site, site.cameras[0], reports, lambda: time.time_ns() // 1_000_000)


def wait_for(
    camera: tuple[CameraProcess, queue.SimpleQueue[Report]], seconds: float, state: str | None
) -> tuple[Report, float]:
    """The next frame (state None) or change to `state`, and how long it took."""
    process, reports = camera
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < seconds:
        process.watchdog()
        try:
            report = reports.get(timeout=0.1)
        except queue.Empty:
            continue
        found = report.event.state if isinstance(report, EventReport) else None
        if found == state and (state is not None or isinstance(report, FrameReport)):
            return report, time.monotonic() - begun_s
    raise AssertionError(f"no {state or 'frame'} within {seconds} s")


def drain(reports: queue.SimpleQueue[Report]) -> None:
    while not reports.empty():
        reports.get()


def test_a_box_does_not_begin_where_another_runs_or_nothing_can_be_written(config: Path) -> None:
    """It says so and ends, rather than begin its core again and again; the doctor finds it beforehand."""
    data = config.parent / read_own(config)[1].data_dir
    with lock_directory(data), pytest.raises(DependencyError, match="running already"):
        run_box(config)
    shutil.rmtree(data)
    data.write_text("a file stands in its place")
    with pytest.raises(DependencyError, match="cannot be used"):
        run_box(config)
    found = examine(read_own(config)[0], config)
    assert any(each["state"] == "bad" and str(data.name) in each["text"] for each in found)


def test_a_camera_process_that_hangs_is_told_within_5_s_and_replaced(
    camera: tuple[CameraProcess, queue.SimpleQueue[Report]],
) -> None:
    """SIGSTOP: stalled within 5 s; after a while it is killed, and frames come again."""
    wait_for(camera, 30, None)
    process, reports = camera
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    drain(reports)
    _, took_s = wait_for(camera, 10, "stalled")
    assert took_s <= 5
    wait_for(camera, 30, "down")
    wait_for(camera, 30, None)
    assert process.pid != first
    assert process.restarts == 1


def test_a_process_that_hangs_while_its_camera_is_away_is_replaced(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that it lives while it waits; one that does not even do that is killed, though it was never up."""
    monkeypatch.setattr("edge.cameras.KILL_S", 3.0)
    text = config.read_text(encoding="utf-8").replace(
        '"../sample_video/plaza.mp4"', f'"rtsp://127.0.0.1:{free_port()}/none"', 1
    )
    config.write_text(re.sub(r"^(fps|loop) = .*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    process = hall_of(config, reports)
    process.start()
    try:
        wait_for((process, reports), 30, "down")
        with pytest.raises(AssertionError, match="no up"):
            wait_for((process, reports), 4.0, "up")
        assert process.restarts == 0, "who waits for a camera is left alone"
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        killed, _ = wait_for((process, reports), 20, "down")
        assert isinstance(killed, EventReport)
        assert "ended with code -9" in killed.event.detail
    finally:
        process.stop()


def test_a_camera_that_cannot_begin_says_why(config: Path) -> None:
    """The light at the hub tells what is missing, not that a process ended."""
    text = config.read_text(encoding="utf-8").replace(
        '"../sample_video/plaza.mp4"', '"rtsp://127.0.0.1:9/none"\ncredential_env = "NO_SUCH_LOGIN"', 1
    )
    config.write_text(re.sub(r"^(fps|loop) = .*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    process = hall_of(config, reports)
    process.start()
    try:
        told = [wait_for((process, reports), 30, "down")[0] for _ in range(2)]
    finally:
        process.stop()
    details = {each.event.detail for each in told if isinstance(each, EventReport)}
    assert details == {
        "the environment variable NO_SUCH_LOGIN holds no login. Set NO_SUCH_LOGIN to user:password for this process."
    }


def test_a_camera_process_that_dies_comes_back(
    camera: tuple[CameraProcess, queue.SimpleQueue[Report]],
) -> None:
    """Kill -9: down at once, with the reason, and frames again."""
    wait_for(camera, 30, None)
    process, reports = camera
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    drain(reports)
    report, _ = wait_for(camera, 10, "down")
    assert isinstance(report, EventReport)
    assert "ended with code -9" in report.event.detail
    wait_for(camera, 30, None)


def test_a_process_that_is_ended_in_the_middle_of_a_line_is_not_told_as_down(config: Path) -> None:
    """What it told before is there when `stop` returns."""
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    process = hall_of(config, reports)
    whole = [encode(FrameReport("hall", t_ms, None)) for t_ms in range(50)]
    told = "\n".join([*whole, '["hall", "fra'])
    process._args = [
        sys.executable,
        "-c",
        f"import sys; print({told!r}, end='', flush=True); sys.stdin.read()",
    ]
    process.start()
    first = reports.get(timeout=30)
    process.stop()
    rest = [reports.get_nowait() for _ in range(reports.qsize())]
    assert [encode(report) for report in (first, *rest)] == whole


TOLD = """
import sys
from edge.perceive.orders import decode_site
from edge.perceive.report import FrameReport, encode
for line in sys.stdin:
    site = decode_site(line)
    print(encode(FrameReport(site.cameras[0].id, site.version, None)), flush=True)
"""


def test_a_process_is_told_what_it_works_by(config: Path) -> None:
    """When it begins, when its marks change, and whenever it begins anew: what is in force by then, and its camera alone."""
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    add_back(config)
    site = read_configured(config).site
    first, second, third = (site.model_copy(update={"version": version}) for version in (1, 2, 3))
    process = CameraProcess(config, first, first.cameras[1], reports, lambda: T0_MS)
    process._args = [sys.executable, "-c", TOLD]
    process.start()
    try:
        told = [reports.get(timeout=30)]
        process.follow(second, second.cameras[1], recalibrated=True)
        told.append(reports.get(timeout=30))
        process.follow(third, third.cameras[1], recalibrated=False)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        wait_for((process, reports), 30, "down")
        told.append(wait_for((process, reports), 30, None)[0])
    finally:
        process.stop()
    assert [encode(report) for report in told] == [encode(FrameReport("back", v, None)) for v in (1, 2, 3)]


def messages(data_dir: Path) -> list[tuple[str, dict[str, Any]]]:
    """What the outbox holds."""
    db = sqlite3.connect(data_dir / "outbox.db")
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    (table,) = (name for name in tables if {"seq", "kind", "body"} <= columns(db, name))
    query = f"SELECT kind, body FROM {table} ORDER BY seq"  # noqa: S608
    rows = [(kind, json.loads(body)) for kind, body in db.execute(query)]
    db.close()
    return rows


def columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in db.execute(f"PRAGMA table_info({table})")}


def box(x: float) -> np.ndarray:
    return np.array([[x, 300.0, x + 40, 400.0, 0.9]], np.float32)


def run(config: Path, reports: Sequence[Report | SensorReport]) -> list[tuple[str, dict[str, Any]]]:
    """Feed reports to a box's wiring, whose broker is away, and read its outbox."""
    data = config.parent / "data"
    data.mkdir()
    pipeline = Pipeline(read_configured(config), config, data)
    for report in reports:
        pipeline.step(report)
    close(pipeline)
    return messages(data)


def close(pipeline: Pipeline) -> None:
    """Of a pipeline that never ran: its link was never started, so it closes nothing itself."""
    pipeline._outbox.close()
    for end in (pipeline._link._wake, pipeline._link._woken):
        end.close()


def test_a_clock_that_is_set_closes_the_window_and_is_told(config: Path) -> None:
    """The window says `step`, a notice says why, and time goes on from there without mixing the two."""
    before = [FrameReport("hall", T0_MS + 143 * i, box(300 + 4 * i)) for i in range(20)]
    step = EventReport("hall", Event("step", T0_MS - 3_600_000, step_ms=-3_600_000))
    after = [FrameReport("hall", T0_MS - 3_600_000 + 143 * i, box(300 + 4 * i)) for i in range(60)]
    kept = run(config, [*before, step, *after])
    windows = [body for kind, body in kept if kind == "window"]
    assert windows[0]["closed_by"] == "step"
    assert windows[0]["person_ms"] > 2_000
    assert [window["closed_by"] for window in windows[1:]] == ["time"]
    assert windows[1]["start_ms"] == (T0_MS - 3_600_000) // 5_000 * 5_000
    notices = [body for kind, body in kept if kind == "notice" and body["what"] == "clock_step"]
    assert len(notices) == 1
    assert "3600000" in notices[0]["detail"]


class Clocks:
    """A machine's two clocks: time passes on both, and the wall clock can be set."""

    def __init__(self) -> None:
        self.monotonic_s, self.wall_s = 100.0, T0_MS / 1000

    def go_on(self, by_s: float) -> int:
        """Time passes; returns the stamp of a frame that is taken then, UTC ms."""
        self.monotonic_s += by_s
        self.wall_s += by_s
        return round(self.wall_s * 1000)

    def clock(self) -> Clock:
        return Clock(lambda: self.monotonic_s, lambda: self.wall_s)


@pytest.mark.parametrize("by_ms", [3_600_000, 86_400_000, -3_600_000])
@pytest.mark.parametrize("first", ["box", "camera", "sensor"])
@pytest.mark.parametrize("hangs_s", [0.0, 20.0])
def test_a_frame_on_its_way_while_the_clock_is_set(
    config: Path, by_ms: int, first: str, hangs_s: float
) -> None:
    """Whoever notices first, and however late the camera: no window is made of the time that never was, none is missing."""
    data = config.parent / "data"
    data.mkdir()
    clocks = Clocks()
    pipeline = Pipeline(read_configured(config), config, data, clocks.clock())
    for i in range(20):
        pipeline._tick()
        pipeline.step(FrameReport("hall", clocks.go_on(0.143), box(300 + 4 * i)))
    on_its_way = FrameReport("hall", clocks.go_on(0.143), box(380))
    reading_on_its_way = SensorReport("ceiling-1", Reading(clocks.go_on(0), 1.5))
    clocks.wall_s += by_ms / 1000
    told = EventReport("hall", Event("step", clocks.go_on(0), step_ms=by_ms))
    told_by_sensor = SensorReport("ceiling-1", Event("step", clocks.go_on(0), step_ms=by_ms))
    if first == "camera":
        pipeline.step(told)
    elif first == "sensor":
        pipeline.step(told_by_sensor)
    pipeline._tick()
    if first != "camera":
        clocks.go_on(hangs_s)
        pipeline.step(on_its_way)
        pipeline.step(told)
    if first != "sensor":
        pipeline.step(reading_on_its_way)
        pipeline.step(told_by_sensor)
    begun_ms = clocks.go_on(0.4)
    for i in range(120):
        pipeline._tick()
        pipeline.step(FrameReport("hall", clocks.go_on(0.143), box(300 + 4 * (i % 60))))
    pipeline._enter(pipeline._floors.finish(pipeline._readings))
    close(pipeline)
    kept = messages(data)
    (notice,) = [body for kind, body in kept if kind == "notice" and body["what"] == "clock_step"]
    assert abs(notice["at_ms"] - T0_MS - by_ms) < 10_000
    before, *after = [body for kind, body in kept if kind == "window"]
    assert (before["start_ms"], before["closed_by"]) == (T0_MS, "step")
    first_ms = begun_ms // 5_000 * 5_000
    assert [window["start_ms"] for window in after] == [first_ms + 5_000 * n for n in range(len(after))]
    assert 4 <= len(after) <= 5
    assert sum(window["observed_ms"] for window in after) == pytest.approx(120 * 143, abs=200)
    assert after[0]["sensors"][0]["readings"] == 0


def test_a_data_folder_that_is_away_ends_nothing_and_loses_nothing(config: Path) -> None:
    """The disk drops out for a while with the link at work: the core counts on, and all windows are there in the end."""
    data = config.parent / "data"
    data.mkdir()
    pipeline = Pipeline(read_configured(config), config, data)
    pipeline._link.start()
    frames = [FrameReport("hall", T0_MS + 143 * i, box(300 + i)) for i in range(180)]
    for report in frames[:45]:
        pipeline.step(report)
    away = data.rename(data.with_name("away"))
    for report in frames[45:140]:
        pipeline.step(report)
    pipeline._tick()
    stuck = pipeline._status()["stuck"]
    assert isinstance(stuck, Stuck)
    assert "out of reach" in stuck.reason
    assert stuck.waiting > 0
    until_s = time.monotonic() + 10
    while pipeline._link._reason is None or "cannot be used" not in pipeline._link._reason:
        assert time.monotonic() < until_s, "the link did not meet it"
        pipeline._link.urgent()
    away.rename(data)
    for report in frames[140:]:
        pipeline.step(report)
    pipeline._outbox.flush()
    pipeline._tick()
    assert pipeline._status()["stuck"] is None
    pipeline._link.stop(0)
    pipeline._outbox.close()
    windows = [body["start_ms"] - T0_MS for kind, body in messages(data) if kind == "window"]
    assert windows == [0, 5_000, 10_000, 15_000]
    assert pipeline._outbox.refused == 0


def test_what_waits_for_a_full_disk_is_told_again_and_again(config: Path) -> None:
    """The status of a box that stays stuck has the figure of now, twice a minute."""
    data = config.parent / "data"
    data.mkdir()
    clocks = Clocks()
    pipeline = Pipeline(read_configured(config), config, data, clocks.clock())
    pipeline._outbox._reserve_bytes = 2**62
    told = []
    for second in range(100):
        if second % 10 == 0:
            pipeline._clock_step("for a message to wait")
        pipeline._tick()
        if pipeline._link._changed.is_set():
            pipeline._link._changed.clear()
            stuck = pipeline._status()["stuck"]
            assert isinstance(stuck, Stuck)
            told.append((second, stuck.waiting))
        clocks.go_on(1.0)
    close(pipeline)
    assert [second for second, _ in told] == [0, 30, 60, 90]
    waiting = [count for _, count in told]
    assert waiting == sorted(set(waiting))


def test_a_camera_that_stalls_is_told_and_its_window_says_so(config: Path) -> None:
    """The notice names camera and state; the light follows; a second of silence is not observed time."""
    frames = [FrameReport("hall", T0_MS + 143 * i, box(300)) for i in range(10)]
    stalled = EventReport("hall", Event("state", T0_MS + 5_000, state="stalled", detail="no picture for 3 s"))
    again = [FrameReport("hall", T0_MS + 10_000 + 143 * i, box(300)) for i in range(20)]
    kept = run(config, [*frames, stalled, *again])
    (notice,) = [body for kind, body in kept if kind == "notice" and body["what"] == "camera"]
    assert (notice["subject"], notice["state"], notice["detail"]) == ("hall", "stalled", "no picture for 3 s")
    first = next(body for kind, body in kept if kind == "window")
    assert first["observed_ms"] < 2_500
    assert first["expected_ms"] == 5_000
    assert "people_end" not in first


def test_another_reason_why_a_camera_is_down_is_told(config: Path) -> None:
    """The light has the reason of now, and since when it has been down; a reason that is told already is no news."""
    data = config.parent / "data"
    data.mkdir()
    clocks = Clocks()
    pipeline = Pipeline(read_configured(config), config, data, clocks.clock())
    for why in ("cannot be reached", "cannot be reached", "wants a login"):
        pipeline.step(EventReport("hall", Event("state", T0_MS, state="down", detail=why)))
        clocks.go_on(5.0)
    (light,) = pipeline._status()["cameras"]  # type: ignore[misc]
    close(pipeline)
    told = [(body["at_ms"], body["detail"]) for kind, body in messages(data) if kind == "notice"]
    assert [why for _, why in told] == ["cannot be reached", "wants a login"]
    assert (light.state, light.detail, light.since_ms) == ("down", "wants a login", told[0][0])


def test_a_moved_camera_counts_on_and_is_marked_and_a_looped_one_observes_nothing(config: Path) -> None:
    """The notice says how far; every window with the fault names it, also the one in which it went."""

    def frames(from_ms: int, to_ms: int) -> list[Report]:
        return [FrameReport("hall", T0_MS + t, box(300)) for t in range(from_ms, to_ms, 143)]

    def says(at_ms: int, state: DeviceState, detail: str, fault: CameraFault | None) -> Report:
        return EventReport("hall", Event("state", T0_MS + at_ms, state=state, detail=detail, fault=fault))

    kept = run(
        config,
        [
            says(0, "up", "", None), *frames(0, 7_000),
            says(7_000, "up", "moved: the view is off by 67 px.", "moved"), *frames(7_000, 12_000),
            says(12_000, "up", "the picture is well again", None), *frames(12_000, 22_000),
            says(22_000, "stalled", "looped: a recording", "looped"),
            says(31_500, "up", "the picture is well again", None), *frames(31_500, 48_000),
        ],
    )  # fmt: skip
    notices = [body for kind, body in kept if kind == "notice" and body["what"] == "camera"]
    assert [notice["detail"].split(":")[0] for notice in notices] == [
        "moved", "the picture is well again", "looped", "the picture is well again",
    ]  # fmt: skip
    windows = [body for kind, body in kept if kind == "window"]
    faults = {body["start_ms"] - T0_MS: body["cameras"][0].get("fault") for body in windows}
    observed = {body["start_ms"] - T0_MS: body["observed_ms"] for body in windows}
    assert faults[0] is None
    assert (faults[5_000], faults[10_000]) == ("moved", "moved")
    assert observed[5_000] > 4_500, "a moved camera sees its people"
    assert faults[15_000] is None
    assert faults[25_000] == "looped"
    assert observed[25_000] == 0, "a recording shows nothing of the branch"
    assert faults[40_000] is None


def add_back(config: Path) -> None:
    """A second camera that is set up as `hall` is."""
    text = config.read_text(encoding="utf-8")
    start = text.index("[[camera]]")
    end = text.index("\n[[", start)
    second = text[start:end].replace('id = "hall"', 'id = "back"')
    config.write_text(f"{text[:end]}\n{second}{text[end:]}", encoding="utf-8")


@pytest.mark.parametrize("behind_s", [0.0, 8.0, 20.0])
@pytest.mark.parametrize("goes", [True, False], ids=["goes", "changes"])
def test_a_camera_that_leaves_is_counted_to_the_border_however_far_behind_the_core_is(
    config: Path, monkeypatch: pytest.MonkeyPatch, goes: bool, behind_s: float
) -> None:
    """The core stands still about the border (a slow disk): what waits in it is the leaving configuration's all the same."""
    monkeypatch.setattr(CameraProcess, "start", lambda _: None)
    add_back(config)
    data = config.parent / "data"
    data.mkdir()
    clocks = Clocks()
    pipeline = Pipeline(read_configured(config), config, data, clocks.clock())
    text = config.read_text(encoding="utf-8")
    if goes:
        text = editing.without_entry(text, "camera", "back")
    else:
        text = "analysed_fps = 2.0".join(text.rsplit("analysed_fps = 7.0", 1))
    pipeline.step(DesiredHeard(make(text, "plaza", 2, 0, 1).to_json().encode()))
    border_ms, before = pipeline._border_ms, pipeline._cameras["back"]
    t_ms = T0_MS
    while t_ms < border_ms + 20_000:
        t_ms = clocks.go_on(0.25)
        for camera in ("hall", "back") if pipeline._cameras.get("back") is before else ("hall",):
            pipeline._reports.put(FrameReport(camera, t_ms, box(300)))
        while not pipeline._reports.empty() and not 0 <= t_ms - (border_ms - 4_000) < behind_s * 1000:
            pipeline._turn()
    if goes:
        pipeline.step(
            FrameReport("back", t_ms, box(300))
        )  # after the last word of the process that was ended
    pipeline._enter(pipeline._floors.settle(t_ms + 10_000, pipeline._readings))
    close(pipeline)
    windows = {body["start_ms"]: body for kind, body in messages(data) if kind == "window"}
    assert sorted(windows) == list(range(T0_MS, max(windows) + 1, 5_000))
    assert max(windows) > border_ms + 5_000
    for start_ms in range(T0_MS + 5_000, border_ms, 5_000):
        assert [
            (told["camera"], told["observed_ms"], told["frames"], told["state"])
            for told in windows[start_ms]["cameras"]
        ] == [("hall", 5_000, 20, "up"), ("back", 5_000, 20, "up")], start_ms - border_ms
    after = [told["camera"] for told in windows[border_ms]["cameras"]]
    assert (after, windows[border_ms]["config_version"]) == (["hall"] if goes else ["hall", "back"], 2)
    assert pipeline._succession.coming is None


def test_a_camera_that_is_down_holds_up_no_takeover(config: Path) -> None:
    """It leaves without a word, and its windows say to the last that it was down."""
    add_back(config)
    data = config.parent / "data"
    data.mkdir()
    clocks = Clocks()
    pipeline = Pipeline(read_configured(config), config, data, clocks.clock())
    pipeline.step(EventReport("back", Event("state", T0_MS, state="down", detail="cannot be reached")))
    text = editing.without_entry(config.read_text(encoding="utf-8"), "camera", "back")
    pipeline.step(DesiredHeard(make(text, "plaza", 2, 0, 1).to_json().encode()))
    border_ms = pipeline._border_ms
    while clocks.go_on(0.25) < border_ms + 8_000:
        pipeline._reports.put(FrameReport("hall", clocks.go_on(0), box(300)))
        while not pipeline._reports.empty():
            pipeline._turn()
    close(pipeline)
    windows = [body for kind, body in messages(data) if kind == "window"]
    before = [window["cameras"] for window in windows if window["start_ms"] < border_ms]
    assert {(told["observed_ms"], told["state"]) for _, told in before} == {(0, "down")}
    assert windows[-1]["start_ms"] == border_ms
    assert pipeline._succession.coming is None


def test_a_camera_that_starts_during_a_takeover_runs_by_what_is_in_force(config: Path) -> None:
    """Its process dies while a configuration comes that has no such camera, or one with other marks."""
    add_back(config)
    data = config.parent / read_own(config)[1].data_dir
    data.mkdir(parents=True)
    pipeline = Pipeline(read_configured(config), config, data)
    text = editing.without_entry(config.read_text(encoding="utf-8"), "camera", "back")
    pipeline.step(DesiredHeard(make(text, "plaza", 2, 0, 1).to_json().encode()))
    assert read_configured(config).site.version == 2, "a core that is killed now comes back with it"
    back = pipeline._cameras["back"]
    back.start()
    try:
        frame, _ = wait_for((back, pipeline._reports), 30, None)
    finally:
        back.stop()
        close(pipeline)
    assert isinstance(frame, FrameReport)
    assert frame.camera == "back"
    assert back.restarts == 0


def test_the_end_of_a_complaint_is_said(config: Path) -> None:
    """To both cameras, in words: "up" alone would tell nothing."""
    add_back(config)
    reports: list[Report] = [
        EventReport(camera, Event("state", T0_MS, state="up")) for camera in ("hall", "back")
    ]
    for t_ms in range(0, 240_000, 200):
        across = 150 + 100 * abs((t_ms % 20_000) / 10_000 - 1)
        reports.append(FrameReport("hall", T0_MS + t_ms, box(across)))
        reports.append(FrameReport("back", T0_MS + t_ms + 1, box(across + (250 if t_ms < 30_000 else 0))))
    told = [body for kind, body in run(config, reports) if kind == "notice" and body["what"] == "camera"]
    for camera in ("hall", "back"):
        begun, over = (notice["detail"] for notice in told if notice["subject"] == camera)
        assert "m apart" in begun
        assert over == "no more complaint about hall and back"


@pytest.mark.parametrize("hidden_ms", [(0, 40_000), (25_000, 40_000)], ids=["when it began", "later"])
def test_what_cameras_say_against_each_other_outlasts_a_fault_of_the_picture(
    config: Path, hidden_ms: tuple[int, int]
) -> None:
    """While one has moved that is told, and afterwards what still stands against the pair: once, and to both."""
    add_back(config)
    begun_ms, over_ms = hidden_ms
    states = {
        begun_ms: ("moved: the view is off by 67 px.", "moved"),
        over_ms: ("the picture is well again", None),
    }
    reports: list[Report] = [
        EventReport(camera, Event("state", T0_MS, state="up")) for camera in ("hall", "back")
    ]
    for t_ms in range(0, 60_000, 200):
        if t_ms in states:
            detail, fault = states[t_ms]
            reports.append(
                EventReport("hall", Event("state", T0_MS + t_ms, state="up", detail=detail, fault=fault))
            )
        across = 150 + 100 * abs((t_ms % 20_000) / 10_000 - 1)
        reports.append(FrameReport("hall", T0_MS + t_ms, box(across)))
        reports.append(FrameReport("back", T0_MS + t_ms + 1, box(across + 250)))
    told = [body for kind, body in run(config, reports) if kind == "notice" and body["what"] == "camera"]
    of_hall, of_back = ([n["detail"] for n in told if n["subject"] == camera] for camera in ("hall", "back"))
    (against,) = of_back
    assert "m apart" in against
    before = [] if begun_ms == 0 else [against]
    assert of_hall == [*before, "moved: the view is off by 67 px.", "the picture is well again", against]


def test_a_stuck_sensor_is_told_and_not_believed(config: Path) -> None:
    """A minute of one and the same range: the window's fault, a notice with the reason, no presence."""
    reports: list[Report | SensorReport] = []
    for i in range(180):
        reports.append(FrameReport("hall", T0_MS + 500 * i, box(300)))
        reports.append(SensorReport("ceiling-1", Reading(T0_MS + 500 * i + 1, 1.234)))
    kept = run(config, reports)
    windows = [body for kind, body in kept if kind == "window"]
    first, last = windows[1]["sensors"][0], windows[-1]["sensors"][0]
    assert "fault" not in first
    assert first["present_ms"] == 5_000
    assert last["fault"] == "stuck"
    assert "present_ms" not in last
    (notice,) = [body for kind, body in kept if kind == "notice" and body["what"] == "sensor"]
    assert notice["subject"] == "ceiling-1"
    assert "not believed" in notice["detail"]


def test_a_sensor_that_is_down_says_why_whatever_its_readings_were(config: Path) -> None:
    """The fault of its last minute stands beside the reason, not in its place."""
    data = config.parent / "data"
    data.mkdir()
    pipeline = Pipeline(read_configured(config), config, data)
    for i in range(180):
        pipeline.step(FrameReport("hall", T0_MS + 500 * i, box(300)))
        if i < 140:
            pipeline.step(SensorReport("ceiling-1", Reading(T0_MS + 500 * i + 1, 1.234)))
        elif i == 140:
            assert pipeline._lights["ceiling-1"].fault == "stuck"
            gone = Event("state", T0_MS + 500 * i, state="down", detail="the device was unplugged")
            pipeline.step(SensorReport("ceiling-1", gone))
    (light,) = pipeline._status()["sensors"]  # type: ignore[misc]
    close(pipeline)
    assert (light.state, light.detail, light.fault) == ("down", "the device was unplugged", "stuck")
    told = [body["detail"] for kind, body in messages(data) if kind == "notice" and body["what"] == "sensor"]
    assert told[1:] == ["the device was unplugged"]


def test_only_sensors_that_change_are_begun_anew(config: Path) -> None:
    """The windows before the border are still told of all, by whoever read them."""
    data = config.parent / "data"
    data.mkdir()
    pipeline = Pipeline(read_configured(config), config, data)
    one = pipeline._site.sensors[0]
    both = [one, one.model_copy(update={"id": "two", "x_m": 5.0})]
    pipeline._sensors = pipeline._sensors.hand_on(both)
    pipeline._sensors.start()
    pipeline._wired = pipeline._site.model_copy(update={"sensors": both})
    readers = {thread.name: thread for thread in threading.enumerate() if thread.name.startswith("sensor-")}
    moved = [one, both[1].model_copy(update={"x_m": 6.0})]
    pipeline._border_ms = T0_MS
    pipeline._rewire(pipeline._wired.model_copy(update={"sensors": moved}))
    now = {thread.name: thread for thread in threading.enumerate() if thread.name.startswith("sensor-")}
    told = [[window.sensor for window in pipeline._readings(T0_MS + ms)] for ms in (-5_000, 0)]
    pipeline._sensors.stop()
    close(pipeline)
    assert sorted(now) == sorted(readers) == ["sensor-ceiling-1", "sensor-two"]
    assert now["sensor-ceiling-1"] is readers["sensor-ceiling-1"]
    assert now["sensor-two"] is not readers["sensor-two"]
    assert told == [["ceiling-1", "two"]] * 2


def test_reports_survive_the_pipe() -> None:
    """Frames with boxes, held frames, events: line by line."""
    for report in (
        FrameReport("hall", 7, box(1.25)),
        FrameReport("hall", 8, None),
        EventReport("hall", Event("state", 9, state="down", detail="gone\nfor good")),
        EventReport("hall", Event("state", 9, state="up", detail="moved: …", fault="moved")),
    ):
        line = encode(report)
        assert "\n" not in line
        back = decode(line)
        assert encode(back) == line
