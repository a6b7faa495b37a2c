"""One appointment as kept, and how rows of the table become one."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

from branchloop.text.catalogue import Language
from hub.loop.appointments import Kind, Method, Outcome, State
from hub.loop.journey import Aside, Channel, Happened, Stage

_COLUMNS = (
    "id, site, service, day, start_ms, end_ms, window_from_ms, window_to_ms, place, customer, masked_name, title, "
    "minor, booking_no, state, booked_ms, arrived_ms, called_ms, served_ms, cancelled_ms, number, method, counter, "
    "kind, channel, journey, scene, partner, calls, outcome, language, remind, left_ms, follow_up, offered_until_ms"
)
TAKEN = "kind='booked' AND state NOT IN ('cancelled', 'missed') AND (state<>'waitlisted' OR offered_until_ms IS NOT NULL)"
"""Which appointments have a place, as the unique indexes say it: somebody on the waitlist has one while it is offered."""
_MINOR, _REMIND = 12, 31


@dataclass(frozen=True, slots=True)
class Appointment:
    """One appointment as kept; no name and no code."""

    id: str
    site: str
    service: str
    day: str
    start_ms: int
    end_ms: int
    window_from_ms: int
    window_to_ms: int
    place: int
    customer: str
    masked_name: str
    title: Literal["mr", "ms"] | None
    minor: bool
    booking_no: str
    state: State
    booked_ms: int
    arrived_ms: int | None
    called_ms: int | None
    served_ms: int | None
    cancelled_ms: int | None
    number: str | None
    method: Method | None
    counter: str | None
    kind: Kind
    channel: Channel
    journey: str
    scene: str | None
    partner: str | None
    calls: int
    outcome: Outcome | None
    language: Language
    remind: bool
    left_ms: int | None
    follow_up: str | None
    """Hex of what is under the customer's key, see `hub.store.book.queueing.follow_up_of`."""
    offered_until_ms: int | None
    """On the waitlist: so long a place is held, whose time is then the appointment's."""

    @property
    def over(self) -> bool:
        """Whether the visit took place and is over, whatever it came to; not of who went away by themselves."""
        return self.state == "served" or self.outcome is not None

    def happened(self, stage: Stage | Aside, at_ms: int, **detail: str | float | bool | None) -> Happened:
        """What happened in its journey."""
        return Happened(
            stage, at_ms, self.site, self.journey or f"j-{self.id}", self.service, self.channel, self.scene,
            self.partner, self.customer, self.id, detail,
        )  # fmt: skip


def appointments(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Appointment]:
    """Those that a condition holds of, by start."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM appointment WHERE {where} ORDER BY start_ms, booked_ms, id", values
    ).fetchall()
    return [_appointment(row) for row in rows]


def _appointment(row: tuple[object, ...]) -> Appointment:
    fields = list(row)
    for flag in (_MINOR, _REMIND):
        fields[flag] = bool(fields[flag])
    return Appointment(*fields)  # type: ignore[arg-type]
