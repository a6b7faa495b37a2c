"""The link of a box over real brokers, with a hub played by hand so that it can be slow, wrong or silent."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from brokers import KINDS, Broker, Client, box_link, running, until

from branchloop.credentials import HUB_API, HUB_INGEST
from branchloop.errors import DependencyError
from branchloop.wire.batches import Ack, Batch
from branchloop.wire.messages import Live, Notice
from branchloop.wire.status import HubStatus, Status
from branchloop.wire.topics import HUB_STATUS
from edge.send import link as link_module
from edge.send.inflight import MAX_BATCHES
from edge.send.link import BATCH_ITEMS, Link
from edge.send.outbox import Outbox

MINE = "branchloop/1/north/box-1"
NOW_MS = time.time_ns() // 1_000_000


def notice(n: int) -> Notice:
    return Notice(id=f"n-{n}", what="crossing", at_ms=NOW_MS + n, line="door", direction="in")


class Hub:
    """What the hub's user hears and says at a broker; acknowledges only when told to."""

    def __init__(self, broker: Broker) -> None:
        self.client: Client = broker.client(HUB_INGEST)
        assert self.client.subscribe(f"{MINE}/data", f"{MINE}/status") == [1, 1]

    def batches(self) -> list[Batch]:
        return [Batch.model_validate_json(p) for t, p in self.client.received if t == f"{MINE}/data"]

    def seqs(self) -> list[int]:
        return [item.seq for batch in self.batches() for item in batch.items]

    def statuses(self) -> list[Status]:
        return [Status.model_validate_json(p) for t, p in self.client.received if t == f"{MINE}/status"]

    def ack(self, epoch: str, upto: int) -> None:
        self.client.publish(f"{MINE}/ack", Ack(epoch=epoch, upto=upto).to_json())

    def born(self, boot: str) -> None:
        status = HubStatus(online=True, boot=boot, at_ms=NOW_MS)
        self.client.publish(HUB_STATUS, status.to_json(), retain=True)


@pytest.fixture(scope="module", params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture
def hub(broker: Broker) -> Iterator[Hub]:
    played = Hub(broker)
    played.client.publish(HUB_STATUS, "", retain=True)
    played.client.publish(f"{MINE}/ack", Ack(epoch="00000000", upto=0).to_json())
    played.client.received.clear()
    yield played
    played.client.close()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.db")
    yield box
    box.close()


@contextmanager
def linked(
    broker: Broker, outbox: Outbox, status: Callable[[], dict[str, Any]] = dict, *, online: bool = True
) -> Iterator[Link]:
    link = Link(outbox, box_link(broker.config, f"mqtt://127.0.0.1:{broker.port}"), status)
    link.start()
    try:
        if online:
            until(lambda: link.online, "the link is up")
        yield link
    finally:
        link.stop(0.0)


def cut(link: Link) -> None:
    """Lose the connection without a DISCONNECT."""
    connection = link._connection
    assert connection is not None
    sock = connection._client.socket()
    assert sock is not None
    sock.shutdown(socket.SHUT_RDWR)


def test_births_and_the_parting(broker: Broker, hub: Hub, outbox: Outbox) -> None:
    """The birth is retained, carries the callback's fields, comes again on a change; parting says offline."""
    hashes = ["a1", "b2"]
    outbox.append_now("notice", notice(1))
    with linked(broker, outbox, lambda: {"version": "9.9", "config_hash": hashes[0]}) as link:
        until(hub.statuses, "the birth")
        first = hub.statuses()[0]
        assert (first.online, first.boot, first.connect_no) == (True, link.boot, 1)
        assert (first.version, first.config_hash, first.epoch) == ("9.9", "a1", outbox.epoch)
        assert first.outbox_depth == 1
        hashes.pop(0)
        link.status_changed()
        until(lambda: hub.statuses()[-1].config_hash == "b2", "the changed birth")
        hub.client.close()
        later = Hub(broker)
        until(later.statuses, "the retained birth")
        assert (later.statuses()[0].online, later.statuses()[0].config_hash) == (True, "b2")
        assert not link.stop(0.0)
    until(lambda: not later.statuses()[-1].online, "the parting")
    later.client.close()


def test_a_cut_connection_leaves_its_own_will_and_a_newer_birth(
    broker: Broker, hub: Hub, outbox: Outbox
) -> None:
    """The will carries the connect_no of the connection that it ends; the next birth has a higher one."""
    with linked(broker, outbox) as link:
        until(hub.statuses, "the birth")
        for births_n in (2, 3):
            cut(link)
            until(lambda: sum(s.online for s in hub.statuses()) == births_n, "a newer birth")  # noqa: B023
        until(lambda: sum(not s.online for s in hub.statuses()) == 2, "two wills")
        births = [s.connect_no for s in hub.statuses() if s.online]
        wills = [s.connect_no for s in hub.statuses() if not s.online]
        assert births == sorted(set(births))
        assert wills == births[:2]


def test_urgent_messages_leave_at_once_and_are_coalesced(
    broker: Broker, hub: Hub, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first does not wait for the others, which leave together once their time has come; no regular look helps."""
    monkeypatch.setattr(link_module, "CADENCE_S", 3600.0)
    with linked(broker, outbox) as link:
        until(lambda: link._looked_s > 0, "the first look at the outbox")
        monkeypatch.setattr(link_module, "URGENT_S", 3.0)
        outbox.append_now("notice", notice(1))
        link.urgent()
        begun_s = time.monotonic()
        until(lambda: hub.seqs() == [1], "the first")
        for n in range(2, 10):
            outbox.append_now("notice", notice(n))
            link.urgent()
        until(lambda: len(hub.seqs()) == 9, "the others")
        assert time.monotonic() - begun_s > 2.5
        assert [len(batch.items) for batch in hub.batches()] == [1, 8]


def test_messages_that_nobody_waits_for_leave_within_5_s(broker: Broker, hub: Hub, outbox: Outbox) -> None:
    """In one batch, even if they are committed only then."""
    with linked(broker, outbox):
        for n in range(30):
            outbox.append("notice", notice(n))
        until(lambda: len(hub.seqs()) == 30, "the batch", wait_s=7)
        assert len(hub.batches()) == 1


def test_at_most_20_batches_are_in_flight(broker: Broker, hub: Hub, outbox: Outbox) -> None:
    """Without acknowledgements sending stops after 20 batches; each one lets more go at once."""
    for n in range(2_500):
        outbox.append("notice", notice(n))
    outbox.flush()
    with linked(broker, outbox):
        most = MAX_BATCHES * BATCH_ITEMS
        until(lambda: len(hub.seqs()) == most, "20 batches")
        threading.Event().wait(1.0)
        assert hub.seqs() == list(range(1, most + 1))
        hub.ack(outbox.epoch, 250)
        until(lambda: len(hub.seqs()) == most + 200, "two more")
        assert hub.batches()[-1].oldest == 251
        assert outbox.oldest == 251
        hub.ack(outbox.epoch, most)
        until(lambda: hub.seqs() == list(range(1, 2_501)), "all")
        hub.ack(outbox.epoch, 2_500)
        until(lambda: outbox.depth == 0, "drained")


def test_a_new_birth_of_the_hub_brings_everything_again(broker: Broker, hub: Hub, outbox: Outbox) -> None:
    """The retained birth does not; a reconnect does; both from the first unacknowledged message."""
    hub.born("a1" * 8)
    for n in range(10):
        outbox.append_now("notice", notice(n))
    with linked(broker, outbox) as link:
        until(lambda: len(hub.seqs()) == 10, "sent")
        hub.ack(outbox.epoch, 4)
        until(lambda: link.counters.acknowledged == 4, "acknowledged")
        assert link.counters.resends == 0
        hub.born("b2" * 8)
        until(lambda: hub.seqs()[10:] == list(range(5, 11)), "again")
        cut(link)
        until(lambda: hub.seqs()[16:] == list(range(5, 11)), "and again")
        assert link.counters.resends == 2


def test_an_overdue_acknowledgement_is_tried_for_with_one_batch(
    broker: Broker, hub: Hub, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time-out one batch goes again, and the rest once it is acknowledged."""
    monkeypatch.setattr("edge.send.inflight.FIRST_TIMEOUT_S", 1.0)
    for n in range(250):
        outbox.append("notice", notice(n))
    outbox.flush()
    with linked(broker, outbox):
        until(lambda: len(hub.batches()) == 3, "sent")
        until(lambda: len(hub.batches()) == 4, "one again")
        assert hub.batches()[3].items[0].seq == 1
        hub.ack(outbox.epoch, 100)
        until(lambda: hub.seqs()[-150:] == list(range(101, 251)), "the rest")


def test_wrong_acknowledgements_move_nothing(broker: Broker, hub: Hub, outbox: Outbox) -> None:
    """Of another epoch, unreadable, or twice: nothing is deleted, and the link lives on."""
    for n in range(3):
        outbox.append_now("notice", notice(n))
    with linked(broker, outbox) as link:
        until(lambda: len(hub.seqs()) == 3, "sent")
        hub.ack("cd" * 16, 3)
        hub.client.publish(f"{MINE}/ack", "{")
        hub.client.publish(f"{MINE}/ack", b"\xff" * 2_000)
        hub.client.publish(HUB_STATUS, "[]")
        until(lambda: link.counters.unreadable == 3, "all were heard")
        assert outbox.depth == 3
        hub.ack(outbox.epoch, 2)
        until(lambda: outbox.depth == 1, "the right one")
        hub.ack(outbox.epoch, 1)
        hub.ack(outbox.epoch, 3)
        until(lambda: outbox.depth == 0, "the last one")
        assert link.counters.acknowledged == 3


def test_a_hub_that_has_more_than_was_produced_starts_a_new_epoch(
    broker: Broker, hub: Hub, outbox: Outbox
) -> None:
    """The box runs on the image of another's disk: what it adds is sent under a new epoch."""
    former = outbox.epoch
    outbox.append_now("notice", notice(1))
    with linked(broker, outbox) as link:
        until(lambda: hub.seqs() == [1], "sent")
        hub.ack(former, 500)
        until(lambda: len(hub.batches()) == 2, "sent anew")
        again = hub.batches()[-1]
        assert again.epoch != former
        assert [item.body["id"] for item in again.items] == ["n-1"]
        assert link.counters.unbelieved == 1
        until(lambda: hub.statuses()[-1].epoch == again.epoch, "a birth with the new epoch")
        hub.ack(again.epoch, 1)
        until(lambda: outbox.depth == 0, "acknowledged")


def test_dots_are_sent_only_while_somebody_may_hear_them(
    broker: Broker, hub: Hub, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QoS 0, outside the outbox; what is said while there is no connection is gone."""
    api = broker.client(HUB_API)
    assert api.subscribe(f"{MINE}/live") == [1]
    with linked(broker, outbox) as link:
        link.live(NOW_MS, [(1_000, 2_000)])
        until(lambda: api.received, "dots")
        assert Live.model_validate_json(api.received[0][1]).dots_mm == [(1_000, 2_000)]
        monkeypatch.setattr(link_module, "FIRST_RETRY_S", 1.0)
        link._retry_s = 1.0
        cut(link)
        until(lambda: not link.online, "cut")
        link.live(NOW_MS, [(3, 3)])
        until(lambda: link.online, "back")
        link.live(NOW_MS, [(4, 4)])
        until(lambda: len(api.received) == 2, "dots again")
        assert Live.model_validate_json(api.received[1][1]).dots_mm == [(4, 4)]
    assert outbox.produced == 0
    api.close()


def test_what_another_process_appends_leaves_at_once(
    broker: Broker, hub: Hub, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kiosk commits to the same outbox; the core's link notices, long before its regular look."""
    monkeypatch.setattr(link_module, "CADENCE_S", 3600.0)
    with linked(broker, outbox) as link:
        until(lambda: link._looked_s > 0, "the first look at the outbox")
        code = (
            "import sys; from pathlib import Path; from branchloop.wire.messages import Notice;"
            "from edge.send.outbox import Outbox; box = Outbox(Path(sys.argv[1]));"
            f"box.append_now('notice', Notice(id='k-1', what='crossing', at_ms={NOW_MS})); box.close()"
        )
        subprocess.run([sys.executable, "-c", code, str(outbox.path)], check=True)
        until(lambda: hub.seqs() == [1], "the kiosk's message")


def test_damage_under_a_running_link_starts_a_new_epoch(broker: Broker, hub: Hub, outbox: Outbox) -> None:
    """The file is set aside, and what comes after it is delivered under another epoch."""
    first = outbox.epoch
    outbox.append_now("notice", notice(1))
    with linked(broker, outbox) as link:
        until(lambda: hub.seqs() == [1], "sent")
        garbage = outbox.path.with_name("garbage")
        garbage.write_bytes(b"\xff" * 40_000)
        garbage.replace(outbox.path)
        for suffix in ("-wal", "-shm"):
            Path(f"{outbox.path}{suffix}").unlink()
        until(lambda: outbox.epoch != first, "a new file")
        outbox.append_now("notice", notice(2))
        link.urgent()
        until(lambda: hub.batches()[-1].epoch == outbox.epoch, "sent under the new epoch")
        bodies = [item.body for item in hub.batches()[-1].items]
        assert "damaged" in bodies[0]["detail"]
        assert bodies[-1]["id"] == "n-2"


def test_two_boxes_with_one_credential_do_not_hurry(broker: Broker, tmp_path: Path) -> None:
    """They evict each other; each waits longer and longer, and the broker is not stormed."""
    one, two = Outbox(tmp_path / "one.db"), Outbox(tmp_path / "two.db")
    with linked(broker, one) as first, linked(broker, two, online=False) as second:
        until(lambda: first.counters.connects + second.counters.connects >= 4, "evictions", wait_s=30)
        threading.Event().wait(4.0)
        assert first.counters.connects + second.counters.connects < 14
    one.close()
    two.close()


def test_a_refusal_is_told_once_and_tried_again(
    broker: Broker, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong password ends nothing; the log says it in one line."""
    right = box_link(broker.config, f"mqtt://127.0.0.1:{broker.port}")
    wrong = type(right)(right.site, right.device, right.host, right.port, right.user, "wrong")
    link = Link(outbox, wrong, dict)
    link.start()
    until(lambda: link._attempts > 2, "tried again")
    assert not link.online
    assert not link.stop(0.1) or outbox.depth == 0
    refusals = [record for record in caplog.records if "refuses" in record.getMessage()]
    assert len(refusals) == 1
    assert "wrong" not in caplog.text


def test_a_broker_that_never_answers_is_given_up(
    outbox: Outbox, broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """TCP alone is no connection."""
    monkeypatch.setattr(link_module, "READY_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = Link(outbox, box_link(broker.config, f"mqtt://127.0.0.1:{silent.getsockname()[1]}"), dict)
        link.start()
        until(lambda: link._attempts > 1, "tried again")
        link.stop(0.0)
    assert "does not answer" in caplog.text


def test_no_broker_at_all_is_waited_for(tmp_path: Path, broker: Broker, hub: Hub) -> None:
    """A box that starts before its broker sends everything once it is there; stopping before says so."""
    with socket.create_server(("127.0.0.1", 0)) as placeholder:
        port = placeholder.getsockname()[1]
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.append_now("notice", notice(1))
    link = Link(outbox, box_link(broker.config, f"mqtt://127.0.0.1:{port}"), dict)
    link.start()
    assert not link.stop(0.5)
    with linked(broker, outbox):
        until(lambda: hub.seqs() == [1], "sent")
        hub.ack(outbox.epoch, 1)
        until(lambda: outbox.depth == 0, "acknowledged")
    outbox.close()


def test_stopping_lets_the_outbox_drain(broker: Broker, hub: Hub, outbox: Outbox) -> None:
    """`stop` commits and sends what is pending, waits for the acknowledgement, and says whether it came."""
    done: list[bool] = []
    with linked(broker, outbox) as link:
        outbox.append("notice", notice(1))
        stopping = threading.Thread(target=lambda: done.append(link.stop(10.0)))
        stopping.start()
        until(lambda: hub.seqs() == [1], "sent")
        hub.ack(outbox.epoch, 1)
        stopping.join(10)
        assert done == [True]
        until(lambda: not hub.statuses()[-1].online, "the parting")


def test_a_failing_link_is_heard_of(broker: Broker, outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    """A fault that reconnecting does not mend is raised to whoever uses the link, not swallowed."""

    def broken() -> dict[str, Any]:
        raise RuntimeError("no lights")

    caplog.set_level(logging.CRITICAL)
    with linked(broker, outbox, broken, online=False) as link:
        until(lambda: link._failure is not None, "the failure")
        with pytest.raises(DependencyError, match="no lights"):
            link.urgent()
        link._failure = None


def test_the_payload_is_the_documented_one(broker: Broker, hub: Hub, outbox: Outbox) -> None:
    """Compact JSON with exactly the envelope's fields."""
    outbox.append_now("notice", notice(1))
    with linked(broker, outbox) as link:
        until(lambda: hub.seqs() == [1], "sent")
        raw = json.loads(next(p for t, p in hub.client.received if t == f"{MINE}/data"))
        assert set(raw) == {"v", "epoch", "boot", "oldest", "sent_ms", "items"}
        assert raw["boot"] == link.boot
        assert raw["items"][0] == {
            "seq": 1, "kind": "notice", "v": 1, "body": json.loads(notice(1).to_json())
        }  # fmt: skip
