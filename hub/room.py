"""Whether a folder takes what is written into it."""

from __future__ import annotations

import tempfile
from pathlib import Path

LEAST_BYTES = 8 << 20


def shortage(folder: Path) -> str | None:
    """Why not even a little more can be written there; None where it can. What is tried leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(LEAST_BYTES))
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None
