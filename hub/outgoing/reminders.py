"""Customers who want it are reminded once per appointment, time and lead, and told of a place that is held for them."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from branchloop import exits
from branchloop.errors import BranchloopError, InputError
from branchloop.site.site import Site
from hub.config.hub import HubConfig
from hub.loop.delivery import backoff_s
from hub.loop.reminding import HOUR_MS, Quiet, due_now
from hub.outgoing.ledger import now_ms
from hub.outgoing.sinks import CannotError, Note, Sink, SinkError, UnsureError
from hub.outgoing.threads import in_database
from hub.outgoing.wording import offer_worded, worded
from hub.store.book import reminders as kept
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Book
from hub.store.connection import opened, reading
from hub.store.journeys import record

LOOK_S = 10.0
SLACK_H = 24
"""Quiet hours can bring a reminder forward by less than this."""
AT_ONCE = 8
"""So many are on their way at a time: a server that takes long for one does not hold up all."""
MOST_UNSURE = 3
"""From this try on one that may have gone is not sent again."""


@dataclass(frozen=True, slots=True)
class Due:
    """A reminder to send, or the notice of an offer."""

    of: kept.Upcoming
    hours: float

    @property
    def offer(self) -> bool:
        """Whether it tells of a place that the waitlist holds."""
        return self.hours == kept.OFFER


class Reminding:
    """Looks for reminders that are due, and sends them."""

    def __init__(self, config: HubConfig, book: Book, sink: Sink) -> None:
        self._config = config
        self._book = book
        self._sink = sink
        rules = config.reminders
        self._quiet = Quiet(rules.quiet_from_h, rules.quiet_to_h)

    async def run(self) -> None:
        """Remind until cancelled; a database that is away is tried again."""
        while True:
            try:
                await self.look()
            except BranchloopError as error:
                exits.log(f"reminders wait: {error}")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> int:
        """Send what is due now; how many went out."""
        todo = iter(await in_database(self._due))
        ways = await asyncio.gather(*(self._remind_all(todo) for _ in range(AT_ONCE)), return_exceptions=True)
        for way in ways:
            if isinstance(way, BaseException):
                raise way  # once the others have ended: a mail that is broken off may have gone
        return sum(way for way in ways if not isinstance(way, BaseException))

    async def _remind_all(self, todo: Iterator[Due]) -> int:
        """One after the other of those that are left; how many went out."""
        sent = 0
        for due in todo:
            try:
                sent += await self._remind(due)
            except BranchloopError:
                raise
            except Exception as fault:  # noqa: BLE001 - what is wrong with one holds up no other
                where = "".join(traceback.format_tb(fault.__traceback__))  # its words may hold an address
                exits.log(
                    f"{where}{_named(due)}: internal fault ({type(fault).__name__}); "
                    "the lines above belong into a bug report."
                )
                await self._later(due, "internal fault", unsure=True)
        return sent

    async def _remind(self, due: Due) -> bool:
        """Send one; whether its customer heard of it."""
        note = await in_database(self._claim, due)
        if note is None:
            return False
        try:
            await self._sink.send(note)
        except CannotError as fault:
            await in_database(self._settle, due, "given_up", str(fault))
        except SinkError as fault:
            await self._later(due, str(fault), unsure=isinstance(fault, UnsureError))
        else:
            await in_database(self._settle, due, "sent" if self._sink.tells else "logged")
            return self._sink.tells
        return False

    async def _later(self, due: Due, error: str, *, unsure: bool = False) -> None:
        """Try it again after a while, but do not tell somebody the same for ever."""
        tries = await in_database(self._tries, due)
        if unsure and tries >= MOST_UNSURE:
            await in_database(self._settle, due, "given_up", error)
        else:
            wait_s = backoff_s(tries, random.random)
            await in_database(self._settle, due, "waiting", error, wait_s)

    def _due(self) -> list[Due]:
        at_ms, leads = now_ms(), self._config.reminders.hours_before
        until_ms = at_ms + round((max(leads, default=0.0) + SLACK_H) * HOUR_MS)
        with reading(self._config.data_dir) as db:
            if not kept.knows_the_time(db):
                return []
            found = [Due(each, kept.OFFER) for each in kept.offered(db, at_ms)]
            for each in kept.upcoming(db, at_ms, until_ms) if leads else ():
                site = self._site_of(db, each.appointment)
                if site is None:
                    continue
                hours = self._due_of(each, site)
                if hours is not None:
                    found.append(Due(each, hours))
        return found

    def _due_of(self, of: kept.Upcoming, site: Site) -> float | None:
        """Which reminder of an appointment is due now."""
        leads = self._config.reminders.hours_before
        return due_now(of.start_ms, of.made_ms, leads, now_ms(), site.zone_info, self._quiet)

    def _site_of(self, db: object, appointment: str) -> Site | None:
        (site,) = db.execute("SELECT site FROM appointment WHERE id=?", (appointment,)).fetchone()  # type: ignore[attr-defined]
        return self._config.sites.get(site)

    def _claim(self, due: Due) -> Note | None:
        """Mark it as being sent, if it is still booked for that time, still due, and was not sent.

        What was due when the look began may not be after all that was sent before it: the night began, or the visit.
        So it is with an offer: by then it was taken, given back, or has lapsed.
        """
        with opened(self._config.data_dir) as db:
            site = self._site_of(db, due.of.appointment)
            found = None if site is None else self._book.find(db, site.id, due.of.appointment)
            if site is None or found is None or not self._still(due, site, found):
                return None
            if not kept.claim(db, due.of, due.hours, now_ms()):
                return None
            contact = self._book.contact(db, found)
            if contact is None:
                self._give_up(db, due, "the customer was forgotten")
                return None
            try:
                if found.offered_until_ms is not None:
                    subject, text = offer_worded(site, found, found.offered_until_ms, found.language)
                else:
                    subject, text = worded(site, found, found.language)
            except InputError as error:  # a service that the branch has no more; all others are reminded
                self._give_up(db, due, str(error))
                return None
            lead = "offer" if due.offer else f"{due.hours:g}"
            identity = f"{found.id}-{found.start_ms // 60_000}-{lead}"
            return Note(identity, contact.get("email"), contact.get("phone"), subject, text)

    def _still(self, due: Due, site: Site, found: Appointment) -> bool:
        """Whether it is still true and still due."""
        if found.start_ms != due.of.start_ms:
            return False
        if due.offer:
            return found.state == "waitlisted" and (found.offered_until_ms or 0) > now_ms()
        return found.state == "booked" and self._due_of(due.of, site) == due.hours

    def _give_up(self, db: sqlite3.Connection, due: Due, error: str) -> None:
        kept.settle(db, due.of, due.hours, "given_up", now_ms(), 0, error)
        _say(due, "given_up", error)

    def _tries(self, due: Due) -> int:
        """How often it was tried, by now; one whose mark was undone by a fault beside it is a try as well."""
        with opened(self._config.data_dir) as db:
            kept.claim(db, due.of, due.hours, now_ms())
            return kept.attempts(db, due.of, due.hours)

    def _settle(self, due: Due, state: str, error: str | None = None, wait_s: float = 0.0) -> None:
        at_ms = now_ms()
        with opened(self._config.data_dir) as db:
            kept.settle(db, due.of, due.hours, state, at_ms, at_ms + round(wait_s * 1000), error)
            if state == "sent" and not due.offer:
                self._note_sent(db, due, at_ms)
        if error is not None:
            _say(due, state, error)

    def _note_sent(self, db: sqlite3.Connection, due: Due, at_ms: int) -> None:
        site = self._site_of(db, due.of.appointment)
        found = None if site is None else self._book.find(db, site.id, due.of.appointment)
        if found is not None:
            record(db, found.happened("reminded", at_ms, hours=due.hours, sink=self._config.reminders.sink))


def _say(due: Due, state: str, error: str) -> None:
    exits.log(f"{_named(due)} is {state.replace('_', ' ')}: {error}")


def _named(due: Due) -> str:
    return f"{'notice of a held place' if due.offer else 'reminder'} of {due.of.appointment}"
