"""Sentences that programs say in English, told in the reader's language by rules: a pattern and its Chinese words.

A named group of a pattern holds an id, or several with commas; it is told as the name of what has that id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from branchloop.text.catalogue import Language

Rules = Sequence[tuple[re.Pattern[str], str]]


def compiled(rules: Sequence[tuple[str, str]]) -> Rules:
    """Rules ready to be tried."""
    return [(re.compile(pattern, re.DOTALL), words) for pattern, words in rules]


def told_by(rules: Rules, text: str, spoken: Language, names: Mapping[str, str]) -> str | None:
    """The sentence by the first rule that knows it; None when none does."""
    for pattern, words in rules:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        ids = set(pattern.groupindex.values())
        parts = [
            _named(part, names) if number in ids else part
            for number, part in enumerate(match.groups(), start=1)
        ]
        if spoken == "zh":
            return words.format(*parts)
        for number in sorted(ids, reverse=True):
            start, end = match.span(number)
            text = text[:start] + parts[number - 1] + text[end:]
        return text
    return None


def _named(ids: str, names: Mapping[str, str]) -> str:
    return ", ".join(names.get(each, each) for each in ids.split(", "))
