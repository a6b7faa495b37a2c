"""One simulated box: a recorded branch's messages, sent and resent as `edge.send.link` does.

Its outbox is in memory, so that many fit one machine; whatever is acknowledged is forgotten.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import ValidationError

from branchloop.load.recording import Told
from branchloop.wire import topics
from branchloop.wire.batches import Ack, Batch, Item
from branchloop.wire.status import HubStatus, Status
from edge.send.boxlink import BoxLink
from edge.send.connection import Connection, Received
from edge.send.inflight import InFlight, Verdict
from edge.send.link import BATCH_BYTES, BATCH_ITEMS, CADENCE_S, URGENT_S
from edge.send.rows import ENVELOPE_BYTES

READY_S = 30.0
"""A broker that many boxes come to at once takes its time."""
RETRY_S = 2.0


@dataclass(slots=True)
class Counts:
    """What a box did since it was last asked."""

    produced: int = 0
    windows: int = 0
    batches: int = 0
    acknowledged: int = 0
    resent: int = 0
    """Batches that went out again."""
    resends: int = 0
    connects: int = 0
    latencies_s: list[float] = field(default_factory=list)
    """Of each batch, from its first publication to the acknowledgement that covers it."""


class LoadBox:
    """A box that is driven by the loop of `edge.load.fleet`. Times `now_s` are monotonic."""

    def __init__(self, link: BoxLink, phase_s: float) -> None:
        """`phase_s`: when in the 5 s its batches leave."""
        self.link = link
        self.connection: Connection | None = None
        self.online = False
        self.counts = Counts()
        self.produced = 0
        """Messages since it was made."""
        self._topic = {kind: topics.build(link.site, link.device, kind) for kind in topics.KINDS}
        self._boot = secrets.token_hex(16)
        self._flight = InFlight(secrets.token_hex(16))
        self._held: deque[tuple[Item, int]] = deque()
        self._sent_s: deque[tuple[int, float]] = deque()
        """Last seq and first publication of every batch that is not acknowledged."""
        self._told: Iterator[Told] | None = None
        self._next: Told | None = None
        self._phase_s, self._looked_s, self._left_s = phase_s, 0.0, float("-inf")
        self._urgent = self._backlog = False
        self._attempts = 0
        self._ready_by_s = self._retry_at_s = 0.0

    @property
    def waiting(self) -> int:
        """Messages that are not acknowledged."""
        return self.produced - self._flight.acked

    @property
    def in_flight(self) -> int:
        """Batches that went out and are not acknowledged."""
        return self._flight.in_flight

    def begin(self, told: Iterator[Told], now_s: float) -> None:
        """Produce these from now on."""
        self._told, self._next = told, next(told)
        self._looked_s = now_s - CADENCE_S + self._phase_s

    def rest(self) -> None:
        """Produce nothing more; what is held goes out at once."""
        self._told = self._next = None
        self._backlog = True

    def connect(self, now_s: float) -> Connection | None:
        """Begin to connect, if it is time; None otherwise."""
        if self.connection is not None or now_s < self._retry_at_s:
            return None
        self._attempts += 1
        filters = [self._topic[kind] for kind in ("ack", "desired", "command")] + [topics.HUB_STATUS]
        will = (self._topic["status"], self._status(online=False))
        self.connection = connection = Connection(self.link, will, filters)
        connection.open()
        self._ready_by_s, self._retry_at_s = now_s + READY_S, now_s + RETRY_S
        return connection

    def converse(self, received: list[Received], now_s: float) -> None:
        """Hear what came, and speak."""
        connection = self.connection
        if connection is None:
            return
        for message in received:
            self._hear(message, now_s)
        if connection.ready and not self.online:
            self.online, self._backlog = True, True
            self.counts.connects += 1
            self._flight.reconnected()
            connection.publish(self._topic["status"], self._status(online=True), qos=1, retain=True)
        if self.online and connection.lost is None:
            self._produce()
            self._speak(connection, now_s)
        elif connection.lost is None and now_s >= self._ready_by_s:
            connection.drop()
            connection.lost = "the broker does not answer"

    def lose(self) -> None:
        """The connection is gone; what was produced waits."""
        if self.connection is not None:
            self.connection.drop()
        self.connection, self.online = None, False

    def part(self) -> None:
        """Say goodbye."""
        if self.connection is not None and self.online and self.connection.lost is None:
            self.connection.publish(self._topic["status"], self._status(online=False), qos=1, retain=True)
            self.connection.close()
        self.lose()

    def _produce(self) -> None:
        now_ms = time.time_ns() // 1_000_000
        while self._next is not None and self._told is not None and self._next.at_ms <= now_ms:
            self.produced += 1
            body = self._next.body
            size = len(json.dumps(body, separators=(",", ":"))) + ENVELOPE_BYTES
            self._held.append((Item(seq=self.produced, kind=self._next.kind, body=body), size))
            self.counts.produced += 1
            self.counts.windows += self._next.kind == "window"
            self._urgent |= self._next.kind == "notice"
            self._next = next(self._told)

    def _speak(self, connection: Connection, now_s: float) -> None:
        before = self._flight.resends
        lost = len(self._sent_s)
        if self._flight.tick(now_s):
            self._backlog = True
            self.counts.resends += self._flight.resends - before
            self.counts.resent += lost
        due = self._flight.may_send if self._backlog else now_s - self._looked_s >= CADENCE_S
        if due or (self._urgent and now_s - self._left_s >= URGENT_S):
            self._send(connection, now_s)

    def _send(self, connection: Connection, now_s: float) -> None:
        while now_s - self._looked_s >= CADENCE_S:  # in step with its phase, however late this is
            self._looked_s += CADENCE_S
        self._urgent, self._backlog = False, True
        flight = self._flight
        while flight.may_send and connection.lost is None:
            items = self._take(flight.sent)
            if not items:
                self._backlog = False
                break
            batch = Batch(
                epoch=flight.epoch,
                boot=self._boot,
                oldest=flight.acked + 1,
                sent_ms=time.time_ns() // 1_000_000,
                items=items,
            )
            last = items[-1].seq
            connection.publish(self._topic["data"], batch.to_json(), qos=1)
            flight.published(last, now_s)
            self.counts.batches += 1
            self._left_s = now_s
            if not self._sent_s or self._sent_s[-1][0] < last:
                self._sent_s.append((last, time.monotonic()))

    def _take(self, after: int) -> list[Item]:
        """The next messages above seq `after`, as many as a batch holds."""
        items: list[Item] = []
        taken_bytes = 0
        skip = after + 1 - self._held[0][0].seq if self._held else 0
        for index in range(skip, min(len(self._held), skip + BATCH_ITEMS)):
            item, size = self._held[index]
            taken_bytes += size
            if items and taken_bytes > BATCH_BYTES:
                break
            items.append(item)
        return items

    def _hear(self, message: Received, now_s: float) -> None:
        try:
            if message.topic == self._topic["ack"]:
                self._acknowledged(Ack.model_validate_json(message.payload), now_s)
            elif message.topic == topics.HUB_STATUS:
                hub = HubStatus.model_validate_json(message.payload)
                if hub.online and self._flight.hub_born(hub.boot, retained=message.retained):
                    self._backlog = True
                    self.counts.resends += 1
                    self.counts.resent += len(self._sent_s)
        except ValidationError as error:
            raise ValueError(f"the hub sent what cannot be read on {message.topic}") from error

    def _acknowledged(self, ack: Ack, now_s: float) -> None:
        before = self._flight.acked
        if self._flight.acknowledged(ack.epoch, ack.upto, now_s) is not Verdict.NEWS:
            return
        self.counts.acknowledged += self._flight.acked - before
        while self._held and self._held[0][0].seq <= self._flight.acked:
            self._held.popleft()
        heard_s = time.monotonic()
        while self._sent_s and self._sent_s[0][0] <= self._flight.acked:
            self.counts.latencies_s.append(heard_s - self._sent_s.popleft()[1])

    def _status(self, *, online: bool) -> str:
        return Status(
            online=online,
            boot=self._boot,
            connect_no=self._attempts,
            at_ms=time.time_ns() // 1_000_000,
            epoch=self._flight.epoch,
        ).to_json()
