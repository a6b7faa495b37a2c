"""The durable queue of commands to boxes: sent again with back-off until answered or expired.

Works inside whatever transaction the connection is in, so that a command is kept exactly when what asked
for it is. A command's photo is deleted as soon as the command is settled.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

What = Literal["enrol", "erase", "reseal", "adopt", "background", "birdseye"]
State = Literal["open", "done", "failed", "expired", "cancelled"]
FIRST_AGAIN_MS = 2_000
LAST_AGAIN_MS = 300_000
_COLUMNS = "id, site, device, what, consent, customer, at_ms, expires_ms, body, photo, state, sends, code"


@dataclass(frozen=True, slots=True)
class Asked:
    """One command as kept; `body` is without the photo, `photo` is wrapped under the customer's key."""

    id: str
    site: str
    device: str
    what: What
    consent: str
    customer: str
    at_ms: int
    expires_ms: int
    body: Mapping[str, Any]
    photo: bytes | None
    state: State
    sends: int
    code: str | None


class Commands:
    """The command table, over a connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(
        self,
        site: str,
        device: str,
        what: What,
        body: Mapping[str, Any],
        *,
        consent: str,
        customer: str,
        now_ms: int,
        expires_ms: int,
        photo: bytes | None = None,
    ) -> str:
        """Queue a command; its id."""
        made = secrets.token_hex(16)
        self._db.execute(
            "INSERT INTO command (id, site, device, what, consent, customer, at_ms, expires_ms, body, photo, "
            "state, sends, next_ms) VALUES (?,?,?,?,?,?,?,?,?,?,'open',0,?)",
            (
                made,
                site,
                device,
                what,
                consent,
                customer,
                now_ms,
                expires_ms,
                json.dumps(body),
                photo,
                now_ms,
            ),
        )
        return made

    def find(self, command: str) -> Asked | None:
        """A command by id."""
        rows = self._all("id=?", (command,))
        return rows[0] if rows else None

    def of_consent(self, consent: str, what: What | None = None) -> list[Asked]:
        """All commands of a consent, oldest first."""
        where = "consent=?" + (" AND what=?" if what else "")
        return self._all(where, (consent, what) if what else (consent,))

    def due(self, now_ms: int, most: int = 20) -> list[Asked]:
        """Open commands whose time has come, oldest first."""
        return self._all("state='open' AND next_ms<=?", (now_ms,), most)

    def sent(self, asked: Asked, now_ms: int) -> None:
        """It was published: again after a back-off."""
        wait_ms = min(LAST_AGAIN_MS, FIRST_AGAIN_MS << min(asked.sends, 10))
        self._db.execute(
            "UPDATE command SET sends=sends+1, next_ms=? WHERE id=?", (now_ms + wait_ms, asked.id)
        )

    def at_once(self, site: str, device: str, now_ms: int) -> None:
        """The box has (re)connected: it gets everything that is open for it now."""
        self._db.execute(
            "UPDATE command SET next_ms=?, sends=0 WHERE state='open' AND site=? AND device=?",
            (now_ms, site, device),
        )

    def settle(self, command: str, state: State, code: str, now_ms: int) -> None:
        """End a command: nothing is sent any more, and its photo is gone."""
        self._db.execute(
            "UPDATE command SET state=?, code=?, replied_ms=?, photo=NULL WHERE id=?",
            (state, code, now_ms, command),
        )

    def cancel(self, consent: str, whats: Collection[What], now_ms: int) -> None:
        """Nothing of this kind is to be sent any more."""
        marks = ",".join("?" * len(whats))
        self._db.execute(
            "UPDATE command SET state='cancelled', code='cancelled', replied_ms=?, photo=NULL "
            f"WHERE state='open' AND consent=? AND what IN ({marks})",
            (now_ms, consent, *whats),
        )

    def open_of(self, site: str, whats: Collection[What], now_ms: int, *, over: bool = False) -> list[Asked]:
        """Open commands of these kinds to a branch that are still in time; with `over` those that are not."""
        marks = ",".join("?" * len(whats))
        beyond = "<=" if over else ">"
        return self._all(
            f"state='open' AND site=? AND what IN ({marks}) AND expires_ms{beyond}?", (site, *whats, now_ms)
        )

    def expired(self, now_ms: int) -> list[Asked]:
        """Open commands past their time."""
        return self._all("state='open' AND expires_ms<=?", (now_ms,), 100)

    def forget(self, before_ms: int) -> int:
        """Delete what was settled earlier and is of no consent; returns how many there were."""
        return self._db.execute(
            "DELETE FROM command WHERE consent='' AND state<>'open' AND replied_ms<?", (before_ms,)
        ).rowcount

    def _all(self, where: str, values: tuple[object, ...], most: int = 1_000) -> list[Asked]:
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM command WHERE {where} ORDER BY at_ms, id LIMIT ?",
            (*values, most),
        ).fetchall()
        return [_asked(row) for row in rows]


def _asked(row: tuple[Any, ...]) -> Asked:
    fields = list(row)
    fields[8] = json.loads(fields[8])
    return Asked(*fields)
