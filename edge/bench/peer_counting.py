"""ByteTrack of `trackers` and LineZone of `supervision` on given boxes: what `bench floor` is measured beside.

A program of its own, run by an interpreter that has both; it knows nothing of branchloop.
Usage: peer_counting.py BOXES.npz CROSSINGS.json. BOXES holds fps, line_px (2, 2), sizes (frames,) and boxes
(n, 5: x0, y0, x1, y1, score); CROSSINGS becomes [[t_s, "in"|"out"], …].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import supervision as sv
from trackers import ByteTrackTracker


def main(boxes: str, answer: str) -> None:
    """Track the boxes, count at the line by the feet."""
    given = np.load(boxes)
    fps = float(given["fps"])
    tracker = ByteTrackTracker(
        frame_rate=fps,
        lost_track_buffer=round(3.0 * 30),
        minimum_consecutive_frames=2,
        high_conf_det_threshold=0.5,
    )
    (x0, y0), (x1, y1) = given["line_px"]
    line = sv.LineZone(
        start=sv.Point(x0, y0), end=sv.Point(x1, y1), triggering_anchors=[sv.Position.BOTTOM_CENTER]
    )
    crossings: list[tuple[float, str]] = []
    first = 0
    for frame, size in enumerate(given["sizes"]):
        found = given["boxes"][first : first + size].astype(np.float32)
        first += int(size)
        people = tracker.update(
            sv.Detections(
                xyxy=found[:, :4].reshape(-1, 4),
                confidence=found[:, 4],
                class_id=np.zeros(len(found), dtype=int),
            )
        )
        if people.tracker_id is not None:
            people = people[people.tracker_id >= 0]
        ins, outs = line.trigger(people)
        crossings += [(frame / fps, "in")] * int(ins.sum()) + [(frame / fps, "out")] * int(outs.sum())
    Path(answer).write_text(json.dumps(crossings), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
