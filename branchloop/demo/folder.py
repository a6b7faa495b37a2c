"""The folder of a demo: empty or its own, and nobody else's while it runs."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from branchloop.errors import DependencyError, UsageError
from branchloop.processes import lock_directory

MARKER = "branchloop-demo.txt"


@contextlib.contextmanager
def folder_of(data: Path | None) -> Iterator[Path]:
    """The folder `data`, or a temporary one.

    Raises UsageError where files of others are in it, DependencyError where a demo or a hub runs on it.
    """
    if data is None:
        with tempfile.TemporaryDirectory(prefix="branchloop-demo-") as folder:
            yield Path(folder)
        return
    _claim(data)
    yield data


def _claim(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
        found = sorted(path.name for path in data.iterdir())
        if found and MARKER not in found:
            raise UsageError(
                f"{data} holds files that no demo made, such as {found[0][:60]}.",
                hint="Name an empty or a new folder; "
                f"where an earlier version's demo made all of it, `touch {data / MARKER}` says so.",
            )
        for owned in (data, data / "hub"):
            if owned.is_dir() and found:
                with lock_directory(owned):
                    pass
        (data / MARKER).write_text("`branchloop demo` writes and overwrites files here.\n", encoding="utf-8")
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{data} is no folder.", hint="Name a folder.") from error
    except OSError as error:
        raise DependencyError(
            f"{data} cannot be used: {error.strerror}.", hint="Name a folder that you may write."
        ) from error
