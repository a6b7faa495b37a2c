"""A journey's stages: from a card that is seen to a customer who comes back. Pure.

One journey is one errand: it starts where a customer first meets it (a card on some page, the door, a
member of staff) and keeps its random id to the end. Every step of the book, the queue and the follow-up
is one `Happened`, written in the transaction that makes it true; so the ledger of journeys is at once the
funnel's source and the outbox of everything told to others.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Stage = Literal[
    "impression", "start", "booked", "reminded", "arrived", "checked_in", "served", "outcome", "follow_up",
    "returned",
]  # fmt: skip
"""In the order of the funnel."""
Aside = Literal[
    "waitlisted", "offered", "moved", "cancelled", "missed", "called", "recalled", "parked", "transferred",
    "left", "ticket", "document", "linked", "unlinked",
]  # fmt: skip
"""What also happens, beside the funnel."""
STAGES: tuple[Stage, ...] = get_args(Stage)
ASIDES: tuple[Aside, ...] = get_args(Aside)
Channel = Literal["card", "kiosk", "staff", "walk_in", "phone", "partner"]
UNRECORDED: frozenset[Stage] = frozenset({"reminded"})
"""Not every hub writes these (reminders may only go to the log): where none is in the ledger, their number is not known, not 0."""
CHANNELS: tuple[Channel, ...] = get_args(Channel)


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing that happened in a journey; `customer` is a pseudonym, and no name is ever in `detail`."""

    stage: Stage | Aside
    at_ms: int
    site: str
    journey: str
    service: str | None = None
    channel: Channel | None = None
    scene: str | None = None
    partner: str | None = None
    customer: str | None = None
    appointment: str | None = None
    detail: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


def new_journey() -> str:
    """A random id for one errand."""
    return f"j-{secrets.token_hex(8)}"
