"""A number per branch that rises with its book, by which kiosks and boards know that they must ask anew."""

from __future__ import annotations

import sqlite3


def book_version(db: sqlite3.Connection, site: str) -> int:
    """Rises with every change of the site's book and queues."""
    row = db.execute("SELECT version FROM book_change WHERE site=?", (site,)).fetchone()
    return int(row[0]) if row else 0


def touch(db: sqlite3.Connection, site: str) -> None:
    """Something changed that kiosks and boards must hear of."""
    db.execute(
        "INSERT INTO book_change (site, version) VALUES (?, 1) ON CONFLICT DO UPDATE SET version=version+1",
        (site,),
    )
