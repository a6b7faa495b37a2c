"""A backup of a hub that runs, and the same hub restored from it, with a box's real outbox and link."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from brokers import box_link, until, write_hub
from test_hub_run import hub

from branchloop.wire.messages import Notice
from edge.send.link import Link
from edge.send.outbox import Outbox
from hub.config.hub import read_config
from hub.store.connection import connect_readonly
from hub.store.schema.core import DATABASE

NOW_MS = 1_774_234_800_000


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hub.main", *args], capture_output=True, text=True, check=False
    )


def test_what_the_lost_hub_acknowledged_becomes_a_known_gap(tmp_path: Path) -> None:
    """Backed up after 3 messages, lost after 5, restored: 4 and 5 are told as a gap, what the box holds is stored."""
    config = write_hub(tmp_path)
    settings = read_config(config)
    outbox = Outbox(tmp_path / "outbox.db")

    def stored(query: str) -> list[Any]:
        with closing(connect_readonly(settings.data_dir / DATABASE)) as db:
            return db.execute(query).fetchall()

    def produce(count: int) -> None:
        for _ in range(count):
            at = outbox.produced + 1
            outbox.append_now("notice", Notice(id=f"n-{at}", what="crossing", at_ms=NOW_MS + at))

    out = tmp_path / "hub.backup"
    restore = ("restore", str(config), "--from", str(out))
    with hub(config) as running:
        ready = running.ready()
        assert ready is not None
        link = Link(outbox, box_link(settings, ready["broker"]), dict)
        link.start()
        produce(3)
        link.urgent()
        until(lambda: outbox.depth == 0, "three are acknowledged")
        made = run("backup", str(config), "--out", str(out), "--json")
        assert made.returncode == 0, made.stderr
        assert "hub--ingest" in "".join(json.loads(made.stdout.splitlines()[-1])["parts"])
        produce(2)
        link.urgent()
        until(lambda: outbox.depth == 0, "two more are acknowledged")
        assert stored("SELECT count(*) FROM message") == [(5,)]
        refused = run(*restore, "--set-aside")
        assert refused.returncode == 5
        assert "running already" in refused.stderr
    produce(2)
    done = run(*restore, "--set-aside")
    assert done.returncode == 0, done.stderr
    assert stored("SELECT count(*) FROM message") == [(3,)]
    try:
        with hub(config):
            until(lambda: outbox.depth == 0, "what it holds is taken by the restored hub", wait_s=60)
            assert stored("SELECT from_seq, to_seq, reason FROM known_gap") == [(4, 5, "restored")]
            assert stored("SELECT seq FROM message ORDER BY seq") == [(1,), (2,), (3,), (6,), (7,)]
            assert stored("SELECT what FROM alarm") == [("gap",)]
    finally:
        link.stop(0.0)
        outbox.close()
    told = json.loads(run("stats", str(config), "--json").stdout.splitlines()[-1])
    assert (told["known_gaps"], told["devices"]["north/box-1"]["messages"]) == (1, 5)
