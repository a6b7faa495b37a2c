"""Desired configurations out: retained, when one is published and when its box connects anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Protocol

from branchloop.site.site import Site
from branchloop.wire import topics
from hub.store.branches.configurations import Configurations
from hub.store.connection import as_errors

LOOK_MS = 500
MOST_A_LOOK = 100
"""After a start every branch is due: applying what boxes send must not wait for all of them."""


class Publish(Protocol):
    """Hands a message to the broker; False when there is no connection now."""

    def __call__(self, topic: str, payload: str, *, retain: bool = False) -> bool: ...


class DesiredOut:
    """Publishes what is wanted of each box. For use by ingest's one thread."""

    def __init__(self, db: sqlite3.Connection, sites: Mapping[str, Site], publish: Publish) -> None:
        """`db` reads what the hub keeps."""
        self._db = db
        self._sites = sites
        self._publish = publish
        self._sent: dict[str, tuple[int, str]] = {}
        self._looked_ms = 0
        self._change: int | None = None
        self._due: set[str] = set()

    def tick(self, now_ms: int) -> None:
        """Send what is due. Raises DependencyError.

        The broker retains it; a box that connects anew gets it anyway, in case the broker has forgotten.
        """
        if 0 <= now_ms - self._looked_ms < LOOK_MS:
            return
        self._looked_ms = now_ms
        with as_errors():
            configurations = Configurations(self._db)
            self._note(configurations)
            left = MOST_A_LOOK
            for site in sorted(self._due):
                version = configurations.wanted_of(site)
                box = self._sites[site].box if site in self._sites else None
                if box is None or version is None:
                    self._due.discard(site)
                    continue
                due = (version, self._connection(site, box.id))
                if self._sent.get(site) == due:
                    self._due.discard(site)
                    continue
                if left == 0:
                    break
                left -= 1
                saved = configurations.find(site, version)
                topic = topics.build(site, box.id, "desired")
                if saved is not None and self._publish(topic, saved.desired().to_json(), retain=True):
                    self._sent[site] = due
                    self._due.discard(site)

    def _note(self, configurations: Configurations) -> None:
        """Of which branches something is due: of all at the start, then of those that changed."""
        if self._change is None:
            change = configurations.head()
            self._due |= {site for site, _ in configurations.all_wanted()}
        else:
            sites, change = configurations.changed_since(self._change)
            self._due |= set(sites)
        self._change = change

    def _connection(self, site: str, device: str) -> str:
        row = self._db.execute(
            "SELECT boot, connect_no FROM device_status WHERE site=? AND device=? AND online=1",
            (site, device),
        ).fetchone()
        return "" if row is None else f"{row[0]} {row[1]}"
