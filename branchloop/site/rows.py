"""The text of a TOML array, given other values: a row that stays keeps the remark beside it, a removed one takes it along.

Remarks on lines of their own stay: they may head more than the row below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from branchloop.site.pieces import TOKEN

_APART = re.compile(r"(?:\s|#[^\n]*)*")
_BESIDE = re.compile(r"(?:[ \t]*#[^\r\n]*)?")
_STAYS = -1e6
"""A row that stays outweighs whatever else could be saved."""
_LAST_LINE = re.compile(r"\r?\n[^\n]*\Z")


@dataclass(frozen=True, slots=True)
class _Row:
    """A value with what stands above it, between it and its comma, and beside it."""

    above: str
    text: str
    between: str = ""
    beside: str = ""

    @property
    def line(self) -> str:
        """What begins its line; nothing where it stands on the line of the row before."""
        found = _LAST_LINE.search(self.above)
        return found.group() if found else ""


def refilled(text: str, old: Sequence[Any], new: Sequence[Any], fresh: Sequence[str]) -> str:
    """The array's text with the `new` values instead of the `old` ones; `fresh` are the texts of the new."""
    head, rows, below, comma = _cut(text[1:-1])
    usual = next((row.line for row in rows if row.line), "")
    newline = "\r\n" if "\r\n" in text else "\n"
    first = rows[0].above if rows else ""
    gap = next((row.above for row in rows[1:] if not row.line), " ")
    edited, left = _edited(rows, old, new, [_Row(usual, each) for each in fresh])
    out = apart = head
    for at, row in enumerate(edited):
        above = row.above
        if "\n" not in above:
            above = (usual or newline + "  ") if _in_remark(apart) else above or gap if at else first
        apart = row.between + ("," if comma or at < len(edited) - 1 else "") + row.beside
        out += above + row.text + apart
    if _in_remark(apart + left) and "\n" not in below:
        below = newline + below
    return f"[{out}{left}{below}]"


def _edited(
    rows: Sequence[_Row], old: Sequence[Any], new: Sequence[Any], fresh: Sequence[_Row]
) -> tuple[list[_Row], str]:
    """The rows of the new values, and the remarks that stood above removed ones at the end."""
    edited: list[_Row] = []
    left = line = ""
    for was, now in _paired(old, new):
        if was is None:
            edited.append(fresh[now or 0])
        elif now is None:
            row = rows[was]
            left += row.above.removesuffix(row.line) if "#" in row.above else ""
            line = line or row.line
        else:
            row = rows[was]
            above = left + (row.above if row.line else line or row.above)
            edited.append(
                replace(row, above=above, text=row.text if old[was] == new[now] else fresh[now].text)
            )
            left = line = ""
    return edited, left


def _paired(old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[int | None, int | None]]:
    """What became of every row, in order: (was, is), the first None where it is new, the second where it was removed.

    As many as can be stay as they are. Of the others, one changes rather than that it goes and another comes, and
    little rather than much.
    """
    costs = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for was in reversed(range(len(old) + 1)):
        for now in reversed(range(len(new) + 1)):
            costs[was][now] = min((cost for cost, _, _ in _steps(costs, old, new, was, now)), default=0.0)
    was = now = 0
    while was < len(old) or now < len(new):
        _, to_was, to_now = min(_steps(costs, old, new, was, now))
        yield (was if to_was > was else None), (now if to_now > now else None)
        was, now = to_was, to_now


def _steps(
    costs: Sequence[Sequence[float]], old: Sequence[Any], new: Sequence[Any], was: int, now: int
) -> Iterator[tuple[float, int, int]]:
    """From here on: what each way costs in all, and where it goes."""
    if was < len(old) and now < len(new):
        change = _STAYS if old[was] == new[now] else 1 + _difference(old[was], new[now])
        yield costs[was + 1][now + 1] + change, was + 1, now + 1
    if was < len(old):
        yield costs[was + 1][now] + 1, was + 1, now
    if now < len(new):
        yield costs[was][now + 1] + 1, was, now + 1


def _difference(a: Any, b: Any) -> float:
    """0 to 1, of numbers by their size."""
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b) > 0:
        return sum(map(_difference, a, b)) / len(a)
    if isinstance(a, int | float) and isinstance(b, int | float) and a != b:
        return min(1.0, abs(a - b) / (abs(a) + abs(b)))
    return float(a != b)


def _cut(inner: str) -> tuple[str, list[_Row], str, bool]:
    """Within an array's brackets: what stands beside the first one, the rows, what stands below, whether the last has a comma."""
    head = _matched(_BESIDE, inner, 0)
    rows: list[_Row] = []
    at, comma = len(head), False
    while True:
        above = _matched(_APART, inner, at)
        start = at + len(above)
        if start == len(inner):
            return head, rows, above, comma
        text = inner[start : _value_end(inner, start)].rstrip()
        at = start + len(text)
        between = _matched(_APART, inner, at)
        comma = inner.startswith(",", at + len(between))
        if comma:
            at += len(between) + 1
        else:
            between = ""
        beside = _matched(_BESIDE, inner, at)
        rows.append(_Row(above, text, between, beside))
        at += len(beside)


def _value_end(inner: str, start: int) -> int:
    """Where a value ends at the latest: at a comma, a remark or the end of the array."""
    depth = 0
    for token in TOKEN.finditer(inner, start):
        mark = token.group()
        depth += (mark in "[{") - (mark in "]}")
        if depth == 0 and mark[0] in ",#":
            return token.start()
    return len(inner)


def _matched(pattern: re.Pattern[str], text: str, at: int) -> str:
    found = pattern.match(text, at)
    return found.group() if found else ""


def _in_remark(apart: str) -> bool:
    return "#" in apart.rpartition("\n")[2]
