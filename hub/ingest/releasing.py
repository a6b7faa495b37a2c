"""Who did not come in time gives the place back."""

from __future__ import annotations

import sqlite3

from hub.store.book import Book
from hub.store.connection import as_errors
from hub.store.interface import Store

LOOK_MS = 5_000


class Releasing:
    """Looks for missed appointments. For use by ingest's one thread."""

    def __init__(self, store: Store, db: sqlite3.Connection, book: Book) -> None:
        """`db` reads what `store` writes."""
        self._store = store
        self._db = db
        self._book = book
        self._looked_ms = 0

    def tick(self, now_ms: int) -> None:
        """Release what is due. Raises DependencyError: then it is due still."""
        if 0 <= now_ms - self._looked_ms < LOOK_MS:
            return
        self._looked_ms = now_ms
        with as_errors():
            due = self._book.missed(self._db, now_ms)
        if due:
            with self._store.transaction() as transaction:
                self._book.release_missed(transaction.db, now_ms)
