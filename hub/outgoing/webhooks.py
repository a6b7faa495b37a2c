"""Deliveries to one receiver: in the ledger's order, at least once, and nobody else waits for it.

The cursor moves after the receiver's 2xx, in a commit of its own. What was taken just before this process
was killed is sent again under the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from branchloop import exits
from hub.config.events import Webhook
from hub.loop.delivery import as_body, backoff_s, envelope, still_s, told
from hub.loop.embedding import Mac
from hub.loop.pairwise import pairwise
from hub.outgoing.ledger import Ledger, now_ms
from hub.outgoing.post import TOTAL_S, Answer, post
from hub.outgoing.threads import in_database
from hub.store import outgoing
from hub.store.connection import opened, reading
from hub.store.journeys import Entry

PAGE = 200
IDLE_S = 5.0
COMMIT_S = 0.2
"""What was taken within so long before a kill is told twice."""
HOUR_MS = 3_600_000


class Delivery:
    """One receiver's task."""

    def __init__(
        self, webhook: Webhook, keys: Sequence[bytes], data_dir: Path, mac: Mac, total_s: float = TOTAL_S
    ) -> None:
        self._webhook = webhook
        self._keys = keys
        self._data_dir = data_dir
        self._mac = mac
        self._total_s = total_s

    async def run(self, to: httpx.AsyncClient, ledger: Ledger) -> None:
        """Deliver until cancelled."""
        await in_database(self._begin)
        while True:
            target = await in_database(self._look)
            if target.disabled:
                await asyncio.sleep(IDLE_S)
                continue
            wait_s = still_s(target.next_ms, now_ms())
            if wait_s > 0:
                await asyncio.sleep(min(wait_s, IDLE_S))
                continue
            seen = ledger.version
            page = await in_database(self._page, target.cursor)
            if not page:
                await ledger.later_than(seen, IDLE_S)
                continue
            await self._send(to, page, target.cursor, target.attempts)

    async def _send(self, to: httpx.AsyncClient, page: list[Entry], since: int, attempts: int) -> None:
        """Deliver a page. The cursor is committed a few times a second, and whenever there is a pause."""
        taken, at_ms, committed_s = since, None, time.monotonic()
        try:
            for entry in page:
                if self._is_told(entry):
                    answer = await self._post(to, entry)
                    if answer.error is not None:
                        if taken > since:
                            still = await in_database(self._delivered, since, taken, at_ms)
                            since, attempts = taken, 0
                            if not still:
                                return
                        await in_database(self._failed, since, entry, answer, attempts + 1)
                        return
                    at_ms = now_ms()
                taken = entry.id
                if time.monotonic() - committed_s >= COMMIT_S:
                    still = await in_database(self._delivered, since, taken, at_ms)
                    since, attempts, committed_s = taken, 0, time.monotonic()
                    if not still:
                        return
        finally:
            if taken > since:
                self._delivered(since, taken, at_ms)

    async def _post(self, to: httpx.AsyncClient, entry: Entry) -> Answer:
        happened = entry.happened
        audience = self._webhook.partner or f"webhook:{self._webhook.id}"
        customer = None if happened.customer is None else pairwise(self._mac, happened.customer, audience)
        content = envelope(entry.id, happened, customer, self._webhook.partner)
        if self._webhook.partner is not None:
            data = content["data"]
            assert isinstance(data, dict)  # noqa: S101 - as `envelope` makes it
            data.pop("appointment")  # the bank's own number of it joins what partners hold
            detail = data["detail"]
            assert isinstance(detail, dict)  # noqa: S101 - as `envelope` makes it
            detail.pop("request", None)  # and so does that of a request
        return await post(
            to, self._webhook.url, self._keys, f"msg_{entry.id}", as_body(content), self._total_s
        )

    def _is_told(self, entry: Entry) -> bool:
        hook = self._webhook
        return told(entry.happened, hook.stages, hook.sites, hook.partner)

    def _begin(self) -> None:
        with opened(self._data_dir) as db:
            outgoing.begin(
                db, self._webhook.id, self._webhook.url, now_ms(), from_start=self._webhook.from_start
            )

    def _look(self) -> outgoing.Target:
        with reading(self._data_dir) as db:
            found = outgoing.find(db, self._webhook.id)
        assert found is not None  # noqa: S101 - `_begin` put it there, nothing deletes it
        return found

    def _page(self, cursor: int) -> list[Entry]:
        with reading(self._data_dir) as db:
            return outgoing.entries(db, cursor, PAGE)

    def _delivered(self, since: int, entry: int, at_ms: int | None) -> bool:
        with opened(self._data_dir) as db:
            return outgoing.delivered(db, self._webhook.id, since, entry, at_ms)

    def _failed(self, since: int, entry: Entry, answer: Answer, attempts: int) -> None:
        error = answer.error or ""
        at_ms = now_ms()
        with opened(self._data_dir) as db:
            target = outgoing.find(db, self._webhook.id)
            if target is None or target.cursor != since:
                return  # told by another process, or a retry was asked for: what this one heard is history
            since_ms = at_ms if target.failing_since_ms is None else target.failing_since_ms
            gives_up = not answer.gone and at_ms - since_ms > self._webhook.give_up_h * HOUR_MS
            if answer.gone:
                outgoing.disable(db, self._webhook.id, f"{error}: it wants no more")
            elif gives_up:
                outgoing.give_up(db, self._webhook.id, since, entry.id, at_ms, error)
            else:
                wait_s = backoff_s(attempts, random.random, answer.retry_s)
                outgoing.failed(db, self._webhook.id, at_ms, at_ms + round(wait_s * 1000), error)
        if gives_up:
            exits.log(
                f"webhook {self._webhook.id}: line {entry.id} is given up and goes to the dead letters: {error}"
            )
        elif attempts == 1 or answer.gone:
            exits.log(f"webhook {self._webhook.id}: line {entry.id} was not taken: {error}")
