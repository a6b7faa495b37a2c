"""Where an acceptance report and its page go: never in the place of what they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from branchloop.acceptance.page import is_page
from branchloop.acceptance.report import read_tree
from branchloop.errors import InputError, UsageError
from branchloop.outfile import check_place


def page_of(out: Path) -> Path:
    """The page beside a report `out`. Raises UsageError where both would be one file."""
    if out.suffix.lower() in {".html", ".htm"}:
        raise UsageError(
            f"{out} is the name of a page, and the report itself is JSON.",
            hint=f"Write --out {out.with_suffix('.json')}; the page is written beside it.",
        )
    return out.with_suffix(".html")


def check_free(report: Path | None, page: Path, inputs: Iterable[Path]) -> None:
    """Raise UsageError where a file to be written is one of `inputs`, anything but an older report or page, or in no folder."""
    given = tuple(inputs)
    if report is not None:
        check_place(report, given, _is_report, "report")
    check_place(page, given, _is_page, "page of a report")


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
