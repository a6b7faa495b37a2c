"""A branch whose records cannot be looked at is said with its name, left alone for a while, and holds no other up."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator

from branchloop.errors import DependencyError

REST_MS = 10 * 60_000
"""A branch whose look failed is left alone for so long."""


class Resting:
    """Branches that are left alone for now."""

    def __init__(self, say: Callable[[str], None], what: str) -> None:
        """`what` begins the sentence, before the branch."""
        self._say = say
        self._what = what
        self._since: dict[str, int] = {}

    def rests(self, site: str, at_ms: int) -> bool:
        """Whether its last look failed a short while ago."""
        return 0 <= at_ms - self._since.get(site, at_ms - REST_MS) < REST_MS

    @contextlib.contextmanager
    def border(self, site: str, at_ms: int) -> Iterator[None]:
        """What goes wrong inside is this branch's own, unless it is the store's."""
        try:
            yield
        except (DependencyError, sqlite3.Error):
            raise
        except Exception as error:  # noqa: BLE001 - the others are looked at
            self._since[site] = at_ms
            self._say(f"{self._what}{site} is not watched: {type(error).__name__}: {error}")
