"""What a full outbox drops: windows first, oldest first; notices and check-ins last.

A dropped message leaves a tombstone under its own seq: there are no holes. Only messages that were never
sent are dropped: the hub may hold a sent one already, and the same seq with other content would look to
it like a cloned box. At most 20 batches are sent and unacknowledged, so little is spared by that.
"""
# ruff: noqa: S608 - tables and conditions are constants of this package

from __future__ import annotations

import sqlite3

from edge.send.rows import DROPPED, produced

_CLASSES = ("kind = 'window'", f"kind NOT IN ('window', '{DROPPED}')")
_SLICE = 32

Marks = dict[tuple[str, str], int]


class Room:
    """Makes room in an outbox. Remembers where the search for something to drop has to begin."""

    def __init__(self) -> None:
        self._marks: Marks = {}
        self._next: Marks | None = None

    def make(self, db: sqlite3.Connection, allowed_bytes: int, sent: dict[str, int]) -> None:
        """Replace messages by tombstones until `allowed_bytes` are used, or nothing more may go.

        `sent` maps epochs to the highest seq that this process sent. To be called in a transaction; call
        `committed` or `rolled_back` after it.
        """
        marks = dict(self._marks)
        sources = db.execute("SELECT epoch, messages, sent FROM source ORDER BY no").fetchall()
        dropped = False
        for condition in _CLASSES:
            for epoch, table, sent_upto in sources:
                at = max(sent_upto, sent.get(epoch, 0), marks.get((epoch, condition), 0))
                while used_bytes(db) > allowed_bytes:
                    last = _drop(db, table, condition, at)
                    if last is None:
                        at = produced(db, table)
                        break
                    at, dropped = last, True
                marks[epoch, condition] = at
        if dropped:
            self._next = marks
        else:
            self._marks = marks  # true whatever becomes of the transaction

    def committed(self) -> None:
        """The transaction in which room was made is durable."""
        self._marks, self._next = self._next or self._marks, None

    def rolled_back(self) -> None:
        """What was dropped is there again."""
        self._next = None


def used_bytes(db: sqlite3.Connection) -> int:
    """Pages in use: what the file has to hold, whatever the fill of its pages."""
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _drop(db: sqlite3.Connection, table: str, condition: str, after: int) -> int | None:
    """Drop the next few above seq `after`; returns the last of them, None if there is none.

    Rows are deleted and inserted anew: SQLite gives pages back on DELETE, never when a row shrinks.
    """
    found = db.execute(
        f"SELECT seq, kind, first_ms, last_ms FROM {table} WHERE seq > ? AND {condition} ORDER BY seq LIMIT {_SLICE}",
        (after,),
    ).fetchall()
    if not found:
        return None
    last = int(found[-1][0])
    db.execute(f"DELETE FROM {table} WHERE seq BETWEEN ? AND ? AND {condition}", (found[0][0], last))
    db.executemany(
        f"INSERT INTO {table} (seq, body, first_ms, last_ms, kind) VALUES (?, ?, ?, ?, '{DROPPED}')", found
    )
    return last
