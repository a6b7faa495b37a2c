"""Crossings of all entrances of a branch by bucket: of those lines that were entrances when people crossed them.

Windows say which they were; a bucket that holds windows which do not (of boxes or a hub from before) goes by the lines
that are entrances now.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from hub.store.figures.stretch import Span
from hub.store.figures.sums import LINE_SUMS, Level, LineSums, together

_SUMS = ", ".join(f"sum({name})" for name in LINE_SUMS)
_WHERE = "WHERE site=? AND level=? AND start_ms>=? AND start_ms<?"


@dataclass(frozen=True, slots=True)
class Entered:
    """One bucket; `certain` where every window of it said which lines were entrances."""

    sums: LineSums
    certain: bool


def entered(
    db: sqlite3.Connection, site: str, now: Collection[str], level: Level, span: Span
) -> dict[int, Entered]:
    """Start of bucket -> crossings of its entrances, where any are known; `now` are the lines that are entrances now."""
    place = (site, level, *span)
    windows = dict(
        db.execute(f"SELECT start_ms, sum(windows_ms) FROM rollup {_WHERE} GROUP BY start_ms", place)
    )
    found: dict[int, Entered] = {}
    for start_ms, windows_ms, *values in db.execute(
        f"SELECT start_ms, sum(windows_ms), {_SUMS} FROM rollup_entrance {_WHERE} GROUP BY start_ms", place
    ):
        if windows_ms == windows.get(start_ms):
            found[start_ms] = Entered(LineSums(*values), certain=True)
    if len(found) < len(windows):
        for start_ms, lines in _by_name(db, now, place).items():
            found.setdefault(start_ms, Entered(together(lines), certain=False))
    return found


def _by_name(
    db: sqlite3.Connection, names: Collection[str], place: tuple[object, ...]
) -> dict[int, list[LineSums]]:
    found: dict[int, list[LineSums]] = {}
    for start_ms, _, *values in db.execute(
        f"SELECT start_ms, line, {_SUMS} FROM rollup_line {_WHERE}"
        f" AND line IN ({','.join('?' * len(names))}) GROUP BY start_ms, line",
        (*place, *names),
    ):
        found.setdefault(start_ms, []).append(LineSums(*values))
    return found
