"""The journal of what must not come back: customers forgotten, consents and links taken back, tokens revoked.

It lies beside the database and in no transaction of it, so that a database which is restored from an older copy can be
brought up to it. A line is written in the transaction that ends it, before its commit: what breaks off in between was
asked for all the same. So who reads the journal and then has the database's write lock once sees all of it carried out.

It names nobody. Ids and tokens are random and only their SHA-256 is kept; customers' pseudonyms go under the hub's key before.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from branchloop.errors import DependencyError, InputError
from branchloop.keys.file import made_once
from hub.loop.embedding import Mac

JOURNAL = "forgotten.log"
Kind = Literal["customer", "consent", "link", "token"]
_HEAD = re.compile(r"branchloop forgotten ([0-9a-f]{32})")
_LINE = re.compile(r"([0-9]{1,16}) (customer|consent|link|token) ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, order=True)
class Ended:
    """One line: when (UTC ms), what, and the digest of whom."""

    at_ms: int
    kind: Kind
    digest: str

    def text(self) -> str:
        """As its line."""
        return f"{self.at_ms} {self.kind} {self.digest}\n"


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal as read; `id` tells it from another hub's."""

    id: str
    ended: tuple[Ended, ...]

    def text(self) -> str:
        """As its file."""
        return _head(self.id) + "".join(each.text() for each in self.ended)

    def beyond(self, other: Journal) -> Journal:
        """What is in this one and not in another."""
        known = set(other.ended)
        return Journal(self.id, tuple(each for each in self.ended if each not in known))


def digest(what: str) -> str:
    """By which an id is found again in the journal."""
    return hashlib.sha256(what.encode()).hexdigest()


def mark(mac: Mac, customer: str) -> str:
    """What stands for a customer: under the hub's key, since a bank's own pseudonyms may be few enough to be guessed."""
    return mac(f"forgotten\n{customer}")


def folder_of(db: sqlite3.Connection) -> Path | None:
    """The data directory of a connection to hub.db; None for a database in memory, which nobody restores."""
    (file,) = db.execute("SELECT file FROM pragma_database_list WHERE name='main'").fetchone()
    return Path(file).parent if file else None


def note(folder: Path | None, kind: Kind, whats: Iterable[str], at_ms: int) -> None:
    """Write that these ended for good; on the disk when it returns. Raises DependencyError: then end nothing."""
    lines = "".join(Ended(at_ms, kind, digest(what)).text() for what in whats)
    if folder is None or not lines:
        return
    path = ensure(folder)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        try:
            if os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1) != b"\n":
                lines = f"\n{lines}"  # a line that was cut off must not swallow this one
            if os.write(descriptor, lines.encode()) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unusable(path, error) from error


def ensure(folder: Path) -> Path:
    """The journal of a data directory, begun where there is none yet. Raises DependencyError.

    One that lies elsewhere (`people.forgotten_file`) and is out of reach is never begun anew.
    """
    path = folder / JOURNAL
    try:
        if path.is_symlink():
            path.stat()
        else:
            made_once(path, lambda: _head(secrets.token_hex(16)).encode())
            as_its_folder(path)
    except OSError as error:
        raise _unusable(path, error) from error
    return path


def as_its_folder(path: Path) -> None:
    """What root makes for a hub is of the account that the hub runs as: the owner of its folder. Raises OSError."""
    owner = path.parent.stat()
    if os.geteuid() == 0 and path.stat().st_uid == 0 and owner.st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def place(folder: Path, elsewhere: Path) -> None:
    """Keep a data directory's journal in the file `elsewhere`, with what it holds already. Raises DependencyError.

    Call it as owner of the data directory, while nobody ends anything.
    """
    path = folder / JOURNAL
    target = elsewhere.absolute()
    if path.is_symlink() and path.readlink() == target:
        return
    try:
        if not target.parent.is_dir():
            raise DependencyError(
                f"the folder of people.forgotten_file, {target.parent}, is not there.",
                hint="Mount it, or name another file.",
            )
        if path.exists() and target.exists():
            write(target, joined(read(target), read(path)))
        elif path.exists():
            write(target, read(path))
        else:
            made_once(target, lambda: _head(secrets.token_hex(16)).encode())
        fresh = path.with_name(f"{JOURNAL}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(path)
    except OSError as error:
        raise _unusable(target, error) from error


def read(path: Path) -> Journal:
    """A journal. Raises InputError when it is none, or is damaged other than by a cut-off line."""
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no journal of who was forgotten.", hint="Give forgotten.log.") from error
    first, _, rest = text.partition("\n")
    head = _HEAD.fullmatch(first)
    if head is None:
        raise InputError(f"{path} is no journal of who was forgotten.", hint="Give forgotten.log.")
    ended: list[Ended] = []
    for number, line in enumerate(rest.split("\n"), 2):
        found = _LINE.fullmatch(line)
        if found is not None:
            kind: Kind = found[2]  # type: ignore[assignment]  # as the pattern has it
            ended.append(Ended(int(found[1]), kind, found[3]))
        elif not re.fullmatch(r"[0-9]{0,16}( [a-z]{0,8}( [0-9a-f]{0,63})?)?", line):
            raise InputError(f"{path}: line {number} is damaged.", hint="Give another copy of it.")
    return Journal(head[1], tuple(dict.fromkeys(ended)))


def joined(first: Journal, second: Journal) -> Journal:
    """What either holds, in order of time. Raises InputError when they are of different hubs."""
    if first.id != second.id:
        raise InputError(
            "two journals of who was forgotten are of different hubs.", hint="Give that of this hub."
        )
    return Journal(first.id, tuple(sorted({*first.ended, *second.ended})))


def write(path: Path, journal: Journal) -> None:
    """Put a journal there, whole or not at all. Raises OSError."""
    path = Path(os.path.realpath(path))
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(journal.text())
            file.flush()
            os.fsync(file.fileno())
        as_its_folder(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _head(name: str) -> str:
    return f"branchloop forgotten {name}\n"


def _unusable(path: Path, error: OSError) -> DependencyError:
    return DependencyError(
        f"the journal of who was forgotten, {path}, cannot be used: {error.strerror}.",
        hint="Nothing was forgotten, taken back or revoked; check its disk.",
    )
