"""Forgetting a customer: every consent withdrawn, every box asked, name and key deleted here."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from branchloop.errors import InputError
from hub.config.hub import HubConfig
from hub.loop.consent import HolderState, State
from hub.store.book.entries import Book
from hub.store.book.requests import expire_documents, retire_requests
from hub.store.connection import opened, reading
from hub.store.customers.consenting import Consenting
from hub.store.customers.forgetting import forget_customer, keyless, retire_appointments
from hub.store.customers.forgotten import JOURNAL, digest, mark, note, read
from hub.store.customers.holders import People
from hub.store.customers.keyring import Keyring
from hub.store.customers.linking import end_expired
from hub.store.customers.receiptkey import receipt_key

_HELD = """
(
  SELECT customer, booked_ms AS at_ms FROM appointment WHERE masked_name<>'*'
  UNION ALL SELECT customer, made_ms FROM request WHERE masked_name<>'*'
  UNION ALL SELECT customer, given_ms FROM consent WHERE state='given'
  UNION ALL SELECT customer, given_ms FROM partner_link
  UNION ALL SELECT customer, given_ms FROM tag
)
"""
"""Of whom something is held, and since when."""
Line = tuple[str, int]
"""Of the journal: the digest of a customer, and when they were to be forgotten."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What became of one consent at one box; `site` and `device` are empty when no box ever had anything."""

    consent: str
    state: State
    site: str
    device: str
    holder: HolderState | None


def erase_customer(data_dir: Path, customer: str, now_ms: int, people: People | None) -> list[Erasure]:
    """Withdraw everything of a customer and delete what names them here; again only tells the states.

    The key goes before the commit: nobody can book in between under a key that is about to go, and what breaks off
    here is found anew by the next call, and by `finish_erasures`. So it is with `retire_people`.

    Raises InputError for a customer who is not known, DependencyError when the store cannot be written.
    """
    with opened(data_dir) as db:
        return _erase(db, data_dir, customer, now_ms, people)


def _erase(
    db: sqlite3.Connection, data_dir: Path, customer: str, now_ms: int, people: People | None
) -> list[Erasure]:
    found: list[Erasure] = []
    consenting = Consenting(db, receipt_key(data_dir))
    consents = consenting.consents.of_customer(customer)
    known = bool(consents) | bool(consenting.consents.forget_links(customer))
    if people is not None:
        known |= people.appointments.forget(db, customer, now_ms)
    if not known:
        raise InputError(
            f"customer {customer[:40]!r} is not known here.",
            hint="Give the pseudonym, as GET …/branches/SITE/consents shows it.",
        )
    marked = customer if people is None else mark(people.wrapping.mac, customer)
    note(data_dir, "customer", [marked], now_ms)
    _tick_off(db, [(digest(marked), now_ms)])
    for consent in consents:
        ended = consenting.withdraw(consent, now_ms)
        holders = consenting.consents.holders(consent.id)
        found += [Erasure(ended.id, ended.state, h.site, h.device, h.state) for h in holders]
        if not holders:
            found.append(Erasure(ended.id, ended.state, "", "", None))
    if people is not None:
        people.wrapping.forget(customer)
    return found


def finish_erasures(config: HubConfig) -> int:
    """Carry out what broke off once it was in the journal, with the key gone or not; of how many customers.

    What is done was ticked off in the transaction that did it, so no clock is asked, and what somebody left since
    whose erasure did not break off is never looked at. Raises DependencyError, or InputError for a damaged journal.
    """
    journal = config.data_dir / JOURNAL
    if not os.path.lexists(journal):
        return 0
    asked = {(each.digest, each.at_ms) for each in read(journal).ended if each.kind == "customer"}
    with reading(config.data_dir) as db:  # nobody need wait for a look at everybody
        lines = _left_over(db, asked)
        if not lines:  # nearly always
            return 0
        keyring = Keyring.of(config)
        held = _held(db, keyring, lines)
    finished = 0
    with opened(config.data_dir) as db:
        lines = _left_over(db, asked)  # whoever was erasing just now has done it
        for customer, line in held.items():
            finished += line in lines and _finish(db, config, keyring, customer, line[1])
        _tick_off(db, lines)
    return finished


def _finish(db: sqlite3.Connection, config: HubConfig, keyring: Keyring, customer: str, at_ms: int) -> bool:
    """Erase what is from before; what is from after is of one who came back, and stays with their key."""
    first_ms, last_ms = db.execute(
        f"SELECT min(at_ms), max(at_ms) FROM {_HELD} WHERE customer=?", (customer,)
    ).fetchone()
    if first_ms is None or first_ms > at_ms:
        return False
    if last_ms <= at_ms:
        _erase(db, config.data_dir, customer, at_ms, People(Book(keyring), keyring))
        return True
    consenting = Consenting(db, receipt_key(config.data_dir))
    for consent in consenting.consents.of_customer(customer):
        if consent.given_ms <= at_ms:
            consenting.withdraw(consent, at_ms)
    forget_customer(db, keyring, customer, at_ms, until_ms=at_ms)
    return True


def _held(db: sqlite3.Connection, keyring: Keyring, lines: Iterable[Line]) -> dict[str, Line]:
    """The customers of lines of whom there is something, each with their last line."""
    last = dict(sorted(lines))
    found = {}
    for (customer,) in db.execute(f"SELECT DISTINCT customer FROM {_HELD}"):
        name = digest(mark(keyring.mac, customer))
        if name in last:
            found[customer] = (name, last[name])
    return found


def _left_over(db: sqlite3.Connection, asked: set[Line]) -> set[Line]:
    return asked.difference(db.execute("SELECT digest, at_ms FROM erased"))


def _tick_off(db: sqlite3.Connection, lines: Iterable[Line]) -> None:
    db.executemany("INSERT OR IGNORE INTO erased (digest, at_ms) VALUES (?,?)", sorted(lines))


def retire_people(config: HubConfig, before_ms: int, now_ms: int) -> int:
    """Overwrite what names customers of appointments and requests that ended before; how many keys went. Raises DependencyError."""
    keyring = Keyring.of(config)
    with opened(config.data_dir) as db:
        ended = end_expired(db, keyring, receipt_key(config.data_dir), now_ms)
        expire_documents(db, now_ms)
        asked = retire_requests(db, before_ms, now_ms)
        customers = {*retire_appointments(db, before_ms, now_ms), *keyless(db, [*ended, *asked])}
        return keyring.forget_all(customers)
