"""What this kiosk knows of today: appointments, tickets, queues; forgotten at closing time. Pure.

Codes are known by their keyed digest alone. Whatever is asked is answered from the gallery that came last
and the tickets that this kiosk has given since, so it works with the hub out of reach.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from branchloop.clock import DAY_MS
from branchloop.codes import code_digest
from branchloop.errors import ConflictError
from branchloop.waiting import expected_wait_s
from branchloop.wire.commands import Expected, Gallery
from edge.kiosk.hubtime import CLOCK_OFF_MS

Refusal = Literal["cancelled", "served", "too_early", "too_late", "no_gallery"]
QUEUE_FRESH_MS = 900_000
"""A queue that was told longer ago says nothing of the wait."""
FORECAST_FRESH_MS = 150_000
"""The hub tells its forecast once a minute at least; after this the kiosk tells its own estimate, and says so."""
BOOKED_WITHIN_MS = 300_000
"""Whose appointment is this near, or over, waits as somebody appointed for now."""
GIVEN_MS = DAY_MS
"""A ticket is this kiosk's to know for so long: the branch may not close at midnight."""


@dataclass(frozen=True, slots=True)
class Given:
    """A ticket that this kiosk gave."""

    appointment: str
    number: str
    at_ms: int
    service: str | None = None
    """Of a ticket without appointment, which `appointment` then names by the kiosk's own id."""


@dataclass(frozen=True, slots=True)
class ToldWait:
    """A wait in seconds: the hub's forecast with its interval, or without one the kiosk's own `estimate`."""

    wait_s: float
    low_s: float | None = None
    high_s: float | None = None

    @property
    def estimate(self) -> bool:
        """Whether it is the kiosk's own."""
        return self.low_s is None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody who has a ticket stands, by the hub's word; what it has not said lately is None."""

    called: bool = False
    counter: str | None = None
    """Where who is called is to go: an id of a counter, or what staff typed."""
    ahead: int | None = None
    """How many are called before."""
    wait: ToldWait | None = None
    """Their own, not that of who comes now."""


class Day:
    """Today, as this kiosk knows it."""

    def __init__(self, given: Collection[Given] = ()) -> None:
        self.gallery: Gallery | None = None
        self._given = {each.appointment: each for each in given}

    def take(self, gallery: Gallery, now_ms: int) -> bool:
        """Take a newer gallery; False for an older one, unless the one here is of a time that a hub's clock had leapt to."""
        last_ms = now_ms + CLOCK_OFF_MS
        if self.gallery is not None and gallery.made_ms <= self.gallery.made_ms <= last_ms:
            return False
        self.gallery = gallery
        since_ms = min(now_ms, gallery.made_ms) - GIVEN_MS
        self._given = {each.appointment: each for each in self._given.values() if each.at_ms > since_ms}
        return True

    def close(self, now_ms: int) -> bool:
        """Forget the day once it is over; True when it just was."""
        if self.gallery is None or now_ms < self.gallery.valid_until_ms:
            return False
        self.gallery = None
        self._given = {}
        return True

    def by_code(self, code: str) -> Expected | None:
        """The appointment that a code opens; compared with every one, in the same time."""
        if self.gallery is None:
            return None
        wanted = code_digest(self.gallery.salt, code)
        found = [each for each in self.gallery.appointments if hmac.compare_digest(each.code_digest, wanted)]
        return found[0] if found else None

    def by_number(self, booking_no: str) -> Expected | None:
        """The appointment of a booking number."""
        return next((each for each in self._all() if each.booking_no == booking_no), None)

    def by_consent(self, consent: str) -> Expected | None:
        """The earliest appointment of a consent that is still to come in."""
        mine = [each for each in self._all() if each.consent == consent and each.state != "cancelled"]
        return min(mine, key=lambda each: (each.state != "booked", each.start_ms), default=None)

    def holds(self, consent: str) -> bool:
        """Whether a consent holds, as far as the hub last said."""
        return self.gallery is not None and consent in self.gallery.consents

    def candidates(self, now_ms: int) -> list[Expected]:
        """Who may be recognised now: a consent that holds, and within the arrival window."""
        return [
            each
            for each in self._all()
            if each.consent is not None and self.holds(each.consent) and self.refusal(each, now_ms) is None
        ]

    def refusal(self, expected: Expected, now_ms: int) -> Refusal | None:
        """Why an appointment cannot be checked in now; who has a ticket already gets it shown again."""
        if expected.state == "cancelled":
            return "cancelled"
        if expected.state == "served":
            return "served"
        if self.ticket(expected) is not None:
            return None
        if now_ms < expected.window_from_ms:
            return "too_early"
        return "too_late" if now_ms > expected.window_to_ms else None

    def ticket(self, expected: Expected) -> str | None:
        """The number that an appointment has, by this kiosk or another way."""
        mine = self._given.get(expected.id)
        return mine.number if mine is not None else expected.number

    def standing(self, expected: Expected, now_ms: int) -> Standing:
        """Of somebody who has a ticket already. Tickets given here since the hub's word may be called before: then nothing is known."""
        told = next((each for each in self._all() if each.id == expected.id), expected)
        if told.state == "called":
            return Standing(called=True, counter=told.counter)
        if self.gallery is None or now_ms - self.gallery.made_ms > FORECAST_FRESH_MS:
            return Standing()
        if told.state != "arrived" or any(each.at_ms > self.gallery.made_ms for each in self._given.values()):
            return Standing()
        if told.wait_s is None or told.wait_low_s is None or told.wait_high_s is None:
            return Standing(ahead=told.ahead)
        return Standing(ahead=told.ahead, wait=ToldWait(told.wait_s, told.wait_low_s, told.wait_high_s))

    def next_number(self, used: int, taken: Collection[int] = ()) -> str:
        """The next number of this kiosk's range; `used` is the last one it gave itself of it, 0 for none, `taken` are others that it must not give.

        Raises ConflictError when the range is used up, or there is none.
        """
        if self.gallery is None:
            raise ConflictError("this kiosk knows of no day.", hint="Ask our staff.")
        tickets = self.gallery.tickets
        numbers = range(max(tickets.first, used + 1), tickets.last + 1)
        count = next((each for each in numbers if each not in taken), None)
        if count is None:
            raise ConflictError("this kiosk has no number left today.", hint="Ask our staff.")
        return f"{tickets.series}{count:03d}"

    def gave(self, given: Given) -> None:
        """A ticket was given here."""
        self._given[given.appointment] = given

    def wait(
        self, service: str, now_ms: int, besides: str = "", start_ms: int | None = None
    ) -> ToldWait | None:
        """The wait for a service; None when it cannot be told.

        `besides` is whose ticket does not count, `start_ms` for when who asks is appointed.
        """
        queue = next((q for q in self.gallery.queues if q.service == service), None) if self.gallery else None
        if queue is None or now_ms - queue.as_of_ms > QUEUE_FRESH_MS:
            return None
        since = self._given_since(queue.as_of_ms, now_ms, service, besides)
        near = start_ms is not None and start_ms - now_ms <= BOOKED_WITHIN_MS
        middle_s, low_s, high_s = (
            (queue.booked_s, queue.booked_low_s, queue.booked_high_s)
            if near
            else (queue.wait_s, queue.wait_low_s, queue.wait_high_s)
        )
        fresh = now_ms - queue.as_of_ms <= FORECAST_FRESH_MS
        if middle_s is not None and low_s is not None and high_s is not None and fresh:
            more_s = since * (queue.mean_service_s or 0.0) / max(1, queue.counters)
            return ToldWait(middle_s + more_s, low_s, high_s + more_s)
        own_s = expected_wait_s(queue.waiting + since, queue.counters, queue.busy, queue.mean_service_s)
        return None if own_s is None else ToldWait(own_s)

    def wait_s(self, service: str, now_ms: int, besides: str = "") -> float | None:
        """The same in one number."""
        told = self.wait(service, now_ms, besides)
        return None if told is None else told.wait_s

    def _given_since(self, as_of_ms: int, now_ms: int, service: str, besides: str) -> int:
        last_ms = now_ms + CLOCK_OFF_MS  # not those of a time that a hub's clock had leapt to
        services = {each.id: each.service for each in self._all()}
        return sum(
            as_of_ms < each.at_ms <= last_ms and (each.service or services.get(each.appointment)) == service
            for each in self._given.values()
            if each.appointment != besides
        )

    def _all(self) -> list[Expected]:
        return list(self.gallery.appointments) if self.gallery is not None else []
