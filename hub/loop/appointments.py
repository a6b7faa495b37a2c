"""An appointment's life: booked, arrived, called, served; or cancelled, missed, left. And a branch's places. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Literal

from branchloop.clock import HOUR_MS, MINUTE_MS
from branchloop.errors import ConflictError, InputError
from branchloop.site.kiosk import Service
from branchloop.site.parts import Text
from branchloop.site.site import Site

State = Literal[
    "booked", "arrived", "called", "parked", "served", "cancelled", "missed", "left", "waitlisted"
]
"""`missed`: did not come, the place was given back; `left`: went away again; `waitlisted`: has no place yet."""
Kind = Literal["booked", "walk_in", "remote"]
Outcome = Literal["done", "partly", "documents_missing", "not_served"]
"""What a visit came to."""
Step = Literal["arrive", "call", "serve", "cancel", "park", "resume", "leave"]
Method = Literal["code", "face", "staff", "kiosk"]
"""How somebody checked in; `kiosk`: took a ticket there without an appointment."""
_STEPS: Mapping[Step, tuple[frozenset[State], State]] = {
    "arrive": (frozenset({"booked", "missed"}), "arrived"),
    "call": (frozenset({"arrived"}), "called"),
    "serve": (frozenset({"called"}), "served"),
    "cancel": (frozenset({"booked", "waitlisted"}), "cancelled"),
    "park": (frozenset({"arrived", "called"}), "parked"),
    "resume": (frozenset({"parked"}), "arrived"),
    "leave": (frozenset({"arrived", "called", "parked"}), "left"),
}
_ANEW = "Who is here now takes a ticket."
_INSTEAD: Mapping[tuple[State, Step], str] = {
    ("parked", "arrive"): "Its customer is here already: take them back in line.",
    ("left", "arrive"): _ANEW,
    ("served", "arrive"): _ANEW,
    ("cancelled", "arrive"): _ANEW,
}
"""What to do with somebody who shows a code all the same."""
HOLD_MS = 2 * HOUR_MS
"""So long a place that frees is held for who it is offered to."""
NOTICE_MS = 30 * MINUTE_MS
"""So long before its start it must be confirmed, to be of use to somebody else still."""
_LEAST_HELD_MS = 10 * MINUTE_MS
MAX_NAME = 60
AHEAD_DAYS = 60
"""So far ahead a place can be booked."""


class SlotGoneError(ConflictError):
    """Somebody else has the place."""

    kind: ClassVar[str] = "slot-gone"


class OwnTimeError(SlotGoneError):
    """The customer's own appointment has the time."""

    kind: ClassVar[str] = "own-time"


class TooManyOpenError(ConflictError):
    """The customer has as many appointments ahead as one may have."""

    kind: ClassVar[str] = "too-many-open"


class ClosedError(ConflictError):
    """The branch is closed."""

    kind: ClassVar[str] = "closed"


@dataclass(frozen=True, slots=True)
class Slot:
    """A time at which a service can be booked; `free` of `places` are left."""

    start_ms: int
    end_ms: int
    places: int
    free: int


def after(state: State, step: Step) -> State:
    """The state after a step. Raises ConflictError when the step does not follow."""
    before, then = _STEPS[step]
    if state not in before:
        raise ConflictError(
            f"the appointment is {state}; it cannot {step} now.",
            hint=_INSTEAD.get((state, step)) or f"Only one that is {' or '.join(sorted(before))} can.",
        )
    return then


def done_already(state: State, step: Step) -> bool:
    """Whether a repeated step finds what it wants: asking twice is no fault."""
    return state == _STEPS[step][1]


def service_of(site: Site, service: str) -> Service:
    """A service of a branch. Raises InputError when it has none by that id."""
    for each in site.services:
        if each.id == service:
            return each
    names = ", ".join(each.id for each in site.services) or "none"
    raise InputError(f"{site.id} has no service {service[:40]!r}.", hint=f"It has: {names}.")


def service_then(site: Site, service: str) -> Service:
    """The service of an appointment that stands; one that the branch has no more is told by its id."""
    found = next((each for each in site.services if each.id == service), None)
    return found or Service(id=service, name=Text(en=service, zh=service), minutes=1)


def slots(site: Site, service: Service, day: date, taken: Mapping[int, int]) -> list[Slot]:
    """Slots of a local day in order; `taken` is start_ms -> places that are booked."""
    length_ms, step_ms = service.minutes * MINUTE_MS, service.slot_minutes * MINUTE_MS
    found: list[Slot] = []
    for open_ms, close_ms in site.open_spans_ms(day):
        start_ms = open_ms
        while start_ms + length_ms <= close_ms:
            free = max(0, service.per_slot - taken.get(start_ms, 0))
            found.append(Slot(start_ms, start_ms + length_ms, service.per_slot, free))
            start_ms += step_ms
    return found


def offerable(start_ms: int, now_ms: int) -> bool:
    """Whether a place that frees now can be offered to who waits for one: there is time to confirm it."""
    return start_ms - NOTICE_MS >= now_ms + _LEAST_HELD_MS


def arrival_window_ms(site: Site, start_ms: int) -> tuple[int, int]:
    """From when to when somebody may check in for an appointment."""
    return start_ms - site.arrive_early_min * MINUTE_MS, start_ms + site.arrive_late_min * MINUTE_MS


def masked(name: str) -> str:
    """A name as others may see it: 王*, A***; the length beyond the first letter is not told."""
    clean = clean_name(name)
    return f"{clean[0]}*" if _is_chinese(clean[0]) else f"{clean[0].upper()}***"


def clean_name(name: str) -> str:
    """A name without needless blanks. Raises InputError when it is none."""
    clean = " ".join(name.split())
    if not clean or len(clean) > MAX_NAME or not clean.isprintable() or not clean[0].isalpha():
        raise InputError("this is not a name.", hint=f"Give 1 to {MAX_NAME} letters.")
    return clean


def _is_chinese(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff" or "\U00020000" <= letter <= "\U0003ffff"
