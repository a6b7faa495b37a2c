"""The gate's recall: who is seen, who is held, and who is missed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from reference import ROOT, needs_reference

from branchloop.errors import InputError
from edge.accuracy.gating import gate_accuracy
from edge.bench.gate import bench_gate


def at(*xs: float) -> np.ndarray:
    return np.array([[x, 0.0, 10.0, 30.0] for x in xs]).reshape(-1, 4)


def test_who_stands_behind_a_closed_gate_is_still_counted() -> None:
    """Standing is covered, sneaking away is not, and neither is whoever comes in unseen."""
    found = gate_accuracy(
        [
            (True, at(0)),
            (False, at(1)),
            (False, at(8)),
            (False, at(0, 100)),
            (True, at(0, 100)),
            (False, at(99)),
        ]
    )
    assert (found.person_frames, found.covered) == (8, 6)
    assert (found.frames, found.opened, found.occupied, found.open_when_empty) == (6, 2, 6, 0)


def test_a_gate_that_never_opens_sees_nobody() -> None:
    """And nobody to be seen has no recall, rather than a perfect one."""
    assert gate_accuracy([(False, at(0))] * 5).recall == 0
    assert gate_accuracy([(False, at()), (True, at())]).recall is None


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.lists(st.floats(0, 500), max_size=4)), max_size=30))
def test_opening_more_never_loses_anybody(frames: list[tuple[bool, list[float]]]) -> None:
    """An open gate covers everybody, and no more is covered than is there."""
    found = gate_accuracy([(is_open, at(*xs)) for is_open, xs in frames])
    always = gate_accuracy([(True, at(*xs)) for _, xs in frames])
    assert 0 <= found.covered <= found.person_frames == always.covered


def test_the_shipped_gate_on_the_shipped_truth() -> None:
    """No command line option, no other file: at least 99 % of the sample's person-frames."""
    figures = bench_gate(None, None, None)
    assert figures["recall"] >= 0.99
    assert figures["person_frames"] > 300


@needs_reference
def test_people_who_come_and_go_indoors_are_not_missed() -> None:
    """One after the other through a hall: 99 % of person-frames, though the gate rests where nobody is."""
    clip = ROOT / "data" / "people" / "intel" / "one-by-one-person-detection.mp4"
    figures = bench_gate(clip, None, 10, 2.5)
    assert figures["recall"] >= 0.99
    assert figures["gate_open_share"] < 0.95


def test_a_clip_without_people_has_no_recall(tmp_path: Path) -> None:
    """An empty truth is an error, not a hundred per cent."""
    truth = tmp_path / "truth.txt"
    truth.write_text("")
    with pytest.raises(InputError, match="holds no box"):
        bench_gate(None, truth, None)
