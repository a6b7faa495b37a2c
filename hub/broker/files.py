"""Writes a broker's files into a folder, passwords included, readable by the owner alone."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
from pathlib import Path

from branchloop.errors import ConfigError, DependencyError, UsageError
from branchloop.tls_files import tls_fault
from hub.broker import mosquitto, nats
from hub.broker.grants import Grant, grants
from hub.broker.passwords import ensure_password
from hub.config.hub import HubConfig, is_local, split_address

_README = """\
The MQTT broker's rules, made by `branchloop broker-config {broker}` for {devices} box(es).

Start it:    {command}
Passwords:   {credentials}
             one file per user. Copy SITE--DEVICE to that box with mode 0600 and name it as
             box.credential_file; hub--ingest and hub--api stay with the hub, which finds them there.
Hub:         set hub.broker = "{scheme}://{listen}" in {config}, then `branchloop hub run`.
More sites:  add them to hub.sites, run the same command again and restart the broker.
             Passwords that exist are kept. To renew one, delete its file first.
"""


def write_nats(config: HubConfig, folder: Path, listen: str) -> Path:
    """nats.conf for the config's sites; returns its path."""
    _check(config, listen)
    granted, passwords = _users(config)
    text = nats.config_text(
        granted, passwords, listen=listen, folder=folder.resolve(), tls=_server_tls(config)
    )
    return _write(folder / "nats.conf", text)


def write_mosquitto(config: HubConfig, folder: Path, listen: str, run_as: str | None = None) -> Path:
    """mosquitto.conf, acl and passwd for the config's sites; returns the path of the first.

    The files belong to `run_as` (the present user without it), whom mosquitto becomes.
    """
    _check(config, listen)
    owner = _account(run_as)
    granted, passwords = _users(config)
    _write(folder / "acl", mosquitto.acl_text(granted), run_as)
    _write(folder / "passwd", mosquitto.passwd_text(passwords), run_as)
    text = mosquitto.config_text(folder.resolve(), listen=listen, run_as=owner, tls=_server_tls(config))
    path = _write(folder / "mosquitto.conf", text, run_as)
    if run_as is not None:
        _give(folder, run_as)
    return path


def write_readme(broker: str, config: HubConfig, path: Path, listen: str) -> Path:
    """README beside a broker's configuration: how to go on."""
    text = _README.format(
        broker=broker,
        devices=sum(site.box is not None for site in config.sites.values()),
        command=f"{'nats-server' if broker == 'nats' else 'mosquitto'} -c {path.resolve()}",
        credentials=config.credentials_dir.resolve(),
        scheme="mqtt" if config.hub.tls is None else "mqtts",
        listen=listen,
        config=config.path.resolve(),
    )
    return _write(path.with_name("README"), text)


def _users(config: HubConfig) -> tuple[list[Grant], dict[str, str]]:
    granted = grants(config.sites.values())
    return granted, {grant.user: ensure_password(config.credentials_dir, grant.user) for grant in granted}


def _check(config: HubConfig, listen: str) -> None:
    host, port = split_address(listen)
    if not port:
        raise UsageError(f"{listen} names no port.", hint="Give the broker's own, such as 127.0.0.1:1883.")
    if config.hub.tls is None and not is_local(host):
        raise ConfigError(
            f"{config.path}: a broker at {listen} needs TLS.",
            hint="Add a [hub.tls] table with ca_file, cert_file and key_file.",
        )


def _server_tls(config: HubConfig) -> tuple[str, str] | None:
    tls = config.hub.tls
    if tls is None:
        return None
    if tls.cert_file is None or tls.key_file is None:
        raise ConfigError(
            f"{config.path}: key `hub.tls` lacks cert_file or key_file.", hint="The broker needs both."
        )
    base = config.path.parent.resolve()
    fault = tls_fault(base, tls.ca_file, tls.cert_file, tls.key_file)
    if fault is not None:
        said = f"{config.path}: key `hub.tls.{fault.key}`: {fault.said}."
        if (base / str(getattr(tls, fault.key))).is_file():
            raise DependencyError(f"the broker rejects its configuration: {said}", hint=fault.hint)
        raise ConfigError(said, hint=fault.hint)
    return str(base / tls.cert_file), str(base / tls.key_file)


def _account(run_as: str | None) -> str:
    name = run_as or getpass.getuser()
    try:
        pwd.getpwnam(name)
    except KeyError as error:
        raise UsageError(
            f"this machine has no account {name!r}.", hint="Name another as --run-as."
        ) from error
    return name


def _write(path: Path, text: str, owner: str | None = None) -> Path:
    fresh = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        if owner is not None:
            _give(fresh, owner)
        fresh.replace(path)
    except OSError as error:
        raise DependencyError(
            f"{path} cannot be written: {error.strerror}.", hint="Choose a folder that you may write."
        ) from error
    return path


def _give(path: Path, owner: str) -> None:
    try:
        shutil.chown(path, owner)
    except OSError as error:
        raise DependencyError(
            f"{path} cannot be given to {owner}: {error.strerror}.",
            hint="Run this as root, or leave --run-as out.",
        ) from error
