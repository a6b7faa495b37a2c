"""Which zones serve a queue, and which of them were drawn over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from branchloop import geometry
from branchloop.site import Site, Zone
from branchloop.text import Language, say

SERVING = ("counter", "desk", "self-service")
LEAST_M2 = 0.05
"""Two zones that share less than this only touch: corners are drawn to a few centimetres."""


def serving_zones(queue: Zone, zones: Sequence[Zone]) -> list[Zone]:
    """The zones where a queue's wait ends: those it names, or every counter, desk and machine."""
    if queue.served_in:
        return [zone for zone in zones if zone.id in queue.served_in]
    return [zone for zone in zones if zone.kind in SERVING]


def fellow_queues(queue: Zone, zones: Sequence[Zone]) -> list[Zone]:
    """The other queues that share a serving zone with it."""
    mine = {each.id for each in serving_zones(queue, zones)}
    return [
        other
        for other in zones
        if other.kind == "queue"
        and other.id != queue.id
        and any(each.id in mine for each in serving_zones(other, zones))
    ]


def ceded(queue: Zone, zones: Sequence[Zone]) -> list[Zone]:
    """The zones to which a queue leaves the floor that it shares with them: nobody waits in two of them at once.

    Those that serve it, and the queues of the same counters that are named before it.
    """
    before = {zone.id for zone in zones[: [zone.id for zone in zones].index(queue.id)]}
    fellows = [zone for zone in fellow_queues(queue, zones) if zone.id in before]
    return [*serving_zones(queue, zones), *fellows]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Floor that a queue shares with a zone to which it leaves it."""

    queue: str
    other: str
    shared_m2: float
    serves: bool
    """Whether `other` serves the queue; else it is a queue of the same counters."""

    def told(self, language: Language) -> str:
        """What it means and how to mend it."""
        key = "setup.overlap.serving" if self.serves else "setup.overlap.queue"
        return say(key, language, queue=self.queue, other=self.other, shared_m2=f"{self.shared_m2:.1f}")


def overlaps(site: Site) -> list[Overlap]:
    """Where queues lose floor to what they share it with."""
    return [
        Overlap(queue.id, other.id, shared_m2, other.kind != "queue")
        for queue in site.zones
        if queue.kind == "queue"
        for other in ceded(queue, site.zones)
        if (shared_m2 := geometry.shared_area(queue.polygon, other.polygon)) >= LEAST_M2
    ]
