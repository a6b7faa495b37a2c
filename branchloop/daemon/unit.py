"""The systemd unit of a box, a hub or a dashboard, as text: what it may do, and whether a hand changed it."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from branchloop.errors import ConfigError

_MARK = "# Written by `branchloop install-service`, sha256 "
_ADVICE = (
    "# Do not edit it: `systemctl edit {unit}` makes a drop-in, which stays when this file is written anew."
)
_LOW_PORT = 1024


@dataclass(frozen=True, slots=True)
class Kind:
    """A program that runs as a service."""

    room: str
    unit: str
    description: str
    after: str = ""


KINDS = {
    "edge": Kind("edge", "branchloop-box", "branchloop box"),
    "hub": Kind("hub", "branchloop-hub", "branchloop hub"),
    "dashboard": Kind("dashboard", "branchloop-dashboard", "branchloop dashboard", "branchloop-hub.service"),
}


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of device: the group that may use it, its class for systemd, and the kernel's module."""

    group: str
    classes: tuple[str, ...]
    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """What a unit is made of; all paths are absolute, as the service sees them."""

    kind: Kind
    user: str
    program: str
    config: str
    environment_file: str | None
    writes: Sequence[str]
    reads: Sequence[str]
    devices: Sequence[str]
    groups: Sequence[str]
    ports: Sequence[int]


def device(path: str) -> Device:
    """What a device file is, by its name. A class goes on working when the device is plugged in again."""
    if path.startswith("/dev/video"):
        return Device("video", ("char-video4linux",), ("videodev",))
    if path.startswith("/dev/ttyUSB"):
        return Device("dialout", ("char-ttyUSB",), ("usbserial",))
    if path.startswith("/dev/ttyACM"):
        return Device("dialout", ("char-ttyACM",), ("cdc_acm",))
    if path.startswith("/dev/serial/"):
        return Device("dialout", ("char-ttyUSB", "char-ttyACM"), ("usbserial", "cdc_acm"))
    return Device("dialout", (path,), ())


def below(path: str, *folders: str) -> bool:
    """Whether a path is one of the folders, or lies in one."""
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)


def render(service: Service) -> str:
    """The unit. Raises ConfigError for a path that no unit can hold."""
    touched = [service.program, service.config, *service.writes, *service.reads]
    for path in touched:
        if any(ord(letter) < 32 for letter in path):
            raise ConfigError(
                f"{path!r} cannot stand in a unit of systemd.", hint="Rename it without control characters."
            )
    shown = {path: device(path) for path in service.devices}
    modules = sorted({name for each in shown.values() for name in each.modules})
    wants = " ".join(["network-online.target", *(f"modprobe@{name}.service" for name in modules)])
    after = " ".join(filter(None, [wants, service.kind.after]))
    lines = [
        "[Unit]",
        f"Description={service.kind.description}",
        f"Wants={wants}",
        f"After={after}",
        f"RequiresMountsFor={_words([service.config, *service.writes])}",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={_words([service.program, service.kind.room, 'run', service.config], command=True)}",
        f"WorkingDirectory={_literal(str(PurePosixPath(service.config).parent))}",
        f"User={service.user}",
    ]
    if service.groups:
        lines.append(f"SupplementaryGroups={' '.join(service.groups)}")
    if service.environment_file is not None:
        lines.append(f"EnvironmentFile=-{_literal(service.environment_file)}")
    lines += [
        "Restart=always",
        "RestartSec=5",
        "# The program ends its children in order, and begins them anew by itself.",
        "KillMode=mixed",
        "OOMPolicy=continue",
        "UMask=0077",
        "",
        *_files(service, touched),
        *_devices(shown),
        *_rights(service.ports),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    body = "\n".join(lines)
    return f"{_MARK}{_digest(body)}\n{_ADVICE.format(unit=service.kind.unit)}\n{body}"


def _files(service: Service, touched: Sequence[str]) -> list[str]:
    in_tmp = any(below(path, "/tmp", "/var/tmp") for path in touched)  # noqa: S108 - asked about, not used
    at_home = any(below(path, "/home", "/root", "/run/user") for path in touched)
    writable = [*service.writes, *(["/tmp", "/var/tmp"] if in_tmp else [])]  # noqa: S108
    return [
        "# It writes here and into a /tmp of its own; it cannot change anything else.",
        "ProtectSystem=strict",
        *([f"ReadWritePaths={_words(writable)}"] if writable else []),
        f"PrivateTmp={'no' if in_tmp else 'yes'}",
        f"ProtectHome={'read-only' if at_home else 'yes'}",
    ]


def _devices(shown: dict[str, Device]) -> list[str]:
    if not shown:
        return ["PrivateDevices=yes"]
    classes = sorted({name for each in shown.values() for name in each.classes})
    return ["DevicePolicy=closed", *(f"DeviceAllow={_literal(name)} rw" for name in classes)]


def _rights(ports: Sequence[int]) -> list[str]:
    low = "CAP_NET_BIND_SERVICE" if any(0 < port < _LOW_PORT for port in ports) else ""
    return [
        "NoNewPrivileges=yes",
        f"CapabilityBoundingSet={low}",
        *([f"AmbientCapabilities={low}"] if low else []),
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelLogs=yes",
        "ProtectControlGroups=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
        "ProtectProc=invisible",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
        "LockPersonality=yes",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallErrorNumber=EPERM",
    ]


def edited(text: str) -> bool:
    """Whether a unit is not as this command wrote it, whatever version of it."""
    mark, _, rest = text.partition("\n")
    _, _, body = rest.partition("\n")
    return mark != f"{_MARK}{_digest(body)}"


def difference(old: str, new: str) -> list[str]:
    """The lines that go (-) and come (+), without the digest."""
    before, after = (
        [line for line in text.splitlines() if not line.startswith(_MARK)] for text in (old, new)
    )
    told = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return [line for line in told if not line.startswith("@@")]


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _words(words: Sequence[str], *, command: bool = False) -> str:
    return " ".join(_word(word, command=command) for word in words)


def _word(word: str, *, command: bool) -> str:
    escaped = _literal(word).replace("\\", "\\\\").replace('"', '\\"')
    if command:
        escaped = escaped.replace("$", "$$")
    return f'"{escaped}"' if set(escaped) & set(" \"'\\;") else escaped


def _literal(word: str) -> str:
    return word.replace("%", "%%")
