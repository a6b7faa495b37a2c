"""A book on a real database, without API: one branch, open from nine to five, at a time of the test's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from branchloop.clock import to_ms
from branchloop.site.site import Site, parse_site
from hub.store import journeys
from hub.store.book.entries import Book, Wanted
from hub.store.book.places import day_slots
from hub.store.connection import opened, prepare, reading
from hub.store.customers.keyring import Keyring
from hub.store.sqlite import SqliteStore

DAY = date(2031, 3, 4)
"""A Tuesday."""
SITE = """
id = "north"
name = {{ en = "North", zh = "北" }}
timezone = "{zone}"
plan = {{ width_m = 5, height_m = 5 }}
{more}
[[service]]
id = "loan"
name = {{ en = "Loans", zh = "贷款" }}
minutes = 60
slot_minutes = 60
remote_tickets = true
remote_per_hour = 3
[[service]]
id = "cash"
name = {{ en = "Cash", zh = "现金" }}
minutes = 10
waitlist = false
{tables}
"""
KIOSK = """
[[kiosk]]
id = "kiosk-1"
x_m = 1.0
y_m = 1.0
source = "usb:0"
"""
HOURS = 'hours = { tue = "09:00-12:00", wed = "09:00-17:00" }'


def site_of(more: str = HOURS, tables: str = "", zone: str = "Asia/Shanghai") -> Site:
    """The branch, with further keys and tables."""
    return parse_site(SITE.format(more=more, tables=tables, zone=zone))


@dataclass(frozen=True, slots=True)
class BookWorld:
    """A data directory, its book, and the branch."""

    data_dir: Path
    store: SqliteStore
    book: Book
    site: Site

    def at(self, clock: str, day: date = DAY) -> int:
        """A time of day at the branch."""
        return to_ms(datetime.combine(day, datetime.strptime(clock, "%H:%M").time(), self.site.zone_info))  # noqa: DTZ007

    def fill(self, now_ms: int, service: str = "loan", day: date = DAY) -> list[str]:
        """Book whatever is free on a day."""
        made: list[str] = []
        with opened(self.data_dir) as db:
            while free := [s for s in day_slots(db, self.site, service, day, now_ms) if s.free]:
                wanted = Wanted(service, free[0].start_ms, "Ann Miller")
                made.append(self.book.book(db, self.site, wanted, now_ms).id)
        return made

    def told(self, appointment: str) -> list[tuple[str, str | None]]:
        """What the ledger says of an appointment, with its reason."""
        with reading(self.data_dir) as db:
            return [
                (entry.happened.stage, entry.happened.detail.get("reason"))  # type: ignore[misc]
                for entry in journeys.after(db, 0, 10_000)
                if entry.happened.appointment == appointment
            ]


def book_world(folder: Path, site: Site | None = None) -> BookWorld:
    """A new one; close its `store`."""
    prepare(folder)
    return BookWorld(folder, SqliteStore(folder), Book(Keyring(folder, bytes(32))), site or site_of())
