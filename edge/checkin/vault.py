"""What a kiosk keeps: templates, each under a key of its own; tickets it gave; answers; the sealed day.

kiosk.db overwrites what it deletes and has no write-ahead log, so that a template whose key was deleted can
be read from no file of this box. It belongs in no backup: a lost box means enrolling again.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from branchloop.errors import ConfigError, DependencyError
from branchloop.keys.file import KEY_BYTES, kept, new_key, read_key
from edge.kiosk.day import GIVEN_MS, Given
from edge.kiosk.hubtime import KeptTime

DATABASE = "kiosk.db"
KEY_FILE = "template.key"
_IV = 12
_SCHEMA = """
CREATE TABLE IF NOT EXISTS template (
  consent TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL,
  wrapped BLOB NOT NULL,              -- its own key, under this kiosk's
  sealed BLOB NOT NULL,               -- float16, under its own key
  made_here_seq INTEGER,              -- of the consent given here, until the hub has it
  known_ms INTEGER                    -- since when the hub has it
) STRICT;
CREATE TABLE IF NOT EXISTS part (
  consent TEXT NOT NULL, at INTEGER NOT NULL, sealed BLOB NOT NULL, expires_ms INTEGER NOT NULL,
  PRIMARY KEY (consent, at)
) STRICT;
CREATE TABLE IF NOT EXISTS ticket (
  appointment TEXT PRIMARY KEY, day TEXT NOT NULL, number TEXT NOT NULL, at_ms INTEGER NOT NULL,
  body TEXT NOT NULL,                 -- the check-in
  sent INTEGER NOT NULL               -- 1: it is in the outbox
) STRICT;
CREATE TABLE IF NOT EXISTS reply (id TEXT PRIMARY KEY, body TEXT NOT NULL, until_ms INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS day (one INTEGER PRIMARY KEY CHECK (one = 1), sealed BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS time (
  one INTEGER PRIMARY KEY CHECK (one = 1), hub_ms INTEGER, wall_ms INTEGER NOT NULL, stood_s REAL NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One customer's template: unit vector (128,), protected."""

    consent: str
    vector: NDArray[np.float32]


class Vault:
    """A kiosk's keeping. For one thread at a time. Raises DependencyError when the disk does not take it."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._path = folder / DATABASE
        self._over = AESGCM(_derive(key, b"branchloop templates"))
        self.turn_key = _derive(key, b"branchloop turn")
        """Of the site's protecting turn."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
            self._path.chmod(0o600)
            for pragma in ("journal_mode=DELETE", "secure_delete=ON", "synchronous=FULL"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise DependencyError(f"{self._path} cannot be used: {error}.", hint="Check the disk.") from error

    def templates(self, now_ms: int) -> list[Template]:
        """All that are readable and within their time."""
        found = []
        for consent, wrapped, sealed in self._all(
            "SELECT consent, wrapped, sealed FROM template WHERE expires_ms>? ORDER BY consent", now_ms
        ):
            plain = _open(self._key_of(consent, wrapped), sealed, consent)
            if plain is not None:
                found.append(Template(consent, np.frombuffer(plain, np.float16).astype(np.float32)))
        return found

    def consents(self) -> list[str]:
        """Consents of which anything is held."""
        rows = self._all("SELECT consent FROM template UNION SELECT consent FROM part")
        return [str(row[0]) for row in rows]

    def keep(
        self, consent: str, vector: NDArray[np.float32], expires_ms: int, seq: int | None = None
    ) -> None:
        """Keep a template; its parts go. `seq` is of the consent given here."""
        key, iv = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(_IV)
        wrapped = iv + self._over.encrypt(iv, key, consent.encode())
        with self._writing():
            self._db.execute(
                "INSERT OR REPLACE INTO template (consent, expires_ms, wrapped, sealed, made_here_seq) "
                "VALUES (?,?,?,?,?)",
                (consent, expires_ms, wrapped, _shut(key, vector.astype(np.float16).tobytes(), consent), seq),
            )
            self._db.execute("DELETE FROM part WHERE consent=?", (consent,))

    def keep_part(self, consent: str, at: int, vector: NDArray[np.float32], expires_ms: int) -> int:
        """Keep one photo's vector until all have come; how many are there."""
        iv = secrets.token_bytes(_IV)
        plain = vector.astype(np.float32).tobytes()
        with self._writing():
            self._db.execute(
                "INSERT OR REPLACE INTO part (consent, at, sealed, expires_ms) VALUES (?,?,?,?)",
                (consent, at, iv + self._over.encrypt(iv, plain, consent.encode()), expires_ms),
            )
        return len(self._all("SELECT 1 FROM part WHERE consent=?", consent))

    def parts(self, consent: str) -> list[NDArray[np.float32]]:
        """The vectors of the photos that have come."""
        found = []
        for (sealed,) in self._all("SELECT sealed FROM part WHERE consent=? ORDER BY at", consent):
            plain = _open_with(self._over, sealed, consent)
            if plain is not None:
                found.append(np.frombuffer(plain, np.float32))
        return found

    def erase(self, consents: Iterable[str]) -> int:
        """Delete keys and templates; how many there were."""
        gone = 0
        with self._writing():
            for consent in consents:
                gone += self._db.execute("DELETE FROM template WHERE consent=?", (consent,)).rowcount
                gone += self._db.execute("DELETE FROM part WHERE consent=?", (consent,)).rowcount
        return gone

    def expire(self, now_ms: int) -> list[str]:
        """Delete what is past its time, which is `now_ms` at least; the consents of what was deleted."""
        over = [row[0] for row in self._all("SELECT consent FROM template WHERE expires_ms<=?", now_ms)]
        over += [row[0] for row in self._all("SELECT consent FROM part WHERE expires_ms<=?", now_ms)]
        with self._writing():
            self._db.execute("DELETE FROM reply WHERE until_ms<=?", (now_ms,))
            self._db.execute("DELETE FROM ticket WHERE at_ms<=? AND sent=1", (now_ms - GIVEN_MS,))
        gone = list(dict.fromkeys(over))
        if gone:
            self.erase(gone)
        return gone

    def reconcile(self, holding: set[str], made_ms: int, oldest_seq: int) -> list[str]:
        """Erase what no consent holds for any more, as a gallery of `made_ms` says; what was erased.

        A consent given here is not held against the customer before the hub can have heard of it, by the hub's time as
        it is now: since when the hub has it may have been told by a clock that was ahead.
        """
        with self._writing():
            self._db.execute(
                "UPDATE template SET known_ms=?, made_here_seq=NULL WHERE made_here_seq<?",
                (made_ms, oldest_seq),
            )
            self._db.execute("UPDATE template SET known_ms=? WHERE known_ms>?", (made_ms, made_ms))
        rows = self._all(
            "SELECT consent FROM template WHERE made_here_seq IS NULL AND coalesce(known_ms, 0) + 60000 < ?",
            made_ms,
        )
        gone = [row[0] for row in rows if row[0] not in holding]
        if gone:
            self.erase(gone)
        return gone

    def reply(self, command: str) -> str | None:
        """What was answered to a command before."""
        rows = self._all("SELECT body FROM reply WHERE id=?", command)
        return str(rows[0][0]) if rows else None

    def answered(self, command: str, body: str, until_ms: int) -> None:
        """Remember an answer as long as it may be asked for again."""
        with self._writing():
            self._db.execute(
                "INSERT OR REPLACE INTO reply (id, body, until_ms) VALUES (?,?,?)", (command, body, until_ms)
            )

    def give(self, appointment: str, day: str, number: str, at_ms: int, body: str) -> None:
        """Keep a ticket before anybody sees it. An appointment gets one and no other."""
        with self._writing():
            self._db.execute(
                "INSERT INTO ticket (appointment, day, number, at_ms, body, sent) VALUES (?,?,?,?,?,0)",
                (appointment, day, number, at_ms, body),
            )

    def take_back(self, appointment: str) -> None:
        """A ticket that could not be told to the hub was not given."""
        with self._writing():
            self._db.execute("DELETE FROM ticket WHERE appointment=? AND sent=0", (appointment,))

    def sent(self, appointment: str) -> None:
        """The check-in is in the outbox."""
        with self._writing():
            self._db.execute("UPDATE ticket SET sent=1 WHERE appointment=?", (appointment,))

    def unsent(self) -> list[tuple[str, str]]:
        """(appointment, check-in) of tickets that did not reach the outbox before a crash."""
        return [(str(a), str(b)) for a, b in self._all("SELECT appointment, body FROM ticket WHERE sent=0")]

    def given(self, now_ms: int) -> list[Given]:
        """Tickets of the last day; see `expire`."""
        rows = self._all(
            "SELECT appointment, number, at_ms, json_extract(body, '$.service') FROM ticket WHERE at_ms>?",
            now_ms - GIVEN_MS,
        )
        return [Given(*row) for row in rows]

    def numbers(self, series: str, since_ms: int) -> set[int]:
        """Numbers of a series that were given here since then."""
        rows = self._all("SELECT number FROM ticket WHERE number LIKE ? AND at_ms>=?", f"{series}%", since_ms)
        return {int(row[0][1:]) for row in rows}

    def last_number(self, day: str, series: str) -> int:
        """The last number of a day's range that was given here; 0 for none."""
        rows = self._all(
            "SELECT number FROM ticket WHERE day=? AND number LIKE ? ORDER BY number DESC LIMIT 1",
            day, f"{series}%",
        )  # fmt: skip
        return int(rows[0][0][1:]) if rows else 0

    def keep_day(self, text: str | None) -> None:
        """Keep the day's gallery, so that a restart without the hub loses nothing; None forgets it."""
        with self._writing():
            self._db.execute("DELETE FROM day")
            if text is not None:
                iv = secrets.token_bytes(_IV)
                sealed = iv + self._over.encrypt(iv, text.encode(), b"day")
                self._db.execute("INSERT INTO day (one, sealed) VALUES (1, ?)", (sealed,))

    def kept_day(self) -> str | None:
        """The gallery kept."""
        rows = self._all("SELECT sealed FROM day")
        plain = _open_with(self._over, rows[0][0], "day") if rows else None
        return None if plain is None else plain.decode()

    def keep_time(self, time: KeptTime) -> None:
        """Keep what is known of the time."""
        with self._writing():
            self._db.execute(
                "INSERT OR REPLACE INTO time (one, hub_ms, wall_ms, stood_s) VALUES (1,?,?,?)",
                (time.hub_ms, time.wall_ms, time.stood_s),
            )

    def kept_time(self) -> KeptTime | None:
        """What was known of the time."""
        rows = self._all("SELECT hub_ms, wall_ms, stood_s FROM time")
        return KeptTime(*rows[0]) if rows else None

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _key_of(self, consent: str, wrapped: bytes) -> bytes | None:
        return _open_with(self._over, wrapped, consent)

    def _all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise DependencyError(f"{self._path} cannot be read: {error}.", hint="Check the disk.") from error

    def _writing(self) -> _Writing:
        return _Writing(self._db, self._path)


class _Writing:
    """One transaction."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    def __enter__(self) -> None:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise DependencyError(f"{self._path} cannot be written: {error}.") from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        try:
            self._db.execute("ROLLBACK" if kind is not None else "COMMIT")
        except sqlite3.Error as fault:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise DependencyError(f"{self._path} cannot be written: {fault}.") from fault
        if isinstance(error, sqlite3.Error):
            raise DependencyError(f"{self._path} cannot be written: {error}.") from error


def template_key(folder: Path, name: str | None) -> bytes:
    """The key that guards templates: of the variable `name`, or of a file of mode 0600 made at first use.

    Raises ConfigError when it is no key or others may read it, DependencyError when it cannot be written.
    """
    if name is not None:
        text = os.environ.get(name)
        if text is None:
            raise ConfigError(
                f"key `template_key_env`: the environment has no {name}.",
                hint=f"Set it: export {name}=$(openssl rand -base64 32).",
            )
        return read_key(text, name)
    path = folder / KEY_FILE
    return read_key(kept(path, new_key, 0o700), str(path))


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose).derive(key)


def _shut(key: bytes, plain: bytes, context: str) -> bytes:
    iv = secrets.token_bytes(_IV)
    return iv + AESGCM(key).encrypt(iv, plain, context.encode())


def _open(key: bytes | None, sealed: bytes, context: str) -> bytes | None:
    return None if key is None else _open_with(AESGCM(key), sealed, context)


def _open_with(cipher: AESGCM, sealed: bytes, context: str) -> bytes | None:
    """None for what another key sealed."""
    try:
        return cipher.decrypt(sealed[:_IV], sealed[_IV:], context.encode())
    except (InvalidTag, ValueError):
        return None
