"""One data key per customer, outside hub.db: what is encrypted under it is gone when the key is deleted.

The keys lie in DATA_DIR/keys.db, each encrypted under the hub's own key, which comes from the environment
or a file of mode 0600. keys.db has no write-ahead log and overwrites what it deletes, so that a deleted
key is in no file; keep it out of backups of hub.db, or a backup can undo a deletion.

Such a write costs several times a booking's own. So new customers come from a pool of pseudonyms whose keys
are made ahead, many in one write and beside the requests. What is left of a pool when its process ends are
keys of nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from branchloop.errors import ConfigError, DependencyError
from branchloop.keys.file import KEY_BYTES, kept, new_key, read_key
from hub.config.hub import HubConfig
from hub.store.customers.holders import PHOTO
from hub.store.kept import give_back, take

DATABASE = "keys.db"
KEY_FILE = "people.key"
SPARE = 64
"""So many new customers have a key ahead, in every process that books."""
_IV = 12


class Keyring:
    """Implements `hub.store.customers.holders.Wrapping`. May be used by several threads and processes."""

    def __init__(self, data_dir: Path, key: bytes) -> None:
        """`key`: 32 bytes. Raises DependencyError when keys.db cannot be used."""
        self._path = data_dir / DATABASE
        self._over = AESGCM(_derive(key, b"branchloop customer keys"))
        self._mac = _derive(key, b"branchloop codes")
        self._spare: deque[str] = deque()
        self._making = threading.Lock()
        with self._open() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS key (customer TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT"
            )
        try:
            self._path.chmod(0o600)
        except OSError as error:
            raise _unusable(self._path, error.strerror) from error

    @classmethod
    def of(cls, config: HubConfig) -> Keyring:
        """As configured. Raises ConfigError when the hub's key is no key, DependencyError for the disk."""
        return cls(config.data_dir, hub_key(config))

    def new_customer(self) -> str:
        """A pseudonym that nobody has, with a key; raises DependencyError when none can be made."""
        try:
            customer = self._spare.popleft()
        except IndexError:
            self._make_spare()
            return self.new_customer()
        if len(self._spare) < SPARE // 2 and not self._making.locked():
            threading.Thread(target=self._make_quietly, name="keys", daemon=True).start()
        return customer

    def wrap(self, customer: str, plain: bytes, context: str) -> bytes:
        """Encrypt under the customer's key, which is made when there is none."""
        return self.wrap_all(customer, {context: plain})[context]

    def wrap_all(self, customer: str, plain: Mapping[str, bytes]) -> dict[str, bytes]:
        """The same of several things, by their contexts, with one look at the key."""
        cipher, found = AESGCM(self._key(customer)), {}
        for context, each in plain.items():
            iv = secrets.token_bytes(_IV)
            found[context] = iv + cipher.encrypt(iv, each, _bound(customer, context))
        return found

    def unwrap(self, customer: str, wrapped: bytes, context: str) -> bytes | None:
        """Decrypt; None when the key is gone or it is not what was wrapped."""
        found = self._find(customer)
        if found is None:
            return None
        try:
            return AESGCM(found).decrypt(wrapped[:_IV], wrapped[_IV:], _bound(customer, context))
        except (InvalidTag, ValueError):
            return None

    def photo(self, customer: str, wrapped: bytes) -> str | None:
        """A sealed photo as JSON text, see `hub.ingest.commands.Unwrap`."""
        plain = self.unwrap(customer, wrapped, PHOTO)
        return None if plain is None else plain.decode()

    def forget(self, customer: str) -> bool:
        """Delete the customer's key; whether there was one."""
        return self.forget_all([customer]) > 0

    def forget_all(self, customers: Iterable[str]) -> int:
        """Delete the keys of many in one write; how many there were.

        Call it under the lock of hub.db in which nothing of theirs was found: whoever takes up a key does so there too.
        """
        rows = [(customer,) for customer in customers]
        if not rows:
            return 0
        with self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            deleted = db.executemany("DELETE FROM key WHERE customer=?", rows).rowcount
            db.execute("COMMIT")
        return deleted

    def mac(self, text: str) -> str:
        """By which a code is found again without being stored: HMAC-SHA256 under the hub's key."""
        return hmac.new(self._mac, text.encode(), hashlib.sha256).hexdigest()

    def _make_quietly(self) -> None:
        with suppress(DependencyError):  # who needs one and finds none is told
            self._make_spare()

    def _make_spare(self) -> None:
        with self._making:
            wanted = SPARE - len(self._spare)
            if wanted <= SPARE // 2:
                return  # somebody else made them meanwhile
            customers = [f"c-{secrets.token_hex(8)}" for _ in range(wanted)]
            rows = [(customer, self._fresh(customer)) for customer in customers]
            with self._open() as db:
                db.execute("BEGIN IMMEDIATE")
                db.executemany("INSERT INTO key (customer, wrapped) VALUES (?,?)", rows)
                db.execute("COMMIT")
            self._spare.extend(customers)

    def _fresh(self, customer: str) -> bytes:
        iv = secrets.token_bytes(_IV)
        return iv + self._over.encrypt(iv, secrets.token_bytes(KEY_BYTES), customer.encode())

    def _key(self, customer: str) -> bytes:
        found = self._find(customer)
        if found is not None:
            return found
        with self._open() as db:  # another process may have been faster: its key counts
            db.execute(
                "INSERT OR IGNORE INTO key (customer, wrapped) VALUES (?,?)",
                (customer, self._fresh(customer)),
            )
        made = self._find(customer)
        if made is None:
            raise DependencyError("a customer's key was deleted while it was made.", hint="Try again.")
        return made

    def _find(self, customer: str) -> bytes | None:
        lent = take(self._path, _connect, writes=False)
        try:
            row = lent.db.execute("SELECT wrapped FROM key WHERE customer=?", (customer,)).fetchone()
        except sqlite3.Error as error:
            lent.broken = True
            raise _unusable(self._path, error) from error
        finally:
            give_back(lent)
        if row is None:
            return None
        try:
            return self._over.decrypt(row[0][:_IV], row[0][_IV:], customer.encode())
        except InvalidTag as error:
            raise DependencyError(
                f"{self._path} was made under another key.", hint="Restore the key of [people] in hub.toml."
            ) from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            db = _connect(self._path)
            try:
                yield db
            finally:
                db.close()
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error


def _connect(path: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, timeout=10, isolation_level=None)
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("PRAGMA secure_delete=ON")
        db.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    return db


def _unusable(path: Path, error: sqlite3.Error | str | None) -> DependencyError:
    return DependencyError(f"{path} cannot be used: {error}.", hint="Check the disk.")


def hub_key(config: HubConfig) -> bytes:
    """The key over names: from the environment, or from its file, which is made at first use.

    Raises ConfigError when it is no key or others may read it, DependencyError when it cannot be written.
    """
    people = config.people
    if people.key_env is not None:
        text = os.environ.get(people.key_env)
        if text is None:
            raise ConfigError(
                f"{config.path}: people.key_env names {people.key_env}, which is not set.",
                hint=f"Set it: export {people.key_env}=$(openssl rand -base64 32).",
            )
        return read_key(text, people.key_env)
    path = key_path(config)
    return read_key(kept(path, new_key), str(path))


def key_path(config: HubConfig) -> Path:
    """Where the key over names lies, when no variable holds it."""
    people = config.people
    return config.path.parent / people.key_file if people.key_file else config.data_dir / KEY_FILE


def check_key(config: HubConfig) -> None:
    """Raises what `hub_key` raises, and makes no key: one that is made at first use is not missing."""
    if config.people.key_env is not None or os.path.exists(key_path(config)):  # noqa: PTH110 - no error either
        hub_key(config)


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose).derive(key)


def _bound(customer: str, context: str) -> bytes:
    return f"{context}\n{customer}".encode()
