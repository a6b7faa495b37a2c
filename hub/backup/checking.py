"""Whether what was unpacked is a whole backup of a hub like this one, which this version can restore."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from branchloop.errors import InputError
from hub.backup.manifest import Manifest
from hub.backup.snapshot import applied, check_integrity, reader
from hub.config.hub import HubConfig
from hub.store.audit import walk
from hub.store.connection import MIGRATIONS
from hub.store.customers import forgotten
from hub.store.customers.keyring import DATABASE as KEYS
from hub.store.migrating import known
from hub.store.schema.core import AUDIT_DATABASE, DATABASE, audit_migrations


def check_fits(manifest: Manifest, config: HubConfig, name: str) -> None:
    """Raises InputError when it is of another bank's branches, or lacks what every backup has."""
    if not set(manifest.sites) & set(config.sites):
        raise InputError(
            f"{name} is of other branches: {_some(manifest.sites)}; {config.path} has {_some(config.sites)}.",
            hint="Give this hub's own backup, or its own hub.toml.",
        )
    for part in (DATABASE, KEYS, AUDIT_DATABASE, forgotten.JOURNAL):
        if manifest.part(part) is None:
            raise InputError(f"{name} is damaged: {part} is missing.", hint="Take another backup.")


def check_content(folder: Path, manifest: Manifest, name: str) -> None:
    """Look into the databases. Raises InputError when one is damaged, newer than this version, or not what is said."""
    for database, order in ((DATABASE, MIGRATIONS), (AUDIT_DATABASE, (audit_migrations,))):
        check_integrity(folder / database)
        unknown = set(applied(folder / database)) - known(order)
        if unknown:
            raise InputError(
                f"{name} was made by the newer version {manifest.version}: {database} has {min(unknown)}.",
                hint="Install that version, then restore.",
            )
    check_integrity(folder / KEYS)
    try:
        with closing(reader(folder / KEYS)) as db:
            db.execute("SELECT customer, wrapped FROM key LIMIT 1").fetchone()
        with closing(reader(folder / AUDIT_DATABASE)) as db:
            head = walk(db).head
    except sqlite3.Error as error:
        raise InputError(f"{name} is damaged: {error}.", hint="Take another backup.") from error
    if (head.seq, head.hash) != (manifest.audit.seq, manifest.audit.hash):
        raise InputError(f"{name} is damaged: its audit log is another one.", hint="Take another backup.")
    if forgotten.read(folder / forgotten.JOURNAL).id != manifest.journal:
        raise InputError(f"{name} is damaged: its journal is another one.", hint="Take another backup.")


def _some(sites: Iterable[str]) -> str:
    every = sorted(sites)
    return ", ".join(every[:3]) + (" …" if len(every) > 3 else "")
