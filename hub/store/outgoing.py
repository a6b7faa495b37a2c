"""Where each receiver of the ledger stands, what it could not be told, and which reminders went out."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from hub.store.journeys import Entry, after, head

_TARGET = "id, url, cursor, attempts, failing_since_ms, next_ms, disabled, error, delivered_ms"


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver as kept."""

    id: str
    url: str
    cursor: int
    attempts: int
    failing_since_ms: int | None
    next_ms: int
    disabled: bool
    error: str | None
    delivered_ms: int | None


def begin(db: sqlite3.Connection, target: str, url: str, now_ms: int, *, from_start: bool) -> Target:
    """Take up a receiver where it was; a new address wakes one that was disabled, and has all of `give_up_h` before it.

    From `next_ms` to now nobody tried: of that time the receiver is not accused.
    """
    db.execute(
        "INSERT OR IGNORE INTO webhook_target (id, url, cursor) VALUES (?,?,?)",
        (target, url, 0 if from_start else head(db)),
    )
    db.execute(
        "UPDATE webhook_target SET url=?, disabled=0, attempts=0, failing_since_ms=NULL, next_ms=0, error=NULL "
        "WHERE id=? AND url<>?",
        (url, target, url),
    )
    db.execute(
        "UPDATE webhook_target SET failing_since_ms=failing_since_ms+?-next_ms, next_ms=? "
        "WHERE id=? AND failing_since_ms IS NOT NULL AND next_ms<?",
        (now_ms, now_ms, target, now_ms),
    )
    found = find(db, target)
    assert found is not None  # noqa: S101 - it was put there above
    return found


def find(db: sqlite3.Connection, target: str) -> Target | None:
    """A receiver."""
    row = db.execute(f"SELECT {_TARGET} FROM webhook_target WHERE id=?", (target,)).fetchone()
    return None if row is None else _target(row)


def all_targets(db: sqlite3.Connection) -> list[Target]:
    """Every receiver that there ever was."""
    return [_target(row) for row in db.execute(f"SELECT {_TARGET} FROM webhook_target ORDER BY id")]


def entries(db: sqlite3.Connection, cursor: int, most: int) -> list[Entry]:
    """The next lines of the ledger."""
    return after(db, cursor, most)


def behind(db: sqlite3.Connection, cursor: int) -> int:
    """How many lines of the ledger come after a cursor; their numbers have holes where a hub was restored."""
    (count,) = db.execute("SELECT count(*) FROM journey_event WHERE id>?", (cursor,)).fetchone()
    return int(count)


def delivered(db: sqlite3.Connection, target: str, since: int, entry: int, now_ms: int | None) -> bool:
    """Everything from the cursor `since` up to a line was taken; without `now_ms`, nothing there was for this receiver.

    False when the cursor is elsewhere: somebody asked for a retry meanwhile, which counts.
    """
    changed = db.execute(
        "UPDATE webhook_target SET cursor=?, attempts=0, failing_since_ms=NULL, next_ms=0, error=NULL, "
        "delivered_ms=coalesce(?, delivered_ms) WHERE id=? AND cursor=?",
        (entry, now_ms, target, since),
    )
    return changed.rowcount > 0


def failed(db: sqlite3.Connection, target: str, now_ms: int, next_ms: int, error: str) -> None:
    """A line was not taken; it is tried again at `next_ms`."""
    db.execute(
        "UPDATE webhook_target SET attempts=attempts+1, failing_since_ms=coalesce(failing_since_ms, ?), "
        "next_ms=?, error=? WHERE id=?",
        (now_ms, next_ms, error, target),
    )


def disable(db: sqlite3.Connection, target: str, error: str) -> None:
    """The receiver wants no more."""
    db.execute("UPDATE webhook_target SET disabled=1, error=? WHERE id=?", (error, target))


def give_up(db: sqlite3.Connection, target: str, since: int, entry: int, now_ms: int, error: str) -> None:
    """The next line after the cursor goes to the dead letters, and the receiver on to the next."""
    if not delivered(db, target, since, entry, None):
        return
    db.execute(
        "INSERT OR REPLACE INTO webhook_dead (target, entry, at_ms, error) VALUES (?,?,?,?)",
        (target, entry, now_ms, error),
    )
    db.execute("UPDATE webhook_target SET error=? WHERE id=?", (error, target))


def retry(db: sqlite3.Connection, target: str) -> bool:
    """Try again now, also a disabled one, and from its first dead letter on; whether there is such a receiver."""
    (first,) = db.execute("SELECT min(entry) FROM webhook_dead WHERE target=?", (target,)).fetchone()
    db.execute("DELETE FROM webhook_dead WHERE target=?", (target,))
    changed = db.execute(
        "UPDATE webhook_target SET next_ms=0, attempts=0, failing_since_ms=NULL, disabled=0, "
        "cursor=min(cursor, coalesce(?, cursor)) WHERE id=?",
        (None if first is None else first - 1, target),
    )
    return changed.rowcount > 0


def dead_letters(db: sqlite3.Connection, target: str) -> int:
    """How many lines were given up."""
    (count,) = db.execute("SELECT count(*) FROM webhook_dead WHERE target=?", (target,)).fetchone()
    return int(count)


def _target(row: tuple[object, ...]) -> Target:
    fields = list(row)
    fields[6] = bool(fields[6])
    return Target(*fields)  # type: ignore[arg-type]
