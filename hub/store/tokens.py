"""Bearer tokens: shown once, kept only as their SHA-256, with a role and the sites they may see."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from branchloop.errors import DependencyError, UsageError
from hub.room import shortage
from hub.store.connection import connect, prepare
from hub.store.customers.forgotten import note
from hub.store.schema.core import DATABASE

Role = Literal["device", "kiosk", "staff", "manager", "core", "head_office", "auditor", "partner"]
ROLES: tuple[Role, ...] = get_args(Role)
ALL_SITES: tuple[Role, ...] = ("head_office", "auditor")
"""Roles that see every site; the others name theirs."""
_OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; `sites` is empty for roles that see all."""

    name: str
    role: Role
    sites: tuple[str, ...]
    created_ms: int
    revoked_ms: int | None = None
    partner: str | None = None
    """Of role partner: whose it is."""


class Tokens:
    """The token table of a data directory. May be used by several threads."""

    def __init__(self, data_dir: Path) -> None:
        prepare(data_dir)
        self._data_dir = data_dir
        self._db = connect(data_dir / DATABASE, any_thread=True)
        self._lock = threading.Lock()

    def add(self, name: str, role: str, sites: Sequence[str], now_ms: int, partner: str | None = None) -> str:
        """Make a token and return it: the only time it can be seen. Raises UsageError."""
        if not name.strip() or len(name) > 80:
            raise UsageError("a token needs a name of 1 to 80 characters.", hint="Name who uses it.")
        if role not in ROLES:
            raise UsageError(f"{role!r} is not a role.", hint=f"Choose one of {', '.join(ROLES)}.")
        if role in ALL_SITES and sites:
            raise UsageError(f"a token of role {role} is for every site.", hint="Leave --site out.")
        if (role == "partner") != (partner is not None) or (role == "partner" and sites):
            raise UsageError(
                "a token of role partner names its partner, and no site; others name no partner.",
                hint="Give --role partner --partner ID.",
            )
        if role not in ALL_SITES and role != "partner" and not sites:
            raise UsageError(
                f"a token of role {role} is for named sites only.", hint="Give --site once per site."
            )
        token = secrets.token_urlsafe(32)
        row = (_sha256(token), name, role, json.dumps(sorted(set(sites))), now_ms, partner)
        self._run(
            "INSERT INTO token (sha256, name, role, sites, created_ms, partner) VALUES (?,?,?,?,?,?)", row
        )
        return token

    def find(self, token: str) -> Token | None:
        """The token's row; None when it is unknown or revoked."""
        rows = self._run(
            "SELECT name, role, sites, created_ms, revoked_ms, partner FROM token WHERE sha256=? AND revoked_ms IS NULL",
            (_sha256(token),),
        )
        return _token(rows[0]) if rows else None

    def revoke(self, name: str, now_ms: int) -> int:
        """Revoke every token of that name; returns how many."""
        with self._lock, self._as_errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                found = self._db.execute(
                    "SELECT sha256 FROM token WHERE name=? AND revoked_ms IS NULL", (name,)
                ).fetchall()
                note(self._data_dir, "token", (sha256 for (sha256,) in found), now_ms)
                self._db.execute(
                    "UPDATE token SET revoked_ms=? WHERE name=? AND revoked_ms IS NULL", (now_ms, name)
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            return len(found)

    def all(self) -> list[Token]:
        """Every token ever made, revoked ones included."""
        rows = self._run(
            "SELECT name, role, sites, created_ms, revoked_ms, partner FROM token ORDER BY created_ms, name",
            (),
        )
        return [_token(row) for row in rows]

    def close(self) -> None:
        """Release the database."""
        self._db.close()

    def _run(
        self, sql: str, values: tuple[object, ...]
    ) -> list[tuple[str, Role, str, int, int | None, str | None]]:
        with self._lock, self._as_errors():
            return self._db.execute(sql, values).fetchall()

    @contextmanager
    def _as_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            may_be_full = getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK
            full = may_be_full and shortage(self._data_dir) is not None
            raise DependencyError(
                f"the token table cannot be used: {error}.",
                hint=f"Make room on the disk of {self._data_dir}." if full else "Try again.",
            ) from error


def _token(row: tuple[str, Role, str, int, int | None, str | None]) -> Token:
    name, role, sites, created_ms, revoked_ms, partner = row
    return Token(name, role, tuple(json.loads(sites)), created_ms, revoked_ms, partner)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
