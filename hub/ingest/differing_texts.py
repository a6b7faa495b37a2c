"""Which branches' boxes run another text of a version than the hub holds: asked again where something changed, a few at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from branchloop.errors import ConfigError
from branchloop.site.site import Site
from hub.config.hub import HubConfig
from hub.store.branches.configurations import Configurations
from hub.store.branches.differing import Differing, differing

SITES_A_LOOK = 20
"""Each takes a text or two to be read: after a start that of every branch is due."""


class DifferingTexts:
    """What is known of every branch. For use by one thread."""

    def __init__(self, db: sqlite3.Connection, config: HubConfig, sites: Mapping[str, Site]) -> None:
        """`db` reads what the hub keeps."""
        self._db = db
        self._config = config
        self._sites = sites
        self._change: int | None = None
        self._due: set[str] = set()
        self._known: dict[str, Differing | None] = {}

    def tick(self) -> set[str]:
        """Ask of branches that are due, a bounded number; returns those where it is another than before. Raises DependencyError."""
        configurations = Configurations(self._db)
        if self._change is None:
            self._change = configurations.head()
            self._due |= set(self._sites)
        else:
            changed, self._change = configurations.changed_since(self._change)
            self._due |= set(changed)
        news: set[str] = set()
        for site_id in sorted(self._due)[:SITES_A_LOOK]:
            self._due.discard(site_id)
            site = self._sites.get(site_id)
            if site is None:
                continue
            try:
                found = differing(self._db, self._config, site)
            except ConfigError:
                continue  # the branch's file is not there or is being written: what was known stays
            if self._known.get(site_id) != found:
                news.add(site_id)
            self._known[site_id] = found
        return news

    def holds(self, site: str) -> bool | None:
        """Whether there are two texts; None before it was asked."""
        return self._known[site] is not None if site in self._known else None

    def versions(self, site: str) -> dict[str, int]:
        """The version of which there are two texts, and the next one, for the right one of them."""
        found = self._known.get(site)
        return {} if found is None else {"version": found.version, "next": found.next}
