"""A TOML text cut into whole lines that belong together: table heads, keys with their values, remarks, blank lines.

Put together again the pieces are the text, letter by letter: whoever leaves some out changes nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import tomlkit

Kind = Literal["head", "key", "remark", "blank"]
TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'  # strings may hold whatever else is looked for here
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[{\]},\n]",
    re.DOTALL,
)
"""Strings and remarks as wholes, and what a text is divided by outside of them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of the text."""

    kind: Kind
    text: str

    @property
    def path(self) -> tuple[str, ...]:
        """The keys of a head, or the first key of a value's; none for remarks and blank lines."""
        if self.kind not in {"head", "key"}:
            return ()
        tree: Any = tomlkit.parse(self.text).unwrap()
        if self.kind == "key":
            return (next(iter(tree)),)
        path: list[str] = []
        while tree:
            (key,) = tree
            path.append(key)
            tree = tree[key][0] if isinstance(tree[key], list) else tree[key]
        return tuple(path)


@dataclass(frozen=True, slots=True)
class Table:
    """A table with all that stands under its head; the first has no head, it is the text above all tables."""

    pieces: tuple[Piece, ...]

    @property
    def path(self) -> tuple[str, ...]:
        """The keys of its head; none for the text above all tables."""
        first = self.pieces[0] if self.pieces else None
        return first.path if first is not None and first.kind == "head" else ()

    @property
    def below(self) -> tuple[Piece, ...]:
        """The remarks and blank lines after its last key: they stand above whatever comes next."""
        own = [at for at, piece in enumerate(self.pieces) if piece.kind in {"head", "key"}]
        return self.pieces[own[-1] + 1 if own else 0 :]


def tables(text: str) -> list[Table]:
    """The tables of a valid TOML text, in order."""
    found: list[list[Piece]] = [[]]
    for piece in _pieces(text):
        if piece.kind == "head":
            found.append([])
        found[-1].append(piece)
    return [Table(tuple(each)) for each in found]


def joined(pieces: Sequence[Piece]) -> str:
    """The text of the pieces."""
    return "".join(piece.text for piece in pieces)


def _pieces(text: str) -> list[Piece]:
    found: list[Piece] = []
    start = depth = 0
    for token in TOKEN.finditer(text):
        match token.group():
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                found.append(_piece(text[start : token.end()]))
                start = token.end()
    if start < len(text):
        found.append(_piece(text[start:]))
    return found


def _piece(lines: str) -> Piece:
    bare = lines.strip()
    if not bare:
        return Piece("blank", lines)
    starts: dict[str, Kind] = {"#": "remark", "[": "head"}
    return Piece(starts.get(bare[0], "key"), lines)
