"""What an outbox holds, seen without touching it: the box that it belongs to may be running, or the file broken."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from branchloop.errors import DependencyError, InputError
from edge.send import rows
from edge.send.outboxfile import CURRENT, is_damage

BUSY_S = 5.0


@dataclass(frozen=True, slots=True)
class Glance:
    """`produced`: messages of the present epoch that were ever committed; `waiting`: those held, former epochs included."""

    produced: int
    waiting: int
    epoch: str


def glance(path: Path) -> Glance:
    """Look at the outbox at `path`.

    Raises InputError where there is none, DependencyError where it cannot be read.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist.", hint="This box has never run.")
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY_S)
        ) as db:
            db.execute("BEGIN")
            waiting = rows.held(db)
            (epoch,) = db.execute("SELECT epoch FROM source WHERE messages = ?", (CURRENT,)).fetchone()
            return Glance(rows.produced(db, CURRENT), waiting, str(epoch))
    except sqlite3.Error as error:
        hint = (
            "The box sets it aside and begins a new one when it is started."
            if is_damage(error)
            else "Look at it as the user that the box runs as, or as root."
        )
        raise DependencyError(f"the outbox {path} cannot be read: {error}.", hint=hint) from error
