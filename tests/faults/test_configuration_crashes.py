"""A published configuration that ends the core: the box goes back by itself, says why, and counts on."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import threading
from pathlib import Path

import pytest
from brokers import until

from branchloop import sitetext
from branchloop.desired import Desired, make
from branchloop.processes import Child, Supervisor
from branchloop.share import share
from edge.configured import KEPT, keep, read_configured
from edge.succession import DesiredHeard, Succession
from edge.trial import BEFORE, MOST_TRIES, PROVEN_S, TRIAL, Trial

CORE = """
import sys
from pathlib import Path
from edge.floor.floor import Floor
from edge.pipeline import run_core
settle = Floor.settle
def faulty(self, *args):
    if self.site.version == {bad}:
        {how}
    return settle(self, *args)
Floor.settle = faulty
run_core(Path(sys.argv[1]))
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The demo's branch with a broker that nobody serves."""
    shutil.copytree(share("sample_video"), tmp_path / "sample_video")
    (tmp_path / "configs").mkdir()
    text = share("configs/demo.toml").read_text(encoding="utf-8")
    text = text.replace("data/hub/broker/credentials/plaza--box-1", "secret").replace(":1883", ":9")
    file = tmp_path / "configs" / "demo.toml"
    file.write_text(text.replace("data/box-1", "../box"), encoding="utf-8")
    (tmp_path / "configs" / "secret").write_text("password\n")
    (tmp_path / "configs" / "secret").chmod(0o600)
    (tmp_path / "box").mkdir()
    return file


def desired(config: Path, version: int) -> Desired:
    text = sitetext.with_version(config.read_text(encoding="utf-8"), version)
    return make(text, "plaza", version, 0, 1)


def take(config: Path, version: int) -> None:
    """As the core does when the hub publishes it."""
    folder = config.parent.parent / "box"
    Trial(folder).coming(version)
    keep(folder, desired(config, version))


def windows(folder: Path) -> list[int]:
    """Version of every window in the outbox, by time."""
    with sqlite3.connect(f"file:{folder / 'outbox.db'}?mode=ro", uri=True) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        table = next(
            name
            for name in names
            if {"seq", "kind", "body"} <= {row[1] for row in db.execute(f"PRAGMA table_info({name})")}
        )
        rows = db.execute(f"SELECT body FROM {table} WHERE kind='window' ORDER BY seq").fetchall()  # noqa: S608
    return [json.loads(body)["config_version"] for (body,) in rows]


@pytest.mark.parametrize("how", ["raise IndexError('a zone without an end')", "import os; os.abort()"])
def test_the_box_goes_back_to_what_worked(config: Path, how: str) -> None:
    """Version 2 worked, version 3 ends every core that begins with it, by an exception or by a signal."""
    folder = config.parent.parent / "box"
    take(config, 2)
    Trial(folder).proven()
    take(config, 3)
    core = Child("core", [sys.executable, "-c", CORE.format(bad=3, how=how), str(config)])
    stop = threading.Event()
    thread = threading.Thread(target=Supervisor([core]).run, args=(stop,))
    thread.start()
    try:
        until((folder / "refused.json").exists, "the refusal", wait_s=90)
        until(lambda: (folder / "outbox.db").exists() and 2 in windows(folder), "a window", wait_s=60)
        assert core.pid is not None
        assert core.restarts == MOST_TRIES - 1
    finally:
        stop.set()
        thread.join()
    assert set(windows(folder)) <= {2, 3}
    running = read_configured(config)
    assert running.site.version == 2
    succession = Succession(running, folder, "n")
    assert succession.refused is not None
    assert (succession.refused.version, succession.refused.code) == (3, "crashed")
    assert ("a zone without an end" in succession.refused.reason) == ("IndexError" in how)
    again = DesiredHeard(desired(config, 3).to_json().encode())
    assert succession.hear(again) is None  # retained: it comes at every connection
    assert read_configured(config).site.version == 2
    assert succession.hear(DesiredHeard(desired(config, 4).to_json().encode())) is not None
    assert read_configured(config).site.version == 4


def test_without_one_before_the_own_file_stands(config: Path) -> None:
    folder = config.parent.parent / "box"
    take(config, 2)
    for _ in range(MOST_TRIES - 1):
        Trial(folder).begin(1)
        assert read_configured(config).site.version == 2
    Trial(folder).begin(1)
    assert read_configured(config).site.version == 1
    assert not (folder / KEPT).exists()


def test_only_what_has_worked_is_gone_back_to(config: Path) -> None:
    """Version 3 was still on trial when 4 came: 4 fails, and 2 stands."""
    folder = config.parent.parent / "box"
    take(config, 2)
    Trial(folder).proven()
    take(config, 3)
    take(config, 4)
    assert json.loads((folder / BEFORE).read_text())["version"] == 2
    for _ in range(MOST_TRIES):
        Trial(folder).begin(1)
    assert read_configured(config).site.version == 2


def test_a_box_that_is_stopped_in_order_uses_no_try_up(config: Path) -> None:
    """Switched off every evening, or restarted by hand: no crash; an own file that is newer ends the trial's say."""
    folder = config.parent.parent / "box"
    take(config, 2)
    Trial(folder).spared()
    for _ in range(3 * MOST_TRIES):
        Trial(folder).begin(1)
        Trial(folder).spared()
    for _ in range(3 * MOST_TRIES):
        Trial(folder).begin(2)
    assert read_configured(config).site.version == 2


def test_long_enough_is_proof(config: Path) -> None:
    folder = config.parent.parent / "box"
    take(config, 2)
    succession = Succession(read_configured(config), folder, "n")
    succession.counting(1_000.0)
    succession.counting(1_000.0 + PROVEN_S - 0.1)
    assert (folder / TRIAL).exists()
    succession.counting(1_000.0 + PROVEN_S)
    assert not (folder / TRIAL).exists()
    for _ in range(3 * MOST_TRIES):
        Trial(folder).begin(1)
    assert read_configured(config).site.version == 2
