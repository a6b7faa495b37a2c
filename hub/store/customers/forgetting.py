"""Forgetting who customers of the book were: on request, or once their appointments are long over."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable

from branchloop.clock import DAY_MS
from hub.store.book.changes import touch
from hub.store.book.passes import forget_passes
from hub.store.book.requests import forget_requests
from hub.store.customers.keyring import Keyring
from hub.store.customers.linking import forget_links
from hub.store.journeys import forget as forget_journeys, retire_journey


def forget_customer(
    db: sqlite3.Connection, keyring: Keyring, customer: str, now_ms: int, until_ms: int | None = None
) -> bool:
    """Cancel what is to come; names, codes, the pseudonym and what staff wrote are overwritten. Whether anything was known.

    With `until_ms` only of what is from until then: they came back since under the same pseudonym.
    """
    rows = db.execute(
        "SELECT id, site FROM appointment WHERE customer=? AND booked_ms<=coalesce(?, booked_ms)",
        (customer, until_ms),
    ).fetchall()
    forget_journeys(db, customer, f"x-{secrets.token_hex(8)}", until_ms)
    for appointment, site in rows:
        _anonymise(db, appointment, now_ms)
        touch(db, site)
    asked = forget_requests(db, customer, now_ms, until_ms)
    return forget_links(db, keyring, customer, now_ms, until_ms) or asked or bool(rows)


def retire_appointments(db: sqlite3.Connection, before_ms: int, now_ms: int) -> list[str]:
    """Overwrite what names customers of appointments that ended before; who they were, for their keys.

    A customer with a later appointment, a consent or a link keeps the key.
    """
    rows = db.execute(
        "SELECT id, customer FROM appointment WHERE end_ms<? AND masked_name<>'*'", (before_ms,)
    ).fetchall()
    for appointment, _ in rows:
        _anonymise(db, appointment, now_ms)
    db.execute("DELETE FROM held WHERE tick_ms<?", (now_ms - DAY_MS,))
    return keyless(db, (customer for _, customer in rows))


def keyless(db: sqlite3.Connection, customers: Iterable[str]) -> list[str]:
    """Those of whom nothing is kept that their key would open."""
    return [
        customer
        for customer in dict.fromkeys(customers)
        if not db.execute("SELECT 1 FROM appointment WHERE customer=? LIMIT 1", (customer,)).fetchone()
        and not db.execute(
            "SELECT 1 FROM consent WHERE customer=? AND state='given' LIMIT 1", (customer,)
        ).fetchone()
        and not db.execute("SELECT 1 FROM partner_link WHERE customer=? LIMIT 1", (customer,)).fetchone()
        and not db.execute("SELECT 1 FROM request WHERE customer=? LIMIT 1", (customer,)).fetchone()
    ]


def _anonymise(db: sqlite3.Connection, appointment: str, now_ms: int) -> None:
    db.execute("PRAGMA secure_delete=ON")
    nobody = f"x-{secrets.token_hex(8)}"
    retire_journey(db, appointment, nobody)
    db.execute(
        "UPDATE appointment SET customer=?, masked_name='*', title=NULL, name=x'', code=x'', code_mac='', "
        "contact=NULL, contact_mac='', remind=0, follow_up=NULL, offered_until_ms=NULL, "
        "cancelled_ms=CASE WHEN state IN ('booked', 'waitlisted') THEN ? ELSE cancelled_ms END, "
        "state=CASE WHEN state IN ('booked', 'waitlisted') THEN 'cancelled' ELSE state END WHERE id=?",
        (nobody, now_ms, appointment),
    )
    db.execute("DELETE FROM idempotency WHERE appointment=?", (appointment,))
    db.execute("DELETE FROM reminder WHERE appointment=?", (appointment,))
    db.execute(
        "DELETE FROM held WHERE appointment=? AND (SELECT state FROM appointment WHERE id=?)='cancelled'",
        (appointment, appointment),
    )
    forget_passes(db, appointment)
