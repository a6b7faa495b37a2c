"""Who is called next: in the order of promised times, whatever the way somebody checked in. Pure.

Who booked was promised the appointed time; who comes early does not pass those who were appointed before,
who comes late takes the place that fits the arrival. Who walks in is promised a time, too: the arrival and
the service's `walk_in_target_min`, as if booked for then. So somebody present is only passed by those
with an earlier promise, of whom there is an end.

Who takes a place from afar is promised the time at which the turn is forecast then, and no earlier than a
walk-in of that moment; nor earlier than anybody who took one before, also when that one was given back: so
taking anew gains nothing. Who then comes late takes the place that fits the arrival. How somebody checked in (face, code, staff) is not known here, so it cannot count.
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


def remote_promised_ms(taken_ms: int, walk_in_target_min: int, wait_s: float | None, before_ms: int) -> int:
    """What is promised to who takes a place from afar: `before_ms` is the last such promise of the day, or 0.

    `wait_s` is the wait that is forecast, None when it cannot be told.
    """
    turn_ms = taken_ms + round(1000 * (wait_s or 0.0))
    return max(promised_ms(taken_ms, walk_in_target_min), turn_ms, before_ms)
