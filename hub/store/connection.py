"""Opening the hub's SQLite files: one set of pragmas, one place that migrates, transactions to write and to read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from branchloop.errors import DependencyError
from branchloop.processes import owner
from hub.store.kept import Lent, give_back, take
from hub.store.migrating import Database, Migrations, applied, known
from hub.store.schema.analytics import analytics_migrations
from hub.store.schema.book import book_migrations
from hub.store.schema.capacity import capacity_migrations
from hub.store.schema.cards import card_migrations
from hub.store.schema.configuration import configuration_migrations
from hub.store.schema.consent import consent_migrations
from hub.store.schema.core import AUDIT_DATABASE, DATABASE, audit_migrations, hub_migrations
from hub.store.schema.identity import identity_migrations
from hub.store.schema.journeys import journey_migrations
from hub.store.schema.outgoing import outgoing_migrations
from hub.store.schema.pictures import picture_migrations
from hub.store.schema.quality import quality_migrations
from hub.store.schema.requests import request_migrations

BUSY_TIMEOUT_MS = 10_000
LOCK = "migrate.lock"
RESTORING = "restore.json"
"""In the data directory while a restore puts its files in place."""
MIGRATIONS = (
    hub_migrations,
    analytics_migrations,
    consent_migrations,
    book_migrations,
    picture_migrations,
    configuration_migrations,
    quality_migrations,
    journey_migrations,
    identity_migrations,
    card_migrations,
    request_migrations,
    capacity_migrations,
    outgoing_migrations,
)
"""Of hub.db, in this order."""


def connect(
    path: Path,
    *,
    synchronous: Literal["FULL", "NORMAL", "OFF"] = "FULL",
    busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    any_thread: bool = False,
) -> sqlite3.Connection:
    """A writing connection in autocommit mode (transactions are begun explicitly).

    Raises DependencyError when the file cannot be opened as a database.
    """
    try:
        connection = sqlite3.connect(
            path, timeout=busy_timeout_ms / 1000, isolation_level=None, check_same_thread=not any_thread
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error as error:
        raise _unreachable(path, error) from error
    return connection


def connect_readonly(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """A connection that cannot write; the file must exist. Raises DependencyError otherwise."""
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=not any_thread,
        )
        connection.execute("PRAGMA query_only=ON")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise _unreachable(path, error) from error
    return connection


def prepare(data_dir: Path) -> None:
    """Create or migrate both files of a data directory; safe to call from several processes.

    Raises DependencyError when the directory or a file in it cannot be written.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (data_dir / LOCK).open("w") as lock:
            # Two processes that start together must not both create the tables.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (data_dir / RESTORING).exists():
                raise DependencyError(
                    f"a restore into {data_dir} was cut off.",
                    hint="Run `branchloop hub restore` again: it goes on where it was.",
                )
            _prepare(data_dir / DATABASE, MIGRATIONS)
            _prepare(data_dir / AUDIT_DATABASE, (audit_migrations,))
    except OSError as error:
        raise DependencyError(
            f"data directory {data_dir} cannot be used: {error.strerror}.",
            hint="Choose a data_dir that the hub may write.",
        ) from error


@contextmanager
def opened(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """One writing transaction on hub.db: committed on a good end, undone otherwise.

    Raises DependencyError when the database cannot take it now: nothing is kept.
    """
    lent = take(data_dir / DATABASE, connect, writes=True)
    db = lent.db
    try:
        with as_errors(), _noting(lent):
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
    finally:
        give_back(lent)


@contextmanager
def reading(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """One moment of hub.db, which nobody waits for. Raises DependencyError."""
    lent = take(data_dir / DATABASE, connect_readonly, writes=False)
    try:
        with as_errors(), _noting(lent):
            lent.db.execute("BEGIN")
            try:
                yield lent.db
            finally:
                lent.db.execute("ROLLBACK")
    finally:
        give_back(lent)


@contextmanager
def _noting(lent: Lent) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error:
        lent.broken = True
        raise


@contextmanager
def as_errors() -> Iterator[None]:
    """Database faults as DependencyError."""
    try:
        yield
    except sqlite3.Error as error:
        raise DependencyError(f"the database cannot be used: {error}.", hint="Try again.") from error


def _prepare(path: Path, order: Sequence[Migrations]) -> None:
    """A new database takes its place when it is whole and on the disk: no step on the way to it need be."""
    if path.exists():
        _close_to_others(path)
        _migrate(path, order)
        return
    fresh = path.with_name(f"{path.name}.new")
    for name in (
        fresh.name,
        f"{fresh.name}-wal",
        f"{fresh.name}-shm",
        f"{path.name}-wal",
        f"{path.name}-shm",
    ):
        path.with_name(name).unlink(missing_ok=True)  # of one that was never whole, or is gone
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT, 0o600))
    _migrate(fresh, order, synchronous="OFF")
    _sync(fresh)
    fresh.replace(path)
    _sync(path.parent)


def _close_to_others(path: Path) -> None:
    """For its owner alone, and so what SQLite makes beside it from now on; of another user's file its owner decides."""
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            file = path.with_name(name)
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                file.chmod(0o600)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _migrate(path: Path, order: Sequence[Migrations], synchronous: Literal["FULL", "OFF"] = "FULL") -> None:
    connection = connect(path, synchronous=synchronous)
    try:
        database = Database(connection)
        if database[Migrations.migrations_table].exists():
            _may_migrate(path, database, order)
        for migrations in order:
            if migrations.pending(database):
                migrations.apply(database)
    except sqlite3.Error as error:
        raise _unreachable(path, error) from error
    finally:
        connection.close()


def _may_migrate(path: Path, database: Database, order: Sequence[Migrations]) -> None:
    """Raises DependencyError for what a newer version made, and while an older one's hub writes as it knows."""
    unknown = applied(database.conn) - known(order)
    if unknown:
        raise DependencyError(
            f"database {path} was made by a newer version of branchloop ({min(unknown)}).",
            hint="Start that version, or restore the backup that was made before it.",
        )
    running = owner(path.parent)
    if running not in {None, os.getpid()} and any(migrations.pending(database) for migrations in order):
        raise DependencyError(
            f"an earlier version's hub runs on {path.parent} (process {running}), and would write figures as it knows them.",
            hint="Stop it, and start the hub of this version first.",
        )


def _unreachable(path: Path, error: sqlite3.Error) -> DependencyError:
    return DependencyError(
        f"database {path} cannot be used: {error}.",
        hint="Check that the disk has room, that the file may be written and that it is the hub's own.",
    )
