"""Server-sent events: one poller of the feed for all readers, bounded queues, resume by Last-Event-ID.

Events: notice, window, status, alarm (each with its id in the feed), dots (none), and gap: what came
between is no longer kept, so the figures are to be read anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from branchloop.clock import iso
from branchloop.errors import DependencyError
from branchloop.wire.messages import Live
from hub.api.problems import BusyError
from hub.api.state import State, now_ms
from hub.store.connection import connect_readonly
from hub.store.figures.reading import FeedRow, Reader
from hub.store.schema.core import DATABASE

POLL_S = 0.1
RETRY_S = 1.0
HEARTBEAT_S = 5.0
RECHECK_S = 10.0
"""How long after its revocation a token may still hear."""
QUEUED = 1_000
PAGE = 200
MOST_READERS = 500
_LOG = logging.getLogger(__name__)


class Follower:
    """What waits for one reader: at most `QUEUED` events in order, and of the dots only the newest."""

    def __init__(self) -> None:
        self._events: deque[str] = deque()
        self._dots: str | None = None
        self._wake = asyncio.Event()
        self._late = False

    def put(self, text: str) -> None:
        """Queue an event. A reader that is too far behind gets none any more: it may resume."""
        if len(self._events) >= QUEUED:
            self._late = True
        if not self._late:
            self._events.append(text)
        self._wake.set()

    def put_dots(self, text: str) -> None:
        """Show these dots instead of those not yet sent."""
        self._dots = text
        self._wake.set()

    async def take(self, timeout_s: float) -> str | None:
        """Everything that waits, as one text; empty after `timeout_s`; None when the reader is let go."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout_s)
        self._wake.clear()
        if not self._events and self._late:
            return None
        text = "".join(self._events) + (self._dots or "")
        self._events.clear()
        self._dots = None
        if self._late:
            self._wake.set()
        return text


class Stream:
    """Fans the feed and the live dots out to readers."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._followers: dict[str, set[Follower]] = {}
        self._head = 0
        self._polled_s = 0.0
        self._tell_site: Callable[[str], None] | None = None

    def tell(self, told: Callable[[str], None]) -> None:
        """Call `told` with the branch of every event, in the event loop."""
        self._tell_site = told

    @property
    def running(self) -> bool:
        """Whether the feed is being read."""
        return time.monotonic() - self._polled_s < 10 * POLL_S + RETRY_S

    def begin(self) -> None:
        """Take up the feed where it is now. Raises DependencyError when the database cannot be read."""
        with Reader.open(self._state.data_dir) as reader:
            self._head = reader.feed_head()

    async def run(self) -> None:
        """Feed the readers until cancelled; a database that cannot be read is tried again."""
        loop = asyncio.get_running_loop()

        def told(site: str, live: Live) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to be told
                loop.call_soon_threadsafe(self._send_dots, site, live)

        self._state.dots.tell(told)
        try:
            while True:
                try:
                    await self._poll()
                except (sqlite3.Error, DependencyError) as error:
                    _LOG.error("the feed cannot be read: %s", error)
                    await asyncio.sleep(RETRY_S)
        finally:
            self._state.dots.tell(None)

    def admit(self) -> None:
        """Raise BusyError when there are as many readers as the hub can serve."""
        if sum(map(len, self._followers.values())) >= MOST_READERS:
            raise BusyError("too many readers follow the stream.", hint="Try again later.")

    async def follow(
        self, site: str, last_id: int | None, still_may: Callable[[], bool]
    ) -> AsyncIterator[str]:
        """Events of one site from now on, or from `last_id`; ends for who is too slow or may no more."""
        follower = Follower()
        self._followers.setdefault(site, set()).add(follower)
        # From here on everything above `head` is queued; what lies up to it is read from the feed.
        head = self._head
        checked_s = time.monotonic()
        try:
            yield f": welcome\nid: {head if last_id is None else last_id}\n\n"
            if last_id is not None:
                async for missed in self._missed(site, last_id, head):
                    yield missed
            while True:
                text = await follower.take(HEARTBEAT_S)
                head = self._head  # of this very moment: nothing up to it waits any more
                if time.monotonic() - checked_s >= RECHECK_S:
                    checked_s = time.monotonic()
                    if not await asyncio.to_thread(_allowed, still_may):
                        return
                if text is None:
                    return
                # An id without data moves Last-Event-ID on past what concerned other branches.
                yield text or f": alive\nid: {head}\n\n"
        finally:
            self._followers[site].discard(follower)

    async def _poll(self) -> None:
        """Read what is new at every `data_version`, which changes with each commit of another connection."""
        with contextlib.closing(connect_readonly(self._state.data_dir / DATABASE)) as db:
            version = None
            while True:
                seen = db.execute("PRAGMA data_version").fetchone()[0]
                if seen != version:
                    version = seen
                    while rows := Reader(db).feed(self._head, PAGE):
                        for row in rows:
                            self._send(row)
                        await asyncio.sleep(0)
                self._polled_s = time.monotonic()
                await asyncio.sleep(POLL_S)

    async def _missed(self, site: str, last_id: int, head: int) -> AsyncIterator[str]:
        """What a reader missed after `last_id`, up to `head`; it says so when some of it is gone."""

        def page(after: int) -> tuple[int, list[FeedRow]]:
            with Reader.open(self._state.data_dir) as reader:
                return reader.feed_tail(), reader.site_feed(site, after, head, PAGE)

        after = last_id
        while True:
            tail, rows = await asyncio.to_thread(page, after)
            if after == last_id and (last_id > head or last_id + 1 < tail):
                yield f"event: gap\ndata: {json.dumps({'at': iso(now_ms())})}\n\n"
            if not rows:
                return
            yield "".join(map(_text, rows))
            after = rows[-1][0]

    def _send(self, row: FeedRow) -> None:
        self._head = row[0]
        if self._tell_site is not None:
            self._tell_site(row[1])
        followers = self._followers.get(row[1])
        if followers:
            text = _text(row)
            for follower in followers:
                follower.put(text)

    def _send_dots(self, site: str, live: Live) -> None:
        followers = self._followers.get(site)
        if followers:
            data = {"at": iso(live.at_ms), "dots": [[x / 1000, y / 1000] for x, y in live.dots_mm]}
            text = f"event: dots\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
            for follower in followers:
                follower.put_dots(text)


def _allowed(still_may: Callable[[], bool]) -> bool:
    try:
        return still_may()
    except DependencyError:
        return False  # who cannot be checked is let go, and may ask again


def _text(row: FeedRow) -> str:
    number, _, event, at_ms, body = row
    data = {"at": iso(at_ms), **json.loads(body)}
    return f"id: {number}\nevent: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
