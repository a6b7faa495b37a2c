"""Which zones serve a queue, and which of them were drawn over each other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from branchloop import geometry
from branchloop.site import Site, Zone

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


def overlaps(site: Site) -> list[str]:
    """A sentence for each queue that shares floor with a zone that serves it, or with another queue of the same counters."""
    said: list[str] = []
    queues = [zone for zone in site.zones if zone.kind == "queue"]
    for queue in queues:
        for serving in serving_zones(queue, site.zones):
            shared_m2 = geometry.shared_area(queue.polygon, serving.polygon)
            if shared_m2 >= LEAST_M2:
                said.append(
                    f"queue {queue.id!r} and {serving.id!r}, which serves it, share {shared_m2:.1f} m²: nobody "
                    f"counts as waiting there. Leave a gap between them."
                )
    for one, other in itertools.combinations(queues, 2):
        shared_m2 = geometry.shared_area(one.polygon, other.polygon)
        if shared_m2 >= LEAST_M2 and other in fellow_queues(one, site.zones):
            said.append(
                f"queues {one.id!r} and {other.id!r} of the same counters share {shared_m2:.1f} m²: whoever is "
                f"served from there counts in both. Draw them side by side."
            )
    return said
