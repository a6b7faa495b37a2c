"""Backup and restore killed the hard way at every step: nothing half under a final name, and the next run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from backupworld import Bank, files
from dying import back_up_until, restore_until, without_room

from branchloop.errors import DependencyError
from hub.backup.restoring import check_backup
from hub.store import kept
from hub.store.connection import RESTORING, prepare
from hub.store.customers.forgotten import JOURNAL


def test_a_killed_backup_leaves_nothing_under_its_name(tmp_path: Path) -> None:
    """Either the file is there and whole, or it is not; what the killed one left is swept by the next."""
    bank = Bank(tmp_path / "bank").begin()
    bank.book("Ann Miller")
    left = 0
    step = 0
    while back_up_until(step, bank.folder, f"{step}.backup"):
        left += bool(list(bank.folder.glob(".branchloop-backup-*")))
        if (bank.folder / f"{step}.backup").exists():
            check_backup(bank.config, bank.folder / f"{step}.backup", None, bank.said.append)
        step += 1
    assert step > 6, "it was killed on the way"
    assert left > 5, "with something half"
    assert (bank.folder / f"{step}.backup").exists()
    assert not list(bank.folder.glob(".branchloop-backup-*")), "which the next one swept"


def test_a_full_disk_leaves_nothing_half(tmp_path: Path) -> None:
    """Both say so; the one has written no file, the other put none in place."""
    bank = Bank(tmp_path / "bank").begin()
    file = bank.backup()
    before = sorted(path.name for path in bank.folder.iterdir())
    assert "cannot be copied" in without_room(bank.folder / "second", bank.folder)
    assert sorted(path.name for path in bank.folder.iterdir()) == before
    new = Bank(tmp_path / "new")
    assert "cannot take the restored files" in without_room(file, new.folder, bank.data / JOURNAL)
    assert files(new.data) == {}


def test_a_killed_restore_is_finished_by_the_next(tmp_path: Path) -> None:
    """Before its files take their place all is as it was; from then on nobody opens it until it is finished."""
    bank = Bank(tmp_path / "bank").begin()
    ann = bank.book("Ann Miller")
    file, journal = bank.backup(), bank.data / JOURNAL
    before, half, step = 0, 0, 0
    while True:
        new = Bank(tmp_path / f"new-{step}").begin()
        kept.let_go()
        old = {name: content for name, content in files(new.data).items() if name.endswith((".db", ".key"))}
        if not restore_until(step, new.folder, file, journal):
            break
        if (new.data / RESTORING).exists():
            half += 1
            with pytest.raises(DependencyError, match="cut off"):
                prepare(new.data)
        elif not list(new.data.glob("before-restore-*")):
            before += 1
            now = files(new.data)
            assert {name: now[name] for name in old} == old
        new.restore(file, journal=journal, set_aside=True)
        assert new.name(ann) == "Ann Miller"
        assert not (new.data / "restoring").exists()
        assert not (new.data / RESTORING).exists()
        aside = [
            path for path in new.data.glob("before-restore-*/hub.db") if path.read_bytes() == old["hub.db"]
        ]
        assert aside, "what was there is somewhere, byte for byte"
        step += 2
    assert before >= 2, "it was killed before anything took its place"
    assert half >= 4, "it was killed while its files took their place"
