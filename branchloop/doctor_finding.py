"""What a doctor finds, of a box or of the hub."""

from __future__ import annotations

from typing import TypedDict


class Finding(TypedDict):
    """One thing looked at; `state` is good, warn or bad."""

    state: str
    text: str


def good(text: str) -> Finding:
    """It is as it should be."""
    return Finding(state="good", text=text)


def warn(text: str) -> Finding:
    """It works, for now."""
    return Finding(state="warn", text=text)


def bad(text: str) -> Finding:
    """It cannot do its work so."""
    return Finding(state="bad", text=text)
