"""Where a box connects, and as whom: from the `[box]` table to what the MQTT client needs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from branchloop.credentials import client_id, username
from branchloop.errors import ConfigError
from branchloop.site import Box, Tls


@dataclass(frozen=True, slots=True)
class BoxLink:
    """One box's end of the link; `password` never appears in a representation."""

    site: str
    device: str
    host: str
    port: int
    user: str
    password: str
    tls: Tls | None
    base_dir: Path

    @classmethod
    def of(cls, site: str, box: Box, base_dir: Path) -> BoxLink:
        """Read the credential. Raises ConfigError when it is missing or others may read it."""
        address = box.broker.split("://", 1)[1]
        host, _, port = address.rpartition(":") if ":" in address.rsplit("]", 1)[-1] else (address, "", "")
        default = 8883 if box.broker.startswith("mqtts") else 1883
        return cls(
            site,
            box.id,
            host.strip("[]"),
            int(port or default),
            username(site, box.id),
            _password(box, base_dir),
            box.tls,
            base_dir,
        )

    @property
    def client_id(self) -> str:
        """The MQTT client id, bound to the credential."""
        return client_id(self.user, self.password)

    def __repr__(self) -> str:
        return f"BoxLink({self.user} at {self.host}:{self.port})"


def _password(box: Box, base_dir: Path) -> str:
    if box.credential_env is not None:
        value = os.environ.get(box.credential_env)
        if not value:
            raise ConfigError(
                f"key `box.credential_env`: the environment has no {box.credential_env}.", hint="Set it."
            )
        return value
    path = base_dir / str(box.credential_file)
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} may be read by others.", hint=f"Run: chmod 600 {path}")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"key `box.credential_file`: {path} cannot be read: {error.strerror}.",
            hint="Copy the box's credential file from the hub.",
        ) from error
