"""Forgetting a customer: every consent withdrawn, every box asked, name and key deleted here."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from branchloop.errors import InputError
from hub.config.hub import HubConfig
from hub.loop.consent import HolderState, State
from hub.loop.embedding import Mac
from hub.store.book.entries import Book
from hub.store.book.requests import expire_documents, retire_requests
from hub.store.connection import opened, reading
from hub.store.customers.consenting import Consenting
from hub.store.customers.forgetting import forget_until, keyless, retire_appointments
from hub.store.customers.forgotten import JOURNAL, digest, mark, note, read
from hub.store.customers.holders import People
from hub.store.customers.keyring import Keyring
from hub.store.customers.linking import end_expired
from hub.store.customers.receiptkey import receipt_key

_HELD = """
SELECT customer, min(at_ms), max(at_ms) FROM (
  SELECT customer, booked_ms AS at_ms FROM appointment WHERE masked_name<>'*'
  UNION ALL SELECT customer, made_ms FROM request WHERE masked_name<>'*'
  UNION ALL SELECT customer, given_ms FROM consent WHERE state='given'
  UNION ALL SELECT customer, given_ms FROM partner_link
  UNION ALL SELECT customer, given_ms FROM tag
) GROUP BY customer
"""
"""Of whom something is held, and since when."""


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
    note(
        data_dir,
        "customer",
        [customer if people is None else mark(people.wrapping.mac, customer)],
        now_ms,
    )
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

    What somebody left since is of one who came back, and stays. Raises DependencyError, or InputError for a damaged journal.
    """
    journal = config.data_dir / JOURNAL
    if not os.path.lexists(journal):
        return 0
    asked_ms = {each.digest: each.at_ms for each in read(journal).ended if each.kind == "customer"}
    if not asked_ms:
        return 0
    keyring = Keyring.of(config)
    with reading(config.data_dir) as db:  # nearly always all is done, and nobody need wait
        if not _broken_off(db, keyring.mac, asked_ms):
            return 0
    people = People(Book(keyring), keyring)
    with opened(config.data_dir) as db:  # whoever is erasing now has done it
        found = _broken_off(db, keyring.mac, asked_ms)
        for customer, at_ms, came_back in found:
            if came_back:
                forget_until(db, customer, at_ms)
            else:
                _erase(db, config.data_dir, customer, at_ms, people)
    return len(found)


def _broken_off(db: sqlite3.Connection, mac: Mac, asked_ms: Mapping[str, int]) -> list[tuple[str, int, bool]]:
    """Of whom there is something from before they were to be forgotten: who, when that was, and whether they came back since."""
    found = []
    for customer, first_ms, last_ms in db.execute(_HELD):
        at_ms = asked_ms.get(digest(mark(mac, customer)))
        if at_ms is not None and first_ms <= at_ms:
            found.append((customer, at_ms, last_ms > at_ms))
    return found


def retire_people(config: HubConfig, before_ms: int, now_ms: int) -> int:
    """Overwrite what names customers of appointments and requests that ended before; how many keys went. Raises DependencyError."""
    keyring = Keyring.of(config)
    with opened(config.data_dir) as db:
        ended = end_expired(db, keyring, receipt_key(config.data_dir), now_ms)
        expire_documents(db, now_ms)
        asked = retire_requests(db, before_ms, now_ms)
        customers = {*retire_appointments(db, before_ms, now_ms), *keyless(db, [*ended, *asked])}
        return keyring.forget_all(customers)
