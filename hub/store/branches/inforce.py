"""The branches as their boxes run them: the hub's own site files, overlaid by what is in force."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from branchloop.errors import ConfigError, DependencyError
from branchloop.site.site import Site, parse_site
from hub.config.hub import HubConfig
from hub.store.branches.configurations import Configurations, Saved
from hub.store.connection import connect_readonly
from hub.store.schema.core import DATABASE

LOOK_S = 0.5
_LOG = logging.getLogger(__name__)


class SitesInForce(Mapping[str, Site]):
    """Site id -> the configuration that its figures were counted by. For use by any thread.

    A store that cannot be read now changes nothing: what was known stays.
    """

    def __init__(self, files: Mapping[str, Site], data_dir: Path) -> None:
        self._files = files
        self._path = data_dir / DATABASE
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._seen: int | None = None
        self._change: int | None = None
        self._looked_s = float("-inf")
        self._overlay: dict[str, tuple[int, Site]] = {}

    def __getitem__(self, site: str) -> Site:
        with self._lock:
            self._look()
            known = self._overlay.get(site)
        return self._files[site] if known is None else known[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def close(self) -> None:
        """Let go of the database."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None

    def _look(self) -> None:
        """Read the branches that changed, after a commit, but not more often than twice a second."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        try:
            if self._db is None:
                self._db = connect_readonly(self._path, any_thread=True)
            seen = int(self._db.execute("PRAGMA data_version").fetchone()[0])
            if seen == self._seen:
                return
            configurations = Configurations(self._db)
            if self._change is None:  # before what it stands for is read: what comes between is read again
                change = configurations.head()
                now = dict(configurations.in_force())
                changed = set(self._overlay) | set(now)
            else:
                sites, change = configurations.changed_since(self._change)
                found = ((site, configurations.in_force_of(site)) for site in sites)
                changed = set(sites)
                now = {site: version for site, version in found if version is not None}
            for site in changed - set(now):
                self._overlay.pop(site, None)
            for site, version in now.items():
                if site in self._files and self._overlay.get(site, (0,))[0] != version:
                    saved = configurations.find(site, version)
                    if saved is not None:
                        self._overlay[site] = (version, self._taken_over(saved))
            self._change = change
            self._seen = seen
        except (sqlite3.Error, DependencyError):
            self._seen = None

    def _taken_over(self, saved: Saved) -> Site:
        """The site by a saved text; by the hub's own file where this version of the hub cannot read that text."""
        try:
            return with_own_tables(saved.text, self._files[saved.site])
        except ConfigError as error:
            _LOG.error(
                "version %d of %s is in force, but unreadable here: %s", saved.version, saved.site, error
            )
            return self._files[saved.site]


def with_own_tables(text: str, file: Site) -> Site:
    """A published text as a site, with the box, the kiosks and the time zone of the hub's own file.

    A box runs a version that it took by the time zone of its own file too, where that was corrected since.
    """
    own = {"box": file.box, "kiosks": file.kiosks, "timezone": file.timezone}
    return parse_site(text).model_copy(update=own)


def follow(config: HubConfig) -> HubConfig:
    """The configuration with sites that follow what is in force."""
    return replace(config, sites=SitesInForce(config.sites, config.data_dir))
