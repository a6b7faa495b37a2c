"""sqlite-utils for schema and migrations, without what it loads for nothing.

It takes in pandas where that is installed, for one table of types that nothing here asks: with pyarrow behind it
that is a quarter of the start of every process of a hub, and most of its memory.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["Database", "Migrations"]


@contextlib.contextmanager
def _absent(module: str) -> Iterator[None]:
    """Importing it fails as if it were not installed, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


with _absent("pandas"):
    from sqlite_utils import Database, Migrations
