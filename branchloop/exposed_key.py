"""Whether everybody on a machine may read or write the private key of a certificate, for the doctors of hub and box."""

from __future__ import annotations

from pathlib import Path

from branchloop.doctor_finding import Finding, bad, warn

_WRITTEN_BY_ALL = 0o002
_EXPOSED = 0o026
"""Read by everybody, or written by anybody else; a group may read, since a broker may run as another user."""


def examine_private_key(path: Path) -> list[Finding]:
    """What is wrong with a key's rights and the command that mends it; nothing of a file that is not there."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return []
    if not mode & _EXPOSED:
        return []
    if mode & _WRITTEN_BY_ALL:
        by = "written by everybody"
    else:
        by = "read by everybody" if mode & 0o004 else "written by its group"
    mend = f"private key {path} may be {by}; guard it: chmod 600 {path} (640 if a group must read it)"
    return [bad(mend) if mode & _WRITTEN_BY_ALL else warn(mend)]
