"""Restored files take their place: what was there is set aside, and who is cut off goes on where it was.

From the moment when the marker is written nobody opens the data directory as a hub's until all files are in place: the
files of two hubs never work together.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from branchloop.errors import DependencyError
from branchloop.keys.file import made_once
from hub.backup.workspace import sync
from hub.config.hub import HubConfig
from hub.store.connection import RESTORING
from hub.store.customers.forgotten import JOURNAL
from hub.store.customers.keyring import DATABASE as KEYS, KEY_FILE
from hub.store.customers.receiptkey import RECEIPT_KEY
from hub.store.schema.core import AUDIT_DATABASE, DATABASE

STAGING = "restoring"
CREDENTIALS = "credentials"
NAMES = (JOURNAL, KEY_FILE, RECEIPT_KEY, KEYS, AUDIT_DATABASE, DATABASE)
"""In the order in which they take their place."""
_BESIDE = ("-wal", "-shm", "-journal", "")


@dataclass(frozen=True, slots=True)
class Placing:
    """The marker: where what was there goes, and what to say at the end."""

    aside: str
    told: dict[str, Any]


def new_aside(data_dir: Path) -> str:
    """The name of a folder that is not there: what was set aside before is not written over."""
    stamp = time.strftime("before-restore-%Y%m%dT%H%M%SZ", time.gmtime())
    names = (stamp if turn == 0 else f"{stamp}-{turn}" for turn in itertools.count())
    return next(name for name in names if not (data_dir / name).exists())


def any_there(data_dir: Path) -> bool:
    """Whether anything will be set aside."""
    return any((data_dir / name).exists() for name in NAMES if (data_dir / STAGING / name).exists())


def in_the_way(data_dir: Path) -> str | None:
    """A file of a hub that a data directory holds, and that the restored one is not the same as."""
    for name in (DATABASE, KEYS, AUDIT_DATABASE):
        if (data_dir / name).exists():
            return name
    for name in (RECEIPT_KEY, KEY_FILE):
        old, new = data_dir / name, data_dir / STAGING / name
        if old.exists() and new.exists() and old.read_bytes() != new.read_bytes():
            return name
    return None


def begun(data_dir: Path) -> Placing | None:
    """The restore that was cut off while its files took their place. Raises DependencyError."""
    path = data_dir / RESTORING
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        return Placing(str(tree["aside"]), dict(tree["told"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DependencyError(f"{path} cannot be read: {error}.", hint="Check the disk.") from error


def begin(data_dir: Path, placing: Placing) -> None:
    """From here on it is finished, by whoever comes next. Raises OSError."""
    sync(data_dir / STAGING)
    fresh = data_dir / f"{RESTORING}.new"
    fresh.write_text(json.dumps({"aside": placing.aside, "told": placing.told}), encoding="utf-8")
    sync(fresh)
    fresh.replace(data_dir / RESTORING)
    sync(data_dir)


def finish(config: HubConfig, placing: Placing) -> None:
    """Put every file in its place; again does what is left. Call it as owner of the data directory. Raises OSError."""
    data_dir = config.data_dir
    staging, aside = data_dir / STAGING, data_dir / placing.aside
    for name in NAMES:
        if not (staging / name).exists():
            continue
        for old in (data_dir / f"{name}{suffix}" for suffix in _BESIDE):
            if old.exists() or old.is_symlink():
                aside.mkdir(mode=0o700, exist_ok=True)
                old.rename(aside / old.name)
        (staging / name).rename(data_dir / name)
    kept = staging / CREDENTIALS
    for path in sorted(kept.iterdir()) if kept.is_dir() else ():
        made_once(config.credentials_dir / path.name, path.read_bytes, 0o700)
    shutil.rmtree(staging, ignore_errors=True)
    if aside.is_dir():
        sync(aside)
    sync(data_dir)
    _give(data_dir)
    (data_dir / RESTORING).unlink()
    sync(data_dir)


def _give(data_dir: Path) -> None:
    """Restored by root, it is of the account that the hub runs as: the owner of the data directory."""
    owner = data_dir.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for path in data_dir.rglob("*"):
        if path.lstat().st_uid == 0:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
