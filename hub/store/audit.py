"""The audit log: every line carries a hash over itself and the line before.

Nothing can be changed, taken out or put in without breaking the chain from there on. A log cut off at
its end still fits, so its head (seq and hash) is to be exported now and then and given to `verify`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from branchloop.errors import DependencyError
from hub.store.connection import connect, prepare
from hub.store.schema.core import AUDIT_DATABASE

GENESIS = "0" * 64
RESTORE = "restore"
"""The action of the line that a restore writes."""
_COLUMNS = "seq, at_ms, actor, role, action, site, detail"
_Fields = tuple[int, int, str, str, str, str | None, str]


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of a chain; seq 0 when there is none yet."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`lines` fit; `broken_seq` is the first that does not, None when all do; `head` is the last that does."""

    lines: int
    head: Head
    broken_seq: int | None = None
    reason: str = ""


class AuditLog:
    """The audit log of a data directory. May be used by several threads and processes."""

    def __init__(self, data_dir: Path) -> None:
        prepare(data_dir)
        self._db = connect(data_dir / AUDIT_DATABASE, any_thread=True)
        self._lock = threading.Lock()

    def append(
        self, at_ms: int, actor: str, role: str, action: str, site: str | None = None, detail: str = ""
    ) -> Head:
        """Append a line and return it as the new head. Raises DependencyError: then nothing was written."""
        texts = [_clean(text) for text in (actor, role, action, detail)]
        with self._lock, self._writing():
            head = self._head()
            fields: _Fields = (
                head.seq + 1, at_ms, texts[0], texts[1], texts[2], None if site is None else _clean(site), texts[3],
            )  # fmt: skip
            digest = _hash(head.hash, fields)
            self._db.execute(
                f"INSERT INTO audit ({_COLUMNS}, hash) VALUES (?,?,?,?,?,?,?,?)", (*fields, digest)
            )
        return Head(fields[0], digest)

    def head(self) -> Head:
        """The head to export. Raises DependencyError."""
        with self._lock, _as_errors():
            return self._head()

    def verify(self, exported: Head | None = None) -> Verdict:
        """Walk the whole chain, also past an exported head that must lie on it. Raises DependencyError."""
        with self._lock, _as_errors():
            return walk(self._db, exported)

    def close(self) -> None:
        """Release the database."""
        self._db.close()

    def _head(self) -> Head:
        row = self._db.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        return Head(*row) if row else Head(0, GENESIS)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with _as_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def walk(db: sqlite3.Connection, exported: Head | None = None) -> Verdict:
    """Walk the chain of a database, see `AuditLog.verify`; what a restore took from it is told as such."""
    previous = Head(0, GENESIS)
    restored = ""
    for *fields, digest in db.execute(f"SELECT {_COLUMNS}, hash FROM audit ORDER BY seq"):
        seq, action, detail = fields[0], fields[4], fields[6]
        if seq != previous.seq + 1:
            return Verdict(previous.seq, previous, previous.seq + 1, "a line is missing")
        if digest != _hash(previous.hash, tuple(fields)):
            return Verdict(previous.seq, previous, seq, "the line does not fit its hash")
        if action == RESTORE:
            restored = f"; line {seq} says that the hub was restored {detail}: what was written after that backup is not here"
        if exported is not None and exported.seq == seq and exported.hash != digest:
            return Verdict(previous.seq, previous, seq, f"the line is not the one exported{restored}")
        previous = Head(seq, digest)
    if exported is not None and exported.seq > previous.seq:
        return Verdict(previous.seq, previous, previous.seq + 1, f"the log was cut off{restored}")
    return Verdict(previous.seq, previous)


@contextmanager
def _as_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DependencyError(
            f"the audit log cannot be used: {error}.", hint="Nothing may be read unlogged; check the disk."
        ) from error


def _hash(previous: str, fields: tuple[object, ...]) -> str:
    line = json.dumps([previous, *fields], separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(line.encode()).hexdigest()


def _clean(text: str) -> str:
    return text[:1_000].encode(errors="replace").decode()
