"""The generated broker files: one list of grants, two ways of writing it."""

from __future__ import annotations

import base64
import hashlib
import stat
from pathlib import Path

import pytest
from brokers import running, write_hub

from branchloop.credentials import HUB_API, HUB_INGEST, client_id
from branchloop.errors import ConfigError, DependencyError, UsageError
from branchloop.wire import topics
from hub.broker import mosquitto, nats
from hub.broker.files import write_mosquitto, write_nats, write_readme
from hub.broker.grants import Grant, grants
from hub.broker.passwords import ensure_password, read_password
from hub.config.hub import HubConfig, read_config

LISTEN = "127.0.0.1:1883"


@pytest.fixture
def config(tmp_path: Path) -> HubConfig:
    return read_config(write_hub(tmp_path))


def test_a_box_is_granted_its_own_topics_and_nothing_else(config: HubConfig) -> None:
    """No wildcard in any box's grant, and no topic of another."""
    by_user = {grant.user: grant for grant in grants(config.sites.values())}
    assert sorted(by_user) == sorted([HUB_API, HUB_INGEST, "north/box-1", "south/box-1"])
    box = by_user["north/box-1"]
    mine = "branchloop/1/north/box-1"
    assert set(box.publish) == {f"{mine}/{kind}" for kind in ("status", "data", "reply", "live")}
    assert set(box.subscribe) == {
        *(f"{mine}/{kind}" for kind in ("ack", "desired", "gallery", "command")),
        topics.HUB_STATUS,
    }
    assert by_user[HUB_API] == Grant(HUB_API, (), ("branchloop/1/+/+/live",))


def test_a_site_without_a_box_gets_no_user(tmp_path: Path) -> None:
    path = write_hub(tmp_path, sites=("north",))
    site = tmp_path / "north.toml"
    site.write_text(site.read_text().split("[box]")[0])
    assert [grant.user for grant in grants(read_config(path).sites.values())] == [HUB_INGEST, HUB_API]


def test_nats_denies_everything_where_nothing_is_granted() -> None:
    """An empty `allow` would allow everything."""
    text = nats.config_text([Grant("a/b", (), ("x/+/y",))], {"a/b": 'p"w'}, listen=LISTEN, folder=Path("/d"))
    assert 'publish: { deny: ">" }' in text
    assert 'subscribe: { allow: ["x.*.y"] }' in text
    assert '"p\\"w"' in text


def test_mosquitto_hashes_are_pbkdf2_sha512() -> None:
    line = mosquitto.passwd_text({"a/b": "secret"}, salt=b"123456789012").strip()
    user, hashed = line.split(":", 1)
    _, kind, iterations, salt, digest = hashed.split("$")
    assert (user, kind, base64.b64decode(salt)) == ("a/b", "7", b"123456789012")
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", b"123456789012", int(iterations))
    assert base64.b64decode(digest) == expected


def test_passwords_are_made_once_and_readable_by_the_owner_alone(config: HubConfig) -> None:
    """Writing again keeps what boxes already hold."""
    folder = config.credentials_dir
    first = ensure_password(folder, "north/box-1")
    assert ensure_password(folder, "north/box-1") == first == read_password(folder, "north/box-1")
    assert len(first) >= 43
    assert stat.S_IMODE((folder / "north--box-1").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert first not in client_id("north/box-1", first)


def test_an_absent_or_empty_password_is_told(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="broker-config"):
        read_password(tmp_path, "north/box-1")
    (tmp_path / "north--box-1").write_text("\n")
    with pytest.raises(DependencyError, match="is empty"):
        read_password(tmp_path, "north/box-1")


def test_all_files_with_secrets_are_the_owners_alone(config: HubConfig, tmp_path: Path) -> None:
    paths = [write_nats(config, tmp_path / "n", LISTEN), write_mosquitto(config, tmp_path / "m", LISTEN)]
    for path in [*paths, *(tmp_path / "m").iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    password = read_password(config.credentials_dir, "north/box-1")
    assert password in paths[0].read_text()
    assert not any(password in path.read_text() for path in (tmp_path / "m").iterdir())
    readme = write_readme("mosquitto", config, paths[1], LISTEN).read_text()
    assert "2 box(es)" in readme
    assert f"mqtt://{LISTEN}" in readme


def test_no_broker_off_this_machine_without_tls(config: HubConfig, tmp_path: Path) -> None:
    """--listen cannot get round what hub.toml must obey."""
    for write in (write_nats, write_mosquitto):
        with pytest.raises(ConfigError, match="TLS"):
            write(config, tmp_path / "out", "0.0.0.0:1883")
        with pytest.raises(UsageError, match="no port"):
            write(config, tmp_path / "out", "127.0.0.1:0")
    assert not (tmp_path / "out").exists()


def test_missing_certificates_are_named(tmp_path: Path) -> None:
    path = write_hub(tmp_path)
    path.write_text(
        path.read_text() + '[hub.tls]\nca_file = "ca.pem"\ncert_file = "c.pem"\nkey_file = "k.pem"\n'
    )
    (tmp_path / "ca.pem").write_text("")
    with pytest.raises(ConfigError, match=r"hub.tls.cert_file.*c\.pem"):
        write_nats(read_config(path), tmp_path / "out", "0.0.0.0:8883")
    path.write_text(path.read_text().replace('key_file = "k.pem"\n', ""))
    with pytest.raises(ConfigError, match="lacks cert_file or key_file"):
        write_nats(read_config(path), tmp_path / "out", "0.0.0.0:8883")


def test_an_unknown_account_is_told(config: HubConfig, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nobody-here"):
        write_mosquitto(config, tmp_path / "out", LISTEN, "nobody-here")


def test_the_broker_runs_in_a_folder_of_any_name(tmp_path: Path) -> None:
    """nats-server reads UTF-8 and knows no JSON escapes: a hub in such a folder would never start."""
    folder = tmp_path / '演示 "one"'
    with running("nats", folder) as broker:
        client = broker.client("north/box-1")
        assert client.refused is None
        client.close()
    assert (folder / "nats" / "jetstream").is_dir()


def test_a_configuration_that_the_broker_rejects_is_told_in_its_words(tmp_path: Path) -> None:
    conf = tmp_path / "nats.conf"
    conf.write_text('listen: "\\u6f14"\n', encoding="utf-8")
    with pytest.raises(DependencyError, match=r"rejects its configuration: .*Invalid escape character 'u'"):
        nats.check(conf)
