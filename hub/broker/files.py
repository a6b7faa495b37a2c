"""Writes a broker's files into a folder, passwords included, readable by the owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from branchloop.errors import ConfigError
from hub.broker import mosquitto, nats
from hub.broker.grants import grants
from hub.broker.passwords import ensure_password
from hub.config import HubConfig


def write_nats(config: HubConfig, folder: Path, listen: str) -> Path:
    """nats.conf for the config's sites; returns its path."""
    granted = grants(config.sites.values())
    text = nats.config_text(
        granted,
        {grant.user: ensure_password(config.credentials_dir, grant.user) for grant in granted},
        listen=listen,
        store_dir=(folder / "jetstream").resolve(),
        tls=_server_tls(config),
    )
    return _write(folder / "nats.conf", text)


def write_mosquitto(config: HubConfig, folder: Path, listen: str) -> Path:
    """mosquitto.conf, acl and passwd for the config's sites; returns the path of the first."""
    granted = grants(config.sites.values())
    passwords = {grant.user: ensure_password(config.credentials_dir, grant.user) for grant in granted}
    _write(folder / "acl", mosquitto.acl_text(granted))
    _write(folder / "passwd", mosquitto.passwd_text(passwords))
    text = mosquitto.config_text(folder.resolve(), listen=listen, tls=_server_tls(config))
    return _write(folder / "mosquitto.conf", text)


def _server_tls(config: HubConfig) -> tuple[str, str] | None:
    tls = config.hub.tls
    if tls is None:
        return None
    if tls.cert_file is None or tls.key_file is None:
        raise ConfigError(
            f"{config.path}: key `hub.tls` lacks cert_file or key_file.", hint="The broker needs both."
        )
    base = config.path.parent.resolve()
    return str(base / tls.cert_file), str(base / tls.key_file)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
    return path
