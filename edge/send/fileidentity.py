"""Which file on which disk: tells an original from its copy, at the same path or not."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

_AT_FDCWD = -100
_STATX_BTIME = 0x800
_STATX_BYTES = 256
_BTIME_AT = 80


def file_identity(path: Path) -> str:
    """Inode and time of birth: kept by a rename and a reboot, not by a copy or a restore.

    The inode alone will not do, since a deleted file's is given out again. The file is not opened:
    closing it would take SQLite's locks away. An image of the whole disk keeps both; the hub's
    acknowledgements give that away (`Outbox.disown`).
    """
    return f"{path.stat().st_ino}:{_birth_ns(path)}"


def _birth_ns(path: Path) -> int:
    """Time of birth by statx(2), which os.stat does not show; 0 where the file system keeps none."""
    if sys.platform != "linux":
        return 0
    statx = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)
    if statx is None:
        return 0
    answer = ctypes.create_string_buffer(_STATX_BYTES)
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, answer) != 0:
        return 0
    if not struct.unpack_from("I", answer)[0] & _STATX_BTIME:
        return 0
    seconds, nanoseconds = struct.unpack_from("qI", answer, _BTIME_AT)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
