"""What a box takes from the hub, and what it refuses; what it keeps, and when its own file has the last word."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from branchloop.errors import DependencyError
from branchloop.share import share
from branchloop.site import editing
from branchloop.site.content import content_hash
from branchloop.site.site import config_hash
from branchloop.text import faults as text_faults
from branchloop.wire.desired import MAX_TEXT, Desired, RefusedError, judge, make
from edge.configured import KEPT, keep, read_configured, read_in_force
from edge.doctor.box import configuration
from edge.succession import AGAIN_S, DesiredHeard, Succession

OWN = share("configs/demo.toml").read_text(encoding="utf-8")
LINE = {"id": "new", "from": [9.0, 6.0], "to": [9.0, 12.0], "inside": [7.0, 9.0]}


def desired(text: str = OWN, version: int = 2, **more: object) -> Desired:
    return make(text, "plaza", version, 0, 1).model_copy(update=more)


def heard(wanted: Desired) -> DesiredHeard:
    return DesiredHeard(wanted.to_json().encode())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "branch.toml"
    file.write_text(OWN.replace("data/box-1", "box"), encoding="utf-8")
    (tmp_path / "box").mkdir()
    return file


def test_what_is_right_is_taken_with_the_own_box() -> None:
    """Lines, names, marks, tracking: taken; box and kiosks are the own file's."""
    text = editing.with_entry(OWN, "line", LINE) + "\n[tracking]\nlookback_s = 2.0\n"
    site = judge(desired(text), OWN)
    assert [line.id for line in site.lines][-1] == "new"
    assert site.version == 2
    assert site.box is not None
    assert [kiosk.id for kiosk in site.kiosks] == ["kiosk-1"]


@pytest.mark.parametrize(
    ("code", "turn"),
    [
        ("faulty", lambda text: text.replace('kind = "queue"', 'kind = "quay"').replace('kind = "desk"', 'kind = "dusk"')),
        ("other_site", lambda text: text.replace('id = "plaza"', 'id = "plazza"')),
        ("timezone_changed", lambda text: text.replace("Asia/Shanghai", "Asia/Tokyo")),
        ("picture_changed", lambda text: text.replace("[768, 576]", "[1280, 720]")),
        ("wiring_changed", lambda text: text.replace("plaza.mp4", "other.mp4")),
        ("faulty", lambda text: text.replace("loop = true", 'credential_env = "PASSWORD"\nloop = true', 1)),
        ("wiring_changed", lambda text: text.replace("ultrasonic.csv", "other.csv")),
        ("wiring_changed", lambda text: text.replace("x_m = 13.0", 'credential_env = "PASSWORD"\nx_m = 13.0', 1)),
        ("unknown_camera", lambda text: text.replace('id = "hall"\nname', 'id = "attic"\nname', 1)),
        ("unknown_sensor", lambda text: text.replace('id = "ceiling-1"', 'id = "ceiling-2"')),
        ("marks", lambda text: text.replace("[90, 170,", "[900, 170,")),
        ("marks", lambda text: text.replace("[90, 170, 1.556, 1.091]", "[90, 170, 7.790, -3.475]")),
        ("marks", lambda text: re.sub(r"(\[\d+, \d+), ([\d.]+), ([\d.]+)\]", r"\1, 4\2, 4\3]", text)),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_its_code(code: str, turn: Callable[[str], str]) -> None:
    """Each with a sentence a person can act on."""
    assert turn(OWN) != OWN
    with pytest.raises(RefusedError) as refused:
        judge(desired(turn(OWN)), OWN)
    assert refused.value.code == code
    assert str(refused.value)


def test_a_tampered_message_is_refused() -> None:
    """A text that is not the hash's, another version inside, tables of the box."""
    whole = editing.with_version(OWN, 2)
    for code, wanted in (
        ("wrong_hash", desired(hash="0" * 16)),
        ("wrong_version", desired().model_copy(update={"version": 9})),
        ("not_yours", desired().model_copy(update={"text": whole, "hash": config_hash(whole)})),
    ):
        with pytest.raises(RefusedError) as refused:
            judge(wanted, OWN)
        assert refused.value.code == code


def test_what_was_kept_runs_until_the_own_file_is_newer(config: Path) -> None:
    """Version 2 from the hub beats version 1 of the file; version 3 of the file beats both."""
    keep(config.parent / "box", desired(editing.with_entry(OWN, "line", LINE)))
    running = read_configured(config)
    assert (running.site.version, running.site.lines[-1].id) == (2, "new")
    assert running.hash == desired(editing.with_entry(OWN, "line", LINE)).hash
    assert running.content == content_hash(editing.with_entry(OWN, "line", LINE)) != content_hash(OWN)
    config.write_text(editing.with_version(config.read_text(encoding="utf-8"), 3), encoding="utf-8")
    assert read_configured(config).site.version == 3
    assert read_configured(config).content == content_hash(OWN)


@pytest.mark.parametrize("rubbish", [b"", b"{", b"\xff\xfe", b'{"site": "plaza"}'])
def test_a_kept_file_that_cannot_be_used_is_left_alone(config: Path, rubbish: bytes) -> None:
    """The box starts by its own file rather than not at all; doctor says so, until the hub's version came again."""
    (config.parent / "box" / KEPT).write_bytes(rubbish)
    assert read_configured(config).site.version == 1
    site, finding = configuration(config)
    assert (site.version, finding["state"]) == (1, "bad")
    assert f"{KEPT} is damaged" in finding["text"]
    with pytest.raises(DependencyError, match="damaged"):
        read_in_force(config)
    succession = Succession(read_configured(config), config.parent / "box", "n")
    succession.hear(DesiredHeard(desired().to_json().encode()))
    assert read_configured(config).site.version == 2
    assert configuration(config)[1]["state"] == "good"


def test_half_a_file_is_never_believed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fills up in the middle of writing: the one before stands, whole."""
    folder = config.parent / "box"
    keep(folder, desired())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DependencyError, match="No space left"):
            keep(folder, desired(version=3))
    assert read_configured(config).site.version == 2
    assert [file.name for file in folder.iterdir()] == [KEPT]


def test_versions_only_rise(config: Path) -> None:
    """Not newer: ignored. Refused: told, the old one stays. While one comes the next waits, and only the last."""
    succession = Succession(read_configured(config), config.parent / "box", "n")
    assert succession.hear(heard(desired(version=1))) is None
    assert succession.refused is None
    assert succession.hear(DesiredHeard(b"{")) is None
    assert succession.hear(heard(desired(OWN.replace("Asia/Shanghai", "Asia/Tokyo")))) is None
    assert succession.refused is not None
    assert (succession.refused.version, succession.refused.code) == (2, "timezone_changed")
    coming = succession.hear(heard(desired(version=3)))
    assert coming is not None
    assert succession.refused is None
    assert succession.site.version == 1
    assert succession.hear(heard(desired(version=4))) is None
    assert succession.hear(heard(desired(version=5))) is None
    waiting = succession.in_force()
    assert succession.site.version == 3
    assert waiting is not None
    after = succession.hear(waiting)
    assert after is not None
    assert after.site.version == 5
    assert succession.in_force() is None
    assert read_configured(config).site.version == 5


def test_a_full_disk_refuses_aloud(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept is not run: after a restart it would be gone."""
    succession = Succession(read_configured(config), config.parent / "box", "n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert succession.hear(heard(desired())) is None
    assert succession.refused is not None
    assert succession.refused.code == "disk"
    assert succession.again(AGAIN_S - 1) is None
    again = succession.again(AGAIN_S)
    assert again is not None
    assert succession.hear(again) is not None, "once there is room, without being told anew"
    assert (succession.refused, succession.again(2 * AGAIN_S)) == (None, None)


def test_what_no_floor_can_be_made_of_is_refused_and_not_kept(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that no judge foresaw ends no process: else the retained message would end it at every start."""
    succession = Succession(read_configured(config), config.parent / "box", "n")

    def singular(_: object) -> None:
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(succession, "floor", singular)
    assert succession.hear(heard(desired())) is None
    assert succession.refused is not None
    assert (succession.refused.version, succession.refused.code) == (2, "faulty")
    assert "Singular matrix" in succession.refused.reason
    assert read_configured(config).site.version == 1


def test_a_text_too_long_to_be_sent_is_refused() -> None:
    """By a sentence, not by the message's own check: the version that is written into it counts too."""
    text = "#" * (MAX_TEXT - len(editing.publishable(OWN)) - 1) + "\n" + OWN
    assert len(editing.publishable(text)) == MAX_TEXT
    with pytest.raises(RefusedError, match="characters, more than"):
        make(text, "plaza", 1_000, 0, 1)


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (errno.ENOSPC, "Make room on the disk."),
        (errno.EACCES, "Let the box's user write there"),
        (errno.EROFS, "Mount the disk so that it can be written."),
        (errno.EIO, "Check box.data_dir and its disk."),
    ],
)
def test_what_cannot_be_kept_is_told_with_its_own_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int, remedy: str
) -> None:
    """Room helps only a disk that is full; in Chinese as well."""

    def refuse(*_: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr("edge.configured.replace_whole", refuse)
    with pytest.raises(DependencyError) as caught:
        keep(tmp_path, desired(OWN))
    assert caught.value.hint.startswith(remedy)
    assert text_faults.told(str(caught.value), "zh").startswith("配置无法保存到")
