"""The recorded branch that loads are made of: real messages, at any time, of as many boxes as wanted."""

from __future__ import annotations

import json
from itertools import takewhile

from branchloop.clock import MINUTE_MS, WINDOW_MS
from branchloop.load.recording import SITE, Recording
from branchloop.share import share
from branchloop.site.site import parse_site
from branchloop.wire.batches import BODIES
from branchloop.wire.messages import Window
from hub.store.figures.rollup import check_plausible

FROM_MS = 1_794_204_000_000
RECORDING = Recording.read()
SITE_FILE = parse_site(share(SITE).read_text(encoding="utf-8"))


def told(skip: int, minutes: int) -> list[tuple[str, object]]:
    until_ms = FROM_MS + minutes * MINUTE_MS
    played = takewhile(lambda each: each.at_ms < until_ms, RECORDING.play(FROM_MS, skip=skip, prefix="a"))
    return [(each.kind, BODIES[each.kind].model_validate_json(json.dumps(each.body))) for each in played]


def test_the_recorded_branch_is_a_whole_one_and_says_that_it_is_simulated() -> None:
    """Each window tells of four cameras, their pairs, all lines, zones, queues and sensors of the site file, with heat and flow."""
    assert SITE_FILE.simulated
    for kind, body in told(0, 11):
        if not isinstance(body, Window):
            assert kind == "notice"
            continue
        check_plausible(body)
        assert [camera.camera for camera in body.cameras] == [camera.id for camera in SITE_FILE.cameras]
        assert [zone.zone for zone in body.zones] == [zone.id for zone in SITE_FILE.zones]
        assert [line.line for line in body.lines] == [line.id for line in SITE_FILE.lines]
        assert len(body.sensors) == len(SITE_FILE.sensors) == 4
        assert len(body.queues) == 2
        assert len(body.pairs) == 6
        assert body.heat is not None
        assert (body.heat.rows, body.heat.cols) == (SITE_FILE.plan.rows, SITE_FILE.plan.cols)
    windows = [body for _, body in told(0, 11) if isinstance(body, Window)]
    assert sum(window.flow is None for window in windows) < 5  # there nobody took a step
    assert any(window.filled is not None for window in windows)


def test_a_recording_that_comes_round_again_tells_every_window_and_notice_once() -> None:
    """Over two and a half rounds windows follow each other without hole or repetition, and no notice's id comes twice."""
    for skip in (0, 77):
        played = told(skip, 25)
        starts = [body.start_ms for _, body in played if isinstance(body, Window)]
        assert starts == list(range(starts[0], starts[0] + 300 * WINDOW_MS, WINDOW_MS))
        assert FROM_MS - 2 * WINDOW_MS <= starts[0] < FROM_MS
        notices = [body.id for kind, body in played if kind == "notice"]  # type: ignore[attr-defined]
        assert len(set(notices)) == len(notices) > 100
        settled = {
            notice
            for _, body in played
            if isinstance(body, Window)
            for line in body.lines
            for notice in line.confirmed
        }
        assert len(settled & set(notices)) > 0.9 * len(notices)
