"""hub.toml: every fault names file, key and remedy."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from brokers import write_hub

from branchloop.errors import ConfigError, UsageError
from branchloop.site.box import Tls
from hub.config.hub import Hub, read_config, split_address

TABLE = 'tls = { ca_file = "ca.pem" }\n'
TLS = '[hub.tls]\nca_file = "ca.pem"\n'


def refused(path: Path, *, old: str, new: str) -> str:
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    return str(caught.value)


def test_a_right_file_is_read_with_its_sites(tmp_path: Path) -> None:
    """Site files and the data directory are found relative to hub.toml; retention has its defaults."""
    config = read_config(write_hub(tmp_path))
    assert sorted(config.sites) == ["north", "south"]
    assert config.data_dir == tmp_path / "data"
    assert config.credentials_dir == tmp_path / "data" / "broker" / "credentials"
    assert config.external_broker is None
    kept = config.retention
    assert (kept.messages_h, kept.minutes_days, kept.hours_days, kept.quarantine_days) == (48, 35, 400, 90)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('data_dir = "data"', 'data_dirr = "data"', "did you mean `data_dir`?"),
        ('data_dir = "data"', "", "key `hub.data_dir` is missing"),
        ('"north.toml", "south.toml"', "", "hub.sites"),
        ('"south.toml"', '"north.toml"', "two files describe site 'north'"),
        ('"south.toml"', '"west.toml"', "west.toml cannot be read"),
        ('broker = "embedded"', 'broker = "mqtt://hub.bank:1883"', "[hub.tls]"),
        ('broker = "embedded"', 'broker = "mqtt://user:word@127.0.0.1:1883"', "hub.broker"),
        ('broker = "embedded"', 'broker = "hub.bank:8883"', "such as mqtts://hub.example.bank:8883"),
        ('broker = "embedded"', 'broker = "mqtts://hub.bank"', "such as mqtts://hub.example.bank:8883"),
        ('broker = "embedded"', 'broker = "mqtt://127.0.0.1:0"', "names no port"),
        ('broker_listen = "127.0.0.1:0"', 'broker_listen = "0.0.0.0:1883"', "[hub.tls]"),
        ('listen = "127.0.0.1:0"', 'listen = "127.0.0.1:99999"', "is not an address"),
        ('listen = "127.0.0.1:0"', 'listen = "8080"', "hub.listen"),
        ("127.0.0.1:0", "127.0.0.1:8080", "are one port; give the API or the broker another"),
        ("sites = [", f"{TABLE}sites = [", "tls lacks cert_file or key_file; the embedded broker needs both"),
        ("sites = [", "[retention]\nmessages_h = 0\n[hub]\nsites = [", "hub.toml is not valid TOML"),
    ],
)
def test_a_fault_names_file_key_and_remedy(tmp_path: Path, old: str, new: str, told: str) -> None:
    message = refused(write_hub(tmp_path), old=old, new=new)
    assert told in message
    assert ".toml" in message


def test_a_fault_of_a_site_file_names_that_file(tmp_path: Path) -> None:
    path = write_hub(tmp_path)
    (tmp_path / "south.toml").write_text('id = "South!"')
    with pytest.raises(ConfigError, match=r"south\.toml"):
        read_config(path)


def test_a_plain_broker_elsewhere_needs_tls_and_its_scheme(tmp_path: Path) -> None:
    """mqtt:// off this machine stays refused with a certificate; mqtts:// with one is right."""
    path = write_hub(tmp_path, broker="mqtt://hub.bank:8883")
    path.write_text(path.read_text() + TLS)
    with pytest.raises(ConfigError, match="mqtts://"):
        read_config(path)
    path.write_text(path.read_text().replace("mqtt://", "mqtts://"))
    config = read_config(path)
    assert config.external_broker == "hub.bank:8883"
    assert config.ca_file == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("listen", "broker_listen", "right"),
    [
        ("127.0.0.1:8080", "localhost:8080", False),
        ("0.0.0.0:8080", "127.0.0.1:8080", False),
        ("[::1]:8080", "[::]:8080", False),
        ("127.0.0.1:8080", "127.0.0.2:8080", True),
        ("127.0.0.1:8080", "127.0.0.1:1883", True),
    ],
)
def test_api_and_broker_cannot_have_one_port(listen: str, broker_listen: str, right: bool) -> None:
    """Unless another program is the broker: then nothing listens at `broker_listen`."""
    tls = Tls(ca_file="ca.pem", cert_file="cert.pem", key_file="key.pem")
    hub: dict[str, Any] = {
        "data_dir": "data",
        "sites": ["a.toml"],
        "listen": listen,
        "broker_listen": broker_listen,
        "tls": tls,
    }
    assert Hub(**hub, broker="mqtt://127.0.0.1:1884")
    with nullcontext() if right else pytest.raises(ValueError, match="one port"):
        Hub(**hub)


def test_a_wrong_stage_is_told_once_by_its_key(tmp_path: Path) -> None:
    webhook = '[[webhook]]\nid = "w"\nurl = "https://x.example/"\nsecret_file = "s"\nstages = ["bookd"]\n'
    path = write_hub(tmp_path)
    message = refused(path, old=(text := path.read_text()), new=text + webhook)
    assert message.startswith(
        f"{path}: key `webhook[0].stages[0]` is 'bookd': input should be 'impression', "
    )
    assert "'unlinked'" in message
    assert message.count("key `") == 1


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:1", ("127.0.0.1", 1)), ("[::1]:1883", ("::1", 1883)), ("mqtts://h:8883", ("h", 8883))],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", ":80", "host:http", "host:70000"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        split_address(text)


def test_the_template_is_right() -> None:
    """What operators copy parses, with TLS on and the shipped branch template."""
    config = read_config(Path(__file__).parents[2] / "configs" / "hub-template.toml")
    assert config.hub.tls is not None
    assert len(config.sites) == 1
