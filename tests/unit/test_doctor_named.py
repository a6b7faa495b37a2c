"""The doctor tries what hub.toml only names as the hub tries it, and says what it cannot know of the service's environment."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from brokers import write_hub

from hub.config.hub import read_config
from hub.doctor.named import examine_named

KEY = base64.b64encode(bytes(range(32))).decode()
WEBHOOK = '[[webhook]]\nid = "crm"\nurl = "https://crm.example/"\n'
SMTP = '[reminders]\nsink = "smtp"\n[reminders.smtp]\nhost = "mail"\nsender = "a@b.example"\n'
ELSEWHERE = "is not set here; the service has its own environment, see that it is set there"


def told(folder: Path, tables: str) -> list[str]:
    """What is not good, without the folder."""
    path = write_hub(folder)
    path.write_text(path.read_text() + tables)
    found = [each for each in examine_named(read_config(path)) if each["state"] != "good"]
    assert not list(folder.glob("data")), "nothing is made"
    return [f"{each['state']}: {each['text'].replace(f'{folder}/', '')}" for each in found]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NAMES_KEY", "CRM_SECRET", "MAIL_USER", "MAIL_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def test_a_hub_that_names_nothing_is_right(tmp_path: Path) -> None:
    """Its key over names is made at first use."""
    assert told(tmp_path, '[people]\nkey_file = "names.key"\n') == []


def test_a_variable_may_be_set_for_the_service_alone(tmp_path: Path) -> None:
    """So it is a warning, which says what depends on it."""
    tables = '[people]\nkey_env = "NAMES_KEY"\n' + WEBHOOK + 'secret_env = "CRM_SECRET"\n' + SMTP
    assert told(tmp_path, tables + 'user_env = "MAIL_USER"\npassword_env = "MAIL_PASSWORD"\n') == [
        f"warn: variable CRM_SECRET {ELSEWHERE}",
        f"warn: variable MAIL_PASSWORD {ELSEWHERE}",
        f"warn: variable MAIL_USER {ELSEWHERE}",
        f"warn: variable NAMES_KEY {ELSEWHERE}: without this one (people.key_env) the hub does not start",
    ]


def test_what_is_set_here_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = '[people]\nkey_env = "NAMES_KEY"\n' + WEBHOOK + 'secret_env = "CRM_SECRET"\n'
    monkeypatch.setenv("NAMES_KEY", KEY)
    monkeypatch.setenv("CRM_SECRET", KEY)
    assert told(tmp_path, tables) == []
    monkeypatch.setenv("NAMES_KEY", "short")
    monkeypatch.setenv("CRM_SECRET", "short")
    key, secret = told(tmp_path, tables)
    assert key.startswith("bad: key over names: NAMES_KEY holds no key of 32 bytes")
    assert secret.startswith("bad: webhook crm is not told anything: CRM_SECRET holds no secret")


def test_a_secret_s_file_that_is_missing_or_open_is_told(tmp_path: Path) -> None:
    gateway = '[reminders]\nsink = "webhook"\n[reminders.webhook]\nurl = "https://sms.example/"\n'
    tables = WEBHOOK + 'secret_file = "crm.secret"\n' + gateway + 'secret_file = "sms.secret"\n'
    (tmp_path / "sms.secret").write_text(KEY)
    (tmp_path / "sms.secret").chmod(0o644)
    missing, guarded = told(tmp_path, tables)
    assert missing.startswith("bad: webhook crm is not told anything: crm.secret cannot be read")
    assert guarded.startswith("bad: nobody is reminded: sms.secret may be read by others")


def test_an_open_key_over_names_is_told(tmp_path: Path) -> None:
    (tmp_path / "names.key").write_text(KEY)
    (tmp_path / "names.key").chmod(0o644)
    (only,) = told(tmp_path, '[people]\nkey_file = "names.key"\n')
    assert only.startswith("bad: key over names: names.key may be read by others")


def test_the_mail_server_s_certificate_is_read(tmp_path: Path) -> None:
    words = "bad: nobody is reminded: reminders.smtp.ca_file mail.pem cannot be used: "
    assert told(tmp_path, SMTP + 'ca_file = "mail.pem"\n') == [f"{words}No such file or directory"]
    (tmp_path / "mail.pem").write_text("none")
    (only,) = told(tmp_path, SMTP + 'ca_file = "mail.pem"\n')
    assert only.startswith(words)


def test_the_journal_s_folder_must_be_there(tmp_path: Path) -> None:
    tables = '[people]\nforgotten_file = "disk/forgotten.log"\n'
    words = "the folder of people.forgotten_file, disk, is not there; mount it, or name another file"
    assert told(tmp_path, tables) == [f"bad: {words}"]
    (tmp_path / "disk").mkdir()
    assert told(tmp_path, tables) == []
