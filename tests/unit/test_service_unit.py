"""The unit of a service: what it lets the program do, and how a hand's change is told from an older version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from brokers import write_hub

from branchloop.daemon.image import sysusers, tmpfiles
from branchloop.daemon.needs import Needs, gather
from branchloop.daemon.unit import KINDS, Service, below, difference, edited, render
from branchloop.errors import ConfigError
from branchloop.site.box import Box, Tls
from dashboard.service_needs import needs as dashboard_needs
from edge.service_needs import needs as box_needs
from hub.service_needs import needs as hub_needs

BOX = Service(
    kind=KINDS["edge"],
    user="branchloop",
    program="/opt/branchloop/bin/branchloop",
    config="/etc/branchloop/branch.toml",
    environment_file=None,
    writes=["/var/lib/branchloop"],
    reads=["/etc/branchloop/ca.pem"],
    devices=[],
    groups=[],
    ports=[8091],
)
SITE = """
id = "hall"
name = { en = "Hall", zh = "大厅" }
timezone = "Asia/Shanghai"
plan = { width_m = 4.0, height_m = 3.0 }
[box]
id = "box-1"
broker = "mqtts://hub.example.bank:8883"
data_dir = "data"
credential_file = "password"
tls = { ca_file = "ca.pem" }
"""
CAMERA = """
[[camera]]
id = "{id}"
source = "{source}"
calibration = {{ points = [[10, 10, 0, 0], [90, 10, 4, 0], [90, 90, 4, 3], [10, 90, 0, 3]], picture_px = [100, 100] }}
"""
SENSOR = """
[[sensor]]
id = "{id}"
source = "{source}"
x_m = 1.0
y_m = 1.0
height_m = 3.0
"""


def lines(service: Service) -> list[str]:
    return render(service).splitlines()


def test_a_program_writes_to_its_data_alone() -> None:
    """All else is read-only, home folders and devices are away, and no privilege is left."""
    unit = lines(BOX)
    for line in (
        "ExecStart=/opt/branchloop/bin/branchloop edge run /etc/branchloop/branch.toml",
        "User=branchloop", "ProtectSystem=strict", "ReadWritePaths=/var/lib/branchloop", "PrivateTmp=yes", "ProtectHome=yes",
        "PrivateDevices=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=",
    ):  # fmt: skip
        assert unit.count(line) == 1, line
    assert not [
        line for line in unit if line.startswith(("Device", "Ambient", "Supplementary", "EnvironmentFile"))
    ]


def test_a_program_that_writes_nothing_has_no_place_to_write() -> None:
    assert not [line for line in lines(replace(BOX, writes=[])) if line.startswith("ReadWritePaths")]


def test_devices_are_opened_by_their_class_only_where_they_are_named() -> None:
    """A camera that is plugged in again may have another number, so its class is allowed, and its driver is loaded before."""
    unit = lines(
        replace(BOX, devices=["/dev/video0", "/dev/ttyUSB1", "/dev/ttyS0"], groups=["dialout", "video"])
    )
    assert "PrivateDevices=yes" not in unit
    assert [line for line in unit if line.startswith("Device")] == [
        "DevicePolicy=closed",
        "DeviceAllow=/dev/ttyS0 rw",
        "DeviceAllow=char-ttyUSB rw",
        "DeviceAllow=char-video4linux rw",
    ]
    assert "SupplementaryGroups=dialout video" in unit
    assert "Wants=network-online.target modprobe@usbserial.service modprobe@videodev.service" in unit


@pytest.mark.parametrize(("port", "asked"), [(443, True), (1023, True), (1024, False), (0, False)])
def test_only_a_low_port_gives_a_privilege(port: int, asked: bool) -> None:
    unit = lines(replace(BOX, ports=[8091, port]))
    assert ("AmbientCapabilities=CAP_NET_BIND_SERVICE" in unit) == asked
    assert ("CapabilityBoundingSet=" in unit) != asked


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("/home/ann/branch.toml", "ProtectHome=read-only"),
        ("/root/branch.toml", "ProtectHome=read-only"),
        ("/homes/branch.toml", "ProtectHome=yes"),
        ("/var/tmp/x/branch.toml", "PrivateTmp=no"),  # noqa: S108 - a name
        ("/var/tmpx/branch.toml", "PrivateTmp=yes"),  # noqa: S108 - a name
    ],
)
def test_what_the_program_needs_is_not_hidden_from_it(config: str, said: str) -> None:
    """A home or /tmp is shown to a service whose file lies there."""
    assert said in lines(replace(BOX, config=config))


def test_paths_of_any_letters_reach_the_program_unchanged() -> None:
    """Systemd takes % for a specifier, $ for a variable, and a space for the end of a word."""
    odd = '/srv/my $branch %h "a".toml'
    unit = lines(replace(BOX, config=odd, writes=["/srv/my data"], environment_file="/srv/a b%.env"))
    assert 'ExecStart=/opt/branchloop/bin/branchloop edge run "/srv/my $$branch %%h \\"a\\".toml"' in unit
    assert 'ReadWritePaths="/srv/my data"' in unit
    assert "EnvironmentFile=-/srv/a b%%.env" in unit
    with pytest.raises(ConfigError, match="cannot stand in a unit"):
        render(replace(BOX, config="/srv/a\nUser=root"))


def test_a_hand_s_change_is_told_from_another_version_s_unit() -> None:
    """Whatever this command wrote, it may replace; one letter of a hand, or a unit from elsewhere, it may not."""
    old, new = render(replace(BOX, user="other")), render(BOX)
    assert not edited(old)
    assert not edited(new)
    assert edited(new.replace("RestartSec=5", "RestartSec=6"))
    assert edited(new + "# mine\n")
    assert edited("[Service]\nExecStart=/bin/true\n")
    assert edited("")
    assert difference(old, new) == ["-User=other", "+User=branchloop"]
    assert difference(new, new) == []


def test_an_image_s_snippets_give_secrets_to_the_service_alone() -> None:
    assert sysusers("ann") == 'u ann - "branchloop" /var/lib/ann\n'
    assert tmpfiles(BOX, ["/etc/my b%/password"], ["/etc/cameras.env"]).splitlines() == [
        "d /var/lib/branchloop 0750 branchloop branchloop -",
        "z /etc/cameras.env 0640 root branchloop -",
        'z "/etc/my b%%/password" 0600 branchloop branchloop -',
    ]


def test_files_and_variables_are_found_by_the_names_of_their_keys(tmp_path: Path) -> None:
    """Also in tables below; a text of another key is neither, and what was gathered survives its way between processes."""
    box = Box(
        id="b", broker="mqtts://h:1", data_dir="d", credential_file="../p", credential_env="P",
        tls=Tls(ca_file="/ca", cert_file="c", key_file="k"),
    )  # fmt: skip
    found = gather([box], tmp_path / "etc", writes=["d"], listens=["[::]:443", "h:9", "h:9"])
    assert found == Needs(
        writes=[f"{tmp_path}/etc/d"],
        reads=["/ca", f"{tmp_path}/etc/c"],
        secrets=[f"{tmp_path}/etc/k", f"{tmp_path}/p"],
        variables=["P"],
        ports=[9, 443],
    )
    assert Needs.of_json(found.to_json()) == found


def test_a_box_needs_the_devices_ports_and_clips_of_its_file(tmp_path: Path) -> None:
    """And none for what comes by the network."""
    (tmp_path / "b.toml").write_text(
        SITE
        + CAMERA.format(id="a", source="usb:2")
        + CAMERA.format(id="b", source='rtsp://192.0.2.1/s"\ncredential_env = "b_LOGIN')
        + CAMERA.format(id="c", source='http://192.0.2.1/s"\ncredential_env = "c_LOGIN')
        + CAMERA.format(id="d", source="clip.mp4")
        + SENSOR.format(id="e", source="serial:/dev/ttyUSB0@9600")
        + SENSOR.format(id="f", source="udp:0.0.0.0:505")
        + SENSOR.format(id="g", source="mqtt:127.0.0.1:1883/floor")
        + SENSOR.format(id="h", source="log:log.csv")
    )
    found = box_needs(tmp_path / "b.toml")
    assert found.devices == ["/dev/ttyUSB0", "/dev/video2"]
    assert found.reads == [f"{tmp_path}/{name}" for name in ("ca.pem", "clip.mp4", "log.csv")]
    assert found.secrets == [f"{tmp_path}/password"]
    assert found.writes == [f"{tmp_path}/data"]
    assert found.variables == ["b_LOGIN", "c_LOGIN"]
    assert found.ports == [505]


def test_a_site_file_without_a_box_is_no_service(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(SITE.partition("[box]")[0])
    with pytest.raises(ConfigError, match="key `box` is missing"):
        box_needs(tmp_path / "b.toml")


def test_a_hub_and_a_dashboard_say_theirs(tmp_path: Path) -> None:
    """A hub reads its sites, and nothing of what their boxes name."""
    config = write_hub(tmp_path)
    with config.open("a") as file:
        file.write('[people]\nforgotten_file = "other/forgotten.log"\n')
    assert hub_needs(config).writes == [f"{tmp_path}/data", f"{tmp_path}/other"], "the journal is written"
    assert not [name for name in hub_needs(config).reads if "forgotten" in name]
    found = hub_needs(write_hub(tmp_path))
    assert found.writes == [f"{tmp_path}/data"]
    assert {Path(path).suffix for path in found.reads} == {".toml"}
    assert found.secrets == []
    (tmp_path / "d.toml").write_text(
        '[dashboard]\napi = "http://h:1"\nlisten = "127.0.0.1:80"\ntoken_file = "t"\n'
    )
    assert dashboard_needs(tmp_path / "d.toml") == Needs(writes=[], secrets=[f"{tmp_path}/t"], ports=[80])


def test_below_goes_by_whole_names() -> None:
    assert below("/etc/a", "/etc")
    assert below("/etc", "/etc")
    assert not below("/etcetera/a", "/etc")
