"""`branchloop load`: real boxes' conversation with a real hub, and whom it refuses. Simulated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import brokers
import pytest
from brokers import running, until

from branchloop.errors import ConfigError
from branchloop.load.files import DEVICE, write_hub
from edge.load.box import Counts
from edge.load.fleet import Fleet, Stage, climb
from edge.send.boxlink import BoxLink
from hub.broker.passwords import ensure_password, read_password
from hub.config.hub import read_config
from hub.load_boxes import boxes
from hub.runtime import decide
from hub.store.connection import prepare


def load(*args: str, code: int = 0) -> str:
    """Run it; its last line, or what it says when it is to fail."""
    ended = subprocess.run(
        [sys.executable, "-m", "branchloop.cli", "load", *args, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    return ended.stderr if code else ended.stdout.splitlines()[-1]


def test_a_load_loses_nothing_though_the_worker_is_killed(tmp_path: Path) -> None:
    """Three branches; ingest is killed with -9 meanwhile: all that was produced is acknowledged and stored, once."""
    data = tmp_path / "hub"

    def kill() -> None:
        until((data / "plan.json").exists, "the boxes begin", 120)
        pid = json.loads((data / "ready.json").read_text())["pids"]["ingest"]
        log = data / "data" / "hub.db-wal"
        size = log.stat().st_size
        until(lambda: log.stat().st_size > size, "something is stored", 60)
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    told = load("--branches", "3", "--seconds", "8", "--data", str(data))
    killer.join()
    figures = json.loads(told)
    assert figures["simulated"] is True
    assert figures["messages_produced"] == figures["messages_acknowledged"] == figures["messages_stored"]
    assert figures["messages_produced"] >= 6
    assert figures["messages_lost"] == figures["unacknowledged"] == figures["quarantined"] == 0
    assert figures["roll_ups_equal_recomputation"] is True
    assert figures["branches"] == 3


def test_a_hub_that_is_not_reachable_ends_a_load_with_5(tmp_path: Path) -> None:
    """A hub that never ran, and one whose broker's port is closed: exit code 5, and what was tried."""
    hub, listed = write_hub(tmp_path, 1)
    assert "hub run" in load("--hub", str(hub), "--seconds", "1", code=5)
    config = read_config(hub)
    prepare(config.data_dir)
    port = decide(config).broker_port
    ensure_password(config.credentials_dir, f"{listed[0]['site']}/{DEVICE}")
    said = load("--hub", str(hub), "--seconds", "1", code=5)
    assert f"127.0.0.1:{port}" in said
    assert "refused" in said


def test_no_figure_of_a_load_gets_among_real_ones(tmp_path: Path) -> None:
    """A site that is not simulated is refused, named or not."""
    hub = brokers.write_hub(tmp_path)
    with pytest.raises(ConfigError, match="'north' is not simulated"):
        boxes(read_config(hub), ("north",), None)
    with pytest.raises(ConfigError, match="no site is simulated"):
        boxes(read_config(hub), (), None)
    assert "not simulated" in load("--hub", str(hub), "--site", "north", code=3)
    load("--site", "north", code=2)


def test_a_hub_that_falls_behind_did_not_keep_up() -> None:
    """What is on its way swings from second to second; it keeps up unless that grows, an answer comes late, or a batch goes again."""
    steady = Stage(100, 8.0, Counts(latencies_s=[0.1] * 200), waiting=[3, 90, 4, 80, 85, 2, 88, 3])
    assert steady.kept_up()
    assert not replace(steady, waiting=[3, 9, 20, 41, 62, 80, 105, 121]).kept_up()
    assert not replace(steady, counts=Counts(latencies_s=[0.1] * 190 + [5.2] * 10)).kept_up()
    assert not replace(steady, counts=Counts(latencies_s=[0.1] * 200, resends=1)).kept_up()
    assert not replace(steady, counts=Counts()).kept_up()


@pytest.mark.parametrize(("most", "true"), [(1000, 370), (1000, 1000), (300, 7), (40, 0), (1, 1)])
def test_the_highest_number_is_found_to_a_tenth(most: int, true: int) -> None:
    """Whatever a hub carries, the search ends just below it and tries few numbers."""
    tried: list[int] = []

    def carries(count: int) -> bool:
        tried.append(count)
        return count <= true

    found = climb(most, carries)
    assert found <= true <= found + max(1, found // 10)
    assert len(tried) <= 12


def test_the_embedded_broker_has_room_for_more_than_250_boxes(tmp_path: Path) -> None:
    """A box has four subscriptions, and nats-server by itself admits a thousand in all: the 251st would be turned away."""
    sites = tuple(f"branch-{n}" for n in range(255))
    with running("nats", tmp_path, brokers.write_hub(tmp_path, sites=sites)) as broker:
        links = [
            BoxLink(site, "box-1", "127.0.0.1", broker.port, f"{site}/box-1",
                    read_password(broker.config.credentials_dir, f"{site}/box-1"))
            for site in sites
        ]  # fmt: skip
        fleet = Fleet(links, {}, threading.Event())
        fleet.connect(len(links))
        assert sum(box.online for box in fleet.boxes) == len(sites)
        fleet.close()
