"""A disk that takes nothing more, here by the process's limit for files: a sentence and no traceback."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from brokers import write_hub

from branchloop.errors import DependencyError
from branchloop.processes import lock_directory, owner
from hub.backup.making import make_backup
from hub.config.hub import HubConfig, read_config
from hub.doctor.machine import examine
from hub.ingest import watching
from hub.ingest.drift_alerts import DriftAlerts
from hub.ingest.live_alerts import LiveAlerts
from hub.room import LEAST_BYTES, shortage
from hub.runtime import decide, read
from hub.store.connection import prepare
from hub.store.customers import forgotten
from hub.store.customers.keyring import Keyring
from hub.store.tokens import Tokens


@pytest.fixture
def config(tmp_path: Path) -> HubConfig:
    read_hub = read_config(write_hub(tmp_path))
    read_hub.data_dir.mkdir()
    return read_hub


@contextmanager
def room_of(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_data_directory_is_not_owned_without_a_line_in_its_lock(tmp_path: Path) -> None:
    """Closing the file tried the line again, outside of all that is told."""
    with room_of(0), pytest.raises(DependencyError, match="cannot be written"), lock_directory(tmp_path):
        pass
    with lock_directory(tmp_path):
        assert owner(tmp_path) == os.getpid()


def test_ports_that_cannot_be_noted_are_told_and_former_ones_stay(config: HubConfig) -> None:
    former = decide(config)
    with room_of(0), pytest.raises(DependencyError, match=r"runtime\.json cannot be written"):
        decide(config)
    assert read(config) == former
    assert [path.name for path in config.data_dir.iterdir()] == ["runtime.json"]


def test_doctor_says_bad_where_nothing_can_be_written(config: HubConfig) -> None:
    """What it tries leaves nothing behind."""

    def found() -> list[str]:
        return [each["text"] for each in examine(config) if each["state"] == "bad"]

    assert found() == []
    with room_of(LEAST_BYTES - 1):
        assert found() == [f"{config.data_dir} cannot be written: File too large"]
        assert shortage(config.data_dir)
    assert list(config.data_dir.iterdir()) == []


def test_a_keyring_that_cannot_be_closed_to_others_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that became read-only: no right there can be changed."""
    Keyring(tmp_path, bytes(32))

    def refused(_path: Path, _mode: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "chmod", refused)
    with pytest.raises(DependencyError, match=r"keys\.db cannot be used: Read-only file system"):
        Keyring(tmp_path, bytes(32))


@pytest.mark.parametrize("fault", [sqlite3.OperationalError("disk I/O error"), OSError("full")])
def test_a_disk_that_fails_ends_no_watching(
    config: HubConfig, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """What a read of the database raises on a full disk is told, and the quality is looked at again."""
    stop, looks = threading.Event(), []
    prepare(config.data_dir)

    def look(_alerts: LiveAlerts, at_ms: int) -> None:
        looks.append(at_ms)
        if len(looks) == 1:
            raise fault
        stop.set()

    monkeypatch.setattr(watching, "LIVE_S", 0.01)
    monkeypatch.setattr(LiveAlerts, "tick", look)
    watching.watch_quality(config, stop, threading.Event())
    assert len(looks) == 2


def test_hours_are_judged_once_they_are_whole(config: HubConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What older hubs put aside of them is taken up first: an hour is judged once, and a part of it adds up to nothing."""
    stop, whole, looks = threading.Event(), threading.Event(), list[str]()
    prepare(config.data_dir)

    def live(_alerts: LiveAlerts, _at_ms: int) -> None:
        looks.append("live")
        if len(looks) == 3:
            whole.set()

    def finished(_alerts: DriftAlerts, _at_ms: int) -> None:
        looks.append("finished")
        stop.set()

    monkeypatch.setattr(watching, "LIVE_S", 0.01)
    monkeypatch.setattr(watching, "FINISHED_S", 0.0)
    monkeypatch.setattr(LiveAlerts, "tick", live)
    monkeypatch.setattr(DriftAlerts, "tick", finished)
    watching.watch_quality(config, stop, whole)
    assert looks == ["live", "live", "live", "finished"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_backup_says_that_the_hub_s_own_disk_is_full(
    config: HubConfig, tmp_path: Path, begun: bool
) -> None:
    """With or without a journal of who was forgotten; nothing is left behind."""
    prepare(config.data_dir)
    if begun:
        forgotten.ensure(config.data_dir)
    (tmp_path / "out").mkdir()
    with room_of(0), pytest.raises(DependencyError) as error:
        make_backup(config, tmp_path / "out" / "backup", print)
    assert error.value.message.startswith(
        f"no backup was made: nothing can be written in {config.data_dir} ("
    )
    assert error.value.hint == f"Make room on the disk of {config.data_dir}."
    assert list((tmp_path / "out").iterdir()) == []


def test_a_token_that_a_full_disk_does_not_take_is_told(config: HubConfig) -> None:
    """Trying again helps only once there is room."""
    tokens = Tokens(config.data_dir)
    try:
        with room_of(0), pytest.raises(DependencyError, match="token table cannot be used") as error:
            tokens.add("mei", "head_office", [], 0)
        assert error.value.hint == f"Make room on the disk of {config.data_dir}."
        assert tokens.all() == []
    finally:
        tokens.close()
