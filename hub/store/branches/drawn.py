"""Since when lines and zones are drawn as they are: what was counted by another drawing is no history of theirs."""

from __future__ import annotations

import sqlite3
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from branchloop.site.site import Site

Part = Literal["line", "zone"]
Drawn = tuple[Part, str]
_SHAPES: Mapping[Part, tuple[str, ...]] = {"line": ("from", "to"), "zone": ("polygon", "min_stay_s")}
_Shape = tuple[object, ...]


def drawn_since(db: sqlite3.Connection, site: Site) -> dict[Drawn, int]:
    """Line or zone of the configuration in force -> when it was published as it is, UTC ms; absent: as far as is known, ever.

    By the versions that the hub keeps. What a box counted by a file of its own before the first of them is not known.
    """
    versions = db.execute(
        "SELECT published_ms, text FROM configuration WHERE site=? AND version<=? AND published_ms IS NOT NULL"
        " ORDER BY version DESC",
        (site.id, site.version),
    ).fetchall()
    since: dict[Drawn, int] = {}
    for (newer_ms, newer), (_, older) in pairwise(versions):
        before = _shapes(older)
        for part, shape in _shapes(newer).items():
            if before.get(part) != shape:
                since.setdefault(part, newer_ms)
    return since


@lru_cache(maxsize=512)
def _shapes(text: str) -> dict[Drawn, _Shape]:
    told = tomllib.loads(text)
    return {
        (part, str(each["id"])): tuple(repr(each.get(key)) for key in keys)
        for part, keys in _SHAPES.items()
        for each in told.get(part, [])
    }
