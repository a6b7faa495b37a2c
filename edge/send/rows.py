"""The outbox's tables: which epoch's turn it is, taking, marking, deleting and renumbering messages.

`source` has one row per epoch held, in order; the present one's messages are in the table `outbox`, those
of a former one in a table of their own until they have drained.
"""
# ruff: noqa: S608 - table names are this package's own

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from branchloop.wire.batches import Dropped, Item
from edge.send.outboxfile import CURRENT, begin_epoch

DROPPED = "dropped"
"""Kind of a tombstone's row; its body is the kind of what was dropped."""
ENVELOPE_BYTES = 64
"""What a message adds to a batch beside its body."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The epoch whose messages are to be sent, its oldest message held and the highest seq ever sent."""

    epoch: str
    oldest: int
    sent: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in the outbox; a tombstone if `kind` is `dropped`."""

    seq: int
    kind: str
    first_ms: int
    last_ms: int
    body: str

    def item(self) -> Item:
        """The message as it goes on the wire; one that the disk has spoilt goes as a tombstone."""
        if self.kind == DROPPED:
            return self._tombstone(self.body)
        try:
            body = json.loads(self.body)
        except ValueError:
            return self._tombstone(self.kind)
        return Item(seq=self.seq, kind=self.kind, body=body)

    def _tombstone(self, kind: str) -> Item:
        dropped = Dropped(kind=kind[:32], count=1, first_ms=self.first_ms, last_ms=self.last_ms)
        body: dict[str, Any] = json.loads(dropped.to_json())
        return Item(seq=self.seq, kind=DROPPED, body=body)


def turn(db: sqlite3.Connection) -> Turn:
    """A former epoch that still holds something, else the present one."""
    for epoch, table, sent in db.execute("SELECT epoch, messages, sent FROM source ORDER BY no").fetchall():
        lowest = oldest(db, table)
        if table == CURRENT or lowest <= produced(db, table):
            return Turn(epoch, lowest, sent)
    raise sqlite3.DatabaseError("the outbox has no epoch")


def select(db: sqlite3.Connection, epoch: str, after: int, limit: int, max_bytes: int) -> list[Stored]:
    """The next messages above seq `after`; at least one if there is one."""
    source = _source(db, epoch)
    if source is None:
        return []
    rows = db.execute(
        f"SELECT seq, kind, first_ms, last_ms, body FROM {source[1]} WHERE seq > ? ORDER BY seq LIMIT ?",
        (after, limit),
    )
    taken: list[Stored] = []
    size = 0
    for row in rows.fetchall():
        stored = Stored(*row)
        size += ENVELOPE_BYTES + len(stored.body.encode())
        if taken and size > max_bytes:
            break
        taken.append(stored)
    return taken


def select_to_send(
    db: sqlite3.Connection, epoch: str, after: int, limit: int, max_bytes: int
) -> list[Stored]:
    """`select`, and note that these were sent."""
    taken = select(db, epoch, after, limit, max_bytes)
    if taken:
        db.execute("UPDATE source SET sent = max(sent, ?) WHERE epoch = ?", (taken[-1].seq, epoch))
    return taken


def insert(db: sqlite3.Connection, row: tuple[str, int, int, str]) -> int:
    """Add a message (kind, first_ms, last_ms, body) to the present epoch; returns its seq."""
    added = db.execute(
        f"INSERT INTO {CURRENT} (kind, first_ms, last_ms, body) VALUES (?,?,?,?)", row
    ).lastrowid
    if added is None:
        raise sqlite3.DatabaseError("an insert gave no seq")
    return added


def delete(db: sqlite3.Connection, epoch: str, upto: int) -> int:
    """Delete messages up to `upto`; returns how many. A former epoch that has drained is forgotten."""
    source = _source(db, epoch)
    if source is None:
        return 0
    no, table = source
    count = db.execute(f"DELETE FROM {table} WHERE seq <= ?", (upto,)).rowcount
    if table != CURRENT and oldest(db, table) > produced(db, table):
        _forget(db, no, table)
    return count


def disown(db: sqlite3.Connection, epoch: str, upto: int, above: int) -> bool:
    """Give up an epoch if `upto` was never given out in it; messages above seq `above` are numbered anew."""
    source = _source(db, epoch)
    if source is None or upto <= produced(db, source[1]):
        return False
    no, table = source
    if table == CURRENT:
        delete(db, epoch, above)
        begin_epoch(db)
        former = db.execute("SELECT messages FROM source WHERE no = ?", (no,)).fetchone()
        if former is None:  # it held nothing and is gone
            return True
        table = former[0]
        db.execute(
            f"INSERT INTO {CURRENT} (kind, first_ms, last_ms, body) "
            f"SELECT kind, first_ms, last_ms, body FROM {table} ORDER BY seq"
        )
    _forget(db, no, table)
    return True


def tables(db: sqlite3.Connection) -> list[str]:
    """The tables of all epochs held."""
    return [row[0] for row in db.execute("SELECT messages FROM source ORDER BY no").fetchall()]


def held(db: sqlite3.Connection) -> int:
    """How many messages are held, former epochs included."""
    return sum(produced(db, table) - oldest(db, table) + 1 for table in tables(db))


def produced(db: sqlite3.Connection, table: str) -> int:
    """The highest seq ever given in a table."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return int(row[0]) if row else 0


def oldest(db: sqlite3.Connection, table: str) -> int:
    """The lowest seq held in a table; the next one to be given when it holds none."""
    lowest = db.execute(f"SELECT min(seq) FROM {table}").fetchone()[0]
    return produced(db, table) + 1 if lowest is None else int(lowest)


def _source(db: sqlite3.Connection, epoch: str) -> tuple[int, str] | None:
    found: tuple[int, str] | None = db.execute(
        "SELECT no, messages FROM source WHERE epoch = ?", (epoch,)
    ).fetchone()
    return found


def _forget(db: sqlite3.Connection, no: int, table: str) -> None:
    db.execute(f"DROP TABLE {table}")
    db.execute("DELETE FROM source WHERE no = ?", (no,))
