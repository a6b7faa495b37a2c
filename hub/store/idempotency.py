"""Idempotency keys: the same request under the same key answers what it made; another one is refused.

Works inside whatever transaction the connection is in.
"""

from __future__ import annotations

import json
import sqlite3

from pydantic import BaseModel

from branchloop.errors import ConflictError
from hub.store.customers.keyring import Keyring

_PURPOSE = "request\n"


def request_digest(keyring: Keyring, site: str, body: BaseModel) -> str:
    """By which a request is known again; under the hub's key, since names and phones are few enough to be guessed."""
    said = [site, type(body).__name__, body.model_dump(mode="json")]
    return keyring.mac(_PURPOSE + json.dumps(said, sort_keys=True))


def made_before(db: sqlite3.Connection, caller: str, key: str, digest: str) -> str | None:
    """What a caller's key made. Raises ConflictError when it was used for another request."""
    row = db.execute(
        "SELECT request, appointment FROM idempotency WHERE caller=? AND key=?", (caller, key)
    ).fetchone()
    if row is None:
        return None
    if row[0] != digest:
        raise ConflictError(
            "this Idempotency-Key was used for another request.", hint="Use a new key for each request."
        )
    return str(row[1])


def keep_key(db: sqlite3.Connection, caller: str, key: str, digest: str, made: str, now_ms: int) -> None:
    """Note what a request made: the id of an appointment, or of a request for a document."""
    db.execute(
        "INSERT INTO idempotency (caller, key, request, appointment, at_ms) VALUES (?,?,?,?,?)",
        (caller, key, digest, made, now_ms),
    )
