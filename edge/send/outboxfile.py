"""The outbox's SQLite file: whose it is, whether it is whole, and transactions on it from several processes.

A file belongs to one place on one disk. Opened elsewhere (a copy, a restored backup) it would give out
seqs that the hub knows already, so it starts a new epoch there; what it still holds keeps the old epoch,
under which the hub can tell what it has. A damaged file is set aside, never deleted, and a new one begun.

A file lock beside it (shared to use the file, exclusive to open or replace it) makes replacing safe: no
other process can commit into a file that is being set aside, and each notices that it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from branchloop.errors import DependencyError
from edge.send.fileidentity import file_identity

BUSY_S = 10.0
WAL_KEEP_BYTES = 8_000_000
CURRENT = "outbox"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_ATTEMPTS = 3

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class OutboxFile:
    """An open outbox file. Not for use by several threads at once.

    `remarks` collects sentences about the file that somebody should read; whoever reports them empties it.
    """

    def __init__(self, path: Path, claim: Callable[[sqlite3.Connection, Path], None] | None = None) -> None:
        """`claim` looks at each file before it is used, in a transaction; what it raises, the file is left by."""
        self.path = path
        self._claim = claim
        self.remarks: list[str] = []
        self._inode: tuple[int, int] | None = None
        self._db: sqlite3.Connection | None = None
        try:
            self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DependencyError(
                f"the outbox {path} cannot be opened: {error.strerror}.", hint="Check box.data_dir."
            ) from error
        try:
            with self._reached():
                self._db = self._open()
        except BaseException:
            os.close(self._lock)
            raise

    def read(self, work: Work[T]) -> T:
        """Run `work` on the file as it is now. Raises DependencyError when it cannot be read."""
        return self._run(work)

    def write(self, work: Work[T]) -> T:
        """Run `work` in one durable transaction; `work` may be run again on a fresh file.

        Raises DependencyError when it cannot be committed now: disk full or away, locked for long.
        """
        return self._run(lambda db: _transaction(db, work))

    def close(self) -> None:
        """Close the file."""
        self._disconnect()
        os.close(self._lock)

    def _run(self, work: Work[T]) -> T:
        with self._reached():
            return self._attempt(work)

    def _attempt(self, work: Work[T]) -> T:
        for _ in range(_ATTEMPTS):
            try:
                with self._locked(fcntl.LOCK_SH):
                    if self._db is not None and self._inode == _inode(self.path):
                        return work(self._db)
                self._disconnect()
                self._db = self._open()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise self._unusable(error) from error
                self._db = self._replace(str(error))
        raise DependencyError(f"the outbox {self.path} is damaged again and again.", hint="Replace the disk.")

    def _open(self) -> sqlite3.Connection:
        """Open a file that is whole and belongs here."""
        try:
            with self._locked(fcntl.LOCK_EX):
                db = self._connect()
            fault = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise self._unusable(error) from error
            return self._replace(str(error))
        if fault != "ok":
            db.close()
            return self._replace(fault)
        return db

    def _connect(self) -> sqlite3.Connection:
        if not self.path.exists():
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
        self._inode = _inode(self.path)
        identity = file_identity(self.path)
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
        db.text_factory = lambda text: text.decode(errors="replace")  # a flipped bit costs one message only
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute(f"PRAGMA journal_size_limit={WAL_KEEP_BYTES}")
            _transaction(db, lambda db: self._settle(db, identity))
        except BaseException:
            db.close()
            raise
        return db

    def _settle(self, db: sqlite3.Connection, identity: str) -> None:
        """Make a new file an outbox, and a copied one a new epoch."""
        for statement in _TABLES:
            db.execute(statement)
        known = db.execute("SELECT file FROM place").fetchone()
        if known is None:
            db.execute("INSERT INTO place VALUES (?)", (identity,))
            begin_epoch(db)
        elif known[0] != identity:
            db.execute("UPDATE place SET file = ?", (identity,))
            former = db.execute("SELECT epoch FROM source ORDER BY no DESC LIMIT 1").fetchone()[0]
            begin_epoch(db)
            self.remarks.append(
                f"the outbox {self.path.name} of epoch {former[:8]} is a copy or was restored: a new epoch begins"
            )
        if self._claim is not None:
            self._claim(db, self.path)

    def _replace(self, fault: str) -> sqlite3.Connection:
        """Set the damaged file aside, unless another process has done so, and begin a new one."""
        self._disconnect()
        with self._locked(fcntl.LOCK_EX):
            if self._inode is not None and self._inode == _inode(self.path):
                aside = self.path.with_name(f"{self.path.name}.damaged-{secrets.token_hex(4)}")
                for suffix in ("", "-wal"):
                    if Path(f"{self.path}{suffix}").exists():
                        Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
                Path(f"{self.path}-shm").unlink(missing_ok=True)
                self.remarks.append(
                    f"the outbox was damaged ({fault[:80]}) and set aside as {aside.name}: what it held is not sent"
                )
            try:
                return self._connect()
            except sqlite3.DatabaseError as error:
                raise self._unusable(error) from error

    def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):  # of a damaged file, which is given up anyway
                db.close()

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        fcntl.flock(self._lock, how)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """What the file system refuses is as good as what SQLite refuses: it may pass, and ends nothing."""
        try:
            yield
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error | OSError) -> DependencyError:
        why = error.strerror if isinstance(error, OSError) else error
        return DependencyError(
            f"the outbox {self.path} cannot be used: {why}.",
            hint="Check that its folder is there, that the disk has room and that the file may be written.",
        )


def begin_epoch(db: sqlite3.Connection) -> None:
    """Start a new epoch at seq 1; messages still held stay under their old one."""
    held = db.execute("SELECT no, epoch FROM source WHERE messages = ?", (CURRENT,)).fetchone()
    if held is not None:
        if db.execute(f"SELECT 1 FROM {CURRENT} LIMIT 1").fetchone() is None:  # noqa: S608 - a constant
            db.execute("DELETE FROM source WHERE no = ?", (held[0],))
            db.execute(f"DROP TABLE {CURRENT}")
        else:
            former = f"{CURRENT}_{held[1]}"
            db.execute(f"ALTER TABLE {CURRENT} RENAME TO {former}")
            db.execute("UPDATE source SET messages = ? WHERE no = ?", (former, held[0]))
    db.execute(_MESSAGES)
    db.execute("INSERT INTO source (epoch, messages) VALUES (?, ?)", (secrets.token_hex(16), CURRENT))


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, not merely out of reach for now."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


_MESSAGES = f"""CREATE TABLE {CURRENT} (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL, body TEXT NOT NULL)"""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS place (file TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS source (
    no INTEGER PRIMARY KEY AUTOINCREMENT, epoch TEXT NOT NULL, messages TEXT NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0)""",
)


def _transaction(db: sqlite3.Connection, work: Work[T]) -> T:
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino
