"""The hub's commands as an operator types them: one clear sentence and the right exit code."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from brokers import write_hub

from branchloop.processes import lock_directory
from hub.store.connection import opened, prepare


def hub(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hub.main", *map(str, args)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = write_hub(tmp_path)
    prepare(tmp_path / "data")
    return path


@pytest.mark.parametrize("before", [None, 0o644])
def test_databases_are_for_the_hub_s_user_alone(tmp_path: Path, before: int | None) -> None:
    """Whatever the shell that a command is typed in lets others see; those of an older hub are closed."""
    path = write_hub(tmp_path)
    data = tmp_path / "data"
    if before is not None:
        prepare(data)
        for name in ("hub.db", "audit.db"):
            (data / name).chmod(before)
    mask = os.umask(0o022)
    try:
        assert hub("token", path, "ann", "--role", "head_office").returncode == 0
        with opened(data) as db:
            db.execute("CREATE TABLE more (x)")
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in data.glob("*.db*")}
    finally:
        os.umask(mask)
    assert {"hub.db", "hub.db-wal", "audit.db"} <= modes.keys()
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (["run", "absent.toml"], 3, "absent.toml cannot be read"),
        (["run", "{config}", "--json-ready", "{dir}/none/ready.json"], 2, "there is no folder"),
        (["token", "{config}", "ann", "--role", "king"], 2, "is not a role"),
        (["token", "{config}", "ann"], 2, "--role is missing"),
        (["token", "{config}", "ann", "--role", "manager"], 2, "--site"),
        (["token", "{config}", "ann", "--role", "manager", "--site", "west"], 3, "Its sites: north, south"),
        (["import", "{config}", "{dir}/none.xz", "--site", "north", "--device", "d"], 4, "cannot be read"),
        (["import", "{config}", "{config}", "--site", "north", "--device", "d"], 4, "hub.toml"),
        (["audit", "verify", "{config}", "--head", "x"], 2, "SEQ:HASH"),
        (["broker-config", "nats", "{config}", "--out", "{dir}/n"], 2, "names no port"),
        (["broker-config", "nats", "{config}", "--out", "{dir}/n", "--listen", "1.2.3.4:1883"], 3, "TLS"),
        (["broker-config", "nats", "{config}", "--out", "{dir}/n", "--run-as", "root"], 2, "mosquitto"),
        (["broker-config", "mosquitto", "{config}", "--out", "{config}/m", "--listen", "127.0.0.1:1"], 5, "cannot be written"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_a_code(config: Path, args: list[str], code: int, told: str) -> None:
    shown = hub(*(arg.format(config=config, dir=config.parent) for arg in args))
    assert shown.returncode == code, shown.stderr
    assert told in shown.stderr
    assert shown.stderr.startswith("error: ")
    assert len(shown.stderr.splitlines()) == 1
    assert shown.stdout == ""


def test_a_key_that_is_not_set_is_said_once_and_nothing_starts(tmp_path: Path) -> None:
    """Ingest, the API and what goes out each ended with 3, and were started again and again."""
    path = write_hub(tmp_path)
    path.write_text(path.read_text() + '[people]\nkey_env = "NO_SUCH_VARIABLE"\n')
    shown = hub("run", path)
    assert shown.returncode == 3
    assert shown.stderr.startswith(f"error: {path}: people.key_env names NO_SUCH_VARIABLE, which is not set.")
    assert len(shown.stderr.splitlines()) == 1
    examined = hub("doctor", path)
    assert examined.returncode == 0
    assert " warn  variable NO_SUCH_VARIABLE is not set here" in examined.stdout


@pytest.mark.parametrize("command", [["stats"], ["recompute", "--check"], ["audit", "verify"]])
def test_an_empty_directory_does_not_pass_for_a_faultless_hub(tmp_path: Path, command: list[str]) -> None:
    """A mistyped data_dir is told, and nothing is created in it."""
    path = write_hub(tmp_path)
    shown = hub(*command, path)
    assert shown.returncode == 5
    assert "holds no hub's data" in shown.stderr
    assert not (tmp_path / "data").exists()


def test_the_ordinary_way(config: Path) -> None:
    """Token, stats, recompute, audit, check-config and doctor answer in JSON where asked."""
    made = json.loads(hub("token", config, "ann", "--role", "head_office", "--json").stdout)
    assert len(made["token"]) >= 43
    files = [path for path in (config.parent / "data").rglob("*") if path.is_file()]
    assert files
    assert not any(made["token"].encode() in path.read_bytes() for path in files)
    assert json.loads(hub("token", config, "ann", "--revoke", "--json").stdout) == {"revoked": 1}
    assert json.loads(hub("stats", config, "--json").stdout)["quarantined"] == 0
    assert json.loads(hub("recompute", config, "--check", "--json").stdout)["equal"] is True
    assert json.loads(hub("audit", "verify", config, "--json").stdout)["intact"] is True
    assert "2 site(s): north, south" in hub("check-config", config).stdout
    findings = json.loads(hub("doctor", "--json", config).stdout)
    assert {finding["state"] for finding in findings} <= {"good", "warn"}


def test_histories_are_imported_one_after_the_other(config: Path) -> None:
    """A second one would take the place of the first while that goes on, and both would be counted."""
    with lock_directory(config.parent / "data" / "import"):
        shown = hub("import", config, config, "--site", "north", "--device", "d")
    assert (shown.returncode, "is running already" in shown.stderr) == (5, True), shown.stderr


def test_doctor_finds_a_missing_broker(tmp_path: Path) -> None:
    """An external broker that is away and its missing passwords: exit code 5, each named."""
    shown = hub("doctor", write_hub(tmp_path, broker="mqtt://127.0.0.1:1"))
    assert shown.returncode == 5
    assert "does not answer MQTT" in shown.stdout
    assert "hub--ingest" in shown.stdout


@pytest.mark.parametrize(
    ("listen", "people", "asked"),
    [
        ("0.0.0.0:0", "", True),
        ("0.0.0.0:0", '[people]\npublic_url = "https://hub.example"\n', False),
        ("127.0.0.1:0", "", False),
    ],
)
def test_an_api_that_others_reach_is_asked_for_its_public_address(
    config: Path, listen: str, people: str, asked: bool
) -> None:
    """Or its links for customers lead to whatever host a caller names."""
    text = config.read_text().replace('\nlisten = "127.0.0.1:0"', f'\nlisten = "{listen}"')
    config.write_text(f"{text}\n{people}")
    for command in ("check-config", "doctor"):
        shown = hub(command, config)
        assert shown.returncode == 0, shown.stderr
        assert ("people.public_url is missing" in shown.stdout) is asked, shown.stdout


def test_doctor_looks_at_the_key_for_documents(config: Path) -> None:
    """A key that is not there: exit code 5, and the sentence says how to make one."""
    text = config.read_text()
    table = (
        '[documents]\nissuer = { en = "Bank", zh = "银行" }\nkey_file = "gone.pem"\ncert_file = "gone.crt"\n'
    )
    config.write_text(f"{text}\n{table}")
    shown = hub("doctor", config)
    assert shown.returncode == 5
    assert "gone.pem cannot be read" in shown.stdout
    assert "gone.crt cannot be read" in shown.stdout
    assert "branchloop keys document" in shown.stdout
