"""A look at an outbox leaves it as it is, whoever writes to it and whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from branchloop.errors import DependencyError, InputError
from branchloop.wire.messages import Notice
from edge.send.glance import glance
from edge.send.outbox import Outbox


def notice(n: int) -> Notice:
    return Notice(id=f"n-{n}", what="crossing", at_ms=1_795_000_000_000 + n, line="door", direction="in")


def test_what_is_produced_and_waits_is_told_while_the_box_runs(tmp_path: Path) -> None:
    path = tmp_path / "a box?" / "outbox.db"
    path.parent.mkdir()
    outbox = Outbox(path)
    for n in range(3):
        outbox.append_now("notice", notice(n))
    seen = glance(path)
    assert (
        (seen.produced, seen.waiting, seen.epoch)
        == (3, 3, outbox.epoch)
        == (outbox.produced, outbox.depth, outbox.epoch)
    )
    outbox.close()
    assert glance(path) == seen


def test_a_damaged_outbox_is_told_and_left_alone(tmp_path: Path) -> None:
    """Setting it aside is for the box, which then says so to the hub."""
    path = tmp_path / "outbox.db"
    with pytest.raises(InputError, match="has never run"):
        glance(path)
    path.write_bytes(b"no database at all" * 300)
    with pytest.raises(DependencyError, match=r"cannot be read: .*The box sets it aside"):
        glance(path)
    assert [each.name for each in tmp_path.iterdir()] == ["outbox.db"]
    assert path.read_bytes() == b"no database at all" * 300
