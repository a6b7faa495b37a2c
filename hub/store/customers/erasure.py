"""Forgetting a customer: every consent withdrawn, every box asked, name and key deleted here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from branchloop.errors import InputError
from hub.config.hub import HubConfig
from hub.loop.consent import HolderState, State
from hub.store.book.requests import expire_documents, retire_requests
from hub.store.connection import opened
from hub.store.customers.consenting import Consenting
from hub.store.customers.forgetting import keyless, retire_appointments
from hub.store.customers.forgotten import mark, note
from hub.store.customers.holders import People
from hub.store.customers.keyring import Keyring
from hub.store.customers.linking import end_expired
from hub.store.customers.receiptkey import receipt_key


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
    here is found anew by the next call. So it is with `retire_people`.

    Raises InputError for a customer who is not known, DependencyError when the store cannot be written.
    """
    found: list[Erasure] = []
    with opened(data_dir) as db:
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


def retire_people(config: HubConfig, before_ms: int, now_ms: int) -> int:
    """Overwrite what names customers of appointments and requests that ended before; how many keys went. Raises DependencyError."""
    keyring = Keyring.of(config)
    with opened(config.data_dir) as db:
        ended = end_expired(db, keyring, receipt_key(config.data_dir), now_ms)
        expire_documents(db, now_ms)
        asked = retire_requests(db, before_ms, now_ms)
        customers = {*retire_appointments(db, before_ms, now_ms), *keyless(db, [*ended, *asked])}
        return keyring.forget_all(customers)
