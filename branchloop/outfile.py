"""Where a command's file goes: never in the place of what it was made from or of what somebody else made, whole or not at all."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from branchloop.errors import DependencyError, UsageError


def check_place(path: Path, inputs: Iterable[Path], older: Callable[[Path], bool], what: str) -> None:
    """Raise UsageError unless `path` is free in a folder that is there, or `older` knows an earlier file of its kind there.

    `inputs`: what was given to read. `what`: what the file is to be, as in "… and no PNG picture".
    """
    if not path.parent.is_dir():
        raise UsageError(
            f"{path}: there is no folder {path.parent}.", hint="Make the folder first, or name another."
        )
    for given in inputs:
        if path.exists() and given.exists() and path.samefile(given):
            raise UsageError(
                f"{path} would take the place of {given}, which was given to read.",
                hint="Choose another name.",
            )
    if (path.is_symlink() or path.exists()) and (not path.is_file() or not older(path)):
        raise UsageError(
            f"{path} is there already, and no {what}.", hint="Choose another name, or move it away."
        )


def begins_with(*signatures: bytes) -> Callable[[Path], bool]:
    """Whether a file begins with one of these bytes."""

    def known(path: Path) -> bool:
        try:
            with path.open("rb") as file:
                return file.read(max(map(len, signatures))).startswith(signatures)
        except OSError:
            return False

    return known


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write all of these files, or leave them as they were. Raises DependencyError."""
    fresh = {path: path.with_name(f".{path.name}.{secrets.token_hex(4)}") for path in contents}
    try:
        for path, content in contents.items():
            fresh[path].write_bytes(content)
        for path in contents:
            fresh[path].replace(path)
    except OSError as error:
        raise DependencyError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        for path in fresh.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
