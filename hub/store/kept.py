"""Connections that a thread keeps between transactions: opening one reads the whole schema, which costs more than most questions.

A thread keeps at most one to write and one to read of each file, of one data directory. One that met a fault, or whose file
was replaced meanwhile, is closed and not kept.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Identity = tuple[int, int]
"""Device and inode."""


@dataclass(slots=True)
class Lent:
    """A connection in somebody's hands; `broken` is set by whoever met a fault with it."""

    path: Path
    writes: bool
    db: sqlite3.Connection
    of: Identity | None
    broken: bool = False


@dataclass(slots=True)
class _Idle:
    kept: dict[tuple[Path, bool], Lent] = field(default_factory=dict)

    def __del__(self) -> None:  # the thread has ended
        for lent in self.kept.values():
            lent.db.close()


class _Own(threading.local):
    def __init__(self) -> None:
        self.idle = _Idle()


_own = _Own()


def take(path: Path, connect: Callable[[Path], sqlite3.Connection], *, writes: bool) -> Lent:
    """The thread's own connection when it is free and its file is still the same, else a new one by `connect`."""
    kept = _own.idle.kept
    for other in [each for each in kept if each[0].parent != path.parent]:
        kept.pop(other).db.close()
    found = kept.pop((path, writes), None)
    if found is not None:
        if found.of is not None and found.of == _identity(path):
            return found
        found.db.close()
    db = connect(path)
    return Lent(path, writes, db, _identity(path))


def give_back(lent: Lent) -> None:
    """Keep it for the thread's next transaction; close it when it is no use, or one is kept already."""
    key = lent.path, lent.writes
    if lent.broken or lent.db.in_transaction or key in _own.idle.kept:
        lent.db.close()
    else:
        _own.idle.kept[key] = lent


def let_go() -> None:
    """Close what this thread keeps."""
    kept = _own.idle.kept
    while kept:
        kept.popitem()[1].db.close()


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
