"""An outbox whose folder goes away for a while: nothing is lost, what is refused is counted once, and it goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from branchloop.errors import DependencyError
from branchloop.wire.messages import Notice
from edge.send.outbox import HELD, Outbox

T0_MS = 1_774_234_800_000


def notice(n: int) -> Notice:
    return Notice(id=f"n-{n}", what="crossing", at_ms=T0_MS + n, line="door", direction="in")


def until(true: Callable[[], bool]) -> None:
    """Wait for what another thread does, for at most 10 s."""
    waited = threading.Event()
    for _ in range(500):
        if true():
            return
        waited.wait(0.02)
    raise AssertionError("it did not happen within 10 s")


def told(box: Outbox) -> list[str]:
    """Ids of the notices that the file holds, in the order of their seqs; of the box's own, what they say."""
    bodies = [row.item().body for row in box.take(box.epoch, 0, 2 * HELD, 10**8)]
    return [str(body["detail"] if body["what"] == "disk" else body["id"]) for body in bodies]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def box(folder: Path) -> Iterator[Outbox]:
    box = Outbox(folder / "outbox.db", reserve_bytes=0)
    yield box
    box.close()


def leave(folder: Path) -> Path:
    return folder.rename(folder.with_name("away"))


def test_what_comes_meanwhile_is_committed_once_the_folder_is_back(folder: Path, box: Outbox) -> None:
    """The thread that commits in groups lives on and tries again: nobody else has to."""
    box.append("notice", notice(0))
    until(lambda: box.produced == 1)
    away = leave(folder)
    for n in range(1, 50):
        box.append("notice", notice(n))
    until(lambda: box._reason is not None)
    assert "out of reach: No such file or directory" in str(box._reason)
    away.rename(folder)
    until(lambda: box.produced == 50)
    assert told(box) == [f"n-{n}" for n in range(50)]
    assert box.refused == 0
    assert list(folder.glob("*.damaged-*")) == []


def test_what_somebody_waited_for_is_refused_and_counted_once(folder: Path, box: Outbox) -> None:
    """However often the rest is tried meanwhile; the notice about it comes before what waited."""
    away = leave(folder)
    box.append("notice", notice(0))
    assert box.append_now("notice", notice(1)) is None
    box.append("notice", notice(2))
    assert [box.flush() for _ in range(3)] == [None, None, None]
    assert box.append_now("notice", notice(3)) is None
    assert box.refused == 2
    away.rename(folder)
    assert box.append_now("notice", notice(4)) == 4
    report, *rest = told(box)
    assert report.startswith("2 messages of")
    assert "out of reach" in report
    assert rest == ["n-0", "n-2", "n-4"]
    assert box.refused == 2


def test_the_oldest_of_too_many_are_counted_once(folder: Path, box: Outbox) -> None:
    """Memory is bounded while the folder is away."""
    away = leave(folder)
    for n in range(HELD + 30):
        box.append("notice", notice(n))
        if n % 100 == 0:
            box.flush()
    box.flush()
    assert box.refused == 30
    away.rename(folder)
    box.flush()
    report, *rest = told(box)
    assert report.startswith("30 messages of")
    assert rest == [f"n-{n}" for n in range(30, HELD + 30)]


def test_who_sends_is_told_what_is_wrong(folder: Path, box: Outbox) -> None:
    """The link knows how to wait for an outbox that is out of reach; any other error would end it."""
    assert box.append_now("notice", notice(0)) == 1
    epoch = box.epoch
    away = leave(folder)
    for ask in (box.turn, box.others_appended, lambda: box.depth, lambda: box.take(epoch, 0, 10, 10_000)):
        with pytest.raises(DependencyError, match="cannot be used: No such file or directory"):
            ask()
    assert box.acknowledge(epoch, 1) == 0
    away.rename(folder)
    assert (box.epoch, box.turn().oldest, box.acknowledge(epoch, 1)) == (epoch, 1, 1)


def test_a_folder_that_is_no_folder_any_more(folder: Path, box: Outbox) -> None:
    """Other refusals of the file system are treated alike."""
    away = leave(folder)
    folder.write_text("a file in its place")
    assert box.append_now("notice", notice(0)) is None
    with pytest.raises(DependencyError, match="Not a directory"):
        box.turn()
    folder.unlink()
    away.rename(folder)
    assert box.append_now("notice", notice(1)) == 2


def test_an_error_of_the_program_itself_takes_no_message_along(box: Outbox) -> None:
    """Whoever called hears of it; what nobody waited for is still there, in order, and what was awaited is counted."""
    insert = box._insert

    def fail(*_: object) -> None:
        raise ZeroDivisionError("by design")

    box._insert = fail  # type: ignore[method-assign]
    with box._using:  # the other thread waits
        box.append("notice", notice(0))
        with pytest.raises(ZeroDivisionError):
            box.append_now("notice", notice(1))
        box.append("notice", notice(2))
        assert box.refused == 1
        box._insert = insert  # type: ignore[method-assign]
        assert box.append_now("notice", notice(3)) == 4
    report, *rest = told(box)
    assert report.startswith("1 messages of")
    assert rest == ["n-0", "n-2", "n-3"]
