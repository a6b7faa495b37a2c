"""Backups and restores in processes of their own that are killed at a step of one's choice."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from backupworld import Bank

from branchloop.errors import DependencyError
from hub.backup import making, placing, restoring
from hub.backup.making import make_backup

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["hub.backup.making", "hub.backup.restoring", "hub.store.tokens", "hub.store.book.places"]
)


def back_up_until(step: int, folder: Path, out: str) -> bool:
    """Whether it was killed before it came to its end."""
    return _dies(_back_up, step, folder, out)


def restore_until(step: int, folder: Path, file: Path, journal: Path) -> bool:
    """Whether it was killed before it came to its end. What is there is set aside."""
    return _dies(_restore, step, folder, file, journal)


def without_room(out: Path, folder: Path, *journal: Path) -> str:
    """Back up into `out`, or restore from it where there is a journal, on a disk that takes no file over 64 KiB; the error."""
    told, tell = _SERVER.Pipe(duplex=False)
    process = _SERVER.Process(target=_squeezed, args=(tell, out, folder, *journal))
    process.start()
    tell.close()
    said: str = told.recv()
    process.join()
    told.close()
    return said


def _squeezed(tell: Connection, out: Path, folder: Path, *journal: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
    try:
        if journal:
            Bank(folder).restore(out, journal=journal[0])
        else:
            make_backup(Bank(folder).config, out, print)
    except DependencyError as error:
        tell.send(error.message)
    tell.close()


def _dies(work: Callable[..., None], *args: object) -> bool:
    process = _SERVER.Process(target=work, args=args)
    process.start()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}, process.exitcode
    return process.exitcode != 0


def _back_up(step: int, folder: Path, out: str) -> None:
    names = ("copy_database", "copy_keys", "leave_out_photos", "pack", "opened", "_name", "sync")
    _count(step, [(making, name) for name in names])
    Bank(folder).backup(out)


def _restore(step: int, folder: Path, file: Path, journal: Path) -> None:
    names = ("_unpack", "prepare", "settle", "_at_rest", "_place_journal")
    _count(
        step,
        [(restoring, name) for name in names] + [(placing, "sync"), (placing, "made_once"), (Path, "rename")],
    )
    Bank(folder).restore(file, journal=journal, set_aside=True)


def _count(step: int, steps: list[tuple[Any, str]]) -> None:
    """Have this process killed before its step number `step`, from 0."""
    left = step

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **keys: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **keys)

        return call

    for of, name in steps:
        setattr(of, name, counted(getattr(of, name)))
