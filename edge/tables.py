"""Tables that people and programs write: comma-separated values and files of events, with errors that name the row."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

from branchloop.errors import InputError


def read_rows(path: Path) -> list[list[str]]:
    """Rows of a table that are not empty. Raises InputError for what is none."""
    return [row for _, row in numbered_rows(path)]


def numbered_rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows, each with its line in the file: empty lines are left out, but an editor counts them."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.reader(file)
            rows = [(table.line_num, row) for row in table if row]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a text table.", hint="Write comma-separated values.") from error
    if rows and len(rows[0][1]) == 1:
        for separator, name in ((";", "semicolons"), ("\t", "tabs")):
            if separator in rows[0][1][0]:
                raise InputError(
                    f"the values of {path} are separated by {name}.",
                    hint="Write commas between them, and decimals with a point.",
                )
    return rows


def read_records(path: Path, event: str, columns: tuple[str, ...]) -> list[tuple[int, dict[str, Any]]]:
    """Rows of a table, or the events of one kind in an events.ndjson."""
    if path.suffix == ".ndjson":
        return _events(path, event, columns)
    return read_table(path, columns, " (or give an .ndjson)")


def read_table(path: Path, columns: tuple[str, ...], instead: str = "") -> list[tuple[int, dict[str, Any]]]:
    """Rows of a table whose first row names its columns, each with its line. `instead`: what else may be given."""
    rows = numbered_rows(path)
    header = [name.strip() for name in rows[0][1]] if rows else []
    if not set(columns) <= set(header):
        raise InputError(
            f"{path} lacks a column.", hint=f"The first row must name {','.join(columns)}{instead}."
        )
    return [(number, _record(header, row, columns, path, number)) for number, row in rows[1:]]


def _record(
    header: list[str], row: list[str], columns: tuple[str, ...], path: Path, number: int
) -> dict[str, Any]:
    """A row by its columns. It may end before optional ones; more values than columns have slipped."""
    record = dict(zip(header, row, strict=False))
    missing = [column for column in columns if column not in record]
    if missing:
        raise InputError(
            f"{path}, row {number}: {', '.join(missing)} is missing.", hint="Complete or delete the row."
        )
    if any(value.strip() for value in row[len(header) :]):
        raise InputError(
            f"{path}, row {number}: it has {len(row)} values for {len(header)} columns.",
            hint="Write decimals with a point, and quote text that holds a comma.",
        )
    return record


def _events(path: Path, event: str, columns: tuple[str, ...]) -> list[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [(number, json.loads(line)) for number, line in enumerate(lines, 1) if line.strip()]
        rows = [(number, row) for number, row in found if row["event"] == event]
        for _, row in rows:
            for column in columns:
                _ = row[column]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a file of events.", hint="Give an events.ndjson of edge replay."
        ) from error
    return rows


def read_seconds(value: Any, path: Path, number: int) -> float:
    """Seconds, or h:m:s. A sign before it is that of the whole: -0:00:20 is twenty seconds before zero."""
    text = str(value).strip()
    try:
        parts = [float(part) for part in text.removeprefix("-").split(":")]
        seconds = sum((part * 60.0**i for i, part in enumerate(reversed(parts))), 0.0)
        if len(parts) > 3 or not math.isfinite(seconds) or any(part < 0 for part in parts):
            raise ValueError
    except ValueError as error:
        raise InputError(
            f"{path}, row {number}: {str(value)[:20]!r} is no time.", hint="Write seconds or h:m:s."
        ) from error
    return -seconds if text.startswith("-") else seconds
