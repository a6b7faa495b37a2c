"""The link of a box to its hub: outbox batches, acknowledgements, birth and last will, over MQTT 3.1.1.

One thread owns the conversation and the outbox's send state; paho's network thread only hands it
events, so that no lock is ever held around a call into paho. The session is clean: what is
unacknowledged is resent from the outbox anyway, and a broker that kept old acknowledgements would only
deliver stale ones.
"""

from __future__ import annotations

import contextlib
import queue
import random
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from branchloop import topics
from branchloop.messages import Ack, Batch, HubStatus, Live, Status
from edge.send.boxlink import BoxLink
from edge.send.inflight import InFlight
from edge.send.outbox import Outbox

CADENCE_S = 5.0
URGENT_S = 1.0
"""Urgent messages are coalesced to one batch in this time; the first leaves at once."""
BATCH_ITEMS = 100
BATCH_BYTES = 200_000
KEEPALIVE_S = 10
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0


@dataclass(slots=True)
class LinkCounters:
    """What happened on the link so far."""

    connects: int = 0
    published: int = 0
    acknowledged: int = 0
    resends: int = 0


@dataclass(frozen=True, slots=True)
class _Connected:
    pass


@dataclass(frozen=True, slots=True)
class _Lost:
    pass


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    payload: bytes


class Link:
    """Sends what the outbox holds; `status` supplies the fields of each birth."""

    def __init__(self, outbox: Outbox, box: BoxLink, status: Callable[[], dict[str, Any]]) -> None:
        self.boot = secrets.token_hex(16)
        self.counters = LinkCounters()
        self._outbox = outbox
        self._box = box
        self._status = status
        acked = outbox.oldest - 1
        self._flight = InFlight(outbox.epoch, acked=acked, sent=acked)
        self._events: queue.SimpleQueue[_Connected | _Lost | _Message] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._drained = threading.Event()
        self._online = False
        self._more = False
        self._client: mqtt.Client | None = None
        self._topic = {kind: topics.build(box.site, box.device, kind) for kind in topics.KINDS}
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def start(self) -> None:
        """Connect, and keep connecting."""
        self._thread.start()

    def urgent(self) -> None:
        """Somebody waits for what was just committed."""
        self._urgent.set()
        self._wake.set()

    def status_changed(self) -> None:
        """A light changed: the birth goes out anew."""
        self._changed.set()
        self._wake.set()

    def live(self, at_ms: int, dots_mm: Sequence[tuple[int, int]]) -> None:
        """Dots for the live page: QoS 0, outside the outbox, gone when nobody is connected."""
        if self._online:
            self._publish("live", Live(at_ms=at_ms, dots_mm=list(dots_mm)).to_json(), qos=0)

    def stop(self, drain_s: float) -> bool:
        """Let the outbox drain for at most `drain_s`, then part with an offline status; True if drained."""
        self._drained.clear()
        self._stopping.set()
        self.urgent()
        drained = self._drained.wait(drain_s)
        self._drained.set()
        self._wake.set()
        self._thread.join(5.0)
        return drained and self._outbox.depth == 0

    def _run(self) -> None:
        retry_s, retry_at_s, sent_at_s = FIRST_RETRY_S, 0.0, float("-inf")
        connecting = False
        while True:
            now_s = time.monotonic()
            if not self._online and not connecting and now_s >= retry_at_s:
                connecting = self._connect()
                retry_at_s = now_s + retry_s * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
                retry_s = min(LONGEST_RETRY_S, retry_s * 2)
            for event in self._events_now():
                match event:
                    case _Connected():
                        self._online, connecting, retry_s = True, False, FIRST_RETRY_S
                        self._on_connected()
                    case _Lost():
                        self._online = connecting = False
                        retry_at_s = now_s + retry_s * random.uniform(0.5, 1.5)  # noqa: S311
                    case _Message(topic, payload):
                        self._on_message(topic, payload, now_s)
            if self._online:
                if self._changed.is_set():
                    self._changed.clear()
                    self._birth()
                if self._flight.tick(now_s):
                    self.counters.resends += 1
                    self._more = True
                if self._due(now_s, sent_at_s):
                    self._urgent.clear()
                    if self._send(now_s):
                        sent_at_s = now_s
            if self._stopping.is_set() and (self._drained.is_set() or self._outbox.depth == 0):
                self._drained.set()
                break
            self._wake.wait(0.1)
            self._wake.clear()
        self._part()

    def _due(self, now_s: float, sent_at_s: float) -> bool:
        """Urgent messages a second after the last batch, others after 5 s; a backlog without pause."""
        if self._more or self._stopping.is_set():
            return self._flight.may_send()
        return now_s - sent_at_s >= (URGENT_S if self._urgent.is_set() else CADENCE_S)

    def _send(self, now_s: float) -> bool:
        """Send batches while there is room in flight; True when one went out."""
        sent = self._more = False
        while True:
            if not self._flight.may_send():
                self._more = True
                break
            stored = self._outbox.batch(self._flight.sent, BATCH_ITEMS, BATCH_BYTES)
            if not stored:
                break
            self._outbox.mark_sent(stored[-1].seq)
            batch = Batch(
                epoch=self._outbox.epoch,
                boot=self.boot,
                oldest=self._flight.acked + 1,
                sent_ms=time.time_ns() // 1_000_000,
                items=[row.item() for row in stored],
            )
            self._publish("data", batch.to_json(), qos=1)
            self._flight.published(stored[-1].seq, now_s)
            self.counters.published += 1
            sent = True
        return sent

    def _on_connected(self) -> None:
        self.counters.connects += 1
        self._flight.connected()
        self._more = True
        if self._client is None:
            return
        self._client.subscribe([(self._topic["ack"], 1), (topics.HUB_STATUS, 1)])
        self._birth()

    def _on_message(self, topic: str, payload: bytes, now_s: float) -> None:
        with contextlib.suppress(ValidationError):  # what cannot be read acknowledges nothing
            if topic == self._topic["ack"]:
                ack = Ack.model_validate_json(payload)
                if self._flight.acknowledged(ack.epoch, ack.upto, now_s):
                    self.counters.acknowledged += self._outbox.acknowledge(ack.upto)
            elif topic == topics.HUB_STATUS:
                hub = HubStatus.model_validate_json(payload)
                if hub.online and self._flight.hub_born(hub.boot):
                    self._more = True

    def _birth(self) -> None:
        self._publish("status", self._state(online=True), qos=1, retain=True)

    def _state(self, *, online: bool, connect_no: int | None = None) -> str:
        fields = self._status() if online else {}
        return Status(
            online=online,
            boot=self.boot,
            connect_no=self.counters.connects if connect_no is None else connect_no,
            at_ms=time.time_ns() // 1_000_000,
            epoch=self._outbox.epoch,
            outbox_depth=self._outbox.depth,
            **fields,
        ).to_json()

    def _publish(self, kind: str, payload: str, *, qos: int, retain: bool = False) -> None:
        client = self._client
        if client is not None:
            client.publish(self._topic[kind], payload, qos=qos, retain=retain)

    def _connect(self) -> bool:
        """Begin to connect with a new client, whose will names the connection that it belongs to.

        A client of paho's that is used again would resend batches by itself, behind the outbox's back.
        """
        self._drop_client()
        client = self._client = self._new_client()
        will = self._state(online=False, connect_no=self.counters.connects + 1)
        client.will_set(self._topic["status"], will, qos=1, retain=True)
        try:
            client.connect(self._box.host, self._box.port, KEEPALIVE_S)
        except (OSError, ValueError):
            return False
        client.loop_start()
        return True

    def _part(self) -> None:
        client = self._client
        if self._online and client is not None:
            info = client.publish(self._topic["status"], self._state(online=False), qos=1, retain=True)
            with contextlib.suppress(ValueError, RuntimeError):
                info.wait_for_publish(2.0)
            client.disconnect()
        self._drop_client()

    def _drop_client(self) -> None:
        """End the old connection's thread; what it still says is not listened to."""
        client, self._client = self._client, None
        if client is not None:
            client.on_connect = client.on_disconnect = client.on_connect_fail = client.on_message = None
            client.loop_stop()

    def _events_now(self) -> list[_Connected | _Lost | _Message]:
        events = []
        with contextlib.suppress(queue.Empty):
            while True:
                events.append(self._events.get_nowait())
        return events

    def _new_client(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._box.client_id,
            protocol=mqtt.MQTTv311,
            clean_session=True,
            reconnect_on_failure=False,
        )
        client.username_pw_set(self._box.user, self._box.password)
        client.max_inflight_messages_set(40)
        if self._box.tls is not None:
            tls, base = self._box.tls, self._box.base_dir
            client.tls_set(
                ca_certs=str(base / tls.ca_file),
                certfile=str(base / tls.cert_file) if tls.cert_file else None,
                keyfile=str(base / tls.key_file) if tls.key_file else None,
                cert_reqs=ssl.CERT_REQUIRED,
            )
        client.on_connect = self._told_connected
        client.on_disconnect = self._told_lost
        client.on_connect_fail = lambda *_: self._tell(_Lost())
        client.on_message = lambda _client, _data, message: self._tell(
            _Message(message.topic, bytes(message.payload))
        )
        return client

    def _told_connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        self._tell(_Lost() if reason.is_failure else _Connected())

    def _told_lost(self, *_: Any) -> None:
        self._tell(_Lost())

    def _tell(self, event: _Connected | _Lost | _Message) -> None:
        self._events.put(event)
        self._wake.set()
