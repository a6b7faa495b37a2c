"""Cells of the counting grid that were counted, in a table that outlives the run: the whole grid takes many hours.

A cell that stands there is not counted again. Each row says by which code it was counted, so that a table that
more than one tracker filled says so.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import edge.accuracy.counting_scene
import edge.floor
from branchloop.errors import DependencyError, InputError
from edge.accuracy.crossings import CountError
from edge.tables import read_table

COUNTS = ("asked", "turned", "excluded", "counted", "missed", "extra")
COLUMNS = ("cell", "crossings", *COUNTS, "code")


def code() -> str:
    """Twelve digits of the digest of all that decides a count: the simulated hall, the tracker and the counters."""
    floor = Path(edge.floor.__path__[0])
    sources = [*sorted(floor.rglob("*.py")), Path(edge.accuracy.counting_scene.__file__)]
    digest = hashlib.sha256()
    for path in sources:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


class CellTable:
    """Rows of one file, made if it is absent. Raises InputError, naming the row, for a file that is no such table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[tuple[str, int], dict[str, Any]] = {}
        self._whole()
        if path.exists():
            for number, record in read_table(path, COLUMNS):
                self._rows[record["cell"], self._count(record, "crossings", number)] = {
                    "cell": record["cell"],
                    **self._counts(record, number).figures(),
                    "code": record["code"],
                }

    def counted(self, cell: str, crossings: int) -> dict[str, Any] | None:
        """A cell's figures, with the code that counted it; None where it was not counted, with so many crossings."""
        return self._rows.get((cell, crossings))

    def add(self, row: Mapping[str, Any], crossings: int) -> None:
        """Append a cell at once, on disk before it returns. Raises DependencyError when it cannot be written."""
        first = not self._path.exists() or not self._path.stat().st_size
        line = io.StringIO()
        table = csv.writer(line, lineterminator="\n")
        if first:
            table.writerow(COLUMNS)
        table.writerow([row["cell"], crossings, *(row[name] for name in COUNTS), row["code"]])
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line.getvalue())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DependencyError(
                f"{self._path} cannot be written: {error.strerror}.", hint="Free space, or name another file."
            ) from error

    def _whole(self) -> None:
        """Cut off a last row whose end was never written."""
        if not self._path.is_file():
            return
        text = self._path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if len(whole) < len(text) and whole.startswith(b"cell,"):
            os.truncate(self._path, len(whole))

    def _counts(self, record: Mapping[str, str], number: int) -> CountError:
        return CountError(**{name: self._count(record, name, number) for name in COUNTS})

    def _count(self, record: Mapping[str, str], name: str, number: int) -> int:
        text = record[name].strip()
        if not text.isdecimal():
            raise InputError(
                f"{self._path}, row {number}: {name} is {text[:20]!r}, which is no count.",
                hint="Delete the row: its cell is counted again.",
            )
        return int(text)
