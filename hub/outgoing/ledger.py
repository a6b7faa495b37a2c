"""When there may be something new in the ledger: every commit of another connection changes SQLite's data_version."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from branchloop.errors import DependencyError
from hub.store.connection import connect_readonly
from hub.store.schema.core import DATABASE

POLL_S = 0.1


def now_ms() -> int:
    """Wall time in UTC ms."""
    return time.time_ns() // 1_000_000


class Ledger:
    """Wakes who waits for something new."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._changed = asyncio.Condition()
        self.version = 0
        """Rises whenever something may be new."""

    async def run(self) -> None:
        """Look until cancelled; a database that is away is tried again."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "ledger") as own:  # SQLite's connections stay in their thread
            db: sqlite3.Connection | None = None
            seen = None
            try:
                while True:
                    try:
                        if db is None:
                            db = await loop.run_in_executor(own, self._connect)
                        now = await loop.run_in_executor(own, _version, db)
                    except (sqlite3.Error, DependencyError):
                        await asyncio.sleep(1.0)
                        continue
                    if now != seen:
                        seen = now
                        async with self._changed:
                            self.version += 1
                            self._changed.notify_all()
                    await asyncio.sleep(POLL_S)
            finally:
                if db is not None:
                    own.submit(db.close)

    async def later_than(self, version: int, timeout_s: float) -> None:
        """Wait until something is newer, or for the time-out."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: self.version > version)

    def _connect(self) -> sqlite3.Connection:
        return connect_readonly(self._data_dir / DATABASE)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA data_version").fetchone()[0])
