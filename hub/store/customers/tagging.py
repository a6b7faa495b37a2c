"""Tags as kept: only by a consent that covers their purpose, only until they end, and gone with the link."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from branchloop.errors import ConflictError
from hub.config.scenes import Purpose
from hub.loop.tags import Provenance
from hub.store.customers.holders import Wrapping
from hub.store.customers.linking import Link, may_tag

MOST_TAGS = 100
"""Of one customer."""
VALUE = "tag's value"
_COLUMNS = "id, customer, name, value, purpose, provenance, partner, consent, given_ms, expires_ms"
_HOLDS = (
    "expires_ms>? AND EXISTS (SELECT 1 FROM partner_link l WHERE l.consent=tag.consent AND l.expires_ms>?)"
)


@dataclass(frozen=True, slots=True)
class Tag:
    """One tag; `value` None when it has none."""

    id: str
    customer: str
    name: str
    value: str | None
    purpose: Purpose
    provenance: Provenance
    partner: str
    consent: str
    given_ms: int
    expires_ms: int


def put(
    db: sqlite3.Connection,
    wrapping: Wrapping,
    found: Link,
    name: str,
    value: str | None,
    purpose: Purpose,
    provenance: Provenance,
    now_ms: int,
    expires_ms: int,
) -> Tag:
    """Keep a tag by a link's consent; one of the same name and purpose is replaced.

    It ends with the consent at the latest. Raises ConflictError when the customer has not agreed to the purpose.
    """
    if not may_tag(found, purpose, now_ms):
        raise ConflictError(
            f"the customer has not agreed to tags for the purpose {purpose}.",
            hint="The customer takes the link back and agrees anew; nothing was kept.",
        )
    key = (found.customer, name, purpose, found.partner)
    (others,) = db.execute(
        "SELECT count(*) FROM tag WHERE customer=? AND (name, purpose, partner) IS NOT (?,?,?)", key
    ).fetchone()
    if others >= MOST_TAGS:
        raise ConflictError(
            f"no more than {MOST_TAGS} tags are kept of a customer.", hint="Wait until one of them has ended."
        )
    db.execute("PRAGMA secure_delete=ON")
    db.execute("DELETE FROM tag WHERE customer=? AND name=? AND purpose=? AND partner=?", key)
    made = Tag(
        secrets.token_hex(8), found.customer, name, value, purpose, provenance, found.partner, found.consent,
        now_ms, min(expires_ms, found.expires_ms),
    )  # fmt: skip
    wrapped = None if value is None else wrapping.wrap(found.customer, value.encode(), VALUE)
    db.execute(
        f"INSERT INTO tag ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            made.id, made.customer, name, wrapped, purpose, provenance, made.partner, made.consent, now_ms,
            made.expires_ms,
        ),
    )  # fmt: skip
    return made


def names_for(db: sqlite3.Connection, customer: str, purpose: Purpose, now_ms: int) -> frozenset[str]:
    """Names of the tags that may be used for a purpose now."""
    rows = db.execute(
        f"SELECT DISTINCT name FROM tag WHERE customer=? AND purpose=? AND {_HOLDS}",
        (customer, purpose, now_ms, now_ms),
    )
    return frozenset(name for (name,) in rows)


def of_customer(db: sqlite3.Connection, wrapping: Wrapping, customer: str, now_ms: int) -> list[Tag]:
    """Every tag of a customer, for the customer alone."""
    return _tags(db, wrapping.unwrap, "customer=?", (customer,), now_ms)


def shared_with(db: sqlite3.Connection, wrapping: Wrapping, found: Link, now_ms: int) -> list[Tag]:
    """The tags that a partner may read of its user: kept for sharing, by the consent of this very link."""
    return _tags(db, wrapping.unwrap, "consent=? AND purpose='share'", (found.consent,), now_ms)


def remove(db: sqlite3.Connection, customer: str, tag: str) -> bool:
    """Delete one tag of a customer; whether it was there."""
    db.execute("PRAGMA secure_delete=ON")
    return db.execute("DELETE FROM tag WHERE customer=? AND id=?", (customer, tag)).rowcount > 0


def _tags(
    db: sqlite3.Connection,
    unwrap: Callable[[str, bytes, str], bytes | None],
    where: str,
    values: tuple[object, ...],
    now_ms: int,
) -> list[Tag]:
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM tag WHERE {where} AND {_HOLDS} ORDER BY given_ms, id",
        (*values, now_ms, now_ms),
    ).fetchall()
    found = []
    for row in rows:
        plain = None if row[3] is None else unwrap(row[1], row[3], VALUE)
        found.append(Tag(row[0], row[1], row[2], None if plain is None else plain.decode(), *row[4:]))
    return found
