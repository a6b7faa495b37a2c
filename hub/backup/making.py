"""`hub backup`: one file, made beside its place while the hub runs, checked, then named."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from branchloop import __version__
from branchloop.clock import iso
from branchloop.errors import DependencyError, InputError, UsageError
from branchloop.keys.sealing import decode
from hub.backup import latest
from hub.backup.archive import digest_of, opened, pack
from hub.backup.manifest import AuditHead, Manifest, Part
from hub.backup.snapshot import (
    applied,
    await_writers,
    check_integrity,
    copy_database,
    copy_keys,
    leave_out_photos,
    reader,
)
from hub.backup.workspace import sync, workspace
from hub.config.hub import HubConfig
from hub.room import shortage
from hub.store.audit import AuditLog, walk
from hub.store.customers import forgotten
from hub.store.customers.keyring import DATABASE as KEYS, KEY_FILE, Keyring, key_path
from hub.store.customers.receiptkey import RECEIPT_KEY
from hub.store.schema.core import AUDIT_DATABASE, DATABASE

CREDENTIALS = "credentials"
_CHECK = "backup: is this the key over names?"
Say = Callable[[str], None]


def key_check(keyring: Keyring) -> str:
    """By which a restore knows the key over names again."""
    return keyring.mac(_CHECK)


def make_backup(config: HubConfig, out: Path, say: Say) -> Manifest:
    """Write a backup of a hub, running or not, to a new file `out`.

    Raises UsageError when there is one already, DependencyError for disk and database, InputError when the hub's own
    files are damaged, ConfigError when `backup.public` or the key over names is none.
    """
    if out.exists():
        raise UsageError(f"{out} is there already.", hint="Backups are never overwritten: name another file.")
    if not out.absolute().parent.is_dir():
        raise UsageError(
            f"there is no folder {out.absolute().parent}.", hint="Make it, or name another file."
        )
    recipient = None if config.backup.public is None else decode(config.backup.public)
    with workspace(out.absolute().parent) as folder, _disk(out):
        manifest = _gather(config, folder, say)
        say("writing and reading it back")
        fresh = folder / "backup"
        key = pack(fresh, folder, manifest, recipient)
        with opened(fresh, key) as archive:
            archive.unpack(None)
        _name(fresh, out)
    latest.note(config.data_dir, manifest.made_ms)
    return manifest


def _gather(config: HubConfig, folder: Path, say: Say) -> Manifest:
    """Copies of all that belongs in it, in `folder`.

    The journal comes first, so that the copy of hub.db shows all of it carried out and a restore knows what came later; then
    hub.db: what the others hold of later is of nobody in that copy, or was ended since.
    """
    data_dir, now_ms = config.data_dir, time.time_ns() // 1_000_000
    with _own_disk(data_dir):
        path = forgotten.ensure(data_dir)
        keyring = Keyring.of(config)
        with closing(AuditLog(data_dir)) as log:
            log.append(now_ms, "operator", "command line", "backup", None, "a copy of everything")
    journal = forgotten.read(path)
    await_writers(data_dir / DATABASE)  # whoever had written into the journal has committed, or never will
    say(f"copying {DATABASE} ({(data_dir / DATABASE).stat().st_size / 1e6:.1f} MB)")
    copy_database(data_dir / DATABASE, folder / DATABASE)
    photos = leave_out_photos(folder / DATABASE)
    copy_keys(data_dir / KEYS, folder / KEYS)
    copy_database(data_dir / AUDIT_DATABASE, folder / AUDIT_DATABASE)
    names = [DATABASE, KEYS, AUDIT_DATABASE]
    names += _secrets(config, folder)
    _put(folder / forgotten.JOURNAL, journal.text().encode())
    names.append(forgotten.JOURNAL)
    say("checking the copies")
    for name in (DATABASE, KEYS, AUDIT_DATABASE):
        check_integrity(folder / name)
    with closing(reader(folder / AUDIT_DATABASE)) as db:
        verdict = walk(db)
    if verdict.broken_seq is not None:
        say(
            f"note: the audit log is broken at line {verdict.broken_seq} ({verdict.reason}); it is kept as it is"
        )
    sites = sorted(config.sites)
    return Manifest(
        version=__version__,
        made_ms=now_ms,
        made_at=iso(now_ms),
        sites=sites,
        migrations={name: applied(folder / name) for name in (DATABASE, AUDIT_DATABASE)},
        audit=AuditHead(seq=verdict.head.seq, hash=verdict.head.hash),
        journal=journal.id,
        key_from=config.people.key_env or "",
        key_check=key_check(keyring),
        photos_left_out=photos,
        parts=[
            Part(name=name, bytes=(folder / name).stat().st_size, sha256=digest_of(folder / name))
            for name in names
        ],
    )


def _secrets(config: HubConfig, folder: Path) -> list[str]:
    """Copies of the keys and passwords that the hub made for itself; their names."""
    found: list[tuple[str, Path]] = [(RECEIPT_KEY, config.data_dir / RECEIPT_KEY)]
    if config.people.key_env is None:
        found.append((KEY_FILE, key_path(config)))
    if config.credentials_dir.is_dir():
        (folder / CREDENTIALS).mkdir(mode=0o700)
        found += [
            (f"{CREDENTIALS}/{path.name}", path)
            for path in sorted(config.credentials_dir.iterdir())
            if path.is_file() and "." not in path.name
        ]
    kept = [(name, path) for name, path in found if path.exists()]
    for name, path in kept:
        _put(folder / name, path.read_bytes())
    return [name for name, _ in kept]


def _put(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _name(fresh: Path, out: Path) -> None:
    """Give the whole file its name, and never over another."""
    try:
        os.link(fresh, out)
    except FileExistsError as error:
        raise UsageError(
            f"{out} is there already.", hint="Backups are never overwritten: name another file."
        ) from error
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise
        fresh.rename(out)  # a disk without links
    sync(out.absolute().parent)


@contextmanager
def _own_disk(data_dir: Path) -> Iterator[None]:
    """What the hub's own disk does not take is said as the backup's: one that is not in the audit log is not made."""
    try:
        yield
    except DependencyError as error:
        why = shortage(data_dir)
        if why is not None:
            raise DependencyError(
                f"no backup was made: nothing can be written in {data_dir} ({why}).",
                hint=f"Make room on the disk of {data_dir}.",
            ) from error
        raise DependencyError(f"no backup was made: {error.message}", hint="Check its disk.") from error


@contextmanager
def _disk(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DependencyError(
            f"{out} cannot be written: {error.strerror}.", hint="Choose a place with room for it."
        ) from error
    except InputError as error:
        raise InputError(f"the backup was not made: {error.message}", hint=error.hint) from error
