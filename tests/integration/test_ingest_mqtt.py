"""The way from a box over a real broker into the store and back, with programs killed on the way."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from box import Box, notice, window
from brokers import KINDS, Broker, Client, DeafBroker, box_link, running, until, write_hub

from branchloop.credentials import HUB_INGEST
from branchloop.processes import free_port
from branchloop.wire.batches import Ack
from branchloop.wire.messages import Notice, Window
from branchloop.wire.status import HubStatus
from branchloop.wire.topics import HUB_STATUS, edge_filters
from edge.send.link import Link
from edge.send.outbox import Outbox
from hub.broker import nats as nats_broker
from hub.broker.grants import INGEST_FILTERS
from hub.broker.passwords import ensure_password
from hub.config.hub import read_config
from hub.ingest.mqtt import KEEPALIVE_S, TAKEN_S
from hub.store.connection import prepare

NOW_MS = time.time_ns() // 1_000_000 // 5_000 * 5_000 - 600_000


INGEST = """
import sys
from branchloop import exits
from hub.ingest import mqtt, worker
mqtt.TAKEN_S = mqtt.PROVE_S = float(sys.argv.pop())
mqtt.KEEPALIVE_S = int(sys.argv.pop())
mqtt.ASK_AGAIN_S = 0.5
exits.run(worker.main)
"""


@dataclass
class Worker:
    """The ingest program of a hub on an external broker."""

    config: Path
    port: int
    keepalive_s: int = KEEPALIVE_S
    patience_s: float = TAKEN_S
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        data = self.config.parent / "data"
        prepare(data)
        (data / "runtime.json").write_text(
            json.dumps(
                {
                    "broker_host": "127.0.0.1", "broker_port": self.port, "broker_tls": False,
                    "api_host": "127.0.0.1", "api_port": 1,
                }
            )
        )  # fmt: skip
        with (self.config.parent / "ingest.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", INGEST, str(self.config), str(self.keepalive_s), str(self.patience_s)],
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(15)

    def ask(self, sql: str, *values: Any) -> list[Any]:
        db = sqlite3.connect(f"file:{self.config.parent / 'data' / 'hub.db'}?mode=ro", uri=True)
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()

    def connected(self) -> bool:
        return self.ask("SELECT connected FROM heartbeat") == [(1,)]


@contextmanager
def hub(kind: str, folder: Path, keepalive_s: int = KEEPALIVE_S) -> Iterator[tuple[Broker, Worker]]:
    port = free_port()
    config = write_hub(folder, broker=f"mqtt://127.0.0.1:{port}")
    with running(kind, folder, config, port=port) as broker:
        worker = Worker(config, port, keepalive_s)
        worker.start()
        try:
            until(worker.connected, f"ingest is connected; see {folder / 'ingest.log'}")
            yield broker, worker
        finally:
            worker.kill()


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[tuple[Broker, Worker]]:
    with hub("nats", tmp_path) as made:
        yield made


@pytest.fixture(params=KINDS)
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Broker, Worker]]:
    with hub(request.param, tmp_path) as made:
        yield made


def acks(client: Client) -> list[int]:
    return [Ack.model_validate_json(p).upto for t, p in client.received if t.endswith("/ack")]


def births(client: Client) -> list[HubStatus]:
    return [HubStatus.model_validate_json(p) for t, p in client.received if t == HUB_STATUS]


def link_of(broker: Broker, folder: Path) -> tuple[Outbox, Link]:
    outbox = Outbox(folder / "outbox.db")
    return outbox, Link(outbox, box_link(broker.config, f"mqtt://127.0.0.1:{broker.port}"), dict)


def produce(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        seq = outbox.append_now("notice", Notice(**notice(f"n-{outbox.epoch[:8]}-{outbox.depth}", NOW_MS)))
        assert seq is not None


def test_a_batch_is_stored_and_acknowledged_and_so_is_its_duplicate(parts: tuple[Broker, Worker]) -> None:
    """An acknowledgement comes only for what is in the database, and again for a duplicate."""
    broker, worker = parts
    client = broker.client("north/box-1")
    client.subscribe("branchloop/1/north/box-1/ack", HUB_STATUS)
    until(lambda: births(client) and births(client)[-1].online, "the hub's birth")
    box = Box(site="north")
    box.produce("window", window(NOW_MS))
    box.produce("notice", notice("a", NOW_MS))
    topic, payload, _ = box.payload()
    client.publish(topic, payload)
    until(lambda: acks(client) == [2], "the acknowledgement")
    assert worker.ask("SELECT site, device, seq, kind FROM message ORDER BY seq") == [
        ("north", "box-1", 1, "window"),
        ("north", "box-1", 2, "notice"),
    ]
    client.publish(topic, payload)
    until(lambda: acks(client) == [2, 2], "the acknowledgement of the duplicate")
    assert worker.ask("SELECT count(*) FROM message") == [(2,)]
    assert worker.ask("SELECT sum(person_ms) FROM rollup WHERE level='day'") == [(5_000,)]
    late = broker.client("north/box-1", id="late")
    late.subscribe("branchloop/1/north/box-1/ack", HUB_STATUS)
    until(lambda: births(late), "the retained birth")
    assert acks(late) == [], "an acknowledgement was retained"
    late.close()
    client.close()


def test_hostile_payloads_leave_ingest_working(parts: tuple[Broker, Worker]) -> None:
    """What cannot be read gets no acknowledgement, is kept in quarantine, and stops nothing."""
    broker, worker = parts
    client = broker.client("north/box-1")
    client.subscribe("branchloop/1/north/box-1/ack")
    bad = [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"epoch":"x"}', b"x" * 600_000]
    for payload in bad:
        assert client.publish("branchloop/1/north/box-1/data", payload)
    client.publish("branchloop/1/north/box-1/status", b"nonsense", retain=True)
    client.publish("branchloop/1/north/box-1/reply", b"nobody asked")
    box = Box(site="north")
    box.produce("window", window(NOW_MS))
    topic, payload, _ = box.payload()
    client.publish(topic, payload)
    until(lambda: acks(client) == [1], "the good one's acknowledgement")
    assert worker.ask("SELECT count(*) FROM quarantine WHERE seq IS NULL") == [(len(bad) + 2,)]
    client.close()


def test_a_killed_ingest_loses_and_doubles_nothing(parts: tuple[Broker, Worker], tmp_path: Path) -> None:
    """Kill -9 of ingest again and again while a real box sends: stored = produced, none twice."""
    broker, worker = parts
    outbox, link = link_of(broker, tmp_path)
    link.start()
    produced = 0
    for _ in range(3):
        produce(outbox, 150)
        produced += 150
        link.urgent()
        stored = worker.ask("SELECT count(*) FROM message")[0][0]
        until(lambda: worker.ask("SELECT count(*) FROM message")[0][0] > stored, "something is stored")  # noqa: B023
        worker.kill()
        produce(outbox, 50)
        produced += 50
        link.urgent()
        worker.start()
    assert link.stop(60.0), f"{outbox.depth} of {produced} not acknowledged"
    assert worker.ask("SELECT count(*), count(DISTINCT seq), max(seq) FROM message") == [(produced,) * 3]
    assert worker.ask("SELECT upto FROM cursor") == [(produced,)]
    assert worker.ask("SELECT count(*) FROM alarm WHERE what <> 'envelope'") == [(0,)]
    outbox.close()


def test_a_killed_broker_loses_and_doubles_nothing(parts: tuple[Broker, Worker], tmp_path: Path) -> None:
    """Kill -9 of the broker, away for some seconds: ingest and box come back by themselves."""
    broker, worker = parts
    outbox, link = link_of(broker, tmp_path)
    link.start()
    produce(outbox, 200)
    link.urgent()
    until(lambda: worker.ask("SELECT count(*) FROM message")[0][0] > 0, "something is stored")
    broker.kill()
    produce(outbox, 100)
    until(lambda: not worker.connected(), "the heartbeat tells that the broker is away")
    broker.start()
    until(worker.connected, "ingest is back")
    assert link.stop(60.0), f"{outbox.depth} not acknowledged"
    assert worker.ask("SELECT count(*), count(DISTINCT seq), max(seq) FROM message") == [(300,) * 3]
    outbox.close()
    client = broker.client("south/box-1")
    client.subscribe(HUB_STATUS)
    until(lambda: births(client) and births(client)[-1].online, "the hub's birth after the broker's restart")
    client.close()


def kept(broker: Broker) -> int:
    """Subscriptions that nats-server keeps for messages to come."""
    folder = broker.folder / "jetstream/jetstream/$G/streams/$MQTT_msgs/obs"
    return len(os.listdir(folder)) if folder.exists() else 0  # noqa: PTH208 - in one look: they vanish meanwhile


def test_a_hub_that_was_away_for_longer_than_the_broker_keeps_its_session_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker forgets whose connection is gone, the hub as well: the box sends again what has no acknowledgement."""
    monkeypatch.setattr(nats_broker, "FORGOTTEN_AFTER", "1s")
    with hub("nats", tmp_path) as (broker, worker):
        outbox, link = link_of(broker, tmp_path)
        link.start()
        produce(outbox, 50)
        link.urgent()
        until(lambda: worker.ask("SELECT count(*) FROM message") == [(50,)], "the first are stored")
        both = kept(broker)
        assert worker.stop() == 0
        produce(outbox, 100)
        link.urgent()
        until(lambda: kept(broker) == both - len(INGEST_FILTERS), "the hub's session is forgotten")
        assert link.online
        worker.start()
        assert link.stop(60.0), f"{outbox.depth} not acknowledged"
        assert worker.ask("SELECT count(*), count(DISTINCT seq), max(seq) FROM message") == [(150,) * 3]
        outbox.close()


def test_one_credential_cannot_fill_the_broker_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ever new sessions are refused beyond a bound, and forgotten; a hub that found no room hears again afterwards."""
    monkeypatch.setattr(nats_broker, "FORGOTTEN_AFTER", "1s")
    monkeypatch.setattr(nats_broker, "CONSUMERS", 0)
    with hub("nats", tmp_path) as (broker, worker):
        worker.kill()
        until(lambda: kept(broker) == 0, "the hub's session is forgotten")
        filters = edge_filters("north", "box-1")
        many = [broker.client("north/box-1", id=f"other-{n}", clean=False) for n in range(9)]
        granted = [code for client in many for code in client.subscribe(*filters)]
        room = granted.count(1)
        assert granted == [1] * room + [128] * (len(granted) - room)
        assert room == kept(broker)
        assert room >= 2 * len(filters)  # whoever is honest has one session
        worker.start()
        log = worker.config.parent / "ingest.log"
        until(lambda: "refuses what the hub subscribes to" in log.read_text(), "the hub finds no room")
        for client in many:
            client.close()
        client = broker.client("north/box-1")
        until(lambda: client.subscribe(*filters) == [1] * len(filters), "there is room again")
        box = Box(site="north")
        box.produce("window", window(NOW_MS))
        topic, payload, _ = box.payload()

        def acknowledged() -> bool:
            client.publish(topic, payload)
            return acks(client) != []

        until(acknowledged, "the hub hears again")
        until(lambda: kept(broker) == len(filters) + len(INGEST_FILTERS), "the others are forgotten")
        client.close()


def test_a_store_that_is_away_is_waited_for(nats: tuple[Broker, Worker]) -> None:
    """While the database is locked nothing is acknowledged; afterwards everything is."""
    broker, worker = nats
    client = broker.client("north/box-1")
    client.subscribe("branchloop/1/north/box-1/ack", HUB_STATUS)
    until(lambda: births(client), "the hub's birth")
    lock = sqlite3.connect(worker.config.parent / "data" / "hub.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    box = Box(site="north")
    box.produce("window", window(NOW_MS))
    topic, payload, _ = box.payload()
    client.publish(topic, payload)
    log = worker.config.parent / "ingest.log"
    until(lambda: "Nothing is acknowledged" in log.read_text(), "ingest says so", wait_s=30)
    assert acks(client) == []
    lock.execute("ROLLBACK")
    lock.close()
    until(lambda: acks(client), "the acknowledgement", wait_s=40)
    assert set(acks(client)) == {1}
    assert worker.ask("SELECT count(*) FROM message") == [(1,)]
    client.close()


def test_the_hub_parts_and_dies_audibly(parts: tuple[Broker, Worker]) -> None:
    """SIGTERM and kill -9 both leave a retained offline status; a new process has a new boot."""
    broker, worker = parts
    client = broker.client("south/box-1")
    client.subscribe(HUB_STATUS)
    until(lambda: births(client) and births(client)[-1].online, "online")
    first = births(client)[-1].boot
    assert worker.stop() == 0
    until(lambda: not births(client)[-1].online, "offline after SIGTERM")
    worker.start()
    until(lambda: births(client)[-1].online and births(client)[-1].boot != first, "online again")
    worker.kill()
    until(lambda: not births(client)[-1].online, "offline by last will")
    client.close()


def test_a_silent_connection_is_given_up(tmp_path: Path) -> None:
    """A broker that stops answering (SIGSTOP) is noticed by keep-alive, a short one here, and ingest returns to it."""
    with hub("nats", tmp_path, keepalive_s=3) as (broker, worker):
        assert broker.process is not None
        os.kill(broker.process.pid, signal.SIGSTOP)
        try:
            until(lambda: not worker.connected(), "noticed", wait_s=60)
        finally:
            os.kill(broker.process.pid, signal.SIGCONT)
        until(worker.connected, "back", wait_s=40)


def test_a_wrong_password_is_told_and_tried_again(nats: tuple[Broker, Worker]) -> None:
    """A refusal by the broker is a line in the log, not the end of the process."""
    _, worker = nats
    worker.kill()
    path = read_config(worker.config).credentials_dir / "hub--ingest"
    right = path.read_text()
    path.write_text("wrong\n")
    worker.start()
    log = worker.config.parent / "ingest.log"
    until(lambda: "refuses the hub" in log.read_text(), "the refusal is told")
    path.write_text(right)
    until(worker.connected, "connected with the right one")


def test_a_log_that_cannot_be_written_ends_nothing(nats: tuple[Broker, Worker]) -> None:
    """It lies on the disk that is full: what would be told there waits for nobody."""
    broker, worker = nats
    worker.kill()
    log = worker.config.parent / "ingest.log"
    log.unlink()
    log.symlink_to("/dev/full")
    worker.start()
    until(worker.connected, "connected")
    broker.kill()
    until(lambda: not worker.connected(), "the broker is away")
    broker.start()
    until(worker.connected, "connected again, by the same process")


def test_a_broker_that_takes_no_message_is_not_connected(tmp_path: Path) -> None:
    """It lets ingest in and subscribe, and stores nothing, as one whose disk is full: that is told, and tried again."""
    broker = DeafBroker()
    config = write_hub(tmp_path, broker=f"mqtt://127.0.0.1:{broker.port}")
    worker = Worker(config, broker.port, patience_s=0.2)
    ensure_password(read_config(config).credentials_dir, HUB_INGEST)
    worker.start()
    try:
        until(broker.unanswered.is_set, "the birth")
        (beat,) = worker.ask("SELECT at_ms FROM heartbeat")
        until(lambda: worker.ask("SELECT at_ms FROM heartbeat") > [beat], "a heartbeat after that")
        assert not worker.connected()
        broker.takes = True
        until(worker.connected, "it takes messages")
        connects, broker.takes = broker.connects, False
        until(lambda: not worker.connected(), "it does no more, though nobody had anything to send")
        until(lambda: broker.connects > connects, "another attempt")
        assert (tmp_path / "ingest.log").read_text().count("acknowledges no message") == 2
        broker.takes = True
        until(worker.connected, "it takes messages again")
    finally:
        worker.kill()
        broker.close()


def test_windows_make_equal_sums_over_any_way(parts: tuple[Broker, Worker], tmp_path: Path) -> None:
    """Windows sent by a real box over a real broker give the sums of what was put in."""
    broker, worker = parts
    outbox, link = link_of(broker, tmp_path)
    for i in range(40):
        outbox.append_now("window", Window.model_validate(window(NOW_MS - i * 5_000, people=i % 3)))
    link.start()
    assert link.stop(30.0)
    people = sum(i % 3 for i in range(40))
    assert worker.ask("SELECT sum(person_ms), sum(windows_ms) FROM rollup WHERE level='day'") == [
        (people * 5_000, 200_000)
    ]
    outbox.close()
