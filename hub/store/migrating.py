"""sqlite-utils for schema and migrations, without what it loads for nothing.

It takes in numpy and pandas where they are installed, for one table of types that nothing here asks: with pyarrow
behind pandas that is a quarter of the start of every process of a hub, and most of its memory.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterable, Iterator

__all__ = ["Database", "Migrations", "applied", "known"]


@contextlib.contextmanager
def _absent(module: str) -> Iterator[None]:
    """Importing it fails as if it were not installed, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


with _absent("numpy"), _absent("pandas"):
    from sqlite_utils import Database, Migrations


def applied(db: sqlite3.Connection) -> set[str]:
    """Which migrations a database has, as `SET:NAME`. Raises sqlite3.Error when it never had any."""
    return {f"{of}:{name}" for of, name in db.execute("SELECT migration_set, name FROM _sqlite_migrations")}


def known(order: Iterable[Migrations]) -> set[str]:
    """The migrations that this version knows, as `SET:NAME`."""
    with contextlib.closing(sqlite3.connect(":memory:")) as empty:
        return {f"{each.name}:{step.name}" for each in order for step in each.pending(Database(empty))}
