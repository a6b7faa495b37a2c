"""The start of a visit, as callers write it."""

from __future__ import annotations

from datetime import UTC, datetime

from branchloop.clock import to_ms
from branchloop.errors import InputError

YEARS = range(1971, 2200)
"""Of the days and times that may be asked for."""
_SPAN_MS = tuple(to_ms(datetime(year, 1, 1, tzinfo=UTC)) for year in (YEARS.start, YEARS.stop))


def start_of(text: str) -> int:
    """A start in UTC ms. Raises InputError for what is no moment, or in no calendar of a branch."""
    try:
        start_ms = to_ms(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"`start` is {text!r}: {error}.", hint="Give `start` of a slot, as GET …/slots answers it."
        ) from error
    if not _SPAN_MS[0] <= start_ms < _SPAN_MS[1]:
        raise InputError(
            f"`start` is {text!r}: no branch has such a time.",
            hint=f"Give a year from {YEARS[0]} to {YEARS[-1]}.",
        )
    return start_ms
