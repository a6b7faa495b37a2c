"""Where one demo keeps everything, and the configuration files it writes there."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from branchloop.demo import partner as demopartner
from branchloop.errors import DependencyError
from branchloop.processes import free_port, listen_once
from branchloop.share import share

SITE = "plaza"
SIMULATED = "river-street"
KIOSK = "kiosk-1"
ISSUER = "Demonstration Bank"
PLACES = ("API", "broker", "dashboard", "kiosk", "kiosk's camera", "partner's pages")
"""Who listens on the ports from `--port-base` on, in this order."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where one demo keeps everything."""

    root: Path

    @property
    def hub(self) -> Path:
        """The hub's configuration."""
        return self.root / "hub.toml"

    @property
    def box(self) -> Path:
        """The demo branch's site file."""
        return self.root / "configs" / "demo.toml"

    @property
    def dashboard(self) -> Path:
        """The dashboard's configuration."""
        return self.root / "dashboard.toml"

    @property
    def partner(self) -> Path:
        """The partner's pages."""
        return self.root / "partner"

    @property
    def ready(self) -> Path:
        """Written by the hub when it answers."""
        return self.root / "hub-ready.json"


@dataclass(frozen=True, slots=True)
class KioskPlace:
    """Where the demo's kiosk and its camera listen."""

    page: str
    camera_port: int


def prepare(root: Path, port_base: int | None, zone: str | None = None) -> Files:
    """The folder of a demo, with its hub's configuration; in `zone` the demo branch has its day.

    Raises DependencyError when one of the ports from `port_base` on is taken.
    """
    if port_base:
        _see_free(port_base)
    files = Files(root.resolve())
    (files.root / "configs").mkdir(parents=True, exist_ok=True)
    for name in ("demo.toml", "simulated.toml", "scenes.toml"):
        shutil.copyfile(share(f"configs/{name}"), files.root / "configs" / name)
    if zone:
        text = files.box.read_text(encoding="utf-8")
        files.box.write_text(re.sub(r'(?m)^timezone = ".*"$', f'timezone = "{zone}"', text), encoding="utf-8")
    shutil.copytree(share("sample_video"), files.root / "sample_video", dirs_exist_ok=True)
    api_port, broker_port = (port_base, port_base + 1) if port_base else (0, 0)
    files.hub.write_text(
        "[hub]\n"
        'data_dir = "hub"\n'
        f'listen = "127.0.0.1:{api_port}"\n'
        f'broker_listen = "127.0.0.1:{broker_port}"\n'
        'sites = ["configs/demo.toml", "configs/simulated.toml"]\n'
        'scenes = "configs/scenes.toml"\n'
        "[people]\n"
        f'root_public = "{root_public(files)}"\n'
        + _documents(files)
        + demopartner.TABLES.format(origin=f"http://127.0.0.1:{port_base + 5 if port_base else free_port()}")
    )
    files.ready.unlink(missing_ok=True)
    return files


def _see_free(port_base: int) -> None:
    """Told before anything starts: a child that cannot listen would be started again and again."""
    for port, place in enumerate(PLACES, port_base):
        try:
            listen_once("127.0.0.1", port)
        except OSError as error:
            raise DependencyError(
                f"port {port}, the demo's {place}, is taken.",
                hint=f"Choose another --port-base: that port and the next {len(PLACES) - 1} have to be free.",
            ) from error


def answered(ready: Path) -> dict[str, Any] | None:
    """What a hub wrote into its `--json-ready` file, once it answers."""
    try:
        told: dict[str, Any] = json.loads(ready.read_text())
    except (OSError, ValueError):
        return None
    return told


def _documents(files: Files) -> str:
    """Certificates are signed by a key of the demo's, and marked as simulated data."""
    if not all(importlib.util.find_spec(library) for library in ("pyhanko", "reportlab")):
        return ""
    folder = files.root / "document"
    if not folder.exists():
        root = str(files.root / "root" / "root.pem")
        run(
            files, "branchloop.keys.root", "document", str(folder), "--name", ISSUER, "--root", root, "--json"
        )
    return (
        "[documents]\n"
        f'issuer = {{ en = "{ISSUER}", zh = "演示银行" }}\n'
        'key_file = "document/document.pem"\n'
        'cert_file = "document/document.crt"\n'
        "specimen = true\n"
    )


def write_box(files: Files, broker: str, port_base: int | None) -> KioskPlace:
    """Point the box's site file at this demo's broker, credentials, kiosk and its camera."""
    text = files.box.read_text(encoding="utf-8")
    start = text.index("[[kiosk]]")
    port, camera_port = (port_base + 3, port_base + 4) if port_base else (free_port(), free_port())
    files.box.write_text(
        text[:start]
        + "[[kiosk]]\n"
        + f'id = "{KIOSK}"\n'
        + "x_m = 15.4\n"
        + "y_m = 15.6\n"
        + f'source = "http://127.0.0.1:{camera_port}/"\n'
        + 'recognise = "identify"\n'
        + f'listen = "127.0.0.1:{port}"\n'
        + f'root_public = "{root_public(files)}"\n'
        + f'broker_credential_file = "../hub/broker/credentials/{SITE}--{KIOSK}"\n'
        + "[box]\n"
        + 'id = "box-1"\n'
        + f'broker = "{broker}"\n'
        + 'data_dir = "../box-1"\n'
        + f'credential_file = "../hub/broker/credentials/{SITE}--box-1"\n',
        encoding="utf-8",
    )
    return KioskPlace(f"http://127.0.0.1:{port}", camera_port)


def write_dashboard(files: Files, api: str, token: str, port_base: int | None) -> str:
    token_file = files.root / "dashboard.token"
    descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    port = port_base + 2 if port_base else free_port()
    files.dashboard.write_text(
        f'[dashboard]\napi = "{api}"\nlisten = "127.0.0.1:{port}"\ntoken_file = "dashboard.token"\n'
    )
    return f"http://127.0.0.1:{port}"


def root_public(files: Files) -> str:
    """The demo bank's root, which a bank keeps off the network; made at the first start."""
    folder = files.root / "root"
    if not folder.exists():
        run(files, "branchloop.keys.root", "root", str(folder), "--json")
    return (folder / "root.pub").read_text(encoding="utf-8").strip()


def run(files: Files, module: str, *args: str) -> dict[str, Any]:
    shown = subprocess.run([sys.executable, "-m", module, *args], capture_output=True, text=True, check=False)
    try:
        answer: dict[str, Any] = json.loads(shown.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        reason = (shown.stderr.strip().splitlines() or ["no output"])[-1]
        raise DependencyError(
            f"{module} {args[0]} failed: {reason.removeprefix('error: ')}", hint=f"Its logs: {files.root}."
        ) from error
    return answer
