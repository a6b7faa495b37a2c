"""Where a camera's pictures come from: `source` of the site file, told apart and completed.

A login comes from the environment variable named by `credential_env` and appears in `target` alone: before the
host, or where the address has `{user}` and `{password}`. `shown` is what logs, notices and errors may say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from branchloop.errors import ConfigError
from branchloop.site.parts import PASSWORD, USER
from branchloop.site.site import Camera


@dataclass(frozen=True, slots=True)
class Source:
    """A file (path), an RTSP or MJPEG stream (URL with its login) or a USB camera (number)."""

    kind: Literal["file", "rtsp", "http", "usb"]
    shown: str
    target: str | int = field(repr=False)

    @property
    def live(self) -> bool:
        """Whether the pictures come when they come, and not when they are asked for."""
        return self.kind != "file"


def resolve(camera: Camera, base_dir: Path, environ: Mapping[str, str] = os.environ) -> Source:
    """Tell a camera's source apart; relative files are looked up in `base_dir`, the site file's folder.

    Raises ConfigError for a source of another kind or a login that is not in the environment.
    """
    text = camera.source
    where = f"camera {camera.id!r}"
    if text.startswith("rtsp://"):
        return Source("rtsp", _address(text, where), _with_login(camera, environ))
    if text.startswith("http://"):
        return Source("http", _address(text, where) + urlsplit(text).path, _with_login(camera, environ))
    if text.startswith("usb:"):
        number = text.removeprefix("usb:")
        if not (number.isascii() and number.isdigit() and len(number) <= 3):
            raise ConfigError(f"{where}: {text!r} is no USB camera.", hint="Write usb:0, usb:1, …")
        return Source("usb", text, int(number))
    path = (base_dir / text).resolve()
    return Source("file", str(path), str(path))


def usual_port(url: str) -> int:
    """Where a stream's scheme is served unless its address names another port."""
    return 554 if url.startswith("rtsp:") else 80


def _address(text: str, where: str) -> str:
    """Scheme, host and port of a stream: its query is never shown, and of RTSP no path, which may be the key to it."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port or usual_port(text)
    except ValueError:
        host, port = None, 0
    scheme = text.partition("://")[0]
    if not host:
        raise ConfigError(
            f"{where}: the {scheme}:// source has no valid host.", hint=f"Write {scheme}://HOST:PORT/PATH."
        )
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _with_login(camera: Camera, environ: Mapping[str, str]) -> str:
    """The address with the login escaped for a URL; as it is without one."""
    text, name = camera.source, camera.credential_env
    if name is None:
        return text
    user, colon, password = environ.get(name, "").partition(":")
    if not (user and colon):
        raise ConfigError(
            f"camera {camera.id!r}: the environment variable {name} holds no login.",
            hint=f"Set {name} to user:password for this process.",
        )
    user, password = quote(user, safe=""), quote(password, safe="")
    if USER in text or PASSWORD in text:
        return text.replace(USER, user).replace(PASSWORD, password)
    scheme, separator, rest = text.partition("://")
    return f"{scheme}{separator}{user}:{password}@{rest}"
