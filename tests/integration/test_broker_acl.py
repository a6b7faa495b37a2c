"""What a box may and may not do at the two supported brokers, asked of the real programs."""

from __future__ import annotations

import json
import re
import secrets
import socket
from collections.abc import Iterator

import pytest
from brokers import KINDS, Broker, Client, running, until

from branchloop.credentials import HUB_API, HUB_INGEST
from branchloop.wire import topics
from hub.broker.grants import INGEST_FILTERS
from hub.broker.passwords import ensure_password

MINE = "branchloop/1/north/box-1"
OTHER = "branchloop/1/south/box-1"


@pytest.fixture(scope="module", params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture
def hub(broker: Broker) -> Iterator[Client]:
    # An id of each test's own: NATS hangs up on one that comes back before it has cleared the former connection away.
    client = broker.client(HUB_INGEST, id=f"ear-{secrets.token_hex(4)}")
    assert client.subscribe(*INGEST_FILTERS) == [1] * 4
    yield client
    client.close()


def fence(broker: Broker, hub: Client, name: str) -> None:
    """Once this arrives, everything that was published before has been dealt with."""
    south = broker.client("south/box-1")
    assert south.publish(f"{OTHER}/reply", name)
    south.close()
    until(lambda: (f"{OTHER}/reply", name.encode()) in hub.received, "the fence")


def test_each_does_what_it_must(broker: Broker, hub: Client) -> None:
    """A box sends status, data, reply and live, and hears its own topics and the hub's status."""
    api = broker.client(HUB_API)
    assert api.subscribe("branchloop/1/+/+/live") == [1]
    box = broker.client("north/box-1")
    assert box.subscribe(*topics.edge_filters("north", "box-1")) == [1] * 5
    for kind in topics.EDGE_PUBLISHES:
        assert box.publish(f"{MINE}/{kind}", kind, retain=kind == "status")
    for kind in topics.EDGE_SUBSCRIBES:
        assert hub.publish(f"{MINE}/{kind}", kind)
    assert hub.publish(topics.HUB_STATUS, "on", retain=True)
    until(lambda: {f"{MINE}/{k}" for k in ("status", "data", "reply")} <= set(hub.topics()), "hub hears")
    until(lambda: f"{MINE}/live" in api.topics(), "API hears live")
    wanted = {f"{MINE}/{kind}" for kind in topics.EDGE_SUBSCRIBES} | {topics.HUB_STATUS}
    until(lambda: wanted <= set(box.topics()), "box hears")
    for client in (api, box):
        client.close()


@pytest.mark.parametrize(
    "topic",
    [
        f"{OTHER}/data",
        f"{OTHER}/status",
        f"{OTHER}/ack",
        f"{MINE}/ack",
        f"{MINE}/command",
        "branchloop/1/hub/status",
        f"{MINE}/data/more",
        "branchloop/1/north/box-2/data",
        "branchloop/2/north/box-1/data",
        "branchloop.1.south.box-1.data",
        "$MQTT/msgs/branchloop/1/south/box-1/data",
        "$JS/API/STREAM/NAMES",
        "$SYS/broker",
    ],
)
def test_a_box_writes_nowhere_else(broker: Broker, hub: Client, topic: str) -> None:
    """A denied publish reaches nobody, whether the broker says so or hangs up; nor is it retained."""
    south = broker.client("south/box-1")
    south.subscribe(*topics.edge_filters("south", "box-1"))
    own = broker.client("north/box-1", id="north-ear")
    own.subscribe(*topics.edge_filters("north", "box-1"))
    box = broker.client("north/box-1", id="north-mouth")
    box.publish(topic, "evil", retain=True)
    box.close()
    fence(broker, hub, f"after {topic}")
    late = broker.client(HUB_INGEST, id="late")
    late.subscribe(*INGEST_FILTERS)
    for client in (hub, south, own, late):
        assert b"evil" not in [payload for _, payload in client.received]
        client.close()


@pytest.mark.parametrize(
    "wanted",
    [
        "#",
        "+/#",
        "branchloop/#",
        "branchloop/1/+/+/ack",
        "branchloop/1/+/+/data",
        "branchloop/1/north/+/ack",
        f"{OTHER}/ack",
        f"{OTHER}/data",
        f"{MINE}/#",
        "$MQTT/#",
        "$MQTT/sub/#",
        "$JS/#",
        "$SYS/#",
        "$share/g/branchloop/1/+/+/data",
    ],
)
def test_a_box_reads_nothing_else(broker: Broker, hub: Client, wanted: str) -> None:
    """A filter that is wider than the box's own topics delivers nothing that is not its own."""
    box = broker.client("north/box-1", id="north-ear")
    box.subscribe(wanted)
    if not box.lost.is_set():
        box.subscribe(topics.HUB_STATUS)
    south = broker.client("south/box-1", id="south-mouth")
    assert south.publish(f"{OTHER}/data", "secret")
    assert south.publish(f"{OTHER}/status", "secret", retain=True)
    assert hub.publish(f"{OTHER}/ack", "secret")
    assert hub.publish(topics.HUB_STATUS, f"fence {wanted}", retain=True)
    if not box.lost.is_set():
        until(lambda: (topics.HUB_STATUS, f"fence {wanted}".encode()) in box.received, "the fence")
    assert b"secret" not in [payload for _, payload in box.received]
    box.close()
    south.close()


def test_a_last_will_goes_nowhere_else(broker: Broker, hub: Client) -> None:
    """A will on a topic of another is not published when the connection is cut."""
    box = broker.client("north/box-1", will=(f"{OTHER}/status", "evil will"))
    if box.connected.is_set():
        box.cut()
    own = broker.client("north/box-1", will=(f"{MINE}/status", "own will"))
    own.cut()
    until(lambda: (f"{MINE}/status", b"own will") in hub.received, "the own will")
    fence(broker, hub, "after wills")
    late = broker.client(HUB_INGEST, id="late")
    late.subscribe(*INGEST_FILTERS)
    fence(broker, late, "late")
    for client in (hub, late):
        assert b"evil will" not in [payload for _, payload in client.received]
    late.close()


def test_the_api_only_listens_to_live(broker: Broker, hub: Client) -> None:
    """The API's user publishes nothing at all, though its list of topics is empty."""
    api = broker.client(HUB_API)
    for topic in (f"{MINE}/ack", f"{MINE}/data", topics.HUB_STATUS, "anything"):
        api.publish(topic, "evil", retain=True)
        if api.lost.is_set():
            api = broker.client(HUB_API)
    api.subscribe("branchloop/1/+/+/data")
    fence(broker, hub, "after the API")
    assert b"evil" not in [payload for _, payload in hub.received]
    assert not api.received
    api.close()


@pytest.mark.parametrize(
    ("user", "password"),
    [("north/box-1", "wrong"), ("north/box-1", ""), ("", ""), ("nobody", "wrong"), ("hub/ingest", "wrong")],
)
def test_who_is_not_known_stays_outside(broker: Broker, user: str, password: str) -> None:
    """No connection without the user's own password."""
    stranger = Client(broker.port, user, password, id="stranger")
    assert stranger.refused
    assert not stranger.connected.is_set()
    stranger.close()


def test_one_box_cannot_evict_another(broker: Broker, hub: Client) -> None:
    """With a credential of its own, a box that claims another's user name or wears a guessed id evicts nobody."""
    south = broker.client("south/box-1")
    for guess in ("south/box-1", "south-box-1", "south-box-1-0000000000000000", "south"):
        rival = broker.client("north/box-1", id=guess)
        rival.close()
    assert south.publish(f"{OTHER}/reply", "still here")
    until(lambda: (f"{OTHER}/reply", b"still here") in hub.received, "the older connection works")
    assert not south.lost.is_set()
    south.close()


@pytest.mark.parametrize("user", ["north/box-1", "hub/ingest", "hub/api"])
def test_the_nats_protocol_is_closed_to_mqtt_users(broker: Broker, user: str) -> None:
    """nats-server's own port, where subscriptions to its internal subjects could be tried, lets nobody in."""
    if broker.kind != "nats":
        return
    listening = re.search(
        r"client connections on 127\.0\.0\.1:(\d+)", (broker.folder / "nats.log").read_text()
    )
    assert listening, "the port is on this machine only"
    password = ensure_password(broker.config.credentials_dir, user)
    with socket.create_connection(("127.0.0.1", int(listening[1])), timeout=10) as nats:
        stream = nats.makefile("rb")
        assert stream.readline().startswith(b"INFO")
        told = json.dumps({"user": user, "pass": password, "verbose": False, "lang": "x", "version": "1"})
        nats.sendall(f"CONNECT {told}\r\nSUB > 1\r\nPING\r\n".encode())
        assert stream.readline().startswith(b"-ERR 'Authorization Violation")
        stream.close()
