"""Secrets in files that are their owner's alone, and keys of 32 bytes as text."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from branchloop.errors import ConfigError, DependencyError

KEY_BYTES = 32


def guarded(path: Path) -> bytes:
    """What a file holds. Raises ConfigError when others may read it too, and OSError."""
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} may be read by others.", hint=f"Guard it: chmod 600 {path}.")
    return path.read_bytes()


def kept(path: Path, make: Callable[[], bytes], folder_mode: int = 0o777) -> bytes:
    """As `guarded`; made at first use, see `made_once`.

    Raises DependencyError when it cannot be written, ConfigError when others may read it.
    """
    try:
        made_once(path, make, folder_mode)
        return guarded(path)
    except OSError as error:
        raise DependencyError(f"{path} cannot be used: {error.strerror}.", hint="Check the disk.") from error


def made_once(path: Path, make: Callable[[], bytes], folder_mode: int = 0o777) -> None:
    """Make a file of mode 0600 unless it is there: whole, and the same for everybody.

    Also when several threads or processes make it at once: who is second takes what is there. Raises OSError.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=folder_mode)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(fresh, path)  # whole or not at all, and never over another's
    finally:
        fresh.unlink(missing_ok=True)


def new_key() -> bytes:
    """A new key, as its file holds it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n"


def read_key(text: str | bytes, where: str) -> bytes:
    """The key in a text. Raises ConfigError when there is none."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{where} holds no key of {KEY_BYTES} bytes in base64.", hint="Make one: openssl rand -base64 32."
        )
    return key
