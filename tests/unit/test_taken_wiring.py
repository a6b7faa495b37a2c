"""A version that was taken goes on under the wiring and the time zone that the box's own file says by now."""

from __future__ import annotations

from pathlib import Path

import pytest

from branchloop.share import share
from branchloop.site import editing
from branchloop.site.site import parse_site
from branchloop.wire.desired import Desired, make
from edge.configured import keep, read_configured, read_in_force
from edge.doctor.box import configuration
from edge.succession import DesiredHeard, Succession
from hub.store.branches.inforce import with_own_tables

OWN = share("configs/demo.toml").read_text(encoding="utf-8")
LINE = {"id": "new", "from": [9.0, 6.0], "to": [9.0, 12.0], "inside": [7.0, 9.0]}
DRAWN = editing.with_entry(OWN, "line", LINE)


def taken(text: str = DRAWN, version: int = 2) -> Desired:
    return make(text, "plaza", version, 0, 1)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A box's own file, version 1, where version 2 of the hub was taken."""
    file = tmp_path / "branch.toml"
    file.write_text(OWN.replace("data/box-1", "box"), encoding="utf-8")
    (tmp_path / "box").mkdir()
    keep(tmp_path / "box", taken())
    return file


def change(config: Path, old: str, new: str) -> None:
    text = config.read_text(encoding="utf-8")
    assert old in text
    config.write_text(text.replace(old, new, 1), encoding="utf-8")


def hear(config: Path, *wanted: Desired) -> Succession:
    """The box started anew, and what its hub has retained or publishes then."""
    succession = Succession(read_configured(config), config.parent / "box", "n")
    for each in wanted:
        succession.hear(DesiredHeard(each.to_json().encode()))
    return succession


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("../sample_video/plaza.mp4", "rtsp://10.0.0.9/main"),
        ("log:../sample_video/ultrasonic.csv", "udp:0.0.0.0:9000"),
        ("Asia/Shanghai", "Asia/Tokyo"),
    ],
)
def test_what_was_drawn_stays_under_a_new_wiring(config: Path, old: str, new: str) -> None:
    """A new address, a corrected clock: lines and zones of the hub count on, its retained message is not refused."""
    change(config, old, new)
    running = read_configured(config)
    assert (running.site.version, running.site.lines[-1].id) == (2, "new")
    site = running.site
    assert new in (site.cameras[0].source, site.sensors[0].source, site.timezone)
    assert running.hash == taken().hash, "by it the hub knows which of its texts that is"
    again = hear(config, taken())
    assert (again.refused, again.coming, again.site.version) == (None, None, 2)
    _, finding = configuration(config)
    assert (finding["state"], "version 2, from the hub" in finding["text"]) == ("good", True)


def test_a_login_is_the_own_files_too(config: Path) -> None:
    """What the published text says of it counts no more, whether it names one or none."""
    login = '"rtsp://10.0.0.9/main"\ncredential_env = "HALL_LOGIN"'
    change(config, '"../sample_video/plaza.mp4"', login)
    assert read_configured(config).site.cameras[0].credential_env == "HALL_LOGIN"
    keep(config.parent / "box", taken(DRAWN.replace('"../sample_video/plaza.mp4"', login)))
    change(config, login, '"usb:0"')
    camera = read_configured(config).site.cameras[0]
    assert (camera.source, camera.credential_env) == ("usb:0", None)


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        ("wiring_changed", "../sample_video/plaza.mp4", "rtsp://10.0.0.9/main"),
        ("timezone_changed", "Asia/Shanghai", "Asia/Tokyo"),
    ],
)
def test_what_comes_anew_is_judged_as_before(config: Path, code: str, old: str, new: str) -> None:
    """The hub moves no source and no day: another text that names the old ones is refused, the taken one counts on."""
    change(config, old, new)
    succession = hear(config, taken(version=3))
    assert succession.refused is not None
    assert (succession.refused.version, succession.refused.code) == (3, code)
    assert succession.site.version == 2
    assert hear(config, taken(DRAWN.replace(old, new), version=3)).coming is not None


@pytest.mark.parametrize(
    ("code", "old", "new", "said"),
    [
        ("picture_changed", "[768, 576]", "[1280, 720]", "1280 × 720 px, not 768 × 576"),
        ("unknown_camera", 'id = "hall"', 'id = "attic"', "no camera 'hall'"),
    ],
)
def test_what_is_not_taken_any_more_is_said(config: Path, code: str, old: str, new: str, said: str) -> None:
    """Marks of other pictures, a camera that is gone: doctor, and the box at once, say why and what counts instead."""
    change(config, old, new)
    change(config, "../sample_video/plaza.mp4", "rtsp://10.0.0.9/main")
    assert read_in_force(config).figures() == {"config_version": 1, "config_from": "file"}
    site, finding = configuration(config)
    assert (site.version, finding["state"]) == (1, "bad")
    for part in ("version 2 from the hub is not taken", said, "Version 1 of branch.toml counts instead"):
        assert part in finding["text"]
    for told in (hear(config), hear(config, taken())):
        assert told.refused is not None
        assert (told.refused.version, told.refused.code) == (2, code)


def test_the_hub_goes_by_its_own_clock_too() -> None:
    """Whose time zone was corrected in both files, while the box goes on by the version of before."""
    file = parse_site(OWN.replace("Asia/Shanghai", "Asia/Tokyo"))
    site = with_own_tables(taken().text, file)
    assert (site.timezone, site.version, site.lines[-1].id) == ("Asia/Tokyo", 2, "new")
