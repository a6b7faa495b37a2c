"""Zones: who stands in them, for how long, and the visits that ended.

A visit begins at the entry, becomes one after `min_stay_s`, and ends when the person was outside
for `LEAVE_MS`, so that a step over the border is not a second visit; one who vanished ended it when
last inside.
"""

from __future__ import annotations

from dataclasses import dataclass

from branchloop import geometry
from branchloop.site.site import Zone
from edge.floor.counting.border import Border
from edge.floor.counting.presence import Presence
from edge.floor.handover import Renamed

LEAVE_MS = 1_500
SETTLE_MS = 1_000
"""An entry is believed after this time inside, or after the zone's minimum stay where that is shorter."""
UNSEEN_MS = 10_000
"""A track that broke may be found again; only then is a stay that nobody saw end over."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay in a zone from `start_ms` to `end_ms`; `end_ms` is None while it lasts."""

    zone: str
    person: int
    start_ms: int
    end_ms: int | None


@dataclass(slots=True)
class _Stay:
    presence: Presence
    seen_ms: int = 0
    told: bool = False


class ZoneMeter:
    """One zone; fed (time, person, place) in time order."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self._min_stay_ms = round(zone.min_stay_s * 1000)
        self._stays: dict[int, _Stay] = {}
        self._border = Border(zone.polygon)

    def holds(self, place_m: geometry.Point) -> bool:
        """Whether a place lies in the zone."""
        return self._border.holds(place_m)

    def step(
        self, t_ms: int, until_ms: int, person: int, place_m: geometry.Point, *, inside: bool
    ) -> list[Visit]:
        """The person stood at `place_m`, in the zone or not, during `[t_ms, until_ms)`; visits that begin or end by it.

        A visit is told once it has lasted long enough, or when it is over and was long enough.
        """
        if until_ms <= t_ms:
            return []  # told again a moment later
        turned_ms = self._border.turned_ms(t_ms, person, place_m, inside=inside)
        stay = self._stays.get(person)
        if stay is None:
            if not inside:
                return []
            stay = self._stays[person] = _Stay(Presence(min(SETTLE_MS, self._min_stay_ms), LEAVE_MS))
        stay.seen_ms = until_ms
        start_ms = stay.presence.since_ms
        turned = stay.presence.step(t_ms, until_ms, inside=inside, turned_ms=turned_ms)
        if turned and not stay.presence.inside:
            begun = self._begin(person, stay, start_ms, stay.presence.since_ms)
            return begun + self._end(person, stay, start_ms, stay.presence.since_ms)
        if stay.presence.inside:
            return self._begin(person, stay, stay.presence.since_ms, min(stay.presence.held_until_ms, t_ms))
        return []

    def sweep(self, now_ms: int) -> list[Visit]:
        """End the stays of people not seen for a while, at the time they were last inside."""
        ended: list[Visit] = []
        self._border.forget(now_ms - UNSEEN_MS)
        for person in [p for p, stay in self._stays.items() if now_ms - stay.seen_ms >= UNSEEN_MS]:
            stay = self._stays[person]
            ended += self._end(person, stay, stay.presence.since_ms, stay.presence.held_until_ms)
        return ended

    def take_over(self, leaving: ZoneMeter, ids: Renamed) -> None:
        """Go on with the stays that last by another meter of the zone; `ids` says who its people are here."""
        self._stays = {ids.anyhow(person): stay for person, stay in leaving._stays.items()}
        self._border.take_over(leaving._border, ids)

    def _begin(self, person: int, stay: _Stay, start_ms: int, until_ms: int) -> list[Visit]:
        if stay.told or until_ms - start_ms < self._min_stay_ms:
            return []
        stay.told = True
        return [Visit(self.zone.id, person, start_ms, None)]

    def drop(self, person: int) -> None:
        """The person is staff: the stay that lasts is no visit."""
        self._stays.pop(person, None)

    def _end(self, person: int, stay: _Stay, start_ms: int, end_ms: int) -> list[Visit]:
        del self._stays[person]
        return [Visit(self.zone.id, person, start_ms, end_ms)] if stay.told else []
