"""Crowding as server-sent events: one computation per branch for all its readers.

A branch is computed when a window of it was stored, at most once a second, and every 15 s anyway, since bookings
and the clock move it, too; and only while somebody reads. Of what a reader has not taken yet only the newest waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from branchloop.errors import BranchloopError
from branchloop.site.site import Site
from hub.api.models.card import Crowding
from hub.api.problems import BusyError
from hub.api.state import now_ms

ALIVE_S = 15.0
LEAST_S = 1.0
"""Between two computations of one branch."""
AT_ONCE = 4
"""Branches that are computed at the same time."""
_LOG = logging.getLogger(__name__)
Told = Callable[[str], Crowding]


class _Reader:
    """What waits for one reader."""

    def __init__(self) -> None:
        self._text: bytes | None = None
        self._wake = asyncio.Event()

    def put(self, text: bytes) -> None:
        self._text = text
        self._wake.set()

    async def take(self, timeout_s: float) -> bytes | None:
        """What waits; None when nothing came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        self._wake.clear()
        text, self._text = self._text, None
        return text


class _Channel:
    """A branch that is read: its readers, what was told last, and whether it may have changed."""

    def __init__(self) -> None:
        self.readers: set[_Reader] = set()
        self.newest: bytes | None = None
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class CrowdStream:
    """Fans crowding out to at most `most` readers."""

    def __init__(self, told: Told, most: int) -> None:
        self._told = told
        self._most = most
        self._channels: dict[str, _Channel] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)

    @property
    def readers(self) -> int:
        """How many read now."""
        return sum(len(channel.readers) for channel in self._channels.values())

    def heard(self, site: str) -> None:
        """Something of a branch was stored."""
        channel = self._channels.get(site)
        if channel is not None:
            channel.changed.set()

    def admit(self) -> None:
        """Raise BusyError when there are as many readers as were allowed."""
        if self.readers >= self._most:
            raise BusyError("too many pages follow the crowding.", hint="Ask for GET /card/crowding instead.")

    async def follow(self, site: Site, until_ms: int) -> AsyncIterator[bytes]:
        """Events of one branch from now on, until `until_ms`."""
        reader = _Reader()
        channel = self._channels.setdefault(site.id, _Channel())
        channel.readers.add(reader)
        if channel.task is None:
            channel.task = asyncio.create_task(self._run(channel, site.id))
        elif channel.newest is not None:
            reader.put(channel.newest)
        try:
            yield b": welcome\n\n"
            while (left_s := (until_ms - now_ms()) / 1000) > 0:
                text = await reader.take(min(ALIVE_S, left_s))
                if text is not None:
                    yield text
                elif now_ms() < until_ms:
                    yield b": alive\n\n"
        finally:
            channel.readers.discard(reader)
            if not channel.readers and channel.task is not None:
                channel.task.cancel()
                channel.task = None
                self._channels.pop(site.id, None)

    async def _run(self, channel: _Channel, site: str) -> None:
        before: Crowding | None = None
        while True:
            channel.changed.clear()
            try:
                async with self._at_once:
                    told = await asyncio.to_thread(self._told, site)
            except BranchloopError as error:
                _LOG.error("the crowding of %s cannot be told: %s", site, error)
            except Exception:  # noqa: BLE001 - the task's border: its readers stay, and the next try may do
                _LOG.exception("the crowding of %s cannot be told", site)
            else:
                if told != before:
                    before = told
                    channel.newest = f"event: crowding\ndata: {told.model_dump_json()}\n\n".encode()
                    for reader in channel.readers:
                        reader.put(channel.newest)
            await asyncio.sleep(LEAST_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_S - LEAST_S):
                    await channel.changed.wait()
