"""A new configuration takes over at a window's border: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from walkers import Place, Walk, boxes, lab, present, straight

from branchloop.clock import WINDOW_MS
from branchloop.site.parts import Text
from branchloop.site.site import Site, Tracking, Zone
from branchloop.wire.messages import Notice, Window
from edge.floor.floor import Floor
from edge.floor.takeover import WARM_UP_MS, Floors
from edge.floor.windows import no_sensors

T0_MS = 1_000_000_000_000
FRAME_MS = 200
WALKS = [
    straight(0.5 if i % 2 else 9.5, 9.5 if i % 2 else 0.5, 1.0 + 1.5 * (i % 5), 3.5 * i, 1.2)
    for i in range(7)
]
SECONDS = 28.0


def successor(**more: object) -> Site:
    """The lab's configuration, one version on."""
    return lab().model_copy(update={"version": 2, **more})


def floor_of(site: Site) -> Floor:
    return Floor(site, prefix=f"n-{site.version}", method="test")


def run(after: Site | None, at_s: float, frame_ms: int = FRAME_MS) -> tuple[list[Window], list[Notice], int]:
    """Half a minute of walkers; at `at_s` another configuration comes. Windows, notices told, border."""
    floors = Floors(floor_of(lab()))
    windows: list[Window] = []
    notices: list[Notice] = []
    border_ms = 0
    for step in range(round(SECONDS * 1000 / frame_ms)):
        t_ms = T0_MS + step * frame_ms
        if after is not None and not border_ms and step * frame_ms >= at_s * 1000:
            border_ms = floors.begin(floor_of(after), t_ms)
        notices += floors.frame("north", t_ms, boxes(present(WALKS, step * frame_ms / 1000)))
        windows += floors.settle(t_ms, no_sensors).windows
    windows += floors.finish(no_sensors).windows
    return windows, notices, border_ms


def total(windows: list[Window]) -> Counter[str]:
    """Sums over all windows."""
    sums: Counter[str] = Counter()
    for window in windows:
        sums.update(
            person_ms=window.person_ms, observed_ms=window.observed_ms,
            heat=sum(window.heat.mps) if window.heat else 0,
            frames=sum(camera.frames for camera in window.cameras),
        )  # fmt: skip
        sums["staff ms"] += window.staff_ms
        sums["flow"] += sum(window.flow.path_mm) if window.flow else 0
        for line in window.lines:
            sums.update({f"{line.line} in": line.in_, f"{line.line} out": line.out})
            sums.update({f"{line.line} returned": line.returned})
            sums.update({f"{line.line} of staff": line.staff_in + line.staff_out})
        for zone in window.zones:
            sums.update({f"{zone.zone} entries": zone.entries, f"{zone.zone} ms": zone.person_ms})
            sums.update({f"{zone.zone} dwells": zone.dwell.count, f"{zone.zone} dwelt ms": zone.dwell.sum_ms})
        for queue in window.queues:
            sums.update({f"{queue.queue} joined": queue.joined, f"{queue.queue} lost": queue.lost})
            sums.update({f"{queue.queue} waited ms": queue.person_ms})
            for outcome, waits in (("served", queue.served), ("abandoned", queue.abandoned)):
                sums.update({f"{queue.queue} {outcome}": waits.count})
                sums.update({f"{queue.queue} {outcome} after ms": waits.sum_ms})
    return sums


@pytest.mark.parametrize(("at_s", "frame_ms"), [(0.1, 200), (7.3, 333)])
def test_a_takeover_changes_no_figure(at_s: float, frame_ms: int) -> None:
    """Whenever a configuration comes that changes only its version: windows follow on without a hole, every sum is the same."""
    plain, _, _ = run(None, 0, frame_ms)
    windows, _, border_ms = run(successor(), at_s, frame_ms)
    windows.sort(key=lambda window: window.start_ms)
    starts = [window.start_ms for window in windows]
    assert starts == [window.start_ms for window in plain]
    assert all(b - a == WINDOW_MS for a, b in itertools.pairwise(starts))
    assert border_ms % WINDOW_MS == 0
    assert border_ms - (T0_MS + at_s * 1000) >= WARM_UP_MS - frame_ms
    for window in windows:
        assert window.config_version == (2 if window.start_ms >= border_ms else 1)
    assert total(windows) == total(plain)


def along(*knots: tuple[float, float, float]) -> Walk:
    """Somebody at (s, x, y), and straight on to the next."""
    times, xs, ys = zip(*knots, strict=True)

    def walk(t_s: float) -> Place | None:
        if not times[0] <= t_s <= times[-1]:
            return None
        return float(np.interp(t_s, times, xs)), float(np.interp(t_s, times, ys))

    return walk


LASTING = {
    "who waits in a zone": along((0, 9.5, 1.5), (3, 7, 1.5), (71, 7, 1.5), (74, 9.5, 1.5)),
    "who queues and is served": along((2, 0.3, 4), (5, 2, 4), (64, 2, 4), (67, 2, 6.5), (80, 2, 6.5)),
    "who gives up queueing": along((1, 0.3, 3.4), (4, 2.4, 3.4), (58, 2.4, 3.4), (60, 0.5, 3.4), (64, 0.4, 3.4)),
    "who goes on from seats": along((12, 4.2, 7.7), (14, 4.2, 6), (40, 4.2, 6), (43, 2.8, 4.6), (66, 2.8, 4.6), (69, 2.7, 7), (84, 2.7, 7)),
    "who is staff": along((0, 9, 7), (20, 9, 7), (25, 7, 5), (78, 7, 5)),
    "who stepped out": along((0, 7.5, 3), (3, 7.5, 3), (7, 4, 2.5), (50, 4, 2.5), (54, 7.5, 2.8), (57, 9.7, 2.8)),
    "who stands on the line": along((0, 4, 7), (3, 5.02, 7.2), (60, 5.02, 7.2), (63, 7, 7.2), (66, 9.7, 6)),
}  # fmt: skip


def branch(**more: object) -> Site:
    """The lab with a zone where people wait, a queue, seats and their counter, and a back office."""
    zones = [
        {"id": "wait", "kind": "waiting", "polygon": [(6, 0.5), (8, 0.5), (8, 2.5), (6, 2.5)], "min_stay_s": 20},
        {"id": "queue", "kind": "queue", "polygon": [(1, 3), (3, 3), (3, 5), (1, 5)], "min_stay_s": 15, "served_in": ["till"]},
        {"id": "seats", "kind": "queue", "polygon": [(3.5, 5.5), (4.8, 5.5), (4.8, 6.8), (3.5, 6.8)], "min_stay_s": 5, "served_in": ["till"]},
        {"id": "till", "kind": "counter", "polygon": [(1, 6), (3, 6), (3, 7.5), (1, 7.5)], "min_stay_s": 3},
        {"id": "back", "kind": "staff", "polygon": [(8, 6), (9.8, 6), (9.8, 7.8), (8, 7.8)]},
    ]  # fmt: skip
    made = [Zone.model_validate(zone) for zone in zones]
    return lab().model_copy(update={"zones": made, "staff_after_s": 5.0, "reentry_s": 120.0, **more})


@pytest.mark.parametrize(
    ("who", "at_s"),
    [*((who, 33.0) for who in LASTING), *(("everybody", at_s) for at_s in (15.3, 33.0, 44.8))],
)
def test_what_lasts_goes_on(who: str, at_s: float) -> None:
    """Stays, waits, staff, who had stepped out and who stands on a line: all figures are those of one configuration."""
    sums = lasting(who, at_s)
    assert sums == lasting(who, None)
    assert sums["staff ms"] > 50_000 or who not in ("who is staff", "everybody")
    if who == "everybody":
        expected = {
            "wait entries": 1,
            "wait dwells": 1,
            "queue joined": 3,
            "queue served": 2,
            "queue abandoned": 1,
            "seats joined": 1,
            "seats served": 0,
            "seats abandoned": 0,
            "seats lost": 0,
        }
        assert {key: sums[key] for key in expected} == expected
        assert sums["middle returned"] == 1
        assert (sums["middle in"], sums["middle out"]) == (2, 1)


@pytest.mark.parametrize(("before_s", "after_s"), [(1.0, 5.0), (3.0, 0.0)])
def test_what_lasts_goes_on_whatever_is_looked_back(before_s: float, after_s: float) -> None:
    """Another look-back settles sooner or later: no window is told twice, and nobody who stays is somebody else."""
    found = lasting("everybody", 33.0, (before_s, after_s))
    plain = lasting("everybody", None, (before_s, before_s))
    told = [key for key in plain if not key.endswith("ms") and key not in ("heat", "flow")]
    assert [found[key] for key in told] == [plain[key] for key in told]
    assert found["observed_ms"] == plain["observed_ms"]
    for key in ("person_ms", "staff ms", "heat", "flow", "wait dwelt ms", "queue served after ms"):
        assert found[key] == pytest.approx(plain[key], rel=0.02)  # how far is looked back tells in itself


@pytest.mark.parametrize("changed", [{"name": Text(zh="大门", en="Door")}, {"entrance": False}])
def test_who_stands_on_a_line_is_counted_though_its_name_changes(changed: dict[str, object]) -> None:
    """Where somebody came from goes by where the line is."""
    line = branch().lines[0]
    after = branch(lines=[line.model_copy(update=changed)])
    sums = over_100_s([LASTING["who stands on the line"]], branch(), 33.0, after)
    assert (sums["middle in"], sums["middle out"]) == (1, 0)


@pytest.mark.parametrize(("name", "at_s"), [("line", 15.3), ("line", 24.9), (None, 33.0)])
def test_waits_in_a_queue_that_is_renamed_or_removed_end_there(name: str | None, at_s: float) -> None:
    """Lost under the old name, joined unseen under the new one: each queue's books balance, and no wait is made up."""
    zones = branch().zones
    queue = next(zone for zone in zones if zone.id == "queue")
    kept = [zone for zone in zones if zone is not queue]
    after = branch(zones=kept if name is None else [*kept, queue.model_copy(update={"id": name})])
    who = [walk for said, walk in LASTING.items() if "queue" in said]
    sums = over_100_s([*who, *(shifted(walk, s) for walk in who for s in (7.0, 16.0))], branch(), at_s, after)
    for each in ("queue", "line"):
        ended = {how: sums[f"{each} {how}"] for how in ("served", "abandoned", "lost")}
        assert sums[f"{each} joined"] == sum(ended.values()), (each, sums)
    assert sums["queue lost"] > 0
    assert (sums["line joined"] > 0) == (name is not None)


def shifted(walk: Walk, by_s: float) -> Walk:
    """The same walk a little later, at the other side of the way."""

    def later(t_s: float) -> Place | None:
        place = walk(t_s - by_s)
        return None if place is None else (place[0] - 0.6 + 0.04 * by_s, place[1] + 0.6)

    return later


@cache
def lasting(who: str, at_s: float | None, lookback_s: tuple[float, float] = (1.0, 1.0)) -> Counter[str]:
    """All figures of the branch over 100 s, with another configuration from `at_s` on."""
    walks = list(LASTING.values()) if who == "everybody" else [LASTING[who]]
    before, after = (branch(tracking=Tracking(lookback_s=each)) for each in lookback_s)
    return over_100_s(walks, before, at_s, after)


def over_100_s(walks: Sequence[Walk], before: Site, at_s: float | None, after: Site) -> Counter[str]:
    floors = Floors(floor_of(before))
    windows: list[Window] = []
    for step in range(round(100_000 / FRAME_MS)):
        t_ms = T0_MS + step * FRAME_MS
        if at_s is not None and step == round(at_s * 1000 / FRAME_MS):
            floors.begin(floor_of(after.model_copy(update={"version": 2})), t_ms)
        floors.frame("north", t_ms, boxes(present(walks, step * FRAME_MS / 1000)))
        windows += floors.settle(t_ms, no_sensors).windows
    assert floors.border_ms is None
    windows += floors.finish(no_sensors).windows
    assert len({window.start_ms for window in windows}) == len(windows)
    return total(windows)


@pytest.mark.parametrize("at_s", [1.7, 9.8])
def test_every_notice_is_settled_once(at_s: float) -> None:
    """Each crossing that was told is confirmed or withdrawn by exactly one window, across the border and to the end."""
    windows, notices, _ = run(successor(), at_s)
    settled = [n for w in windows for line in w.lines for n in (*line.confirmed, *line.withdrawn)]
    assert len(settled) == len(set(settled))
    assert set(settled) == {notice.id for notice in notices}


def test_a_line_that_is_moved_counts_from_the_border_on() -> None:
    """Before it the old line's crossings, from it on the new line's; the old line's notices are settled nevertheless."""
    line = lab().lines[0]
    moved = line.model_copy(
        update={"id": "moved", "from_": (7.0, 0.5), "to": (7.0, 7.5), "inside": (9.0, 4.0)}
    )
    windows, notices, border_ms = run(successor(lines=[moved]), 4)
    for window in windows:
        counted = {each.line for each in window.lines if each.in_ or each.out}
        assert counted <= ({"moved"} if window.start_ms >= border_ms else {"middle"})
    told = {notice.id: notice for notice in notices}
    assert {n.line for n in notices if n.at_ms < border_ms} == {"middle"}
    assert {n.line for n in notices if n.at_ms >= border_ms} == {"moved"}
    settled = [n for w in windows for each in w.lines for n in (*each.confirmed, *each.withdrawn)]
    assert {n for n in told if told[n].line == "middle"} <= set(settled)


def test_a_camera_that_goes_holds_up_nothing() -> None:
    """The configuration that comes has no such camera: its process is ended, the windows before the border still close."""
    floors = Floors(floor_of(lab(("north", "south"))))
    windows: list[Window] = []
    border_ms = 0
    for step in range(130):
        t_ms = T0_MS + step * FRAME_MS
        if step == 10:
            border_ms = floors.begin(floor_of(successor()), t_ms)
        places = present(WALKS, step * FRAME_MS / 1000)
        floors.frame("north", t_ms, boxes(places))
        if not border_ms or t_ms < border_ms + 1000:
            floors.frame("south", t_ms, boxes(places, "south"))
        elif floors.border_ms is not None and t_ms < border_ms + 1000 + FRAME_MS:
            floors.ended("south")
        elif t_ms < border_ms + 1000 + 2 * FRAME_MS:
            floors.frame("south", t_ms, boxes(places, "south"))
        windows += floors.settle(t_ms, no_sensors).windows
    assert floors.border_ms is None
    starts = sorted(window.start_ms for window in windows)
    assert starts == list(range(starts[0], starts[-1] + 1, WINDOW_MS))
    assert {len(w.cameras) for w in windows if w.start_ms >= border_ms} == {1}
    last = next(w for w in windows if w.start_ms == border_ms - WINDOW_MS)
    assert [(camera.camera, camera.state) for camera in last.cameras] == [("north", "up"), ("south", "up")]
    floors.frame("south", T0_MS + 60_000, boxes([]))  # a last frame of a process that is being ended


@pytest.mark.parametrize("after_s", [2.0, 14.0])
def test_a_clock_that_is_set_ends_the_takeover(after_s: float) -> None:
    """Before or after the border: every window once, and the new configuration from then on."""
    floors = Floors(floor_of(lab()))
    windows: list[Window] = []
    border_ms = floors.begin(floor_of(successor()), T0_MS + 1)
    for step in range(round(after_s * 1000 / FRAME_MS)):
        t_ms = T0_MS + step * FRAME_MS
        floors.frame("north", t_ms, boxes(present(WALKS, step * FRAME_MS / 1000)))
        windows += floors.settle(t_ms, no_sensors).windows
    windows += floors.finish(no_sensors, "step").windows
    assert floors.border_ms is None
    assert floors.site.version == 2
    starts = [window.start_ms for window in windows]
    assert sorted(starts) == sorted(set(starts))
    assert max(starts) <= T0_MS + after_s * 1000
    assert all(w.config_version == (2 if w.start_ms >= border_ms else 1) for w in windows)
    assert sum(window.observed_ms for window in windows) >= after_s * 1000 - FRAME_MS - 1000
