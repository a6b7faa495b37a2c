"""The cards' files: each is put together from a few sources, its style and the words that it uses. Nothing is built."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from branchloop.text.cards import WORDS
from branchloop.theme import DARK
from hub.api.pages import integrity

SOURCES = Path(__file__).parent.parent / "static" / "cards"
PARTS: Mapping[str, tuple[str, ...]] = {
    "branch-pass": ("card", "form", "times", "branch-pass"),
    "branch-appointment": ("card", "form", "ask", "times", "branch-appointment"),
    "branch-document": ("card", "form", "ask", "branch-document"),
    "branch-crowding": ("card", "branch-crowding"),
    "branch-links": ("card", "form", "branch-links"),
}
"""Each card and what it is put together from; the pass stands before the card that fetches it."""
OWN = frozenset({"branch-links"})
"""What the hub's own pages alone show: a partner's page could read in it whom else somebody is linked with."""
_SEPARATOR = "|"
_DARK = (
    "".join(f"--{name}: {DARK[name]}; " for name in ("ink", "paper", "accent", "bad", "muted"))
    + f"--on: {DARK['paper']}; --line: {DARK['ink']}29; --edge: #79839a;"
)


@dataclass(frozen=True)
class CardFile:
    """One file as it is served."""

    name: str
    content: bytes

    @property
    def media_type(self) -> str:
        """What it is."""
        return f"text/{'css' if self.name.endswith('.css') else 'javascript'}; charset=utf-8"

    @cached_property
    def zipped(self) -> bytes:
        """For browsers that say they take it so: all of them."""
        return gzip.compress(self.content, 9, mtime=0)

    @cached_property
    def integrity(self) -> str:
        """Its digest for a script tag."""
        return integrity(self.content)

    @cached_property
    def pin(self) -> str:
        """Short digest in its address: another content is at another address."""
        return pin(self.content)


def files() -> dict[str, CardFile]:
    """All files by name: the cards, and what the hub's own pages need beside them."""
    made = {f"{name}.js": content for name, content in scripts().items()}
    made |= {name: (SOURCES / name).read_bytes() for name in ("frame.js", "frame.css")}
    return {name: CardFile(name, content) for name, content in made.items()}


def scripts() -> dict[str, bytes]:
    """The file of each card, whole."""
    made: dict[str, bytes] = {}
    for name, parts in PARTS.items():
        source = "\n".join(_plain(text) for text in _texts(parts, "js"))
        style = _tight("".join(_texts(parts, "css")).replace("DARK", _DARK))
        words = words_in(source)
        # A whole key is a number in the file; a key that the card puts together keeps its name, and stands first.
        named = [key for key in words if key.startswith(_prefixes(source))]
        order = named + [key for key in words if key not in named]
        for at, key in enumerate(order):
            if key not in named:
                source = source.replace(f'"{key}"', f'"{at}"')
        held: dict[str, object] = {
            "NAMED": named,
            "EN": _SEPARATOR.join(words[key][0] for key in order),
            "ZH": _SEPARATOR.join(words[key][1] for key in order),
            "CSS": style,
        }
        if "PASS." in source:
            passes = made["branch-pass"]
            held["PASS"] = {"integrity": integrity(passes), "v": pin(passes)}
        head = "".join(f"const {key}={_json(value)};\n" for key, value in held.items())
        made[name] = f'(()=>{{"use strict";\n{head}{source}\n}})();\n'.encode()
    return made


def words_in(source: str) -> dict[str, tuple[str, str]]:
    """The words that a source names: whole keys, and `prefix.${…}` for all of a prefix.

    What is wrong with a field is named by the field: only of those that the source has.
    """
    whole, prefixes = set(re.findall(r'"([a-z]+\.[a-z_-]+)"', source)), _prefixes(source)
    return {
        key: said
        for key, said in WORDS.items()
        if key in whole or (key.startswith(prefixes) and _field_is_in(source, key))
    }


def _field_is_in(source: str, key: str) -> bool:
    """Whether a word is not of a field, or of one that the source has."""
    prefix, _, field = key.partition(".")
    return prefix != "wrong" or f'field("{field}"' in source


def pin(content: bytes) -> str:
    """Short digest in a file's address: another content is at another address."""
    return hashlib.sha256(content).hexdigest()[:16]


def _prefixes(source: str) -> tuple[str, ...]:
    return tuple(sorted(set(re.findall(r"`([a-z]+\.)\$\{", source))))


def _texts(parts: tuple[str, ...], kind: str) -> list[str]:
    files = (SOURCES / f"{part}.{kind}" for part in parts)
    return [file.read_text(encoding="utf-8") for file in files if file.is_file()]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_TOKENS = re.compile(
    r"""(?P<kept>"[^"\n]*"|/(?![/ *])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\[\n])+/[a-z]*)|(?P<tick>`)|(?P<free>[^"`/]+|/)"""
)


def _plain(source: str) -> str:
    """A source without the comments and the blanks that only its readers need.

    Strings, templates and regular expressions stay as they are; in these sources a division has blanks
    around it, and a comment a line of its own.
    """
    lines = (line.strip() for line in source.splitlines())
    text = "\n".join(line for line in lines if line and not line.startswith("//"))
    made, at = [], 0
    while found := _TOKENS.match(text, at):
        at = found.end()
        if found["tick"]:
            end = _template_end(text, at)
            made.append(text[at - 1 : end])
            at = end
        elif found["kept"]:
            made.append(found["kept"])
        else:
            bare = re.sub(
                r"(?<=[;,{(\[])\n|\n(?=[\])}])| ?(=>|[=!<>]==?|&&|\|\||[{}()\[\],;:?=<>]) ?",
                r"\1",
                found["free"],
            )
            made.append(re.sub(r"(?<!\w)\(([a-zA-Z_]+)\)=>", r"\1=>", re.sub(r"[;,]+(?=[})\]])", "", bare)))
    return "".join(made)


def _template_end(text: str, at: int) -> int:
    """Behind the backtick that closes the template begun before `at`; templates may stand within it."""
    depth = 0
    while text[at] != "`" or depth:
        if text.startswith("${", at):
            depth += 1
        elif depth and text[at] == "}":
            depth -= 1
        elif depth and text[at] == "`":
            at = _template_end(text, at + 1) - 1
        at += 1
    return at + 1


def _tight(style: str) -> str:
    return re.sub(r";(?= })|\s*([{};,!])\s*|(:) ", r"\1\2", " ".join(style.split()))
