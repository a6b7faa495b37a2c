"""The hub's end of MQTT: payloads in, acknowledgements out, and the hub's own birth and last will.

paho's network thread only queues. A payload's PUBACK goes out with `committed`, so the broker keeps what
was not applied yet; the box's own acknowledgement follows on its `ack` topic. A full queue stops the
network thread from reading: the broker then keeps the rest, and at worst drops the connection.
"""

from __future__ import annotations

import queue
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from branchloop import exits
from branchloop.credentials import HUB_INGEST, client_id
from branchloop.errors import InputError
from branchloop.wire import topics
from branchloop.wire.batches import Ack
from branchloop.wire.status import HubStatus
from hub.broker.grants import INGEST_FILTERS
from hub.broker.passwords import read_password
from hub.config.hub import HubConfig
from hub.runtime import Runtime

QUEUED = 200
"""Payloads, each at most half a megabyte and commonly 20 KiB."""
KEEPALIVE_S = 15
CONNECT_WAIT_S = 10.0
ASK_AGAIN_S = 30.0
"""What the broker refuses to let the hub hear is asked for again: it may have had no room."""
STALE_S = 300.0
"""Half of what the embedded broker keeps a session that nobody uses; see `hub.broker.nats.FORGOTTEN_AFTER`."""
PART_S = 2.0
PROVE_S = 20.0
"""After so long without any acknowledgement from the broker it is asked for one."""
TAKEN_S = 30.0
"""So long it has for that."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One payload, and the packet by which the broker knows it."""

    topic: str
    payload: bytes
    arrived_ms: int
    packet: int
    qos: int


class MqttSource:
    """One connection at a time, with a persistent session. For use by one thread."""

    def __init__(self, config: HubConfig, runtime: Runtime) -> None:
        self.connected = threading.Event()
        self.taken = threading.Event()
        """The broker acknowledges what it is sent: one whose disk is full answers, and takes nothing."""
        self._unproven = self._told = False
        self._since_s = 0.0
        self._config = config
        self._runtime = runtime
        self._certificates = runtime.certificates(config)
        self._boot = secrets.token_hex(16)
        self._arrived: queue.Queue[Arrived] = queue.Queue(QUEUED)
        self._answered = threading.Event()
        self._parting = False
        self._asked: Sequence[str] = ()
        self._refused: Sequence[str] = ()
        self._ask_at_s = 0.0
        self._there_s = float("-inf")
        self._client: mqtt.Client | None = None

    def connect(self) -> bool:
        """Connect anew and subscribe; False, with a line in the log, when the broker does not have us."""
        self._drop_client()
        client = self._client = self._new_client()
        self._answered.clear()
        try:
            client.connect(self._runtime.broker_dial, self._runtime.broker_port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            say(f"the broker {self._runtime.broker} does not answer: {error}.")
            return False
        client.loop_start()
        if not self._answered.wait(CONNECT_WAIT_S):
            say(f"the broker {self._runtime.broker} accepts no MQTT connection within {CONNECT_WAIT_S:g} s.")
        return self.connected.is_set()

    def receive(self, most: int, wait_s: float, gather_s: float) -> list[Arrived]:
        """What arrived: waits for the first one, then gathers more for a moment."""
        now_s = time.monotonic()
        if self.connected.is_set():
            self._there_s = now_s
        if self._refused and now_s >= self._ask_at_s and (client := self._client) is not None:
            self._subscribe(client, self._refused)
        try:
            group = [self._arrived.get(timeout=wait_s)]
        except queue.Empty:
            return []
        until_s = time.monotonic() + gather_s
        while len(group) < most and (left_s := until_s - time.monotonic()) > 0:
            try:
                group.append(self._arrived.get(timeout=left_s))
            except queue.Empty:
                break
        return group

    def committed(self, group: Sequence[Arrived], acks: Sequence[Ack | None]) -> None:
        """These are in the store: release them at the broker, and tell the boxes once per outbox."""
        client = self._client
        if client is None:
            return
        newest: dict[tuple[str, str], Ack] = {}
        for arrived, ack in zip(group, acks, strict=True):
            client.ack(arrived.packet, arrived.qos)
            if ack is not None:
                newest[arrived.topic, ack.epoch] = ack
        for (topic, _), ack in newest.items():
            place = topics.parse(topic)
            client.publish(topics.build(place.site, place.device, "ack"), ack.to_json(), qos=1)

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> bool:
        """Hand a message to the broker (QoS 1); False when there is no connection now."""
        client = self._client
        if client is None or not self.connected.is_set():
            return False
        return client.publish(topic, payload, qos=1, retain=retain).rc == mqtt.MQTT_ERR_SUCCESS

    def prove(self) -> None:
        """Call it every few seconds: a connection over which the broker takes nothing is given up."""
        client = self._client
        if client is None or not self.connected.is_set():
            return
        waited_s = time.monotonic() - self._since_s
        if self._unproven and waited_s > TAKEN_S:
            self._tell_untaken()
            self._lost()
            client.disconnect()
        elif not self._unproven and waited_s > PROVE_S:
            self._birth(client)

    def close(self) -> None:
        """Say goodbye: boxes learn at once that nobody acknowledges now."""
        client, self._parting = self._client, True
        if client is not None and self.connected.is_set():
            told = client.publish(topics.HUB_STATUS, self._status(online=False), qos=1, retain=True)
            try:
                told.wait_for_publish(PART_S)
            except (ValueError, RuntimeError) as error:
                say(f"the broker was not told of the end: {error}.")
            client.disconnect()
        self._drop_client()

    def _drop_client(self) -> None:
        """End the old connection; what it delivered and was not applied comes again: it had no PUBACK."""
        client, self._client, self._refused = self._client, None, ()
        self._lost()
        if client is not None:
            # paho forgets its thread as that ends, even while it is waited for
            with suppress(AttributeError):
                client.loop_stop()
        while not self._arrived.empty():
            self._arrived.get_nowait()

    def _tell_untaken(self) -> None:
        if not self._told:
            say(
                f"the broker {self._runtime.broker} answers, and acknowledges no message: look at its disk and its log."
            )
        self._told = True

    def _lost(self) -> None:
        self.connected.clear()
        self.taken.clear()

    def _new_client(self) -> mqtt.Client:
        password = read_password(self._config.credentials_dir, HUB_INGEST)
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id(HUB_INGEST, password),
            protocol=mqtt.MQTTv311,
            clean_session=False,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.username_pw_set(HUB_INGEST, password)
        client.max_inflight_messages_set(200)
        client.will_set(topics.HUB_STATUS, self._status(online=False), qos=1, retain=True)
        if self._certificates is not None:
            client.tls_set_context(self._certificates)
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        if client is not self._client:
            return
        if reason.is_failure:
            say(f"the broker {self._runtime.broker} refuses the hub: {reason}.")
        else:
            if time.monotonic() - self._there_s > STALE_S:
                # Of a session whose subscriptions it forgot nats-server says that they stand, and sends nothing.
                client.unsubscribe(list(INGEST_FILTERS))
            self._subscribe(client, INGEST_FILTERS)
            self._birth(client)
            self.connected.set()
        self._answered.set()

    def _subscribe(self, client: mqtt.Client, filters: Sequence[str]) -> None:
        """Ask for these; again only once the broker has answered."""
        self._asked, self._refused = filters, ()
        client.subscribe([(name, 1) for name in filters])

    def _on_subscribe(self, client: mqtt.Client, _data: Any, _mid: int, reasons: Any, _props: Any) -> None:
        if client is not self._client:
            return
        refused = [name for name, reason in zip(self._asked, reasons, strict=True) if reason.is_failure]
        if not refused:
            return
        if len(self._asked) == len(INGEST_FILTERS):
            say(
                f"the broker refuses what the hub subscribes to ({', '.join(refused)}): renew its rules with "
                f"`broker-config`. Asked again every {ASK_AGAIN_S:g} s, for it may have had no room."
            )
        self._ask_at_s = time.monotonic() + ASK_AGAIN_S
        self._refused = refused

    def _on_disconnect(self, client: mqtt.Client, *_: Any) -> None:
        if client is self._client:
            if self._unproven and self.connected.is_set():
                self._tell_untaken()
            self._lost()
            self._answered.set()

    def _on_publish(self, client: mqtt.Client, *_: Any) -> None:
        if client is self._client and self.connected.is_set():
            self._unproven, self._told, self._since_s = False, False, time.monotonic()
            self.taken.set()

    def _on_message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if message.topic == topics.HUB_STATUS:
            client.ack(message.mid, message.qos)
            if not self._parting and _says_offline(bytes(message.payload)):
                self._birth(client)  # the will of a connection before this one came late
            return
        arrived = Arrived(message.topic, bytes(message.payload), now_ms(), message.mid, message.qos)
        while client is self._client:
            try:
                self._arrived.put(arrived, timeout=0.5)
            except queue.Full:
                self._since_s = time.monotonic()  # no acknowledgement can be read meanwhile
                continue
            return

    def _birth(self, client: mqtt.Client) -> None:
        self._unproven, self._since_s = True, time.monotonic()
        client.publish(topics.HUB_STATUS, self._status(online=True), qos=1, retain=True)

    def _status(self, *, online: bool) -> str:
        return HubStatus(online=online, boot=self._boot, at_ms=now_ms()).to_json()


def _send_at_once(_client: mqtt.Client, _data: Any, sock: Any) -> None:
    """An acknowledgement right behind a PUBACK must not wait 40 ms for that one's TCP acknowledgement."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _says_offline(payload: bytes) -> bool:
    try:
        return not HubStatus.model_validate_json(payload).online
    except (ValidationError, InputError):
        return False


def now_ms() -> int:
    """Wall time in UTC ms."""
    return time.time_ns() // 1_000_000


def say(text: str) -> None:
    """One line to the log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    exits.log(f"{stamp} ingest: {text}")
