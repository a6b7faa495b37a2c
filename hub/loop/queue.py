"""Who is called next: in the order of promised times, whatever the way somebody checked in. Pure.

Who booked was promised the appointed time; who comes early does not pass those who were appointed before,
who comes late takes the place that fits the arrival. Who walks in is promised a time, too: the arrival and
the service's `walk_in_target_min`, as if booked for then. So somebody present is only passed by those
with an earlier promise, of whom there is an end. How somebody checked in (face, code, staff) is not known here, so it cannot count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from branchloop.clock import MINUTE_MS


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody who has arrived and was not called yet; `start_ms` is the time promised."""

    appointment: str
    service: str
    start_ms: int
    arrived_ms: int


def order(waiting: Iterable[Waiting]) -> list[Waiting]:
    """In the order of being called."""
    return sorted(waiting, key=_due)


def ahead(waiting: Iterable[Waiting], somebody: Waiting) -> int:
    """How many of the same service are called before somebody."""
    mine = _due(somebody)
    return sum(each.service == somebody.service and _due(each) < mine for each in waiting)


def _due(waiting: Waiting) -> tuple[int, int, str]:
    return max(waiting.start_ms, waiting.arrived_ms), waiting.arrived_ms, waiting.appointment


def promised_ms(arrived_ms: int, walk_in_target_min: int) -> int:
    """What somebody without an appointment is promised."""
    return arrived_ms + walk_in_target_min * MINUTE_MS
