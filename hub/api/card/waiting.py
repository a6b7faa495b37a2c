"""What a customer can be told by, and what the waitlist comes to, in words: whether they are told of a place, and how the waiting ended."""

from __future__ import annotations

import sqlite3

from branchloop.clock import from_ms
from branchloop.site.parts import Text
from branchloop.site.site import Site
from branchloop.text.waitlist import WORDS
from hub.api.state import State
from hub.config.events import Reminders
from hub.store.book import waitlist
from hub.store.book.appointment import Appointment


def addressed(rules: Reminders) -> Text | None:
    """What to write to be reminded: of what a reminder can go to."""
    ways = rules.ways
    return _said("address.any" if "phone" in ways else "address.email") if ways else None


def joining(rules: Reminders) -> Text:
    """For who is about to join: a notice is promised only where one can go out."""
    ways = rules.ways
    return _said(
        "waitlist.join.any" if "phone" in ways else "waitlist.join.email" if ways else "waitlist.join"
    )


def waiting_told(db: sqlite3.Connection, state: State, site: Site, appointment: Appointment) -> Text | None:
    """For a pass: of who waits without an offer, and of who got no place; else None."""
    if appointment.state == "waitlisted" and appointment.offered_until_ms is None:
        contact = state.book.contact(db, appointment) if appointment.remind else None
        told = contact is not None and not state.config.reminders.ways.isdisjoint(contact)
        return _said("waitlist.told" if told else "waitlist.untold")
    ended = waitlist.ended(db, appointment)
    if ended is None:
        return None
    if ended.until_ms is None or ended.reason == "no place came free":
        return _said("waitlist.in_vain")
    until = from_ms(ended.until_ms, site.zone_info)
    en, zh = WORDS["waitlist.lapsed"]
    return Text(
        en=en.format(until=f"{until:%H:%M} on {until.day} {until:%B}"),
        zh=zh.format(until=f"{until.month}月{until.day}日 {until:%H:%M}"),
    )


def _said(key: str) -> Text:
    en, zh = WORDS[key]
    return Text(en=en, zh=zh)
