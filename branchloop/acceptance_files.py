"""Where an acceptance report and its page go: never in the place of what they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from branchloop.acceptance import read_tree
from branchloop.acceptance_page import is_page
from branchloop.errors import InputError, UsageError


def page_of(out: Path) -> Path:
    """The page beside a report `out`. Raises UsageError where both would be one file."""
    if out.suffix.lower() in {".html", ".htm"}:
        raise UsageError(
            f"{out} is the name of a page, and the report itself is JSON.",
            hint=f"Write --out {out.with_suffix('.json')}; the page is written beside it.",
        )
    return out.with_suffix(".html")


def check_free(report: Path | None, page: Path, inputs: Iterable[Path]) -> None:
    """Raise UsageError where a file to be written is one of `inputs`, or anything but an older report or page."""
    for path in (report, page):
        if path is None or not path.exists():
            continue
        for given in inputs:
            if given.exists() and path.samefile(given):
                raise UsageError(
                    f"{path} would take the place of {given}, which was given to read.",
                    hint="Choose another name.",
                )
        if not (_is_report(path) if path == report else _is_page(path)):
            raise UsageError(
                f"{path} is there already, and no {'report' if path == report else 'page of a report'}.",
                hint="Choose another name, or move it away.",
            )


def _is_report(path: Path) -> bool:
    try:
        read_tree(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, InputError):
        return False
    return True


def _is_page(path: Path) -> bool:
    try:
        return is_page(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return False
