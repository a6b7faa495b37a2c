"""One password file per broker user, made once, readable by the owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from branchloop.credentials import new_password
from branchloop.errors import DependencyError


def password_file(folder: Path, user: str) -> Path:
    """Where a user's password lies."""
    return folder / user.replace("/", "--")


def ensure_password(folder: Path, user: str) -> str:
    """The user's password; made on first use."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = password_file(folder, user)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_password(folder, user)
    password = new_password()
    with os.fdopen(descriptor, "w") as file:
        file.write(password + "\n")
        file.flush()
        os.fsync(file.fileno())
    return password


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
