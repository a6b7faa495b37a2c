"""MQTT to `apply` and back: payloads in groups, one commit a group, acknowledgements only after it.

paho's network thread only queues; this thread applies. A payload's PUBACK goes out after the commit, so
the broker keeps what was not applied; the box's own acknowledgement follows on its `ack` topic. Run as
`python -m hub.ingest.mqtt CONFIG`.
"""

from __future__ import annotations

import queue
import random
import secrets
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from branchloop import exits, topics
from branchloop.credentials import HUB_INGEST, client_id
from branchloop.errors import DependencyError
from branchloop.messages import HubStatus
from branchloop.processes import stop_event
from hub.broker.passwords import read_password
from hub.config import HubConfig, read_config
from hub.ingest.apply import Applier
from hub.runtime import Runtime, read
from hub.store.retention import prune
from hub.store.sqlite import SqliteStore

GROUP = 50
GROUP_WAIT_S = 0.02
QUEUED = 1_000
HEARTBEAT_S = 2.0
PRUNE_S = 3_600.0
LONGEST_RETRY_S = 10.0
WORKER = "ingest-1"


class Ingest:
    """One ingest worker on one broker and one store."""

    def __init__(self, config: HubConfig, runtime: Runtime, store: SqliteStore) -> None:
        self._config = config
        self._runtime = runtime
        self._store = store
        self._applier = Applier(store, config.sites, now_ms)
        self._boot = secrets.token_hex(16)
        self._arrived: queue.Queue[tuple[mqtt.MQTTMessage, int]] = queue.Queue(QUEUED)
        self._connected = threading.Event()
        self._committed_ms: int | None = None
        self._stopping = threading.Event()
        self._client = self._new_client()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        retry_s, heartbeat_s, prune_s = 0.2, float("-inf"), time.monotonic()
        while not stop.is_set():
            now_s = time.monotonic()
            if not self._connected.is_set() and not self._connect(stop, retry_s):
                retry_s = min(LONGEST_RETRY_S, retry_s * 2)
                continue
            retry_s = 0.2
            group = self._group()
            if group:
                self._apply(group, stop)
            if now_s - heartbeat_s >= HEARTBEAT_S:
                heartbeat_s = now_s
                self._quietly(self._heartbeat)
            if now_s - prune_s >= PRUNE_S:
                prune_s = now_s
                self._quietly(self._prune)
        self._stopping.set()
        if self._connected.is_set():
            self._client.publish(topics.HUB_STATUS, self._status(online=False), qos=1, retain=True)
        self._client.disconnect()
        self._client.loop_stop()
        self._connected.clear()
        self._quietly(self._heartbeat)

    def _group(self) -> list[tuple[mqtt.MQTTMessage, int]]:
        try:
            group = [self._arrived.get(timeout=0.2)]
        except queue.Empty:
            return []
        until_s = time.monotonic() + GROUP_WAIT_S
        while len(group) < GROUP and (left_s := until_s - time.monotonic()) > 0:
            try:
                group.append(self._arrived.get(timeout=left_s))
            except queue.Empty:
                break
        return group

    def _apply(self, group: list[tuple[mqtt.MQTTMessage, int]], stop: threading.Event) -> None:
        payloads = [(message.topic, bytes(message.payload), arrived) for message, arrived in group]
        while True:
            try:
                acks = self._applier.apply_many(payloads)
                break
            except DependencyError as error:
                say(f"{error} Trying again.")
                if stop.wait(1.0):
                    return
        self._committed_ms = now_ms()
        newest = {}
        for (message, _), ack in zip(group, acks, strict=True):
            self._client.ack(message.mid, message.qos)
            if ack is not None:
                place = topics.parse(message.topic)
                newest[place.site, place.device, ack.epoch] = ack
        for (site, device, _), ack in newest.items():
            self._client.publish(topics.build(site, device, "ack"), ack.to_json(), qos=1)

    def _connect(self, stop: threading.Event, retry_s: float) -> bool:
        self._client.loop_stop()
        self._drop_arrived()
        self._client = self._new_client()
        try:
            self._client.connect(self._runtime.broker_host, self._runtime.broker_port, keepalive=10)
        except (OSError, ValueError) as error:
            self._quietly(self._heartbeat)
            say(f"the broker {self._runtime.broker} does not answer ({error}).")
            stop.wait(retry_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            return False
        self._client.loop_start()
        return self._connected.wait(5.0)

    def _drop_arrived(self) -> None:
        """What was not applied yet comes again: it was never acknowledged."""
        while not self._arrived.empty():
            self._arrived.get_nowait()

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
        client.will_set(topics.HUB_STATUS, self._status(online=False), qos=1, retain=True)
        if self._runtime.broker_tls and self._config.hub.tls is not None:
            client.tls_set(ca_certs=str(self._config.path.parent / self._config.hub.tls.ca_file))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        if reason.is_failure:
            say(f"the broker refused the hub: {reason}.")
            return
        client.subscribe([(topic, 1) for topic in topics.hub_filters() if not topic.endswith("/live")])
        client.publish(topics.HUB_STATUS, self._status(online=True), qos=1, retain=True)
        self._connected.set()

    def _on_disconnect(self, *_: Any) -> None:
        self._connected.clear()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        while not self._stopping.is_set():
            try:
                self._arrived.put((message, now_ms()), timeout=1.0)
            except queue.Full:
                continue
            return

    def _heartbeat(self) -> None:
        self._store.heartbeat(
            WORKER, now_ms(), connected=self._connected.is_set(), committed_ms=self._committed_ms
        )

    def _prune(self) -> None:
        prune(self._store, self._config.retention, self._config.sites, now_ms())

    def _quietly(self, task: Callable[[], object]) -> None:
        """Housekeeping must not end ingest: a store that is away is reported, and tried again later."""
        try:
            task()
        except DependencyError as error:
            say(str(error))

    def _status(self, *, online: bool) -> str:
        return HubStatus(online=online, boot=self._boot, at_ms=now_ms()).to_json()


def now_ms() -> int:
    """Wall time in UTC ms."""
    return time.time_ns() // 1_000_000


def say(text: str) -> None:
    """One line to the log."""
    sys.stderr.write(f"ingest: {text}\n")
    sys.stderr.flush()


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
def main(config: Path) -> None:
    """Run one ingest worker of the hub CONFIG."""
    settings = read_config(config)
    store = SqliteStore(settings.data_dir)
    try:
        Ingest(settings, read(settings), store).run(stop_event())
    finally:
        store.close()


if __name__ == "__main__":
    exits.run(main)
