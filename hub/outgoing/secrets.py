"""The secrets that sign: from a variable, or a file that nobody else may read."""

from __future__ import annotations

import os
from pathlib import Path

from branchloop.errors import ConfigError
from branchloop.keys.file import guarded
from hub.config.events import Secret
from hub.loop.delivery import key_of


def keys_of(secret: Secret, folder: Path) -> list[bytes]:
    """The key, and the former one beside it while it is exchanged. Raises ConfigError."""
    found = [_read(secret.secret_env, secret.secret_file, folder)]
    if secret.former_secret_env is not None or secret.former_secret_file is not None:
        found.append(_read(secret.former_secret_env, secret.former_secret_file, folder))
    return found


def _read(variable: str | None, name: str | None, folder: Path) -> bytes:
    if variable is not None:
        text = os.environ.get(variable)
        if text is None:
            raise ConfigError(f"the variable {variable} is not set.", hint="Set it for the hub's process.")
        return key_of(text, variable)
    path = folder / (name or "")
    try:
        return key_of(guarded(path).decode(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", hint="Check the name.") from error
