"""Server-sent events: one poller of the feed for all readers, bounded queues, resume by Last-Event-ID."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from branchloop.clock import iso
from branchloop.errors import DependencyError
from branchloop.messages import Live
from hub.api.state import State
from hub.store.connection import connect_readonly
from hub.store.reading import Reader
from hub.store.schema import DATABASE

POLL_S = 0.1
HEARTBEAT_S = 5.0
QUEUED = 256
BACKLOG = 500
"""Feed rows a reader that resumes may catch up on."""

Event = tuple[str, str]
"""(site, text of one event)."""


class Stream:
    """Fans the feed and the live dots out to readers."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._readers: set[asyncio.Queue[str | None]] = set()
        self._sites: dict[asyncio.Queue[str | None], str] = {}
        self._head = 0

    async def run(self) -> None:
        """Poll `data_version`, which changes with every commit of another connection; until cancelled."""
        loop = asyncio.get_running_loop()

        def told(site: str, live: Live) -> None:
            loop.call_soon_threadsafe(self._send, site, _dots(live))

        self._state.dots.tell(told)
        db = connect_readonly(self._state.data_dir / DATABASE)
        try:
            self._head = Reader(db).feed_head()
            version = -1
            while True:
                seen = db.execute("PRAGMA data_version").fetchone()[0]
                if seen != version:
                    version = seen
                    for number, site, event, at_ms, body in Reader(db).feed(self._head, BACKLOG):
                        self._head = number
                        self._send(site, _text(number, event, at_ms, body))
                await asyncio.sleep(POLL_S)
        finally:
            db.close()

    async def follow(self, site: str, last_id: int | None) -> AsyncIterator[str]:
        """Events of one site from now on, or from `last_id`; a reader too slow is let go and may resume."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(QUEUED)
        self._readers.add(queue)
        self._sites[queue] = site
        try:
            yield ": welcome\n\n"
            if last_id is not None:
                for missed in self._missed(site, last_id):
                    yield missed
            while True:
                text: str | None
                try:
                    text = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                except TimeoutError:
                    yield ": alive\n\n"
                    continue
                if text is None:
                    return
                yield text
        finally:
            self._readers.discard(queue)
            self._sites.pop(queue, None)

    def _missed(self, site: str, last_id: int) -> list[str]:
        try:
            with Reader.open(self._state.data_dir) as reader:
                rows = reader.feed(last_id, 10 * BACKLOG)
        except DependencyError:
            return []
        return [
            _text(number, event, at_ms, body)
            for number, row_site, event, at_ms, body in rows
            if row_site == site and number <= self._head
        ][-BACKLOG:]

    def _send(self, site: str, text: str) -> None:
        for queue in list(self._readers):
            if self._sites.get(queue) != site:
                continue
            try:
                queue.put_nowait(text)
            except asyncio.QueueFull:
                self._readers.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)


def _text(number: int, event: str, at_ms: int, body: str) -> str:
    data = {"at": iso(at_ms), **json.loads(body)}
    return f"id: {number}\nevent: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"


def _dots(live: Live) -> str:
    data = {"at": iso(live.at_ms), "dots": [[x / 1000, y / 1000] for x, y in live.dots_mm]}
    return f"event: dots\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
