"""Whose an outbox is: what waits in it is a site's and a device's, and goes out under no other name."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from branchloop.errors import ConfigError
from edge.send import rows
from edge.send.outboxfile import begin_epoch

TABLE = "CREATE TABLE IF NOT EXISTS owner (site TEXT NOT NULL, device TEXT NOT NULL)"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Owner:
    """The site and device that an outbox belongs to."""

    site: str
    device: str
    before: str | None = None
    """Site of a file from before owners were kept, as far as its data directory tells: what it took from the hub."""

    def settle(self, db: sqlite3.Connection, path: Path) -> None:
        """Make the file at `path` its own, in a transaction; a new epoch begins where it was another's.

        Raises ConfigError where something of another's waits.
        """
        db.execute(TABLE)
        if (wrong := self.refusal(db, path)) is not None:
            raise wrong
        known = _known(db)
        if known == (self.site, self.device):
            return
        if known is not None or self.before not in {None, self.site}:
            begin_epoch(db)
            _LOG.info("the outbox %s was another's: a new epoch begins", path)
        db.execute("DELETE FROM owner")
        db.execute("INSERT INTO owner VALUES (?, ?)", (self.site, self.device))

    def refusal(self, db: sqlite3.Connection, path: Path) -> ConfigError | None:
        """What is wrong where something of another's waits in the file; it is left as it is."""
        known = _known(db) or (self.before or self.site, None)
        if known in {(self.site, self.device), (self.site, None)}:
            return None
        waiting = rows.held(db)
        if not waiting:
            return None
        whose = "/".join(part for part in known if part is not None)
        count, verb = ("1 reading", "waits") if waiting == 1 else (f"{waiting} readings", "wait")
        return ConfigError(
            f"{count} of {whose} {verb} in {path.parent}; {self.site}/{self.device} would send them as its own.",
            hint="Send them first under that name, or name another data_dir.",
        )

    @staticmethod
    def held(path: Path) -> tuple[str, int] | None:
        """Whose file it is and how much waits in it; None where it has no owner, holds nothing or cannot be read."""
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db,
        ):
            db.execute("BEGIN")
            known, waiting = _known(db), rows.held(db)
            return None if known is None or not waiting else ("/".join(known), waiting)
        return None

    def refused(self, path: Path) -> ConfigError | None:
        """As `refusal`, of a file that may be in use; None also where none is there or it cannot be read."""
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db,
        ):
            db.execute("BEGIN")
            return self.refusal(db, path)
        return None


def _known(db: sqlite3.Connection) -> tuple[str, str] | None:
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'owner'").fetchone() is None:
        return None
    found: tuple[str, str] | None = db.execute("SELECT site, device FROM owner").fetchone()
    return found
