"""What all requests of one API process share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from branchloop.errors import DependencyError
from hub.api.dots import Dots
from hub.config.hub import HubConfig
from hub.store.audit import AuditLog
from hub.store.book.entries import Book
from hub.store.customers.holders import People
from hub.store.figures.crowding import Crowds
from hub.store.tokens import Tokens


@dataclass(frozen=True, slots=True)
class State:
    """Configuration, tokens, audit log, the live dots, the book and the keyring."""

    config: HubConfig
    tokens: Tokens
    audit: AuditLog
    dots: Dots
    known: People | None = None
    kept: Book | None = None
    crowds: Crowds = field(default_factory=Crowds)

    @property
    def people(self) -> People:
        """The book and the keyring. Raises DependencyError when this hub has none."""
        if self.known is None:
            raise DependencyError("this hub keeps no appointments.", hint="Start it by `branchloop hub run`.")
        return self.known

    @property
    def book(self) -> Book:
        """The appointment book. Raises DependencyError when this hub has none."""
        if self.kept is None:
            raise DependencyError("this hub keeps no appointments.", hint="Start it by `branchloop hub run`.")
        return self.kept

    @property
    def data_dir(self) -> Path:
        """Where the database lies."""
        return self.config.data_dir


def now_ms() -> int:
    """Wall time in UTC ms."""
    return time.time_ns() // 1_000_000
