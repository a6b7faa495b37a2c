"""What each kiosk may know of the day: built from the book and the consents, sealed whole to its key.

Published, never retained: when the kiosk (re)connects, when something it must hear of changed (after a
second, so that several changes make one gallery), when the branch's day changes, and at least once a minute.
A kiosk without a valid key gets none, and an alarm says so.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from branchloop.clock import from_ms, iso, local_day_end_ms
from branchloop.keys.sealing import decode, gallery_context, seal
from branchloop.site.site import Site
from branchloop.wire import topics
from branchloop.wire.arrivals import BoxCertificate
from branchloop.wire.commands import Gallery
from hub.ingest.commands import Publish, raise_alarm
from hub.store.book.changes import book_version
from hub.store.book.entries import Book
from hub.store.book.forecasting import line_of, with_own_waits, with_waits
from hub.store.book.kiosk_day import expected, queues, ticket_range
from hub.store.book.midnight import doors_ms
from hub.store.connection import as_errors
from hub.store.customers.consents import Consents
from hub.store.interface import Alarm, Store

DEBOUNCE_MS = 1_000
AGAIN_MS = 55_000
LOOK_MS = 400
MAX_PLAIN = 350_000
"""So much fits into one sealed message."""


def build(
    db: sqlite3.Connection, book: Book, site: Site, device: str, now_ms: int, sure_ms: int | None = None
) -> Gallery:
    """The gallery of one kiosk, now. Consents are read with the appointments, in one moment of the store.

    Templates are deleted whose consent is not in it: `sure_ms` has certainly come, where the hub's clock may be ahead.
    """
    over_ms = now_ms if sure_ms is None else sure_ms
    consents = Consents(db)
    salt = secrets.token_urlsafe(24)
    line = line_of(db, book, site, now_ms)
    whole = book.waiting(db, site.id, from_ms(now_ms, site.zone_info).date())
    appointments = expected(db, book, site, now_ms, salt, consents.enrolled(site.id, device, now_ms))
    return Gallery(
        site=site.id,
        device=device,
        made_ms=now_ms,
        valid_until_ms=valid_until_ms(site, now_ms),
        salt=salt,
        appointments=with_own_waits(line, whole, appointments),
        consents=sorted(consent.id for consent in consents.holding(site.id, over_ms)),
        tickets=ticket_range(db, site, device, now_ms),
        queues=with_waits(line, site, queues(db, site, now_ms)),
    )


def valid_until_ms(site: Site, now_ms: int) -> int:
    """When the doors shut, which may be on the next day, whose end bounds it; the end of the day when they have already, or never opened."""
    day = from_ms(now_ms, site.zone_info).date()
    shut_ms = max((end for _, end in doors_ms(site, day)), default=0)
    return shut_ms if shut_ms > now_ms else local_day_end_ms(day, site.zone_info)


@dataclass(slots=True)
class _Sent:
    """What a kiosk was sent last: under which connection, by which key, of which day and state of the site."""

    connection: str
    key: str
    day: date
    version: tuple[int, int]
    at_ms: int
    changed_ms: int | None = None


class Galleries:
    """Publishes galleries. For use by ingest's one thread."""

    def __init__(
        self,
        store: Store,
        db: sqlite3.Connection,
        book: Book,
        sites: Mapping[str, Site],
        publish: Publish,
        say: Callable[[str], None],
        sure_ms: Callable[[], int] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`db` reads what `store` writes; `sure_ms` tells a time that has certainly come; `now_s` is of a clock that nobody sets."""
        self._sure_ms = sure_ms
        self._now_s = now_s
        self._store = store
        self._db = db
        self._book = book
        self._sites = sites
        self._publish = publish
        self._say = say
        self._sent: dict[tuple[str, str], _Sent] = {}
        self._missing: dict[tuple[str, str], str] = {}
        self._looked_ms = 0

    def tick(self, now_ms: int) -> None:
        """Send what is due, each with the time at which it is made: a kiosk takes it for now. Raises DependencyError."""
        begun_s = self._now_s()
        if 0 <= now_ms - self._looked_ms < LOOK_MS:
            return
        self._looked_ms = now_ms
        with as_errors():
            online = self._online()
            versions = Consents(self._db).versions()
            for place in set(self._sent) - set(online):
                del self._sent[place]
            for (site, device), connection in online.items():
                version = (versions.get(site, 0), book_version(self._db, site))
                since_ms = round((self._now_s() - begun_s) * 1000)
                self._look(self._sites[site], device, connection, version, now_ms + since_ms)

    def _online(self) -> dict[tuple[str, str], str]:
        rows = self._db.execute(
            "SELECT site, device, boot, connect_no FROM device_status WHERE online=1"
        ).fetchall()
        kiosks = {(site.id, kiosk.id) for site in self._sites.values() for kiosk in site.kiosks}
        return {(site, device): f"{boot} {no}" for site, device, boot, no in rows if (site, device) in kiosks}

    def _look(self, site: Site, device: str, connection: str, version: tuple[int, int], now_ms: int) -> None:
        place = (site.id, device)
        certificate = Consents(self._db).key(site.id, device, now_ms)
        if certificate is None:
            self._sent.pop(place, None)
            self._tell_missing(site.id, device, connection, now_ms)
            return
        day = from_ms(now_ms, site.zone_info).date()
        sent = self._sent.get(place)
        if sent is not None and (sent.connection, sent.key, sent.day) == (
            connection,
            certificate.public,
            day,
        ):
            if sent.version != version and sent.changed_ms is None:
                sent.changed_ms = now_ms
            changed = sent.changed_ms is not None and now_ms - sent.changed_ms >= DEBOUNCE_MS
            if not changed and 0 <= now_ms - sent.at_ms < AGAIN_MS:
                return
        if self._send(site, device, certificate, now_ms):
            self._sent[place] = _Sent(connection, certificate.public, day, version, now_ms)

    def _send(self, site: Site, device: str, certificate: BoxCertificate, now_ms: int) -> bool:
        self._db.execute("BEGIN")
        try:
            sure_ms = None if self._sure_ms is None else self._sure_ms()
            made = build(self._db, self._book, site, device, now_ms, sure_ms)
        finally:
            self._db.execute("ROLLBACK")
        plain = made.to_json().encode()
        if len(plain) > MAX_PLAIN:
            self._alarm(site.id, device, "has more appointments and consents than one gallery holds", now_ms)
            return True  # not again until something changes
        sealed = seal(decode(certificate.public), plain, gallery_context(site.id, device))
        return self._publish(topics.build(site.id, device, "gallery"), sealed.to_json())

    def _tell_missing(self, site: str, device: str, connection: str, now_ms: int) -> None:
        """Once per connection: an alarm, and a line in the log."""
        if self._missing.get((site, device)) == connection:
            return
        self._missing[site, device] = connection
        detail = "has no valid key: it gets no appointments; sign its key with `branchloop keys sign`"
        self._alarm(site, device, detail, now_ms)

    def _alarm(self, site: str, device: str, detail: str, now_ms: int) -> None:
        self._say(f"{site}/{device} {detail} ({iso(now_ms)}).")
        with self._store.transaction() as transaction:
            raise_alarm(transaction, Alarm(site, device, "kiosk", "", now_ms, detail))
