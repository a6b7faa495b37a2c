"""One password file per broker user, made once, readable by the owner alone."""

from __future__ import annotations

from pathlib import Path

from branchloop.credentials import new_password
from branchloop.errors import DependencyError
from branchloop.keys.file import made_once


def password_file(folder: Path, user: str) -> Path:
    """Where a user's password lies."""
    return folder / user.replace("/", "--")


def ensure_password(folder: Path, user: str) -> str:
    """The user's password; made on first use, the same for everybody. Raises DependencyError."""
    path = password_file(folder, user)
    try:
        made_once(path, _fresh, 0o700)
    except OSError as error:
        raise DependencyError(
            f"the broker password {path} cannot be made: {error.strerror}.", hint="Check the disk."
        ) from error
    return read_password(folder, user)


def _fresh() -> bytes:
    return f"{new_password()}\n".encode()


def read_password(folder: Path, user: str) -> str:
    """The user's password. Raises DependencyError when there is none."""
    path = password_file(folder, user)
    try:
        password = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise DependencyError(
            f"the broker password {path} cannot be read: {error.strerror}.",
            hint="Run `branchloop broker-config` and keep its credentials folder.",
        ) from error
    if not password:
        raise DependencyError(
            f"the broker password {path} is empty.",
            hint="Delete it and run `branchloop broker-config` again.",
        )
    return password
