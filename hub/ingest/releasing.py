"""What time alone brings about in the book: places come back and are offered on, and a closed branch empties."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from branchloop.site.site import Site
from hub.store.book import closing, waitlist
from hub.store.book.entries import Book
from hub.store.connection import as_errors
from hub.store.interface import Store

LOOK_MS = 5_000


class Releasing:
    """Looks for missed appointments, closed branches and who waits for a place. For use by ingest's one thread."""

    def __init__(self, store: Store, db: sqlite3.Connection, book: Book, sites: Mapping[str, Site]) -> None:
        """`db` reads what `store` writes."""
        self._store = store
        self._db = db
        self._book = book
        self._sites = sites
        self._looked_ms = 0

    def tick(self, now_ms: int) -> None:
        """Do what is due. Raises DependencyError: then it is due still."""
        if 0 <= now_ms - self._looked_ms < LOOK_MS:
            return
        self._looked_ms = now_ms
        sites = list(self._sites.values())
        with as_errors():
            missed = self._book.missed(self._db, now_ms)
            over = closing.due(self._db, self._book, sites, now_ms)
            waited = waitlist.due(self._db, sites, now_ms)
        if not (missed or over or waited):
            return
        with self._store.transaction() as transaction:
            self._book.release_missed(transaction.db, now_ms)
            closing.sweep(transaction.db, self._book, sites, now_ms)
            waitlist.offer_freed(transaction.db, self._book, sites, now_ms)
