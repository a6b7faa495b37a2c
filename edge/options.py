"""What the edge's commands have in common: their options, and how those are read."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import click

from branchloop.errors import UsageError
from branchloop.finite import Finite

JSON = click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
FILE = click.Path(path_type=Path)
RATE = Finite(min=0, min_open=True)


def read_pairs(option: str, values: tuple[str, ...]) -> dict[str, str]:
    """ID=VALUE, each ID once. Raises UsageError naming the option."""
    pairs: dict[str, str] = {}
    for value in values:
        key, equals, rest = value.partition("=")
        if not (key and equals and rest):
            raise UsageError(f"{option} {value!r} is not ID=VALUE.")
        if key in pairs:
            raise UsageError(f"{option} names {key!r} twice.")
        pairs[key] = rest
    return pairs


def read_numbers(option: str, values: tuple[str, ...]) -> dict[str, float]:
    """ID=NUMBER, each ID once. Raises UsageError naming the option."""
    try:
        return {key: float(value) for key, value in read_pairs(option, values).items()}
    except ValueError as error:
        raise UsageError(f"{option} needs a number after the equals sign.") from error


def read_bounds(text: str | None) -> tuple[float, float, float, float] | None:
    """X0,Y0,X1,Y1 in metres. Raises UsageError for anything else."""
    if text is None:
        return None
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            raise ValueError
    except ValueError as error:
        raise UsageError(f"--bounds {text!r} is not X0,Y0,X1,Y1.") from error
    return x0, y0, x1, y1


def read_size(text: str | None) -> tuple[int, int] | None:
    """WxH in pixels. Raises UsageError for anything else."""
    if text is None:
        return None
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise UsageError(f"--input-size {text!r} is not WxH, such as 1024x768.") from error
    return width, height


def progress(done: int, total: int | None) -> None:
    """On a terminal every twenty frames, on standard error; 0 ends the line."""
    if sys.stderr.isatty() and done % 20 == 0:
        of = f" of {total}" if total else ""
        sys.stderr.write(f"\r{done} frames{of} " if done else "\r\033[K")
        sys.stderr.flush()
