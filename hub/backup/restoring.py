"""`hub restore`: unpacked, checked and brought up to date beside its place, then put there as one step."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from branchloop.clock import iso
from branchloop.errors import ConfigError, DependencyError, InputError, UsageError
from branchloop.keys.file import made_once, read_key
from branchloop.processes import lock_directory
from hub.backup import placing
from hub.backup.aftermath import Settled, settle
from hub.backup.archive import Archive, opened
from hub.backup.checking import check_content, check_fits
from hub.backup.making import Say, key_check
from hub.backup.manifest import Manifest
from hub.backup.snapshot import check_integrity, copy_database, reader
from hub.backup.workspace import workspace
from hub.config.hub import HubConfig
from hub.store import kept
from hub.store.audit import RESTORE, AuditLog, walk
from hub.store.connection import prepare
from hub.store.customers import forgotten
from hub.store.customers.keyring import KEY_FILE, Keyring, hub_key, key_path
from hub.store.schema.core import AUDIT_DATABASE, DATABASE

Private = ec.EllipticCurvePrivateKey | None


@dataclass(frozen=True, slots=True)
class Options:
    """How to restore: journals of who was forgotten, or that there is none; whether what is there is set aside."""

    journal: Path | None = None
    no_journal: bool = False
    set_aside: bool = False


def check_backup(config: HubConfig, file: Path, private: Private, say: Say) -> Manifest:
    """Look through a whole backup and touch nothing. Raises InputError naming what is wrong with it."""
    with opened(file, private) as archive, workspace(Path(tempfile.gettempdir())) as folder:
        say(f"unpacking into {folder.parent} to look through it")
        _unpack(archive, folder, config, str(file))
        return archive.manifest


def restore(config: HubConfig, file: Path, private: Private, options: Options, say: Say) -> dict[str, Any]:
    """Restore a hub's data directory; what was done, for people and as JSON.

    A restore that was cut off while its files took their place is finished first. Raises DependencyError where a hub
    is running or the disk does not take it, UsageError where data is there already or nothing says who was forgotten
    since, InputError for a backup that is damaged, foreign or newer, ConfigError for another key over names.
    """
    with opened(file, private) as archive, lock_directory(config.data_dir), _disk(config.data_dir):
        cut_off = placing.begun(config.data_dir)
        if cut_off is not None:
            say("finishing the restore that was cut off")
            placing.finish(config, cut_off)
            if cut_off.told.get("made_ms") == archive.manifest.made_ms:
                return cut_off.told
        staging = config.data_dir / placing.STAGING
        shutil.rmtree(staging, ignore_errors=True)
        check_fits(archive.manifest, config, str(file))
        _refuse_data(config, options)
        journal = _journal(config, archive.manifest, options)
        staging.mkdir(mode=0o700)
        try:
            say("unpacking and checking")
            _unpack(archive, staging, config, str(file))
            _refuse_data(config, options)
            told = _bring_up(config, staging, archive.manifest, journal, say)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        ready = placing.Placing(placing.new_aside(config.data_dir), told)
        if placing.any_there(config.data_dir):
            told["set_aside"] = str(config.data_dir / ready.aside)
        placing.begin(config.data_dir, ready)
        placing.finish(config, ready)
        return told


def _unpack(archive: Archive, folder: Path, config: HubConfig, name: str) -> None:
    check_fits(archive.manifest, config, name)
    archive.unpack(folder)
    check_content(folder, archive.manifest, name)


def _refuse_data(config: HubConfig, options: Options) -> None:
    name = None if options.set_aside else placing.in_the_way(config.data_dir)
    if name is not None:
        raise UsageError(
            f"{config.data_dir} holds a {name} already.",
            hint="Name an empty data_dir, or add --set-aside, which moves what is there into a folder beside.",
        )


def _journal(config: HubConfig, manifest: Manifest, options: Options) -> forgotten.Journal | None:
    """Who was forgotten, by every journal of this hub that is at hand; None when there is to be none.

    Raises UsageError where none reaches beyond the backup, InputError for one that is another hub's or damaged.
    """
    if options.no_journal:
        return None
    found: list[forgotten.Journal] = []
    if options.journal is not None:
        given = forgotten.read(options.journal)
        if given.id != manifest.journal:
            raise InputError(
                f"{options.journal} is the journal of another hub.", hint="Give the one that this hub wrote."
            )
        found.append(given)
    places = [config.data_dir / forgotten.JOURNAL]
    if config.people.forgotten_file is not None:
        places.append(config.path.parent / config.people.forgotten_file)
    for path in places:
        if path.exists():
            here = forgotten.read(path)
            if here.id == manifest.journal:
                found.append(here)
    if not found:
        raise UsageError(
            f"nothing says who was forgotten since {manifest.made_at}.",
            hint="Give the hub's forgotten.log with --forgotten FILE; only where it is lost, --no-forgotten.",
        )
    whole = found[0]
    for other in found[1:]:
        whole = forgotten.joined(whole, other)
    return whole


def _bring_up(
    config: HubConfig, staging: Path, manifest: Manifest, journal: forgotten.Journal | None, say: Say
) -> dict[str, Any]:
    """Make what was unpacked what must be there; what was done."""
    now_ms = time.time_ns() // 1_000_000
    own = forgotten.read(staging / forgotten.JOURNAL)
    if journal is not None and (missing := own.beyond(journal).ended):
        raise InputError(
            f"the journal of who was forgotten is older than the backup: it lacks {len(missing)} of its lines.",
            hint="Give a later copy with --forgotten.",
        )
    audit_from = _newer_audit(config, staging, manifest)
    prepare(staging)
    keyring = _keyring(config, staging, manifest)
    staged = replace(
        config,
        hub=config.hub.model_copy(update={"data_dir": str(staging.absolute())}),
        people=config.people
        if config.people.key_env is not None
        else config.people.model_copy(update={"key_file": str((staging / KEY_FILE).absolute())}),
    )
    say("ending again what was ended since")
    settled = settle(staged, keyring, (journal or own).beyond(own), now_ms)
    detail = f"from the backup of {manifest.made_at}, whose log ends at line {manifest.audit.seq}"
    if journal is None:
        detail += ", without a journal of who was forgotten since"
    with closing(AuditLog(staging)) as log:
        log.append(now_ms, "operator", "command line", RESTORE, None, detail)
    kept.let_go()
    for name in (DATABASE, AUDIT_DATABASE):
        _at_rest(staging / name)
    _place_key(config, staging)
    _place_journal(config, staging, journal or own)
    return _told(manifest, settled, journal, audit_from, now_ms)


def _newer_audit(config: HubConfig, staging: Path, manifest: Manifest) -> int | None:
    """Take the audit log that is here, if it is whole and goes on from the backup's; how many lines more it has."""
    path = config.data_dir / AUDIT_DATABASE
    if not path.exists():
        return None
    try:
        check_integrity(path)
        with closing(reader(path)) as db:
            verdict = walk(db)
            row = db.execute("SELECT hash FROM audit WHERE seq=?", (manifest.audit.seq,)).fetchone()
    except (InputError, sqlite3.Error):
        return None  # it is set aside with the rest
    if verdict.broken_seq is not None or row is None or row[0] != manifest.audit.hash:
        return None
    (staging / AUDIT_DATABASE).unlink()
    copy_database(path, staging / AUDIT_DATABASE)
    return verdict.head.seq - manifest.audit.seq


def _keyring(config: HubConfig, staging: Path, manifest: Manifest) -> Keyring:
    """The customers' keys under the key over names. Raises ConfigError when that is another one, or is not there."""
    mine = staging / KEY_FILE
    if config.people.key_env is not None:
        key, where = hub_key(config), config.people.key_env
        mine.unlink(missing_ok=True)
    else:
        if not mine.exists():  # it was in a variable
            path = key_path(config)
            if not path.exists():
                raise ConfigError(
                    f"the key over names is not in the backup, and {path} is not there.",
                    hint=f"Put it there; it was in the variable {manifest.key_from}.",
                )
            made_once(mine, path.read_bytes)
        key, where = read_key(mine.read_bytes(), str(mine)), str(key_path(config))
    keyring = Keyring(staging, key)
    if key_check(keyring) != manifest.key_check:
        raise ConfigError(
            f"{where} is not the key over names under which the backup was made.",
            hint="Restore that key first: without it no name can be read.",
        )
    return keyring


def _place_key(config: HubConfig, staging: Path) -> None:
    """A key over names that lies elsewhere is put there, and never over another."""
    mine, path = staging / KEY_FILE, key_path(config)
    if config.people.key_file is None or not mine.exists():
        return
    if path.exists() and read_key(path.read_bytes(), str(path)) != read_key(mine.read_bytes(), str(mine)):
        raise ConfigError(
            f"{path} is not the key over names under which the backup was made.",
            hint="Move it away; the backup holds the right one.",
        )
    made_once(path, mine.read_bytes)
    mine.unlink()


def _place_journal(config: HubConfig, staging: Path, journal: forgotten.Journal) -> None:
    """The journal goes on where it lies: in the data directory, or elsewhere through a link."""
    here = config.data_dir / forgotten.JOURNAL
    if here.is_symlink():
        if here.exists():
            journal = forgotten.joined(forgotten.read(here), journal)
        forgotten.write(here, journal)
        (staging / forgotten.JOURNAL).unlink()
    else:
        forgotten.write(staging / forgotten.JOURNAL, journal)


def _at_rest(path: Path) -> None:
    """All of a database is in its one file. Raises DependencyError."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise DependencyError(f"{path.name} is still in use.", hint="Try again.")


def _told(
    manifest: Manifest,
    settled: Settled,
    journal: forgotten.Journal | None,
    audit_lines: int | None,
    now_ms: int,
) -> dict[str, Any]:
    newest = max((each.at_ms for each in journal.ended), default=None) if journal is not None else None
    return {
        "made_at": manifest.made_at,
        "made_ms": manifest.made_ms,
        "version": manifest.version,
        "restored_at": iso(now_ms),
        "journal": journal is not None,
        "journal_newest": None if newest is None else iso(newest),
        "ended_again": asdict(settled),
        "audit_lines_kept": audit_lines,
        "photos_left_out": manifest.photos_left_out,
    }


@contextmanager
def _disk(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DependencyError(
            f"{data_dir} cannot take the restored files: {reason}.",
            hint="Check the disk, and that there is room.",
        ) from error
