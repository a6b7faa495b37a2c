"""What was put aside because the hub did not know it yet: a branch, a kind of message, a newer one's fields."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from branchloop.wire.payload import WIRE_VERSION

NOT_KNOWN_YET = ("unknown site", "unknown kind", "newer version", "invalid body")
"""Causes that a hub with another branch file, or of a newer version, may no longer find."""


@dataclass(frozen=True, slots=True)
class Aside:
    """One message put aside for `cause`; `outbox` is its site, device and epoch, `body` its JSON."""

    id: int
    cause: str
    outbox: tuple[str, str, str]
    seq: int
    kind: str
    v: int
    body: str
    arrived_ms: int


def waiting(db: sqlite3.Connection, sites: Collection[str], after_id: int, limit: int) -> list[Aside]:
    """So many at most, in the order of their arrival, of branches that are known."""
    marks = [",".join("?" * len(each)) for each in (NOT_KNOWN_YET, sites)]
    rows = db.execute(
        "SELECT id, cause, site, device, epoch, seq, kind, v, body, arrived_ms FROM quarantine "
        f"WHERE id > ? AND cause IN ({marks[0]}) AND site IN ({marks[1]}) ORDER BY id LIMIT ?",
        (after_id, *NOT_KNOWN_YET, *sites, limit),
    )
    return [
        Aside(
            id_, cause, (site, device, epoch), seq, kind, v or WIRE_VERSION, bytes(body).decode(), arrived_ms
        )
        for id_, cause, site, device, epoch, seq, kind, v, body, arrived_ms in rows
    ]


def release(db: sqlite3.Connection, ids: Iterable[int]) -> None:
    """They are taken up, in this transaction."""
    db.executemany("DELETE FROM quarantine WHERE id=?", ((id_,) for id_ in ids))
