"""What must hold after a restore: who was forgotten stays forgotten, and no number is given out twice.

Works on a restored data directory before it takes its place, so that nobody ever sees it half done.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from branchloop.clock import DAY_MS
from branchloop.errors import InputError
from hub.backup.snapshot import reader
from hub.config.hub import HubConfig
from hub.store.book.entries import Book
from hub.store.connection import opened
from hub.store.customers import linking
from hub.store.customers.consenting import Consenting
from hub.store.customers.erasure import erase_customer, retire_people
from hub.store.customers.forgotten import Ended, Journal, Kind, digest, mark
from hub.store.customers.holders import People
from hub.store.customers.keyring import DATABASE as KEYS, Keyring
from hub.store.customers.receiptkey import receipt_key

STEP = 1_000_000_000
"""By so much the numbers of the ledger and of the live feed go on: whoever keeps one as a cursor misses nothing."""


@dataclass(slots=True)
class Settled:
    """How much of the backup was ended again."""

    customers: int = 0
    consents: int = 0
    links: int = 0
    tokens: int = 0
    retired: int = 0
    enrolments: int = 0


def settle(config: HubConfig, keyring: Keyring, since: Journal, now_ms: int) -> Settled:
    """End again what ended after the backup was made, as the journal `since` then says. Raises DependencyError."""
    settled = Settled()
    ended = {kind: _by_digest(since, kind) for kind in ("customer", "consent", "link", "token")}
    _end_in_tables(config, keyring, ended, settled)
    _forget(config, keyring, ended["customer"], settled)
    settled.enrolments = _end_enrolments(config, now_ms)
    settled.retired = retire_people(config, now_ms - config.people.keep_days * DAY_MS, now_ms)
    with opened(config.data_dir) as db:
        for table in ("journey_event", "feed"):
            if not db.execute("UPDATE sqlite_sequence SET seq=seq+? WHERE name=?", (STEP, table)).rowcount:
                db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?,?)", (table, STEP))
    return settled


def _end_in_tables(
    config: HubConfig, keyring: Keyring, ended: dict[str, dict[str, Ended]], settled: Settled
) -> None:
    """Tokens, consents and links."""
    key = receipt_key(config.data_dir)
    with opened(config.data_dir) as db:
        for (sha256,) in db.execute("SELECT sha256 FROM token WHERE revoked_ms IS NULL").fetchall():
            if (told := ended["token"].get(digest(sha256))) is not None:
                db.execute("UPDATE token SET revoked_ms=? WHERE sha256=?", (told.at_ms, sha256))
                settled.tokens += 1
        consenting = Consenting(db, key)
        for (name,) in db.execute("SELECT id FROM consent WHERE state='given'").fetchall():
            told = ended["consent"].get(digest(name))
            if told is not None and (consent := consenting.consents.find(name)) is not None:
                consenting.withdraw(consent, told.at_ms)
                settled.consents += 1
        for found in linking.every(db):
            if (told := ended["link"].get(digest(found.consent))) is not None:
                linking.unlink(db, keyring, key, found, told.at_ms)
                settled.links += 1


def _forget(config: HubConfig, keyring: Keyring, ended: dict[str, Ended], settled: Settled) -> None:
    if not ended:
        return
    people = People(Book(keyring), keyring)
    for customer in _customers(config):
        told = ended.get(digest(mark(keyring.mac, customer)))
        if told is None:
            continue
        try:
            erase_customer(config.data_dir, customer, told.at_ms, people)
        except InputError:  # nothing of theirs but a key
            keyring.forget(customer)
        settled.customers += 1


def _customers(config: HubConfig) -> list[str]:
    """Every pseudonym that is anywhere in the databases."""
    found: set[str] = set()
    with opened(config.data_dir) as db:
        tables = db.execute(
            "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c "
            "WHERE m.type='table' AND c.name='customer'"
        ).fetchall()
        for (table,) in tables:
            rows = db.execute(f"SELECT DISTINCT customer FROM {table} WHERE customer IS NOT NULL")  # noqa: S608 - a table of ours
            found |= {customer for (customer,) in rows}
    with closing(reader(config.data_dir / KEYS)) as keys:
        found |= {customer for (customer,) in keys.execute("SELECT customer FROM key")}
    return sorted(found)


def _end_enrolments(config: HubConfig, now_ms: int) -> int:
    """Photos are in no backup: what waited to be enrolled is ended as if its kiosk had not answered."""
    with opened(config.data_dir) as db:
        count = db.execute(
            "UPDATE command SET expires_ms=? WHERE state='open' AND what='enrol' AND photo IS NULL", (now_ms,)
        ).rowcount
        Consenting(db, receipt_key(config.data_dir)).expire(now_ms)
        return count


def _by_digest(journal: Journal, kind: Kind) -> dict[str, Ended]:
    return {each.digest: each for each in journal.ended if each.kind == kind}
