"""Who may publish and subscribe what: one list, from which every broker's rules are made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from branchloop.credentials import HUB_API, HUB_INGEST, username
from branchloop.site.site import Site
from branchloop.wire import topics

LIVE_FILTER = f"{topics.ROOT}/+/+/live"
INGEST_FILTERS = (*(name for name in topics.hub_filters() if name != LIVE_FILTER), topics.HUB_STATUS)


@dataclass(frozen=True, slots=True)
class Grant:
    """One broker user; topics are MQTT filters, `+` included."""

    user: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def grants(sites: Iterable[Site]) -> list[Grant]:
    """The hub's own two users and one per box and kiosk. Each reaches nothing but its own topics."""
    hub_publishes = [f"{topics.ROOT}/+/+/{kind}" for kind in topics.EDGE_SUBSCRIBES]
    listed = [
        Grant(HUB_INGEST, (*hub_publishes, topics.HUB_STATUS), INGEST_FILTERS),
        Grant(HUB_API, (), (LIVE_FILTER,)),
    ]
    for site in sites:
        devices = [*([site.box.id] if site.box is not None else []), *(kiosk.id for kiosk in site.kiosks)]
        listed += [
            Grant(
                username(site.id, device),
                tuple(topics.build(site.id, device, kind) for kind in topics.EDGE_PUBLISHES),
                tuple(topics.edge_filters(site.id, device)),
            )
            for device in devices
        ]
    return listed
