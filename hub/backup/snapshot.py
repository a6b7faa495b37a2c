"""Copies of a running hub's databases, each of one moment, for which no writer waits."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from branchloop.errors import DependencyError, InputError
from hub.store import migrating

KEYS_AT_ONCE = 2_000
PATIENCE_S = 60.0
ASK_S = 0.002
_KEY_TABLE = "CREATE TABLE key (customer TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT"


def await_writers(path: Path, patience_s: float = PATIENCE_S) -> None:
    """Return when whoever writes now has committed. Raises DependencyError when nobody lets go.

    SQLite's own patience asks ten times a second, and a database that is written without a pause is free for less than that.
    """
    until_s = time.monotonic() + patience_s
    with faults(path), closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
        while True:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until_s:
                    raise
                time.sleep(ASK_S)
            else:
                db.execute("ROLLBACK")
                return


def copy_database(source: Path, target: Path) -> None:
    """Copy a database in WAL mode as of now, without what was deleted from it. Raises DependencyError."""
    with faults(source), closing(reader(source)) as db:
        db.execute("VACUUM INTO ?", (str(target),))
    target.chmod(0o600)


def copy_keys(source: Path, target: Path) -> int:
    """Copy the customers' keys; how many.

    keys.db has no write-ahead log, so a reader keeps writers waiting: it is read in short turns. Copied after hub.db
    it has the key of everybody in that copy, but for those who were forgotten in between. Raises DependencyError.
    """
    last, count = "", 0
    with faults(source), closing(reader(source)) as db, closing(_new(target)) as copy:
        copy.execute(_KEY_TABLE)
        copy.execute("BEGIN")
        while rows := db.execute(
            "SELECT customer, wrapped FROM key WHERE customer>? ORDER BY customer LIMIT ?",
            (last, KEYS_AT_ONCE),
        ).fetchall():
            copy.executemany("INSERT INTO key (customer, wrapped) VALUES (?,?)", rows)
            last, count = rows[-1][0], count + len(rows)
        copy.execute("COMMIT")
    target.chmod(0o600)
    return count


def leave_out_photos(copy: Path) -> int:
    """Delete photos that wait for their kiosk from a copy of hub.db; how many there were. Raises DependencyError."""
    with faults(copy), closing(sqlite3.connect(copy, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete=ON")
        left_out = db.execute("UPDATE command SET photo=NULL WHERE photo IS NOT NULL").rowcount
        if left_out:
            db.execute("VACUUM")
        return left_out


def applied(path: Path) -> list[str]:
    """Which migrations a database has, as `SET:NAME`. Raises InputError when it is not the hub's."""
    try:
        with closing(reader(path)) as db:
            return sorted(migrating.applied(db))
    except sqlite3.Error as error:
        raise InputError(
            f"{path.name} is no database of a hub: {error}.", hint="Take another copy, or another backup."
        ) from error


def check_integrity(path: Path) -> None:
    """Raises InputError when a database is damaged."""
    try:
        with closing(reader(path)) as db:
            (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        found = str(error)
    if found != "ok":
        raise InputError(
            f"the database {path.name} is damaged: {found}.", hint="Take another copy, or another backup."
        )


def reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10, isolation_level=None)


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Faults of a database, or of the disk, as DependencyError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DependencyError(
            f"{path.name} cannot be copied: {reason}.", hint="Check the disk, and that there is room."
        ) from error


def _new(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=OFF")  # a copy that is not finished is thrown away
    db.execute("PRAGMA synchronous=OFF")
    return db
