"""What waits in a running box's outbox is told once it waits for longer than a hub that is there lets anything wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from branchloop.clock import iso
from branchloop.wire.messages import Notice
from edge.doctor.waiting import PATIENCE_MS, examine_waiting
from edge.send.outbox import Outbox

T0_MS = 1_774_234_800_000


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.db")
    for n in range(3):
        at_ms = T0_MS + n * 60_000
        box.append_now(
            "notice", Notice(id=f"n-{n}", what="crossing", at_ms=at_ms, line="door", direction="in")
        )
    yield box
    box.close()


def test_what_waits_is_told_with_its_age(outbox: Outbox) -> None:
    """Of a box that the broker refuses; what came just now waits for nothing."""
    assert examine_waiting(outbox.path, T0_MS + PATIENCE_MS - 1) == []
    (found,) = examine_waiting(outbox.path, T0_MS + 5 * 3_600_000)
    assert found["state"] == "warn"
    assert f"3 readings wait in outbox.db, the oldest since {iso(T0_MS)} (5 h ago)" in found["text"]
    assert outbox.depth == 3


def test_what_was_acknowledged_waits_no_more(outbox: Outbox) -> None:
    turn = outbox.turn()
    outbox.take(turn.epoch, turn.oldest - 1, 10, 10**6)
    outbox.acknowledge(turn.epoch, turn.oldest + 2)
    assert examine_waiting(outbox.path, T0_MS + 5 * 3_600_000) == []


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (found,) = examine_waiting(tmp_path / "outbox.db")
    assert (found["state"], "cannot be read" in found["text"]) == ("warn", True)
    assert not (tmp_path / "outbox.db").exists()
