"""Whether this machine can run a hub: program, database, disk, ports, broker, certificates, documents."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import subprocess

from branchloop.credentials import HUB_API, HUB_INGEST
from branchloop.doctor_finding import Finding, bad, good, warn
from branchloop.errors import DependencyError
from branchloop.processes import listen_once, owner
from hub.backup.latest import examine_backup
from hub.broker.nats import executable
from hub.broker.passwords import read_password
from hub.broker.probe import answers
from hub.config.hub import HubConfig, split_address
from hub.deafness import deaf
from hub.doctor.address import address_missing
from hub.doctor.clocks import examine_clocks
from hub.doctor.documents import examine_documents
from hub.doctor.named import examine_named
from hub.doctor.tls import examine_key, examine_served, examine_tls
from hub.room import shortage

LEAST_FREE_GB = 2.0


def examine(config: HubConfig | None) -> list[Finding]:
    """All findings; nothing is changed."""
    findings = [_database()]
    if config is None or config.external_broker is None:
        findings.append(_program())
    if config is not None:
        running = owner(config.data_dir) is not None
        findings += [_disk(config), _port("API", config.hub.listen, running=running)]
        if config.external_broker:
            findings += _external(config)
        else:
            findings.append(_port("broker", config.hub.broker_listen, running=running))
        findings += _taken(config)
        findings += [*examine_backup(config), examine_tls(config), *examine_key(config)]
        findings += [*examine_named(config), *examine_documents(config), *examine_clocks(config)]
        missing = address_missing(config)
        findings += [warn(missing)] if missing is not None else []
    return findings


def _program() -> Finding:
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
    if folder == config.data_dir and (why := shortage(folder)) is not None:
        return bad(f"{folder} cannot be written: {why}")
    free_gb = shutil.disk_usage(folder).free / 1e9
    return Finding(
        state="good" if free_gb >= LEAST_FREE_GB else "warn", text=f"{free_gb:.1f} GB free at {folder}"
    )


def _port(what: str, address: str, *, running: bool) -> Finding:
    host, port = split_address(address)
    if not port:
        return good(f"{what}: a free port of {host} is chosen at the first start")
    try:
        listen_once(host, port)
    except OSError as error:
        if running and error.errno == errno.EADDRINUSE:
            return good(f"{what} address {address} is in use while the hub runs")
        if error.errno == errno.EACCES:  # the service may have the right that whoever asks has not
            return warn(f"{what} address {address} may not be listened on by this user: {error.strerror}")
        return bad(
            f"{what} address {address} cannot be listened on: {error.strerror}; end the program that has it, or name another"
        )
    return good(f"{what} address {address} is free")


def _external(config: HubConfig) -> list[Finding]:
    findings = [examine_served(config) if config.hub.broker.startswith("mqtts") else _answering(config)]
    for user in (HUB_INGEST, HUB_API):
        try:
            read_password(config.credentials_dir, user)
        except DependencyError as error:
            findings.append(Finding(state="bad", text=str(error)))
    return findings


def _answering(config: HubConfig) -> Finding:
    address = config.external_broker or ""
    up = answers(*split_address(address))
    return Finding(
        state="good" if up else "bad",
        text=f"broker {address} {'answers' if up else 'does not answer MQTT'}",
    )


def _taken(config: HubConfig) -> list[Finding]:
    """Of a hub that runs; a broker whose disk is, or was, full answers everybody all the same."""
    if owner(config.data_dir) is None or not deaf(config.data_dir):
        return []
    also = "" if config.external_broker else "; `hub run` starts it anew once its disk has room"
    return [bad(f"the broker takes no message from ingest: look at its disk and its log{also}")]
