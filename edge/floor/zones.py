"""Zones: who stands in them, for how long, and the visits that ended.

A visit begins at the entry, becomes one after `min_stay_s`, and ends when the person was outside
(or unseen) for `LEAVE_MS`, so that a step over the border is not a second visit.
"""

from __future__ import annotations

from dataclasses import dataclass

from branchloop import geometry
from branchloop.site import Zone

LEAVE_MS = 1_500
UNSEEN_MS = 3_500


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay in a zone from `start_ms` to `end_ms`; `end_ms` is None while it lasts."""

    zone: str
    person: int
    start_ms: int
    end_ms: int | None


@dataclass(slots=True)
class _Stay:
    start_ms: int
    inside_ms: int
    told: bool = False


class ZoneMeter:
    """One zone; fed (time, person, place) in time order."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self._min_stay_ms = round(zone.min_stay_s * 1000)
        self._stays: dict[int, _Stay] = {}
        self._seen_ms: dict[int, int] = {}

    def holds(self, place_m: geometry.Point) -> bool:
        """Whether a place lies in the zone."""
        return geometry.contains(self.zone.polygon, place_m)

    def step(self, t_ms: int, until_ms: int, person: int, *, inside: bool) -> list[Visit]:
        """The person was inside (or not) during `[t_ms, until_ms)`; visits that begin or end by it."""
        self._seen_ms[person] = until_ms
        stay = self._stays.get(person)
        if inside:
            if stay is None:
                stay = self._stays[person] = _Stay(t_ms, until_ms)
            stay.inside_ms = until_ms
            if not stay.told and stay.inside_ms - stay.start_ms >= self._min_stay_ms:
                stay.told = True
                return [Visit(self.zone.id, person, stay.start_ms, None)]
        elif stay is not None and until_ms - stay.inside_ms >= LEAVE_MS:
            return self._end(person, stay)
        return []

    def sweep(self, now_ms: int) -> list[Visit]:
        """End the stays of people not seen for a while, at the time they were last inside."""
        ended: list[Visit] = []
        for person in [p for p, seen_ms in self._seen_ms.items() if now_ms - seen_ms >= UNSEEN_MS]:
            del self._seen_ms[person]
            if (stay := self._stays.get(person)) is not None:
                ended += self._end(person, stay)
        return ended

    def _end(self, person: int, stay: _Stay) -> list[Visit]:
        del self._stays[person]
        return [Visit(self.zone.id, person, stay.start_ms, stay.inside_ms)] if stay.told else []
