"""Who is staff: by where they stand and when they come, never by how they look.

Whoever stays in a staff zone for `staff_after_s`, or crosses an entrance during `staff_hours`, is staff
from then on, until the track is lost for good.
"""

from __future__ import annotations

from collections.abc import Mapping

from branchloop import geometry
from branchloop.site.site import Site
from edge.floor.counting.lines import Key
from edge.floor.counting.presence import Presence

LEAVE_MS = 1_500
SETTLE_MS = 1_000
FORGET_MS = 60_000


class StaffRoll:
    """The staff among the people of a site; fed (time, person, place) in time order."""

    def __init__(self, site: Site) -> None:
        self._zones = [zone.polygon for zone in site.zones if zone.kind == "staff"]
        self._has_staff = bool(self._zones or site.staff_hours)
        self._after_ms = round(site.staff_after_s * 1000)
        self._behind: dict[Key, Presence] = {}
        self._seen_ms: dict[Key, int] = {}
        self._staff: set[Key] = set()

    def step(self, t_ms: int, until_ms: int, person: int, place_m: geometry.Point) -> None:
        """The person stood at `place_m` during `[t_ms, until_ms)`."""
        self._seen_ms[person] = until_ms
        if person in self._staff or not self._zones:
            return
        inside = any(geometry.contains(polygon, place_m) for polygon in self._zones)
        behind = self._behind.get(person)
        if behind is None:
            if not inside:
                return
            behind = self._behind[person] = Presence(min(SETTLE_MS, self._after_ms), LEAVE_MS)
        behind.step(t_ms, until_ms, inside=inside)
        if behind.inside and behind.held_until_ms - behind.since_ms >= self._after_ms:
            self._staff.add(person)

    def add(self, person: Key, t_ms: int) -> None:
        """The person came or went at a time when only staff does."""
        self._seen_ms.setdefault(person, t_ms)
        self._staff.add(person)

    def take_over(self, leaving: StaffRoll, ids: Mapping[int, int]) -> None:
        """Know whom another roll knew; `ids` says who its people are here. Nobody is staff of a site without staff."""
        if not self._has_staff:
            return
        for person, here in ids.items():
            if person in leaving._staff:
                self.add(here, leaving._seen_ms[person])
            elif person in leaving._behind:
                self._behind[here] = leaving._behind[person]

    def __contains__(self, person: object) -> bool:
        return person in self._staff

    def forget(self, now_ms: int) -> None:
        """Drop people unseen for a minute: an id that comes back later is somebody else's."""
        for person in [p for p, seen_ms in self._seen_ms.items() if now_ms - seen_ms >= FORGET_MS]:
            del self._seen_ms[person]
            self._behind.pop(person, None)
            self._staff.discard(person)
