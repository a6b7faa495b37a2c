"""An embedded broker that answers and takes no message is started anew, where there is room for its store."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from brokers import DeafBroker, until, write_hub

from branchloop.processes import Child, lock_directory
from hub import deafness
from hub.config.hub import HubConfig, read_config
from hub.doctor.machine import examine
from hub.runtime import Runtime
from hub.store.connection import prepare
from hub.store.sqlite import SqliteStore

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubConfig:
    monkeypatch.setattr(deafness, "LOOK_S", 0.01)
    monkeypatch.setattr(deafness, "DEAF_S", 0.1)
    read = read_config(write_hub(tmp_path))
    prepare(read.data_dir)
    return read


def say_connected(config: HubConfig, *, connected: bool, committed_ms: int | None = None) -> None:
    with closing(SqliteStore(config.data_dir)) as store:
        store.heartbeat(
            "ingest-1", time.time_ns() // 1_000_000, connected=connected, committed_ms=committed_ms
        )


@contextmanager
def watched(config: HubConfig) -> Iterator[Child]:
    """A child in the place of the broker, whose port is that of one that takes nothing."""
    stop, broker, child = threading.Event(), DeafBroker(), Child("broker", SLEEP)
    child.keep(0.0)
    runtime = Runtime("127.0.0.1", broker.port, False, "127.0.0.1", 1)
    thread = threading.Thread(target=deafness.watch_broker, args=(config, runtime, child, stop))
    thread.start()
    try:
        yield child
    finally:
        stop.set()
        thread.join()
        child.rest()
        broker.close()


def looked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until it was looked at often enough to be ended."""
    looks, look = [], deafness.deaf
    with monkeypatch.context() as patched:
        patched.setattr(deafness, "deaf", lambda folder: looks.append(1) or look(folder))
        until(lambda: len(looks) > 30, "it is looked at")


def test_it_is_started_anew_once_in_a_while(
    config: HubConfig, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say_connected(config, connected=False)
    with watched(config) as child:
        until(lambda: child.pid is None, "it is ended")
        until(lambda: child.keep(time.monotonic()), "it is started anew")
        looked(monkeypatch)
        assert child.pid is not None, "it was ended again at once"
    assert capfd.readouterr().err.count("takes no message, though the disk has room") == 1


def test_it_is_left_alone_without_room_and_while_it_takes(
    config: HubConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be stored by a new one either; and one that takes messages is not deaf."""
    asked = threading.Event()

    def full(_folder: Path) -> str:
        asked.set()
        return "No space left on device"

    monkeypatch.setattr(deafness, "shortage", full)
    say_connected(config, connected=False)
    with watched(config) as child:
        assert asked.wait(10), "whether there is room"
        assert child.pid is not None
        say_connected(config, connected=True)
        assert not deafness.deaf(config.data_dir)
        monkeypatch.setattr(deafness, "shortage", lambda _folder: None)
        looked(monkeypatch)
        assert child.pid is not None


def test_it_is_left_alone_while_ingest_applies_what_it_kept(config: HubConfig) -> None:
    """Of thousands of payloads that wait after an outage the first acknowledgement comes last."""
    now_ms = time.time_ns() // 1_000_000
    say_connected(config, connected=False, committed_ms=now_ms)
    assert not deafness.deaf(config.data_dir)
    say_connected(config, connected=False, committed_ms=now_ms - 2 * deafness.HEARD_MS)
    assert deafness.deaf(config.data_dir)


def test_doctor_says_so_of_a_hub_that_runs(config: HubConfig) -> None:
    """That the port answers says nothing of it."""

    def told() -> list[str]:
        return [found["state"] for found in examine(config) if "takes no message" in found["text"]]

    say_connected(config, connected=False)
    assert told() == [], "nobody runs"
    with lock_directory(config.data_dir):
        assert told() == ["bad"]
        say_connected(config, connected=True)
        assert told() == []
