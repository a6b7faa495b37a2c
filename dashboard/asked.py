"""What a page's address asks for; a day or choice that there is not, is as if it were not asked. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TypeVar

T = TypeVar("T")

FIRST = date(2000, 1, 1)


def day(text: str, today: date) -> date:
    """A day from 2000 to today, as `2026-11-27`."""
    try:
        asked = date.fromisoformat(text)
    except ValueError:
        return today
    return asked if FIRST <= asked <= today else today


def one_of(text: str, known: Sequence[T], usual: T) -> T:
    """The one of a few that is written so."""
    return next((each for each in known if str(each) == text), usual)
