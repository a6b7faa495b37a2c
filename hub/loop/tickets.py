"""Tickets: numbers that no two kiosks share, and what counts when two kiosks gave one each. Pure.

Every kiosk has a series of its own (A, B, …; S is the staff's), so kiosks that are cut off from the hub
and from each other never give the same number. Two of them may each give a ticket for one appointment:
the earlier counts and the other number becomes its alias, in whatever order they become known.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from branchloop.errors import ConflictError
from hub.loop.appointments import Method

STAFF_SERIES = "S"
KIOSK_SERIES = tuple(letter for letter in string.ascii_uppercase if letter not in "IOS")
"""Not I and O, which look like digits."""
LAST_NUMBER = 999
ROOM = 100


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket that was given for an appointment; `checkin` is the id of its check-in."""

    checkin: str
    device: str
    number: str
    at_ms: int
    method: Method
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """The ticket that counts, and the numbers that also mean it."""

    ticket: Ticket
    aliases: tuple[str, ...]


def settle(tickets: Iterable[Ticket]) -> Settled:
    """Which ticket of an appointment counts: the earliest. Raises ValueError without one."""
    ordered = sorted(tickets, key=lambda ticket: (ticket.at_ms, ticket.device, ticket.checkin))
    if not ordered:
        raise ValueError("there is no ticket to settle")
    aliases = dict.fromkeys(ticket.number for ticket in ordered[1:])
    aliases.pop(ordered[0].number, None)
    return Settled(ordered[0], tuple(aliases))


def first_free(taken: Collection[int]) -> int:
    """Where numbers begin that are nobody's for a while to come: where a hundred in a row are free, else where most are."""
    edges = [0, *sorted(taken), LAST_NUMBER + 1]
    runs = [(end - start - 1, start + 1) for start, end in itertools.pairwise(edges)]
    return next((first for free, first in runs if free >= ROOM), max(runs, key=lambda run: run[0])[1])


def next_series(taken: Collection[str]) -> str:
    """A series for another kiosk of a branch. Raises ConflictError when there is none left."""
    for series in KIOSK_SERIES:
        if series not in taken:
            return series
    raise ConflictError("this branch has a series for no further kiosk.", hint="Remove one that is gone.")


def number(series: str, count: int) -> str:
    """A ticket's number as shown: A007. Raises ConflictError past the last."""
    if not 1 <= count <= LAST_NUMBER:
        raise ConflictError(f"series {series} is used up for today.", hint="Give numbers by hand.")
    return f"{series}{count:03d}"
