"""Alerts and what is watched, over a connection that is in a transaction. Times are event times in UTC ms."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from branchloop.clock import DAY_MS, HOUR_MS
from hub.loop.alerts import CLOCK_BEHIND, PROOFS, Watch
from hub.store.figures.stretch import Span

Key = tuple[str, str]
"""Kind and subject."""
CHECKED_MS = DAY_MS + 2 * HOUR_MS
"""No check looks at a longer time than a local day."""
_ALERT = "id, kind, subject, raised_ms, cleared_ms, evidence, tainted"


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """One alert; open while `cleared_ms` is None. `evidence` is what was found when it was raised, of RENEWED kinds what was found last."""

    id: int
    kind: str
    subject: str
    raised_ms: int
    cleared_ms: int | None
    evidence: Mapping[str, Any]
    tainted: tuple[str, ...]


class Alerts:
    """The tables of alerts."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def watches(self, site: str) -> dict[Key, Watch]:
        """Conditions of a site that are not quiet."""
        rows = self._db.execute(
            "SELECT kind, subject, phase, since_ms, seen_ms FROM watch WHERE site=?", (site,)
        )
        return {(kind, subject): Watch(*rest) for kind, subject, *rest in rows}

    def watched_sites(self, but: Collection[str]) -> set[str]:
        """Sites with a condition that is not quiet, of other kinds than those."""
        marks = ",".join("?" * len(but))
        rows = self._db.execute(f"SELECT DISTINCT site FROM watch WHERE kind NOT IN ({marks})", tuple(but))
        return {site for (site,) in rows}

    def put_watch(self, site: str, key: Key, watch: Watch) -> None:
        """Keep where a condition stands; a quiet one needs no row."""
        if watch.phase == "quiet":
            self._db.execute("DELETE FROM watch WHERE site=? AND kind=? AND subject=?", (site, *key))
            return
        self._db.execute(
            "INSERT OR REPLACE INTO watch (site, kind, subject, phase, since_ms, seen_ms) VALUES (?,?,?,?,?,?)",
            (site, *key, watch.phase, watch.since_ms, watch.seen_ms),
        )

    def open(
        self, site: str, key: Key, at_ms: int, evidence: Mapping[str, Any], tainted: Iterable[str]
    ) -> bool:
        """Open an alert; False when it is open, or was raised at that moment, already."""
        return (
            self._db.execute(
                "INSERT OR IGNORE INTO alert (site, kind, subject, raised_ms, evidence, tainted) VALUES (?,?,?,?,?,?)",
                (site, *key, at_ms, json.dumps(evidence, separators=(",", ":")), json.dumps(list(tainted))),
            ).rowcount
            == 1
        )

    def clear(self, site: str, key: Key, at_ms: int) -> bool:
        """Close the open alert; False when none is."""
        return (
            self._db.execute(
                "UPDATE alert SET cleared_ms=? WHERE site=? AND kind=? AND subject=? AND cleared_ms IS NULL",
                (at_ms, site, *key),
            ).rowcount
            == 1
        )

    def renew(self, site: str, key: Key, evidence: Mapping[str, Any]) -> None:
        """Let the open alert tell what is found now; nothing where none is open."""
        self._db.execute(
            "UPDATE alert SET evidence=? WHERE site=? AND kind=? AND subject=? AND cleared_ms IS NULL",
            (json.dumps(evidence, separators=(",", ":")), site, *key),
        )

    def open_alerts(self, site: str) -> list[StoredAlert]:
        """Open alerts of a site, newest first."""
        return self._alerts("site=? AND cleared_ms IS NULL", (site,), 1_000)

    def since(self, site: str, from_ms: int, most: int) -> list[StoredAlert]:
        """Alerts that were open at `from_ms` or later, newest first."""
        return self._alerts("site=? AND (cleared_ms IS NULL OR cleared_ms >= ?)", (site, from_ms), most)

    def before(self, site: str, from_ms: int, alert: int, most: int) -> list[StoredAlert]:
        """The same below an id of `since`: the next page."""
        return self._alerts(
            "site=? AND (cleared_ms IS NULL OR cleared_ms >= ?) AND (raised_ms, id) <"
            " (SELECT raised_ms, id FROM alert WHERE site=? AND id=?)",
            (site, from_ms, site, alert),
            most,
        )

    def proofs(self, site: str, span: Span, now_ms: int) -> dict[Key, int]:
        """(kind, subject) of what proves figures of a stretch wrong -> how much of it that concerns (ms).

        An alert concerns all from the start of the time that was checked until it was cleared; of a clock that was behind
        the time that it showed, and that in which it showed another.
        """
        marks = ",".join("?" * len(PROOFS))
        found: dict[Key, list[Span]] = {}
        for alert in self._alerts(
            f"site=? AND (raised_ms < ? OR kind = ?) AND (cleared_ms IS NULL OR cleared_ms > ?) AND kind IN ({marks})",
            (site, span[1] + CHECKED_MS, CLOCK_BEHIND, span[0], *sorted(PROOFS)),
            1_000,
        ):
            since_ms = alert.evidence.get("span", (alert.raised_ms,))[0]
            until_ms = now_ms if alert.cleared_ms is None else alert.cleared_ms
            told = [(since_ms, until_ms)]
            if alert.kind == CLOCK_BEHIND:
                told = [(since_ms, until_ms - alert.evidence["behind_ms"]), (alert.raised_ms, until_ms)]
            for first_ms, last_ms in told:
                both = max(first_ms, span[0]), min(last_ms, span[1])
                if both[0] < both[1]:
                    found.setdefault((alert.kind, alert.subject), []).append(both)
        return {key: _together_ms(spans) for key, spans in found.items()}

    def forget(self, before_ms: int) -> int:
        """Delete what cleared earlier; returns how many there were."""
        return self._db.execute("DELETE FROM alert WHERE cleared_ms < ?", (before_ms,)).rowcount

    def checked(self, site: str) -> int | None:
        """Up to where finished hours were looked at."""
        row = self._db.execute("SELECT upto_ms FROM checked WHERE site=?", (site,)).fetchone()
        return None if row is None else int(row[0])

    def all_checked(self) -> dict[str, int]:
        """The same of every site."""
        return dict(self._db.execute("SELECT site, upto_ms FROM checked").fetchall())

    def put_checked(self, site: str, upto_ms: int) -> None:
        """Remember it; an earlier time changes nothing."""
        self._db.execute(
            "INSERT INTO checked (site, upto_ms) VALUES (?,?) ON CONFLICT DO UPDATE SET "
            "upto_ms = max(upto_ms, excluded.upto_ms)",
            (site, upto_ms),
        )

    def _alerts(self, where: str, values: tuple[object, ...], most: int) -> list[StoredAlert]:
        rows = self._db.execute(
            f"SELECT {_ALERT} FROM alert WHERE {where} ORDER BY raised_ms DESC, id DESC LIMIT ?",
            (*values, most),
        )
        return [
            StoredAlert(
                number, kind, subject, raised_ms, cleared_ms, json.loads(evidence), tuple(json.loads(tainted))
            )
            for number, kind, subject, raised_ms, cleared_ms, evidence, tainted in rows
        ]


def _together_ms(spans: Iterable[Span]) -> int:
    """How much time lies in any of them: two alerts of one day both concern its beginning."""
    whole_ms, upto_ms = 0, 0
    for since_ms, until_ms in sorted(spans):
        whole_ms += max(0, until_ms - max(since_ms, upto_ms))
        upto_ms = max(upto_ms, until_ms)
    return whole_ms
