"""What kiosks tell of people: check-ins, attempts, consents given there. Applied in the message's transaction."""

from __future__ import annotations

import sqlite3

from branchloop.site.site import Site
from branchloop.wire.arrivals import Attempt, Checkin, ConsentGiven, Walkin
from branchloop.wire.batches import Dropped
from branchloop.wire.messages import Notice
from hub.ingest.commands import Trust, take_consent, take_expired
from hub.ingest.parsing import Body
from hub.store.audit import AuditLog
from hub.store.book.tickets import Due, Taken, due, note_attempt, pay, take_checkin, take_walkin
from hub.store.connection import as_errors
from hub.store.interface import Store

FromKiosk = Checkin | Walkin | Attempt | ConsentGiven


def beyond_kiosk(site: Site, device: str, body: Body | None) -> str | None:
    """Why what a kiosk sends is not its to tell: it sees no floor. Of its own disk it tells as a box does."""
    own = body is None or isinstance(body, FromKiosk | Dropped)
    if own or (isinstance(body, Notice) and body.what == "disk") or not site.has_kiosk(device):
        return None
    return f"{device} is a kiosk of {site.id}, and kiosks tell nothing of the floor."


def take_from_kiosk(
    db: sqlite3.Connection, trust: Trust | None, site: Site, device: str, body: FromKiosk, now_ms: int
) -> Taken:
    """Apply what a kiosk tells; a fault when it is no kiosk of the branch, or the book does not know of it."""
    if trust is None:
        return Taken(fault="what kiosks tell comes over the broker only.")
    if not site.has_kiosk(device):
        return Taken(fault=f"{device} is no kiosk of {site.id}.")
    if isinstance(body, ConsentGiven):
        return Taken(fault=take_consent(db, trust, site.id, device, body, now_ms))
    if isinstance(body, Attempt):
        note_attempt(db, site.id, device, body, now_ms)
        return Taken(alarm=take_expired(db, trust, site.id, device, body, now_ms))
    if trust.book is None:
        return Taken(fault="this hub keeps no appointments.")
    if isinstance(body, Walkin):
        return take_walkin(db, trust.book, site, device, body, now_ms)
    return take_checkin(db, trust.book, site, device, body, now_ms)


class Auditing:
    """Moves owed lines into the audit log. For use by ingest's one thread."""

    def __init__(self, store: Store, db: sqlite3.Connection, audit: AuditLog) -> None:
        """`db` reads what `store` writes."""
        self._store = store
        self._db = db
        self._audit = audit

    def tick(self, _now_ms: int) -> None:
        """Append what is owed. Raises DependencyError: then it is owed still."""
        with as_errors():
            lines = due(self._db)
        if lines:
            with self._store.transaction() as transaction:
                pay(transaction.db, lines, self._append)

    def _append(self, line: Due) -> None:
        self._audit.append(line.at_ms, line.actor, line.role, line.action, line.site, line.detail)
