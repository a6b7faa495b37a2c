"""The durable outbox: a message is *produced* once it is committed here, and stays until the hub has it.

SQLite in WAL mode with synchronous=FULL. `epoch` is a random id made with the file, so a new file, a
re-imaged disk or a restored backup is a new source. `seq` comes from AUTOINCREMENT in the INSERT and is
never used again, even after the outbox has drained. A bounded outbox that must drop replaces a message
in place by a `dropped` tombstone under its own seq: no holes. Only messages that were never sent are
replaced: the hub may hold a sent one already, and the same seq with other content is a clone to it.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from branchloop.errors import DependencyError
from branchloop.messages import Dropped, Item, Notice, Window, Wire

GROUP = 20
_ROW_BYTES = 64
"""What a row costs beside its body."""

_TABLES = """
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL, sent INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox (kind, seq) WHERE sent = 0;
CREATE TABLE IF NOT EXISTS source (epoch TEXT NOT NULL);
"""
_DROP_FIRST = ("window", "notice")
"""Kinds that a full outbox may replace, the most dispensable first."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in the outbox."""

    seq: int
    kind: str
    body: str
    bytes: int

    def item(self) -> Item:
        """The message as it goes on the wire."""
        return Item(seq=self.seq, kind=self.kind, body=json.loads(self.body))


class Outbox:
    """One box's outbox; several threads and processes may append."""

    def __init__(self, path: Path, max_bytes: int = 512_000_000) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._pending: list[tuple[str, Wire]] = []
        self.refused = 0
        """Messages that could not be committed because the disk was full: each is a gap."""
        self._db = self._open()
        self._bytes = self._count_bytes()
        self.epoch: str = self._db.execute("SELECT epoch FROM source").fetchone()[0]

    def append(self, kind: str, body: Wire) -> None:
        """Commit with the next group of messages, or at the next `flush`."""
        with self._lock:
            self._pending.append((kind, body))
            if len(self._pending) >= GROUP:
                self.flush()

    def append_now(self, kind: str, body: Wire) -> int | None:
        """Commit at once; returns the seq, or None when the disk is full (counted in `refused`)."""
        with self._lock:
            self._pending.append((kind, body))
            return self.flush()

    def flush(self) -> int | None:
        """Commit what is pending in one transaction; returns the last seq, None if nothing was committed."""
        with self._lock:
            pending, self._pending = self._pending, []
            if not pending:
                return None
            rows = [_row(kind, body) for kind, body in pending]
            try:
                self._db.execute("BEGIN IMMEDIATE")
                for row in rows:
                    last = self._db.execute(
                        "INSERT INTO outbox (kind, first_ms, last_ms, bytes, body) VALUES (?,?,?,?,?)", row
                    ).lastrowid
                self._db.execute("COMMIT")
            except sqlite3.OperationalError:
                self._roll_back()
                self.refused += len(rows)
                return None
            self._bytes += sum(row[3] for row in rows)
            if self._bytes > self._max_bytes:
                self._make_room()
            return last

    def batch(self, after: int, limit: int, max_bytes: int) -> list[Stored]:
        """The next messages above seq `after`, at most `limit` of them and about `max_bytes`."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, kind, body, bytes FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
            ).fetchall()
        batch: list[Stored] = []
        total = 0
        for row in rows:
            total += row[3]
            if batch and total > max_bytes:
                break
            batch.append(Stored(*row))
        return batch

    def mark_sent(self, upto: int) -> None:
        """Persist, before they are published, that messages up to `upto` may be at the hub."""
        with self._lock:
            self._db.execute("UPDATE outbox SET sent = 1 WHERE seq <= ? AND sent = 0", (upto,))

    def acknowledge(self, upto: int) -> int:
        """Delete what the hub has committed; returns how many messages."""
        with self._lock:
            freed = self._db.execute(
                "SELECT coalesce(sum(bytes), 0) FROM outbox WHERE seq <= ?", (upto,)
            ).fetchone()[0]
            deleted = self._db.execute("DELETE FROM outbox WHERE seq <= ?", (upto,)).rowcount
            self._bytes -= freed
            return deleted

    @property
    def oldest(self) -> int:
        """The lowest seq still held; the next one to come when empty."""
        with self._lock:
            row = self._db.execute("SELECT min(seq) FROM outbox").fetchone()
            return int(row[0]) if row[0] is not None else self.produced + 1

    @property
    def produced(self) -> int:
        """How many messages were ever committed: the highest seq given."""
        with self._lock:
            row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
            return int(row[0]) if row else 0

    @property
    def depth(self) -> int:
        """How many messages are held."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def close(self) -> None:
        """Flush and close."""
        with self._lock:
            self.flush()
            self._db.close()

    def _make_room(self) -> None:
        """Replace unsent messages by tombstones, oldest first, until a tenth of the room is free."""
        goal = self._max_bytes * 9 // 10
        self._db.execute("BEGIN IMMEDIATE")
        for kind in _DROP_FIRST:
            rows = self._db.execute(
                "SELECT seq, first_ms, last_ms, bytes FROM outbox WHERE sent = 0 AND kind = ? ORDER BY seq",
                (kind,),
            )
            for seq, first_ms, last_ms, size in rows.fetchall():
                if self._bytes <= goal:
                    break
                tombstone = Dropped(kind=kind, count=1, first_ms=first_ms, last_ms=last_ms).to_json()
                self._db.execute(
                    "UPDATE outbox SET kind='dropped', body=?, bytes=? WHERE seq=?",
                    (tombstone, len(tombstone) + _ROW_BYTES, seq),
                )
                self._bytes -= size - len(tombstone) - _ROW_BYTES
        self._db.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise DependencyError(f"the outbox {self.path} cannot be opened: {error}.") from error
            aside = self.path.with_suffix(f".corrupt-{secrets.token_hex(4)}")
            self.path.rename(aside)
            for extra in ("-wal", "-shm"):
                Path(f"{self.path}{extra}").unlink(missing_ok=True)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.executescript(_TABLES)
            db.execute("BEGIN IMMEDIATE")
            if db.execute("SELECT count(*) FROM source").fetchone()[0] == 0:
                db.execute("INSERT INTO source VALUES (?)", (secrets.token_hex(16),))
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    def _count_bytes(self) -> int:
        return int(self._db.execute("SELECT coalesce(sum(bytes), 0) FROM outbox").fetchone()[0])

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _row(kind: str, body: Wire) -> tuple[str, int, int, int, str]:
    text = body.to_json()
    first_ms, last_ms = _span_ms(body)
    return kind, first_ms, last_ms, len(text) + _ROW_BYTES, text


def _span_ms(body: Wire) -> tuple[int, int]:
    match body:
        case Window():
            return body.start_ms, body.start_ms + body.duration_ms
        case Notice():
            return body.at_ms, body.at_ms
    raise TypeError(f"{type(body).__name__} does not travel through the outbox")
