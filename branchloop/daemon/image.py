"""What an image needs beside a unit: systemd makes the user and the folders when it boots for the first time."""

from __future__ import annotations

from collections.abc import Sequence

from branchloop.daemon.unit import Service


def sysusers(user: str) -> str:
    """`/usr/lib/sysusers.d/USER.conf`: the system user, without a login."""
    return f'u {user} - "branchloop" /var/lib/{user}\n'


def tmpfiles(service: Service, secrets: Sequence[str], shared: Sequence[str]) -> str:
    """`/usr/lib/tmpfiles.d/UNIT.conf`: folders that the service writes to, and who reads its files.

    `secrets` become the service's own alone; `shared` stay root's, and the service may read them.
    """
    user = service.user
    lines = [f"d {_quoted(path)} 0750 {user} {user} -" for path in service.writes]
    lines += [f"z {_quoted(path)} 0640 root {user} -" for path in shared]
    lines += [f"z {_quoted(path)} 0600 {user} {user} -" for path in secrets]
    return "".join(f"{line}\n" for line in lines)


def _quoted(path: str) -> str:
    escaped = path.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if set(escaped) & set(" \"'\\") else escaped
