"""Small files that a power cut leaves whole: as they were, or as they were to become."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def replace_whole(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Put `content` in the place of what `path` held. Raises OSError: the one before then stands."""
    fresh = path.with_name(path.name + ".new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
