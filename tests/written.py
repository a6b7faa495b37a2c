"""What all the files under a folder hold, also while a broker or a hub writes there."""

from __future__ import annotations

import stat
from pathlib import Path

READINGS = 50


def written(folder: Path) -> dict[Path, bytes]:
    """Every regular file and its bytes.

    A file that is replaced while the others are read takes what it held into another, which may have been read
    already: then all of them are read again.

    Raises:
        AssertionError: files went away in each of the readings.

    """
    for _ in range(READINGS):
        try:
            return {
                path: path.read_bytes() for path in folder.rglob("*") if stat.S_ISREG(path.lstat().st_mode)
            }
        except FileNotFoundError as error:
            gone = error.filename
    raise AssertionError(f"{folder}: files went away in {READINGS} readings, in the end {gone}")
