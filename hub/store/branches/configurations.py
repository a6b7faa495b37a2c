"""Branches' configurations with their history, what is wanted of each box, and what it says it runs.

Works inside whatever transaction the connection is in. Versions only rise: going back is a new version with
an old text.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass

from branchloop.errors import ConflictError
from branchloop.site.site import Site
from branchloop.wire.desired import Desired, RefusedError, make
from branchloop.wire.status import Refusal, Status

_COLUMNS = "site, version, text, hash, author, note, at_ms, ring, published_ms"
OWN_FILE = "branch file"
"""Author of the version that no hub saved."""
KEPT_VERSIONS = 50
"""Of a branch, newest first; what is wanted of its box and what the box runs stays besides."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One version of a branch's configuration."""

    site: str
    version: int
    text: str
    hash: str
    author: str
    note: str
    at_ms: int
    ring: int
    published_ms: int | None

    def desired(self) -> Desired:
        """As it is published."""
        return Desired(
            site=self.site, version=self.version, ring=self.ring, at_ms=self.at_ms, hash=self.hash, text=self.text
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reported:
    """What the box said last."""

    device: str
    version: int
    hash: str
    at_ms: int
    refused: Refusal | None
    content: str = ""


class Configurations:
    """The tables of configurations, over a connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def newest(self, site: str) -> Saved | None:
        """The version saved last."""
        return self._one("site=? ORDER BY version DESC", site)

    def wanted(self, site: str) -> Saved | None:
        """The version published last."""
        return self._one("site=? AND published_ms IS NOT NULL ORDER BY version DESC", site)

    def find(self, site: str, version: int) -> Saved | None:
        """One version."""
        return self._one("site=? AND version=?", site, version)

    def history(self, site: str, most: int = KEPT_VERSIONS) -> list[Saved]:
        """Versions, newest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM configuration WHERE site=? ORDER BY version DESC LIMIT ?", (site, most)
        )
        return [Saved(*row) for row in rows]

    def all_wanted(self) -> list[tuple[str, int]]:
        """(site, version) of what is published last, of every site."""
        return self._db.execute(
            "SELECT site, max(version) FROM configuration WHERE published_ms IS NOT NULL GROUP BY site"
        ).fetchall()

    def save(
        self, site: str, text: str, *, above: int, base: int, author: str, note: str, ring: int, now_ms: int
    ) -> Saved:
        """Keep a text as the next version, above the one in the site's own file (`above`).

        `base` is the version it was made from: somebody else's later one is a ConflictError.
        """
        newest = self.newest(site)
        reported = self.reported(site)
        last = max(above, newest.version if newest else 0)
        if base != last:
            raise ConflictError(
                f"version {last} was saved meanwhile; this was made from {base}.",
                hint="Keep your text, discard your changes to load that version, and make them there.",
            )
        version = max(last, reported.version if reported else 0) + 1
        made = make(text, site, version, ring, now_ms)
        saved = Saved(site, version, made.text, made.hash, author, note[:200], now_ms, ring, None)
        self._db.execute(
            f"INSERT INTO configuration ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,NULL)",
            (site, version, saved.text, saved.hash, author, saved.note, now_ms, ring),
        )
        self._forget(site)
        return saved

    def keep_own(self, site: str, text: str, version: int, ring: int, now_ms: int) -> None:
        """Keep the text of the branch's own file under the version it has there, so that one can go back to it.

        Nothing where that version is kept already, or where the text is too long ever to be sent.
        """
        with contextlib.suppress(RefusedError):
            made = make(text, site, version, ring, now_ms)
            self._db.execute(
                f"INSERT OR IGNORE INTO configuration ({_COLUMNS}) VALUES (?,?,?,?,?,'',?,?,NULL)",
                (site, version, made.text, made.hash, OWN_FILE, now_ms, ring),
            )

    def publish(self, saved: Saved, now_ms: int) -> None:
        """Want it of the box. Again changes nothing; ConflictError when a later one is wanted already."""
        wanted = self.wanted(saved.site)
        if wanted is not None and wanted.version > saved.version:
            raise ConflictError(
                f"version {wanted.version} of {saved.site} is published, {saved.version} is older.",
                hint="Versions only rise: roll back to it, which makes a new one.",
            )
        self._db.execute(
            "UPDATE configuration SET published_ms=coalesce(published_ms, ?) WHERE site=? AND version=?",
            (now_ms, saved.site, saved.version),
        )

    def heard(self, site: str, device: str, status: Status, now_ms: int) -> None:
        """A box told what it runs and what it refused."""
        self._db.execute(
            "INSERT INTO configuration_report (site, device, version, hash, at_ms, refused, content) VALUES (?,?,?,?,?,?,?) "
            "ON CONFLICT (site) DO UPDATE SET device=excluded.device, version=excluded.version, "
            "hash=excluded.hash, at_ms=excluded.at_ms, refused=excluded.refused, content=excluded.content",
            (
                site, device, status.config_version, status.config_hash, now_ms,
                None if status.refused is None else status.refused.to_json(), status.config_content,
            ),
        )  # fmt: skip

    def reported(self, site: str) -> Reported | None:
        """What the branch's box said last."""
        row = self._db.execute(
            "SELECT device, version, hash, at_ms, refused, content FROM configuration_report WHERE site=?",
            (site,),
        ).fetchone()
        if row is None:
            return None
        device, version, digest, at_ms, refused, content = row
        found = None if refused is None else Refusal.model_validate_json(refused)
        return Reported(device, version, digest, at_ms, found, content)

    def runs(self, site: Site, version: int, digest: str) -> bool:
        """Whether a branch runs this very configuration; by its version alone while its box told no hash of it."""
        told = self.reported(site.id)
        known = told is not None and told.version == version and bool(told.hash)
        return version == site.version and (not known or told is None or told.hash == digest)

    def in_force(self) -> list[tuple[str, int]]:
        """(site, version) of the sites whose box runs a version that was saved here."""
        return self._db.execute(
            "SELECT c.site, c.version FROM configuration_report r "
            "JOIN configuration c ON c.site=r.site AND c.version=r.version AND c.hash=r.hash"
        ).fetchall()

    def in_force_of(self, site: str) -> int | None:
        """The version that a site's box runs, if it was saved here."""
        row = self._db.execute(
            "SELECT c.version FROM configuration_report r "
            "JOIN configuration c ON c.site=r.site AND c.version=r.version AND c.hash=r.hash WHERE r.site=?",
            (site,),
        ).fetchone()
        return None if row is None else int(row[0])

    def wanted_of(self, site: str) -> int | None:
        """The version published last of a site."""
        row = self._db.execute(
            "SELECT max(version) FROM configuration WHERE site=? AND published_ms IS NOT NULL", (site,)
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def changed_since(self, change: int) -> tuple[list[str], int]:
        """Sites whose configuration or connection changed after `change`, and the change to ask from next."""
        rows = self._db.execute(
            "SELECT site, change FROM configuration_change WHERE change>? ORDER BY change", (change,)
        ).fetchall()
        return [site for site, _ in rows], rows[-1][1] if rows else change

    def head(self) -> int:
        """The newest change."""
        row = self._db.execute("SELECT coalesce(max(change), 0) FROM configuration_change").fetchone()
        return int(row[0])

    def _forget(self, site: str) -> None:
        """Let go of versions beyond the newest that are neither wanted nor run."""
        self._db.execute(
            "DELETE FROM configuration WHERE site=:site AND version <= (SELECT version FROM configuration"
            " WHERE site=:site ORDER BY version DESC LIMIT 1 OFFSET :kept) AND version <> coalesce((SELECT"
            " max(version) FROM configuration WHERE site=:site AND published_ms IS NOT NULL), 0) AND version"
            " NOT IN (SELECT version FROM configuration_report WHERE site=:site)",
            {"site": site, "kept": KEPT_VERSIONS},
        )

    def _one(self, where: str, *values: object) -> Saved | None:
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM configuration WHERE {where} LIMIT 1", values
        ).fetchone()
        return None if row is None else Saved(*row)
