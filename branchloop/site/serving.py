"""Which zones serve a queue, and to which it leaves the floor that it shares with them."""

from __future__ import annotations

from collections.abc import Sequence

from branchloop.site.site import Zone

SERVING = ("counter", "desk", "self-service")


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
