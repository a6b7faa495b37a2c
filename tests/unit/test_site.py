"""A site file is accepted when it is right, and refused with file, key and remedy when it is not."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from branchloop.clock import to_ms
from branchloop.errors import ConfigError
from branchloop.share import share
from branchloop.site.site import Site, parse_site

GOOD = share("configs/demo.toml").read_text(encoding="utf-8")

LOG = 'source = "log:../sample_video/ultrasonic.csv"'


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_site(text, "branch.toml")
    return str(caught.value)


@pytest.mark.parametrize("name", ["demo.toml", "simulated.toml", "branch-template.toml"])
def test_every_shipped_site_file_is_right(name: str) -> None:
    """What we ship passes our own check."""
    assert isinstance(parse_site(share(f"configs/{name}").read_text(encoding="utf-8")), Site)


def test_an_unknown_key_names_its_neighbour() -> None:
    """A typing error is answered with the key that was meant."""
    said = refused(GOOD.replace("width_m = 22.5", "widht_m = 22.5"))
    assert "branch.toml" in said
    assert "`plan.widht_m` is unknown: did you mean `width_m`?" in said


def test_a_zone_outside_the_plan_is_refused() -> None:
    """The sentence names the zone, the point and the mend."""
    said = refused(GOOD.replace("[[10.2, 10.8], [14.0, 10.8]", "[[10.2, 10.8], [96.0, 9.0]"))
    assert "zone 'waiting'" in said
    assert "(96, 9)" in said
    assert "enlarge plan.width_m" in said


def test_three_calibration_points_are_refused() -> None:
    """Three marks fix no floor."""
    head, _, rest = GOOD.partition("points = [")
    body = rest[rest.index("\n]") :]
    said = refused(head + "points = [[1,1,1,1],[9,1,9,1],[5,9,5,9]" + body)
    assert "3 calibration points fix no floor; give at least 4" in said


def test_marks_on_one_line_are_refused() -> None:
    """So are any number of marks that lie on one line."""
    head, _, rest = GOOD.partition("points = [")
    body = rest[rest.index("\n]") :]
    marks = ",".join(f"[{i * 10},{i * 10},{i},{i}]" for i in range(1, 9))
    assert "lie on one line" in refused(head + "points = [" + marks + body)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('timezone = "Asia/Shanghai"', 'timezone = "Asia/Atlantis"', "is not a time zone"),
        ('mon = "00:00-24:00"', 'mon = "9 to 5"', "are not opening hours"),
        ('mon = "00:00-24:00"', 'mon = "17:00-09:00"', "does not run forwards"),
        ('id = "street"', 'id = "park"', "two lines are called 'park'"),
        ('id = "street"', 'id = "Street Door"', "an id has 1 to 32 of a-z, 0-9 and '-'"),
        ("inside = [12.0, 15.0]", "inside = [17.1, 17.8]", "lies on the line"),
        ('broker = "mqtt://127.0.0.1:1883"', 'broker = "mqtt://10.1.2.3:1883"', "use mqtts://"),
        (
            'broker = "mqtt://127.0.0.1:1883"',
            'broker = "127.0.0.1:1883"',
            "key `box.broker` is no broker's address: write mqtts://HOST:PORT, such as mqtts://hub.example.bank:8883",
        ),
        ('source = "../sample_video/plaza.mp4"', 'source = "rtsp://u:p@camera/1"', "holds a login"),
        (
            "[[10.2, 10.8], [14.0, 10.8], [14.0, 14.4]",
            "[[10.2, 10.8], [14.0, 14.4], [14.0, 10.8]",
            "crosses itself",
        ),
        ('listen = "127.0.0.1:8091"', 'listen = "0.0.0.0:8091"', "add tls_cert_file and tls_key_file"),
        ('id = "kiosk-1"', 'id = "box-1"', "is called 'box-1' like the box"),
        ('source = "../sample_video/kiosk.mp4', 'source = "http://me:pw@127.0.0.1', "holds a login"),
        (
            'source = "../sample_video/plaza.mp4"',
            'source = "http://10.0.0.9/v.mjpg?channel=1&PWD=Hush77"',
            "holds a login; put user:password into an environment variable and name it as credential_env",
        ),
        (
            'source = "../sample_video/plaza.mp4"',
            'source = "rtsp://10.0.0.9/user=admin_password=Hush77_channel=1.sdp"',
            "holds a login",
        ),
        (
            'source = "../sample_video/kiosk.mp4',
            'source = "http://10.0.0.9/v?api_key=Hush77',
            "holds a login",
        ),
        (
            'source = "../sample_video/plaza.mp4"',
            'source = "http://10.0.0.9/v.mjpg?usr={user}&pwd={password}"',
            "has {user} or {password} in its source; name the variable that holds them as credential_env",
        ),
        (
            'source = "../sample_video/plaza.mp4"',
            'credential_env = "HALL"\nsource = "http://10.0.0.9/v.mjpg?usr={user}&pwd=Hush77"',
            "write {user} and {password} there",
        ),
        (
            'source = "../sample_video/plaza.mp4"',
            'source = "usb:0"\ncredential_env = "HALL"',
            "has credential_env beside a source that takes no login",
        ),
        (
            'source = "../sample_video/kiosk.mp4',
            'credential_env = "HALL"\nsource = "../sample_video/kiosk.mp4',
            "has credential_env beside a source that takes no login",
        ),
        (LOG, 'source = "serial"', "is not a sensor source"),
        (LOG, 'source = "udp:127.0.0.1:99999"', "names port 99999; a port is 1 to 65535"),
        (LOG, 'source = "udp:127.0.0.1:0"', "names port 0; a port is 1 to 65535"),
        (LOG, 'source = "mqtt:127.0.0.1:0/floor/door"', "names port 0; a port is 1 to 65535"),
        (LOG, 'source = "mqtt:127.0.0.1:99999/floor/door"', "names port 99999; a port is 1 to 65535"),
        (LOG, 'source = "mqtt:127.0.0.1:1883/floor/+"', "has the wildcard + in its topic"),
        (LOG, 'source = "mqtt:127.0.0.1:1883/floor/#"', "has the wildcard # in its topic"),
        (
            'source = "../sample_video/plaza.mp4"',
            'source = "rtsps://camera/1"',
            "rtsps:// is not a camera source",
        ),
        (
            "width_m = 22.5\nheight_m = 25.0\ncell_m = 0.25",
            "width_m = 500\nheight_m = 500\ncell_m = 0.25",
            "larger cell_m",
        ),
        ("width_m = 22.5", "width_m = ", "is not valid TOML"),
    ],
)
def test_faults_are_named_with_their_remedy(old: str, new: str, words: str) -> None:
    """Each kind of fault has its own sentence."""
    assert old in GOOD
    assert words in refused(GOOD.replace(old, new))


@pytest.mark.parametrize(
    "broker", ["mqtt://127.0.0.1", "mqtt://[::1]", "mqtt://[::1]:1883", "mqtt://localhost:1"]
)
def test_loopback_needs_no_tls_in_any_spelling(broker: str) -> None:
    """A broker on this machine is one, with and without a port."""
    site = parse_site(GOOD.replace("mqtt://127.0.0.1:1883", broker))
    assert site.box is not None
    assert site.box.broker == broker


def test_hours_follow_the_branch_clock() -> None:
    """Opening spans are local: a branch in Shanghai opens at 01:00 UTC."""
    site = parse_site(share("configs/simulated.toml").read_text(encoding="utf-8"))
    nine_local_ms = 1_794_186_000_000  # Monday 2026-11-09 01:00 UTC
    assert site.is_open(nine_local_ms)
    assert not site.is_open(nine_local_ms - 1)


def test_files_that_ship_lie_in_a_checkout_or_wheel() -> None:
    """`share` finds them, and says so when one is missing."""
    assert share("sample_video/plaza.mp4").is_file()
    with pytest.raises(FileNotFoundError, match="install branchloop anew"):
        share("configs/nowhere.toml")
    assert isinstance(share("configs"), Path)


def test_while_a_branch_is_open_nobody_is_staff_by_the_hour() -> None:
    """On a day of special hours the branch is open when only staff comes on others; without any hours staff hours are theirs."""
    text = (
        'id = "b"\nname = { en = "B", zh = "支行" }\ntimezone = "Asia/Shanghai"\n'
        'staff_hours = { mon = "07:30-08:45,17:00-18:30" }\n%s[plan]\nwidth_m = 5.0\nheight_m = 5.0\n'
    )
    hours = 'hours = { mon = "09:00-17:00" }\nspecial_hours = { "2026-11-30" = "09:00-19:00" }\n'
    for told, evening in (("", True), (hours, False), (hours.replace("11-30", "11-23"), True)):
        site = parse_site(text % told)
        at = {
            hour: to_ms(datetime(2026, 11, 30, hour, 30, tzinfo=site.zone_info)) for hour in (8, 10, 17, 18)
        }
        assert {hour: site.is_staff_time(ms) for hour, ms in at.items()} == {
            8: True, 10: False, 17: evening, 18: False,
        }  # fmt: skip


def of(*sources: str) -> str:
    """The demo with a sensor more for each source."""
    more = (
        f'[[sensor]]\nid = "s{i}"\nsource = "{each}"\nx_m = 1\ny_m = 1\nheight_m = 3\n'
        for i, each in enumerate(sources)
    )
    return GOOD + "\n" + "".join(more)


@pytest.mark.parametrize(
    ("one", "other", "wire"),
    [
        ("udp:127.0.0.1:5005", "udp:127.0.0.1:5005", "udp port 5005"),
        ("udp:0.0.0.0:5005", "udp:10.0.0.9:5005", "udp port 5005"),
        ("udp:10.0.0.9:5005", "udp:[::]:5005", "udp port 5005"),
        ("serial:/dev/ttyUSB0", "serial:/dev/ttyUSB0@9600", "serial:/dev/ttyUSB0"),
    ],
)
def test_two_sensors_on_a_wire_for_one_are_refused(one: str, other: str, wire: str) -> None:
    """The second could never open it, and would be down for ever."""
    assert f"sensors 's0' and 's1' are both on {wire}, which one alone can read" in refused(of(one, other))


def test_sensors_on_wires_of_their_own_are_right() -> None:
    """As are two that replay one log."""
    own = ("udp:127.0.0.1:5005", "udp:127.0.0.1:65535", "udp:10.0.0.9:5005", "udp:[::1]:1", "udp:0.0.0.0:1")
    lines = ("serial:/dev/ttyUSB0", "serial:/dev/ttyUSB1", "log:a.csv", "log:a.csv", "mqtt:b:1883/floor/1")
    assert len(parse_site(of(*own, *lines)).sensors) == 11
