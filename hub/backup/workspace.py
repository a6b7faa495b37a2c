"""A folder for files on their way: its owner's alone, gone at the end, and swept by the next one if its owner was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from branchloop.errors import DependencyError

PREFIX = ".branchloop-backup-"
_LOCK = "owner"


@contextlib.contextmanager
def workspace(parent: Path) -> Iterator[Path]:
    """A folder in `parent`, mode 0700. Raises DependencyError when there can be none."""
    try:
        _sweep(parent)
        folder, lock = _owned(parent)
    except OSError as error:
        raise DependencyError(
            f"{parent} cannot be written: {error.strerror}.", hint="Choose a folder that you may write."
        ) from error
    with lock:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _owned(parent: Path) -> tuple[Path, TextIO]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = (folder / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / _LOCK).exists():
            return folder, lock
        lock.close()  # another swept it before it was locked


def _sweep(parent: Path) -> None:
    """Delete what killed owners left: it holds what backups hold."""
    for left in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another's, or one that is just being made: not ours to judge
            descriptor = os.open(left / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left)
            finally:
                os.close(descriptor)


def sync(path: Path) -> None:
    """What was written to a file, or into a folder, is on the disk when this returns. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
