"""What older hubs put aside, taken up by one that knows it: after an upgrade, or once a branch's file was added."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection

from hub.ingest.apply import Applier
from hub.store.aside import waiting

AT_ONCE = 50


class TakingUp:
    """Once per start of the hub, a few at a time, so that what arrives meanwhile does not wait."""

    def __init__(
        self,
        reader: sqlite3.Connection,
        applier: Applier,
        sites: Collection[str],
        say: Callable[[str], None],
        done: threading.Event,
    ) -> None:
        """`done` is set once all was looked at."""
        self._reader = reader
        self._applier = applier
        self._sites = sites
        self._say = say
        self._done = done
        self._last_id = 0
        self._taken = 0

    def tick(self, _now_ms: int) -> None:
        """Take the next few up. Raises DependencyError when the store cannot take them now: they are tried again."""
        if self._done.is_set():
            return
        found = waiting(self._reader, self._sites, self._last_id, AT_ONCE)
        if found:
            self._taken += self._applier.take_up(found)
            self._last_id = found[-1].id
            return
        self._done.set()
        if self._taken:
            self._say(f"took up {self._taken} messages that had been put aside as not known yet.")
