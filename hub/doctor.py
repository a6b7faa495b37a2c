"""Whether this machine can run a hub: program, database, disk, ports."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import subprocess
from typing import TypedDict

from branchloop.errors import DependencyError
from hub.broker.nats import executable
from hub.config import HubConfig

LEAST_FREE_GB = 2.0


class Finding(TypedDict):
    """One thing looked at; `state` is good, warn or bad."""

    state: str
    text: str


def examine(config: HubConfig | None) -> list[Finding]:
    """All findings; nothing is changed."""
    findings = [_broker(), _database()]
    if config is not None:
        findings.append(_disk(config))
        findings += [_port("API", config.hub.listen)]
        if config.hub.broker == "embedded":
            findings.append(_port("broker", config.hub.broker_listen))
        else:
            findings.append(_reach(config.hub.broker.split("://")[1]))
    return findings


def _broker() -> Finding:
    try:
        shown = subprocess.run([executable(), "--version"], capture_output=True, text=True, check=True)
    except (DependencyError, OSError, subprocess.CalledProcessError) as error:
        return Finding(state="bad", text=f"nats-server does not run: {error}")
    return Finding(state="good", text=shown.stdout.strip())


def _database() -> Finding:
    version = sqlite3.sqlite_version
    good = sqlite3.sqlite_version_info >= (3, 37)
    return Finding(state="good" if good else "bad", text=f"SQLite {version} (3.37 or newer is needed)")


def _disk(config: HubConfig) -> Finding:
    folder = next(p for p in (config.data_dir, *config.data_dir.absolute().parents) if p.exists())
    free_gb = shutil.disk_usage(folder).free / 1e9
    return Finding(
        state="good" if free_gb >= LEAST_FREE_GB else "warn", text=f"{free_gb:.1f} GB free at {folder}"
    )


def _port(what: str, address: str) -> Finding:
    host, _, port = address.rpartition(":")
    try:
        socket.create_server((host.strip("[]"), int(port))).close()
    except OSError as error:
        return Finding(
            state="warn", text=f"{what} address {address} is taken: {error.strerror} (is the hub running?)"
        )
    return Finding(state="good", text=f"{what} address {address} is free")


def _reach(address: str) -> Finding:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=3).close()
    except OSError as error:
        return Finding(state="bad", text=f"broker {address} cannot be reached: {error}")
    return Finding(state="good", text=f"broker {address} answers")
