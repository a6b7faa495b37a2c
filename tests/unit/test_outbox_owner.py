"""What waits in an outbox goes out under the name that it was counted under, or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import edge.doctor.box as doctor
import edge.supervise
from branchloop.errors import ConfigError
from branchloop.site.site import Site
from branchloop.wire.desired import make
from branchloop.wire.messages import Notice
from edge.configured import KEPT, keep, read_box
from edge.outboxes import forsaken, open_outbox, refusals
from edge.send.outbox import Outbox
from edge.send.owner import Owner

SITE = """
id = "{site}"
name = {{ en = "Hall", zh = "大厅" }}
timezone = "Asia/Shanghai"
plan = {{ width_m = 5, height_m = 5 }}
[[kiosk]]
id = "kiosk-1"
x_m = 1
y_m = 1
source = "kiosk.mp4"
listen = "127.0.0.1:8080"
broker_credential_file = "password"
[box]
id = "{box}"
broker = "mqtt://127.0.0.1:9"
data_dir = "data"
credential_file = "password"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("password\n")
    (tmp_path / "password").chmod(0o600)
    (tmp_path / "data" / "kiosk-1").mkdir(parents=True)
    return named(tmp_path / "branch.toml")


def named(path: Path, site: str = "branch-0001", box: str = "box-1") -> Path:
    path.write_text(SITE.format(site=site, box=box), encoding="utf-8")
    return path


def count(outbox: Outbox, count: int) -> None:
    for n in range(count):
        outbox.append_now("notice", Notice(id=f"n-{n}", what="disk", at_ms=1_795_000_000_000 + n, detail="x"))


def opened(config: Path, device: str | None = None) -> Outbox:
    site, box = read_box(config)
    return open_outbox(site, box, config.parent / "data", device or box.id)


def drain(outbox: Outbox) -> None:
    outbox.acknowledge(outbox.epoch, outbox.produced)


def begin(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`edge run`, up to the start of its processes."""
    monkeypatch.setattr(edge.supervise.Supervisor, "run", lambda *_: None)
    monkeypatch.setattr(edge.supervise, "stop_event", lambda: None)
    edge.supervise.run_box(config)


@pytest.mark.parametrize(("site", "box"), [("branch-0002", "box-1"), ("branch-0001", "box-2")])
def test_a_box_under_another_name_does_not_send_what_waits(
    config: Path, monkeypatch: pytest.MonkeyPatch, site: str, box: str
) -> None:
    """It does not begin; under the old name all is as it was, and once it is sent the new name begins afresh."""
    outbox = opened(config)
    count(outbox, 16)
    before = outbox.turn()
    outbox.close()
    named(config, site, box)
    said = rf"^16 readings of branch-0001/box-1 wait in \S+/data; {site}/{box} would .*another data_dir\.$"
    with pytest.raises(ConfigError, match=said):
        begin(config, monkeypatch)
    with pytest.raises(ConfigError, match=said):
        opened(config)
    outbox = opened(named(config))
    assert (outbox.turn(), outbox.depth) == (before, 16)
    drain(outbox)
    outbox.close()
    named(config, site, box)
    begin(config, monkeypatch)
    outbox = opened(config)
    assert outbox.epoch != before.epoch
    assert (outbox.produced, outbox.depth) == (0, 0)
    count(outbox, 1)
    outbox.close()
    assert "1 reading of" in str(refused(named(config))[0])


def refused(config: Path) -> list[ConfigError]:
    site, box = read_box(config)
    return refusals(site, box, config.parent / "data")


def test_a_kiosk_that_came_along_to_another_branch(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its outbox is its own: the box's may have drained."""
    for device, some in (("box-1", 0), ("kiosk-1", 2)):
        outbox = opened(config, device)
        count(outbox, some)
        outbox.close()
    assert refused(config) == []
    named(config, "branch-0002")
    with pytest.raises(ConfigError, match=r"2 readings of branch-0001/kiosk-1 wait in \S+/data/kiosk-1;"):
        begin(config, monkeypatch)
    with pytest.raises(ConfigError, match="2 readings"):
        opened(config, "kiosk-1")


def test_what_waits_of_a_kiosk_whose_id_changed_is_told(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the start and by the doctor, and not while the kiosk has that id or once all is sent."""
    outbox = opened(config, "kiosk-1")
    count(outbox, 2)
    site, box = read_box(config)
    data = config.parent / "data"
    assert forsaken(site, box, data) == []
    config.write_text(config.read_text(encoding="utf-8").replace('"kiosk-1"', '"hall-1"'), encoding="utf-8")
    site, box = read_box(config)
    (said,) = forsaken(site, box, data)
    assert said.startswith(
        f"2 messages of branch-0001/kiosk-1 wait in {data / 'kiosk-1'}, and nobody sends them: "
    )
    begin(config, monkeypatch)
    assert said in capsys.readouterr().err
    drain(outbox)
    outbox.close()
    assert forsaken(site, box, data) == []


def test_an_outbox_from_before_owners_were_kept(config: Path) -> None:
    """It is whose box opens it first, in its epoch, unless its data directory has another branch's configuration."""
    data = config.parent / "data"
    outbox = Outbox(data / "outbox.db")
    count(outbox, 3)
    epoch = outbox.epoch
    outbox.close()
    keep(data, make(config.read_text(encoding="utf-8"), "branch-0001", 2, 0, 0))
    named(config, "branch-0002")
    assert [str(each).partition(" wait")[0] for each in refused(config)] == ["3 readings of branch-0001"]
    with pytest.raises(ConfigError, match="3 readings of branch-0001 wait"):
        opened(config)
    for _ in range(2):
        outbox = opened(named(config))
        assert (outbox.epoch, outbox.depth) == (epoch, 3)
        outbox.close()
    (data / KEPT).unlink()
    assert len(refused(named(config, "branch-0002"))) == 1


def test_looking_changes_nothing(config: Path) -> None:
    """Nor does it make an outbox where there is none, or fail at one that is broken."""
    assert refused(config) == []
    path = config.parent / "data" / "outbox.db"
    assert not path.exists()
    path.write_bytes(b"no database at all" * 300)
    assert Owner("branch-0001", "box-1").refused(path) is None
    assert path.read_bytes() == b"no database at all" * 300


def test_the_doctor_says_what_waits_under_another_name(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for slow in ("opencv", "_model", "examine_clock", "examine_broker"):
        monkeypatch.setattr(doctor, slow, lambda *_, **__: [])
    monkeypatch.setattr("edge.doctor.kiosk.examine_kiosks", lambda *_: [])
    outbox = opened(config)
    count(outbox, 4)
    outbox.close()
    site: Site = read_box(named(config, "branch-0002"))[0]
    said = [each for each in doctor.examine(site, config) if isinstance(each, dict)]
    assert [each["text"][:37] for each in said if each["state"] == "bad"] == [
        "4 readings of branch-0001/box-1 wait "
    ]


def test_a_damaged_outbox_is_begun_anew_under_the_present_name(config: Path) -> None:
    path = config.parent / "data" / "outbox.db"
    path.write_bytes(b"no database at all" * 300)
    outbox = opened(config)
    outbox.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT site, device FROM owner").fetchall() == [("branch-0001", "box-1")]
    db.close()
