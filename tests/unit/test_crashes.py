"""Which ends of the core are its own: the record of crashes beside the boot id of the machine."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from branchloop.wire.status import CoreCrashes
from edge import crashes
from edge.crashes import CRASHES, MANY, Crashes, boot_id


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the system tells its boot id."""
    file = tmp_path / "boot_id"
    file.write_text("first\n")
    monkeypatch.setattr(crashes, "BOOT_ID", file)
    return file


def versions(record: Crashes) -> list[int]:
    return [crash.version for crash in record.of(3)]


def test_an_end_within_one_boot_is_a_crash(tmp_path: Path, boot: Path) -> None:
    record = Crashes(tmp_path)
    for _ in range(MANY):
        record.works_by(3)
        record.begin()
    assert versions(record) == [3] * MANY
    assert record.lately() == CoreCrashes(count=MANY)


def test_an_end_of_another_boot_is_a_restart_of_the_machine(
    tmp_path: Path, boot: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Told once each time, and what was a crash before it stays one."""
    record = Crashes(tmp_path)
    record.works_by(3)
    record.begin()
    with caplog.at_level(logging.WARNING, "edge.crashes"):
        for cut in range(2 * MANY):
            record.works_by(3)
            boot.write_text(f"after cut {cut}\n")
            record.begin()
            record.begin()
    assert versions(record) == [3]
    assert record.lately() is None
    assert [entry.getMessage() for entry in caplog.records] == [
        "the machine was restarted while the core worked by configuration 3; that is no crash of the core"
    ] * (2 * MANY)
    record.works_by(3)
    record.begin()
    assert versions(record) == [3, 3]


def test_an_error_that_was_said_is_a_crash_also_when_the_power_failed_after_it(
    tmp_path: Path, boot: Path
) -> None:
    """The supervisor was pausing between two cores."""
    record = Crashes(tmp_path)
    record.works_by(3)
    record.ends_by(IndexError("a zone without an end"))
    boot.write_text("second\n")
    record.begin()
    assert [crash.error for crash in record.of(3)] == ["IndexError: a zone without an end"]


@pytest.mark.parametrize(
    ("before", "after"), [(None, None), ("first", None), (None, "second"), ("first", "")]
)
def test_where_the_system_tells_no_boot_id_every_end_is_a_crash(
    tmp_path: Path, boot: Path, before: str | None, after: str | None
) -> None:
    record = Crashes(tmp_path)
    for told, step in ((before, lambda: record.works_by(3)), (after, record.begin)):
        boot.unlink(missing_ok=True)
        if told is not None:
            boot.write_text(told)
        step()
    assert versions(record) == [3]


def test_a_record_from_before_boot_ids_is_still_read(tmp_path: Path, boot: Path) -> None:
    old = {"works_by": 3, "ends_by": "", "crashes": [{"version": 3, "at_ms": 1, "error": "IndexError: x"}]}
    (tmp_path / CRASHES).write_text(json.dumps(old))
    record = Crashes(tmp_path)
    record.begin()
    assert [crash.error for crash in record.of(3)] == ["IndexError: x", ""]
    record.works_by(3)
    assert json.loads((tmp_path / CRASHES).read_text())["boot_id"] == "first"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a boot id")
def test_the_boot_id_of_this_machine_stays_the_same() -> None:
    assert boot_id() is not None
    assert boot_id() == boot_id()
