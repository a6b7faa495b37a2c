"""The journal of what must not come back: on the disk before anything ends, whole after a crash, in one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from branchloop.errors import DependencyError, InputError
from hub.store.customers.forgotten import JOURNAL, Ended, digest, ensure, joined, note, place, read
from hub.store.tokens import Tokens


def test_a_line_that_was_cut_off_swallows_no_other(tmp_path: Path) -> None:
    """A crash in the middle of a line, wherever: what was written before and after it counts."""
    for cut in range(1, 70, 9):
        folder = tmp_path / str(cut)
        folder.mkdir()
        note(folder, "consent", ["first"], 1)
        path = folder / JOURNAL
        whole = path.read_bytes()
        path.write_bytes(whole + Ended(2, "consent", digest("half")).text().encode()[:cut])
        note(folder, "token", ["last"], 3)
        assert [each.digest for each in read(path).ended] == [digest("first"), digest("last")]


def test_what_is_damaged_is_told(tmp_path: Path) -> None:
    """A changed line is no cut-off one: who it told of cannot be known."""
    note(tmp_path, "customer", ["c-1", "c-2"], 1)
    path = tmp_path / JOURNAL
    path.write_text(path.read_text().replace("1 customer", "1 custom?r", 1))
    with pytest.raises(InputError, match="line 2 is damaged"):
        read(path)


def test_nothing_ends_that_cannot_be_written_down(tmp_path: Path) -> None:
    """The journal's disk is away: a token is not revoked, and the command says so; nor is another journal begun."""
    away = tmp_path / "away"
    away.mkdir()
    data = tmp_path / "data"
    tokens = Tokens(data)
    token = tokens.add("office", "auditor", (), 1)
    place(data, away / "journal")
    away.rename(tmp_path / "gone")
    with pytest.raises(DependencyError, match="journal of who was forgotten"):
        tokens.revoke("office", 2)
    assert tokens.find(token) is not None
    (tmp_path / "gone").rename(away)
    assert tokens.revoke("office", 3) == 1
    tokens.close()
    assert [each.kind for each in read(away / "journal").ended] == ["token"]


def test_a_journal_moves_with_what_it_holds(tmp_path: Path) -> None:
    """Begun in the data directory, then kept elsewhere; a folder that is not there is refused, as is another hub's."""
    data = tmp_path / "data"
    data.mkdir()
    note(data, "customer", ["c-1"], 1)
    before = read(data / JOURNAL)
    with pytest.raises(DependencyError, match="not there"):
        place(data, tmp_path / "nowhere" / "journal")
    place(data, tmp_path / "journal")
    place(data, tmp_path / "journal")
    note(data, "customer", ["c-2"], 2)
    after = read(tmp_path / "journal")
    assert after.id == before.id
    assert [each.at_ms for each in after.ended] == [1, 2]
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InputError, match="different hubs"):
        joined(after, read(ensure(other)))
