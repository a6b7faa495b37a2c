"""Passes: by its secret a customer's browser opens one appointment, and nothing else.

A secret is the hub's HMAC over the pass's random id: so a repeated booking can be answered with the same
one, though only its digest is kept. Works inside whatever transaction the connection is in.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass

from hub.store.customers.keyring import Keyring

_PURPOSE = "pass\n"
_COLUMNS = "id, appointment, site, partner, origin, service, made_ms"


@dataclass(frozen=True, slots=True)
class KeptPass:
    """A pass as kept; `partner` and `origin` of the page that it was made on, `service` the only one of its token."""

    id: str
    appointment: str
    site: str
    partner: str | None
    origin: str | None
    service: str | None
    made_ms: int


def make_pass(
    db: sqlite3.Connection,
    keyring: Keyring,
    appointment: str,
    site: str,
    partner: str | None,
    origin: str | None,
    service: str | None,
    now_ms: int,
) -> str:
    """A pass for an appointment, one per page it is made on; answers its secret, again the same."""
    found = db.execute(
        "SELECT id FROM pass WHERE appointment=? AND partner IS ? AND origin IS ?",
        (appointment, partner, origin),
    ).fetchone()
    identity = found[0] if found else secrets.token_hex(16)
    secret = keyring.mac(_PURPOSE + identity)
    if not found:
        db.execute(
            "INSERT INTO pass (id, sha256, appointment, site, partner, origin, service, made_ms) "
            "VALUES (?,?,?,?,?,?,?,?)",
            (identity, _digest(secret), appointment, site, partner, origin, service, now_ms),
        )
    return secret


def find_pass(db: sqlite3.Connection, secret: str) -> KeptPass | None:
    """The pass that a secret opens."""
    row = db.execute(f"SELECT {_COLUMNS} FROM pass WHERE sha256=?", (_digest(secret),)).fetchone()
    return KeptPass(*row) if row else None


def holder_of(db: sqlite3.Connection, identity: str, partner: str) -> str | None:
    """The pseudonym of whom a pass of a partner's page is, by the pass's id; None once it is gone."""
    row = db.execute(
        "SELECT coalesce((SELECT customer FROM appointment WHERE id=pass.appointment), "
        "(SELECT customer FROM request WHERE id=pass.appointment)) FROM pass WHERE id=? AND partner=?",
        (identity, partner),
    ).fetchone()
    return row[0] if row else None


def forget_passes(db: sqlite3.Connection, appointment: str) -> None:
    """Nobody opens the appointment any more."""
    db.execute("DELETE FROM pass WHERE appointment=?", (appointment,))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
