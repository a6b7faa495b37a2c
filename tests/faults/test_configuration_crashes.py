"""A published configuration that ends the core: the box goes back by itself, says why, and counts on."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import until

from branchloop.clock import HOUR_MS
from branchloop.processes import FIRST_DELAY_S, Child, Supervisor
from branchloop.share import share
from branchloop.site import editing
from branchloop.wire.desired import Desired, make
from edge.configured import KEPT, keep, put_whole, read_configured
from edge.crashes import CRASHES, MANY, Crashes, Record
from edge.succession import DesiredHeard, Succession
from edge.supervise import STEADY_S
from edge.trial import GOOD, LONG, PROVEN_S, TRIAL, Standing, Trial

CORE = """
import sys
from pathlib import Path
from edge import crashes, pipeline, succession
from edge.floor.floor import Floor
from edge.core import run_core
from edge.trial import Trial
folder = Path(sys.argv[1]).parent.parent / "box"
pipeline.DRAIN_S = 0  # nobody serves the broker
settle = Floor.settle
def faulty(self, *args):
    if self.site.version == {bad} and ({when}):
        {how}
    return settle(self, *args)
{before}
Floor.settle = faulty
run_core(Path(sys.argv[1]))
"""

POWER_CUT = """
import os, signal
crashes.BOOT_ID = folder / "boot_id"
def cuts():
    return int(crashes.BOOT_ID.read_text())
def power_cut():
    crashes.BOOT_ID.write_text(f"{cuts() + 1}\\n")
    os.kill(os.getpid(), signal.SIGKILL)
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
    text = editing.with_version(config.read_text(encoding="utf-8"), version)
    return make(text, "plaza", version, 0, 1)


def take(config: Path, version: int) -> None:
    """As the core does when the hub publishes it."""
    folder = config.parent.parent / "box"
    Trial(folder).coming(version)
    keep(folder, desired(config, version))


def work_for_long(folder: Path) -> None:
    """What is kept counts for a day without a crash, and the box is switched off."""
    standing = Standing.model_validate_json((folder / TRIAL).read_bytes())
    put_whole(folder / TRIAL, standing.model_copy(update={"stretches": LONG - 2}).to_json())
    assert Trial(folder).counted()
    assert not Trial(folder).counted()
    Trial(folder).crashes.in_order()


def _works_by(folder: Path) -> int | None:
    return Record.model_validate_json((folder / CRASHES).read_bytes()).works_by


@contextlib.contextmanager
def supervised(config: Path, *, bad: int, how: str, when: str = "True", before: str = "") -> Iterator[Child]:
    """A core that ends `how` once it counts by version `bad`, under the box's supervisor."""
    script = CORE.format(bad=bad, how=how, when=when, before=before)
    core = Child("core", [sys.executable, "-c", script, str(config)], steady_s=STEADY_S)
    stop = threading.Event()
    thread = threading.Thread(target=Supervisor([core]).run, args=(stop,))
    thread.start()
    try:
        yield core
    finally:
        stop.set()
        thread.join()


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
    Trial(folder).counted()
    take(config, 3)
    with supervised(config, bad=3, how=how) as core:
        until((folder / "refused.json").exists, "the refusal", wait_s=90)
        until(lambda: (folder / "outbox.db").exists() and 2 in windows(folder), "a window", wait_s=60)
        assert core.pid is not None
        assert core.restarts == MANY - 1
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


def test_one_that_crashes_after_its_first_minutes_is_refused_too(config: Path) -> None:
    """Version 2 worked for long. Version 3 gets through its trial each time, and ends the core then."""
    folder = config.parent.parent / "box"
    take(config, 2)
    work_for_long(folder)
    take(config, 3)
    proven = "Trial(folder)._standing().stretches"
    with supervised(
        config,
        bad=3,
        how="raise IndexError('the hall is full')",
        when=proven,
        before="succession.PROVEN_S = 0",
    ) as core:
        until((folder / "refused.json").exists, "the refusal", wait_s=90)
        until(lambda: _works_by(folder) == 2, "the core works by version 2")
        assert core.pid is not None
        assert core.restarts == MANY - 1
        assert core._delay_s > FIRST_DELAY_S
    running = read_configured(config)
    assert running.site.version == 2
    assert not (folder / TRIAL).exists()
    succession = Succession(running, folder, "n")
    assert succession.refused is not None
    assert succession.refused.reason == (
        "the core ended 3 times within 3600 s of work by it, the last time with IndexError: the hall is full."
    )


def test_power_cuts_are_no_fault_of_the_configuration(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Version 2 worked, version 3 is on trial: the core is killed three times, and each time the machine was booted since."""
    folder = config.parent.parent / "box"
    take(config, 2)
    Trial(folder).counted()
    take(config, 3)
    Trial(folder).crashes.in_order()
    boot = folder / "boot_id"
    boot.write_text("0\n")
    with supervised(
        config,
        bad=3,
        how="power_cut()",
        when=f"cuts() < {MANY}",
        before=POWER_CUT,
    ) as core:
        until(lambda: boot.read_text() == f"{MANY}\n", "three power cuts", wait_s=90)
        until(lambda: (folder / "outbox.db").exists() and windows(folder), "a window", wait_s=60)
        assert core.pid is not None
        assert core.restarts == MANY
    assert set(windows(folder)) == {3}
    assert not (folder / "refused.json").exists()
    succession = Succession(read_configured(config), folder, "n")
    assert (succession.site.version, succession.refused, succession.crashes) == (3, None, None)
    told = capfd.readouterr().err
    assert told.count("the machine was restarted while the core worked by configuration 3") == MANY


def test_a_box_whose_only_configuration_crashes_says_so_and_goes_on(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing to go back to: its pauses grow, and its status tells of the crashes until it has worked for an hour."""
    folder = config.parent.parent / "box"
    with supervised(config, bad=1, how="raise IndexError('a zone without an end')") as core:
        until(lambda: len(Crashes(folder).of(1)) >= MANY, "three crashes", wait_s=90)
        until(lambda: core.restarts >= MANY, "another beginning", wait_s=60)
        assert core._delay_s >= FIRST_DELAY_S * 2**MANY
    assert capfd.readouterr().err.count("core ended with code") >= MANY
    assert not (folder / "refused.json").exists()
    succession = Succession(read_configured(config), folder, "n")
    assert (succession.site.version, succession.refused) == (1, None)
    assert succession.crashes is not None
    assert succession.crashes.count >= MANY
    assert succession.crashes.error == "IndexError: a zone without an end"
    assert [succession.counting(at_s) for at_s in (50.0, 3_649.0, 3_650.0, 3_651.0)] == [
        False,
        False,
        True,
        False,
    ]
    assert succession.crashes is None


def test_without_one_before_the_own_file_stands(config: Path) -> None:
    folder = config.parent.parent / "box"
    take(config, 2)
    for _ in range(MANY - 1):
        Trial(folder).begin(1)
        assert read_configured(config).site.version == 2
    Trial(folder).begin(1)
    assert read_configured(config).site.version == 1
    assert not (folder / KEPT).exists()


def test_only_what_has_worked_is_gone_back_to(config: Path) -> None:
    """Version 3 was still on trial when 4 came: 4 fails, and 2 stands."""
    folder = config.parent.parent / "box"
    take(config, 2)
    work_for_long(folder)
    take(config, 3)
    take(config, 4)
    assert json.loads((folder / GOOD).read_text())["version"] == 2
    for _ in range(MANY):
        Trial(folder).begin(1)
    assert read_configured(config).site.version == 2


def test_the_way_back_leads_over_what_got_through_its_trial(config: Path) -> None:
    """2 worked for long, 3 for minutes, 4 not at all: back to 3, then to 2, which is not given up; neither comes again."""
    folder = config.parent.parent / "box"
    take(config, 2)
    work_for_long(folder)
    take(config, 3)
    Trial(folder).counted()
    take(config, 4)
    in_force = []
    for _ in range(4 * MANY):
        Trial(folder).begin(1)
        in_force.append(read_configured(config).site.version)
    assert [version for version, _ in itertools.groupby(in_force)] == [4, 3, 2]
    succession = Succession(read_configured(config), folder, "n")
    for version in (3, 4):
        assert succession.hear(DesiredHeard(desired(config, version).to_json().encode())) is None
        assert succession.refused is not None
        assert succession.refused.version == version
    assert succession.hear(DesiredHeard(desired(config, 5).to_json().encode())) is not None


def test_a_box_that_is_stopped_in_order_uses_no_try_up(config: Path) -> None:
    """Switched off every evening, or restarted by hand: no crash; an own file that is newer ends the trial's say."""
    folder = config.parent.parent / "box"
    take(config, 2)
    Trial(folder).crashes.in_order()
    for _ in range(3 * MANY):
        Trial(folder).begin(1)
        Trial(folder).crashes.in_order()
    for _ in range(3 * MANY):
        Trial(folder).begin(2)
    assert read_configured(config).site.version == 2


def test_long_enough_is_proof(config: Path) -> None:
    """A day of counting, in stretches of ten minutes: from then on no crash is the configuration's."""
    folder = config.parent.parent / "box"
    take(config, 2)
    succession = Succession(read_configured(config), folder, "n")
    succession.counting(1_000.0)
    succession.counting(1_000.0 + PROVEN_S - 0.1)
    assert Standing.model_validate_json((folder / TRIAL).read_bytes()).stretches == 0
    for stretch in range(1, LONG):
        succession.counting(1_000.0 + stretch * PROVEN_S)
        assert Standing.model_validate_json((folder / TRIAL).read_bytes()).stretches == stretch
    succession.counting(1_000.0 + LONG * PROVEN_S)
    assert not (folder / TRIAL).exists()
    for _ in range(3 * MANY):
        Trial(folder).begin(1)
    assert read_configured(config).site.version == 2


def test_crashes_that_are_hours_apart_are_accidents(config: Path) -> None:
    """Version 2 got through its trial and crashes now and then: three within an hour are too many, three a day are not."""
    folder = config.parent.parent / "box"
    take(config, 2)
    Trial(folder).counted()
    for _ in range(3 * MANY):
        Trial(folder).begin(1)
        path = folder / CRASHES
        record = Record.model_validate_json(path.read_bytes())
        earlier = [crash.model_copy(update={"at_ms": crash.at_ms - HOUR_MS // 2}) for crash in record.crashes]
        path.write_text(record.model_copy(update={"crashes": earlier}).to_json())
    assert read_configured(config).site.version == 2
    assert Crashes(folder).lately() is None
