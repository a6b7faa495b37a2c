"""The link of a box to its hub: outbox batches, acknowledgements, birth, last will and live dots.

One thread does all of it; the others only leave word. A batch goes every 5 s, and at once, but at most
one a second, when somebody waits; a backlog goes as fast as acknowledgements come.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from branchloop.errors import DependencyError
from branchloop.wire import topics
from branchloop.wire.batches import Ack, Batch
from branchloop.wire.messages import Live
from branchloop.wire.status import HubStatus, Status
from edge.send.boxlink import BoxLink
from edge.send.connection import CONNECT_TIMEOUT_S, Connection, Received
from edge.send.inflight import InFlight, Verdict
from edge.send.outbox import Outbox
from edge.send.rows import Turn

CADENCE_S = 5.0
URGENT_S = 1.0
BATCH_ITEMS = 100
BATCH_BYTES = 200_000
READY_TIMEOUT_S = 10.0
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
MAX_DOTS = 1_000
STEADY_S = 10.0
"""A connection that held for less is no reason to hurry: two boxes with one credential evict each other."""
_TICK_S = 0.25
_PART_S = 2.0
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class LinkCounters:
    """What happened on the link so far."""

    connects: int = 0
    published: int = 0
    """Batches, resent ones included."""
    acknowledged: int = 0
    """Messages."""
    resends: int = 0
    """How often everything unacknowledged went out again."""
    unbelieved: int = 0
    """Acknowledgements of messages that were never sent."""
    unreadable: int = 0
    """Messages from the hub that could not be read."""


class Link:
    """Sends what the outbox holds; `status` supplies the fields of each birth: lights and versions.

    The methods may be called from any thread; they raise DependencyError once the link has failed for a
    reason that reconnecting does not mend.
    """

    def __init__(
        self,
        outbox: Outbox,
        box: BoxLink,
        status: Callable[[], dict[str, Any]],
        hears: Mapping[str, Callable[[bytes], None]] = MappingProxyType({}),
    ) -> None:
        """`hears`: further kinds the box subscribes to, and who takes their payloads, in the link's thread."""
        self._hears = hears
        self._replies: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.hub_online = False
        """Whether the hub was last heard to be there, over a connection that stands."""
        self.boot = secrets.token_hex(16)
        self.counters = LinkCounters()
        self.online = False
        self._outbox = outbox
        self._box = box
        self._status = status
        self._topic = {kind: topics.build(box.site, box.device, kind) for kind in topics.KINDS}
        self._connection: Connection | None = None
        self._attempts = 0
        self._ready_by_s = 0.0
        self._ready_at_s = 0.0
        self._retry_s = FIRST_RETRY_S
        self._retry_at_s = 0.0
        self._reason: str | None = None
        turn = outbox.turn()
        self._flight = _flight(turn)
        self._backlog = False
        self._left_s = self._looked_s = float("-inf")
        self._told_depth = 0
        self._urgent = threading.Event()
        self._changed = threading.Event()
        self._dots: deque[str] = deque(maxlen=1)
        self._stop_at_s: float | None = None
        self._failure: Exception | None = None
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self) -> None:
        """Connect, and keep connecting."""
        self._thread.start()

    def urgent(self) -> None:
        """Somebody waits for what was just committed."""
        self._urgent.set()
        self._nudge()

    def status_changed(self) -> None:
        """A light changed: the birth goes out anew."""
        self._changed.set()
        self._nudge()

    def live(self, at_ms: int, dots_mm: Sequence[tuple[int, int]]) -> None:
        """Dots for the live page: QoS 0, outside the outbox; only the latest count, and only while online."""
        if self.online:
            self._dots.append(Live(at_ms=at_ms, dots_mm=list(dots_mm[:MAX_DOTS])).to_json())
        self._nudge()

    def reply(self, payload: str) -> None:
        """Answer a command. One that is lost with the connection is asked for again."""
        self._replies.put(payload)
        self._nudge()

    def stop(self, drain_s: float) -> bool:
        """Let the outbox drain for at most `drain_s`, part with an offline status; True if it drained."""
        self._stop_at_s = time.monotonic() + drain_s
        self._nudge()
        self._thread.join(drain_s + CONNECT_TIMEOUT_S + _PART_S + 1.0)
        return self._outbox.depth == 0

    def _run(self) -> None:
        try:
            while not self._finished():
                try:
                    self._round(time.monotonic())
                except DependencyError as error:
                    # The outbox is out of reach. What was just heard is said again: it was not acted on.
                    self._say(str(error))
                    time.sleep(_TICK_S)
            with contextlib.suppress(DependencyError):  # the broker then says the will
                self._part()
        except Exception as error:  # noqa: BLE001 - the thread's border: the callers' next call raises it
            _LOG.exception("the link has failed")
            self._failure = error
            self.online = False
            self._lose("failed", time.monotonic())
        finally:
            self._woken.close()
            self._wake.close()

    def _round(self, now_s: float) -> None:
        if self._connection is None and now_s >= self._retry_at_s:
            self._connect()
        received: list[Received] = []
        if self._connection is None:
            with contextlib.suppress(OSError):
                self._woken.settimeout(_TICK_S)
                self._woken.recv(1)
        else:
            received = self._connection.step(self._woken, self._wait_s(now_s))
        self._woken.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4_096)
        if self._connection is not None:
            self._converse(self._connection, received, time.monotonic())

    def _converse(self, connection: Connection, received: list[Received], now_s: float) -> None:
        for message in received:
            self._hear(message, now_s)
        if connection.ready and not self.online:
            self._on_ready(now_s)
        if self.online:
            self._speak(connection, now_s)
        if connection.lost is None and not self.online and now_s >= self._ready_by_s:
            connection.drop()
            connection.lost = "the broker does not answer"
        if connection.lost is not None:
            self._lose(connection.lost, now_s)

    def _on_ready(self, now_s: float) -> None:
        """The subscriptions stand: acknowledgements will be heard."""
        self.counters.connects += 1
        if self._reason is not None:
            _LOG.warning("the link to %s:%d stands again", self._box.host, self._box.port)
        self._ready_at_s, self._reason = now_s, None
        self._changed.set()
        self._dots.clear()
        self._flight.reconnected()
        self._backlog = True
        self.online = True  # last: from here on other threads hand over dots
        _LOG.info("connected to %s:%d", self._box.host, self._box.port)

    def _speak(self, connection: Connection, now_s: float) -> None:
        turn = self._outbox.turn()
        if turn.epoch != self._flight.epoch:
            self._flight = _flight(turn)
            self._backlog = True
            self._changed.set()
        if self._outbox.others_appended():
            self._urgent.set()
        if self._flight.tick(now_s):
            self._backlog = True
        self.counters.resends = self._flight.resends
        if self._changed.is_set():
            self._changed.clear()
            self._birth(connection)
        if self._due(now_s):
            if turn.oldest <= self._flight.acked:  # it could not be deleted when it was acknowledged
                self._outbox.acknowledge(turn.epoch, self._flight.acked)
            self._send(connection, now_s)
        while not self._replies.empty():
            connection.publish(self._topic["reply"], self._replies.get(), qos=1)
        if self._dots and not connection.congested:
            connection.publish(self._topic["live"], self._dots.pop(), qos=0)

    def _due(self, now_s: float) -> bool:
        if self._backlog or self._stop_at_s is not None:
            return self._flight.may_send
        if self._urgent.is_set() and now_s - self._left_s >= URGENT_S:
            return True
        return now_s - self._looked_s >= CADENCE_S

    def _send(self, connection: Connection, now_s: float) -> None:
        """Send what is there, as far as there is room in flight."""
        self._looked_s = now_s
        self._urgent.clear()
        self._outbox.flush()
        flight = self._flight
        self._backlog = True
        while flight.may_send and connection.lost is None:
            stored = self._outbox.take(flight.epoch, flight.sent, BATCH_ITEMS, BATCH_BYTES)
            if not stored:
                self._backlog = False
                break
            batch = Batch(
                epoch=flight.epoch,
                boot=self.boot,
                oldest=flight.acked + 1,
                sent_ms=_now_ms(),
                items=[row.item() for row in stored],
            )
            connection.publish(self._topic["data"], batch.to_json(), qos=1)
            flight.published(stored[-1].seq, now_s)
            self.counters.published += 1
            self._left_s = now_s
        if not self._backlog and self._told_depth > BATCH_ITEMS and self._outbox.depth <= BATCH_ITEMS:
            self._changed.set()  # the depth that was told is no longer true

    def _hear(self, message: Received, now_s: float) -> None:
        try:
            if message.topic == self._topic["ack"]:
                self._on_ack(Ack.model_validate_json(message.payload), now_s)
            elif message.topic == topics.HUB_STATUS:
                hub = HubStatus.model_validate_json(message.payload)
                self.hub_online = hub.online
                if hub.online and self._flight.hub_born(hub.boot, retained=message.retained):
                    self._backlog = True
            elif (hear := self._hears.get(message.topic.rpartition("/")[2])) is not None:
                hear(message.payload)
        except ValidationError as error:
            self.counters.unreadable += 1
            _LOG.warning("the hub sent what cannot be read on %s: %s", message.topic, error)

    def _on_ack(self, ack: Ack, now_s: float) -> None:
        before = self._flight.acked
        match self._flight.acknowledged(ack.epoch, ack.upto, now_s):
            case Verdict.NEWS:
                self.counters.acknowledged += ack.upto - before
                self._outbox.acknowledge(ack.epoch, ack.upto)
            case Verdict.BEYOND:
                self.counters.unbelieved += 1
                _LOG.warning(
                    "the hub acknowledges seq %d, but only %d was sent", ack.upto, self._flight.highest
                )
                self._outbox.disown(ack.epoch, ack.upto)
            case Verdict.OLD | Verdict.OTHER_EPOCH:
                pass

    def _birth(self, connection: Connection) -> None:
        self._told_depth = self._outbox.depth
        state = self._state(online=True, outbox_depth=self._told_depth, **self._status())
        connection.publish(self._topic["status"], state, qos=1, retain=True)

    def _state(self, *, online: bool, **fields: Any) -> str:
        """A status of this connection; `connect_no` counts attempts, since each leaves a will behind."""
        return Status(
            online=online,
            boot=self.boot,
            connect_no=self._attempts,
            at_ms=_now_ms(),
            epoch=self._outbox.epoch,
            **fields,
        ).to_json()

    def _connect(self) -> None:
        self._attempts += 1
        will = (self._topic["status"], self._state(online=False))
        filters = [self._topic["ack"], *(self._topic[kind] for kind in self._hears), topics.HUB_STATUS]
        self._connection = connection = Connection(self._box, will, filters)
        connection.open()
        self._ready_by_s = time.monotonic() + READY_TIMEOUT_S

    def _lose(self, reason: str, now_s: float) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()
        if self.online and now_s - self._ready_at_s >= STEADY_S:
            self._retry_s = FIRST_RETRY_S
        self.online = self.hub_online = False
        self._say(f"no link to {self._box.host}:{self._box.port}: {reason}")
        self._retry_at_s = now_s + self._retry_s * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        self._retry_s = min(LONGEST_RETRY_S, self._retry_s * 2)

    def _say(self, reason: str) -> None:
        """Once to the log, not at every attempt."""
        if reason != self._reason:
            self._reason = reason
            _LOG.warning("%s", reason)

    def _wait_s(self, now_s: float) -> float:
        if self._urgent.is_set():
            return min(_TICK_S, max(0.0, self._left_s + URGENT_S - now_s))
        return _TICK_S

    def _finished(self) -> bool:
        if self._stop_at_s is None:
            return False
        if time.monotonic() >= self._stop_at_s:
            return True
        with contextlib.suppress(DependencyError):  # then it has not drained
            self._outbox.flush()
            return self._outbox.depth == 0
        return False

    def _part(self) -> None:
        """Say goodbye; the will of this connection is then not published."""
        connection = self._connection
        if connection is None or not self.online:
            return
        connection.publish(self._topic["status"], self._state(online=False), qos=1, retain=True)
        until_s = time.monotonic() + _PART_S
        while connection.congested and connection.lost is None and time.monotonic() < until_s:
            connection.step(self._woken, 0.05)
        self.online = False
        connection.close()
        self._connection = None

    def _nudge(self) -> None:
        if self._failure is not None:
            raise DependencyError(
                f"the link to the hub has failed: {self._failure}.", hint="Restart the box."
            ) from self._failure
        with contextlib.suppress(OSError):  # full: it is awake already; closed: it has stopped
            self._wake.send(b"\0")


def _flight(turn: Turn) -> InFlight:
    return InFlight(turn.epoch, acked=turn.oldest - 1, highest=turn.sent)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
