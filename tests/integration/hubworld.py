"""A hub's data directory with real messages in it, and its API on an ephemeral port."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI
from served import served

from hub.api.app import create_app
from hub.api.dots import Dots
from hub.api.state import State, now_ms
from hub.api.stream import Stream
from hub.config.hub import HubConfig, read_config
from hub.store.audit import AuditLog
from hub.store.book.entries import Book
from hub.store.customers.holders import People
from hub.store.customers.keyring import Keyring
from hub.store.figures.reading import Reader
from hub.store.sqlite import SqliteStore
from hub.store.tokens import Tokens

NOON = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
"""A zone in which it is about noon now: today has hours left, whenever the test runs."""
SITE = """
id = "{id}"
name = {{ en = "Hall", zh = "大厅" }}
timezone = "{zone}"
plan = {{ width_m = 2.0, height_m = 1.0, cell_m = 0.5 }}
[[line]]
id = "door"
from = [0.5, 0.2]
to = [0.5, 0.8]
inside = [1.5, 0.5]
entrance = true
[[zone]]
id = "queue"
kind = "queue"
polygon = [[1.0, 0.1], [1.9, 0.1], [1.9, 0.9], [1.0, 0.9]]
"""


@dataclass(frozen=True, slots=True)
class World:
    """A hub without broker: configuration, store, and the API's address."""

    config: HubConfig
    store: SqliteStore
    api: str
    state: State
    app: FastAPI

    @property
    def stream(self) -> Stream:
        """What feeds the readers of the stream."""
        running: Stream = self.app.state.stream
        return running

    def feed_head(self) -> int:
        """The newest id of the feed, as stored."""
        with Reader.open(self.config.data_dir) as reader:
            return reader.feed_head()

    def token(self, role: str, *sites: str) -> dict[str, str]:
        """Headers of a new token."""
        if role == "partner":  # its "sites" are the one partner it is of
            name, partner = f"test-partner-{time.monotonic_ns()}", sites[0]
            made = self.state.tokens.add(name, role, (), now_ms(), partner)
            return {"Authorization": f"Bearer {made}"}
        made = self.state.tokens.add(f"test-{role}-{time.monotonic_ns()}", role, sites, now_ms())
        return {"Authorization": f"Bearer {made}"}


@contextlib.contextmanager
def world(
    folder: Path, *, parts: str = "", hub: str = "", book: bool = False, zone: str = "Asia/Kolkata"
) -> Iterator[World]:
    """Two branches, `hall` and `annex`, empty, with their API running; without a book unless one is wanted.

    `parts` are further lines of the first one's site file, before its tables; `hub` of hub.toml.
    """
    for site, more in (("hall", parts), ("annex", "")):
        text = SITE.format(id=site, zone=zone).replace("[[line]]", f"{more}\n[[line]]", 1)
        (folder / f"{site}.toml").write_text(text, encoding="utf-8")
    (folder / "hub.toml").write_text(f'[hub]\ndata_dir = "data"\nsites = ["hall.toml", "annex.toml"]\n{hub}')
    config = read_config(folder / "hub.toml")
    store = SqliteStore(config.data_dir)
    keyring = Keyring.of(config) if book else None
    kept = Book(keyring) if keyring is not None else None
    people = People(kept, keyring) if kept is not None and keyring is not None else None
    state = State(config, Tokens(config.data_dir), AuditLog(config.data_dir), Dots(), people, kept)
    app = create_app(state)
    try:
        with served(app) as api:
            yield World(config, store, api, state, app)
    finally:
        store.close()
        state.tokens.close()
        state.audit.close()
