"""The ledger of journeys: what happened is written in the transaction that makes it true, and read by cursor."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from hub.loop.journey import Happened

_COLUMNS = "at_ms, site, service, journey, stage, channel, scene, partner, customer, appointment, detail"


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened, with its place in the ledger."""

    id: int
    happened: Happened


def record(db: sqlite3.Connection, *happened: Happened) -> None:
    """Write into the ledger, within the connection's transaction."""
    db.executemany(
        f"INSERT INTO journey_event ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        [
            (
                each.at_ms, each.site, each.service, each.journey, each.stage, each.channel, each.scene,
                each.partner, each.customer, each.appointment,
                json.dumps(dict(each.detail), ensure_ascii=False, sort_keys=True),
            )
            for each in happened
        ],
    )  # fmt: skip


def after(db: sqlite3.Connection, cursor: int, most: int) -> list[Entry]:
    """Entries after a cursor, in order."""
    return _entries(
        db.execute(
            f"SELECT id, {_COLUMNS} FROM journey_event WHERE id>? ORDER BY id LIMIT ?", (cursor, most)
        ).fetchall()
    )


def of_journey(db: sqlite3.Connection, journey: str) -> list[Entry]:
    """Everything of one journey, in order."""
    return _entries(
        db.execute(
            f"SELECT id, {_COLUMNS} FROM journey_event WHERE journey=? ORDER BY id", (journey,)
        ).fetchall()
    )


def head(db: sqlite3.Connection) -> int:
    """The newest entry's place; 0 when there is none."""
    (found,) = db.execute("SELECT coalesce(max(id), 0) FROM journey_event").fetchone()
    return int(found)


def forget(db: sqlite3.Connection, customer: str, instead: str, until_ms: int | None = None) -> None:
    """Write another pseudonym, which leads to nobody, over a customer's; over all, or what happened until a moment."""
    db.execute(
        "UPDATE journey_event SET customer=? WHERE customer=? AND at_ms<=coalesce(?, at_ms)",
        (instead, customer, until_ms),
    )


def retire_journey(db: sqlite3.Connection, appointment: str, instead: str) -> None:
    """Write another pseudonym over the one in an appointment's entries; the customer's others stay."""
    db.execute("UPDATE journey_event SET customer=? WHERE appointment=?", (instead, appointment))


def _entries(rows: Iterable[tuple[object, ...]]) -> list[Entry]:
    return [Entry(int(str(row[0])), _happened(row)) for row in rows]


def _happened(row: tuple[object, ...]) -> Happened:
    _, at_ms, site, service, journey, stage, channel, scene, partner, customer, appointment, detail = row
    return Happened(  # the columns hold what `record` wrote
        stage, at_ms, site, journey, service, channel, scene, partner, customer, appointment,  # type: ignore[arg-type]
        json.loads(str(detail)),
    )  # fmt: skip
