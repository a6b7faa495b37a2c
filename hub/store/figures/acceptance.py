"""Acceptance reports as they were uploaded: kept with their signature, never altered."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from branchloop.acceptance.report import Report, parse_report

MOST_KEPT = 200
"""Reports of one branch; the oldest go."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A report and how it came."""

    digest: str
    report: Report
    taken_ms: int
    taken_from: str


class AcceptanceReports:
    """The table of reports, over a connection that is in a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, digest: str, report: Report, body: str, taken_ms: int, taken_from: str) -> bool:
        """Keep a verified report; False when it is kept already."""
        added = self._db.execute(
            "INSERT OR IGNORE INTO acceptance (site, digest, made_ms, expires_ms, taken_ms, taken_from, body)"
            " VALUES (?,?,?,?,?,?,?)",
            (
                report.site, digest, report.made_at_ms, report.expires_at_ms, taken_ms, taken_from, body,
            ),
        ).rowcount  # fmt: skip
        self._db.execute(
            "DELETE FROM acceptance WHERE site=? AND digest NOT IN"
            " (SELECT digest FROM acceptance WHERE site=? ORDER BY made_ms DESC, digest LIMIT ?)",
            (report.site, report.site, MOST_KEPT),
        )
        return added == 1

    def newest(self, site: str, most: int) -> list[Kept]:
        """Reports of a site, the last made first."""
        rows = self._db.execute(
            "SELECT digest, body, taken_ms, taken_from FROM acceptance WHERE site=?"
            " ORDER BY made_ms DESC, digest LIMIT ?",
            (site, most),
        )
        return [Kept(digest, parse_report(body), taken_ms, who) for digest, body, taken_ms, who in rows]

    def body(self, site: str, digest: str) -> str | None:
        """A report exactly as it was uploaded."""
        row = self._db.execute(
            "SELECT body FROM acceptance WHERE site=? AND digest=?", (site, digest)
        ).fetchone()
        return None if row is None else str(row[0])
