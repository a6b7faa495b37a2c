"""Who is called next: by the later of appointed time and arrival, whatever the way somebody checked in. Pure.

Who comes early does not pass those who were appointed before; who comes late takes the place that fits
the arrival. How somebody checked in (face, code, staff) is not known here, so it cannot count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody who has arrived and was not called yet."""

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
