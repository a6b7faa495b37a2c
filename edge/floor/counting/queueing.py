"""Queues: who waits, for how long, and how the wait ends.

A wait begins where a person joins the queue's zone and ends when one of the zones that serve it is
reached (*served*: the way there is part of the wait) or when the person leaves without reaching one
(*abandoned*, dated at the leaving). A stay shorter than the zone's `min_stay_s` is passing through.
What nobody saw is neither: a track that breaks off for good, or one that begins deep inside the queue,
is *lost* and has no duration. So is the wait of somebody who turns out to be staff, once it was told that it began.

Where a serving zone overlaps the queue it is the counter's: who stands at a counter waits for none. Where queues of the same
counters overlap, the floor is that of the first. Who goes on to another of them has left neither; the wait goes on there
(`goes_on`, asked by `edge.floor.counting.queues`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from branchloop import geometry
from branchloop.site.serving import ceded, fellow_queues, serving_zones
from branchloop.site.site import Line, Plan, Site, Zone
from edge.floor.counting.border import Border
from edge.floor.counting.presence import Presence
from edge.floor.counting.zones import LEAVE_MS, SETTLE_MS, UNSEEN_MS
from edge.floor.handover import Renamed

GRACE_MS = 30_000
"""How long the way from the queue to a counter may take before it counts as having left."""
REJOIN_MS = 15_000
"""Whoever was served walks back through the queue: only a stay this long is a second wait."""
DEEP_M = 0.8
"""A track that begins deeper than this inside a queue had joined it before."""
EDGE_M = 1.0
"""A track that ends this close to an entrance or to the plan's edge has gone."""

Outcome = Literal["served", "abandoned", "lost"]


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait in `queue` that ended: `wait_ms` from joining, None when a beginning or end went unseen."""

    queue: str
    person: int
    start_ms: int
    end_ms: int
    outcome: Outcome
    served_in: str | None = None

    @property
    def wait_ms(self) -> int | None:
        """Its duration, where both ends were seen."""
        return None if self.outcome == "lost" else self.end_ms - self.start_ms


@dataclass(slots=True)
class Progress:
    """What one step told: waits that began or ended, and time somebody is now known to have waited."""

    joined: int = 0
    ended: list[Wait] = field(default_factory=list)
    waited: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting:
    here: Presence
    onward: dict[str, Presence]
    begun_unseen: bool
    min_stay_ms: int
    start_ms: int | None = None
    left_ms: int | None = None
    joined: bool = False
    seen_ms: int = 0
    place_m: geometry.Point = (0.0, 0.0)
    pending: list[tuple[int, int]] = field(default_factory=list)


class QueueMeter:
    """One queue; fed (time, person, place) in time order."""

    def __init__(self, zone: Zone, site: Site) -> None:
        self.zone = zone
        self._min_stay_ms = round(zone.min_stay_s * 1000)
        serving, fellows = serving_zones(zone, site.zones), fellow_queues(zone, site.zones)
        self._border = _floor_of(zone, site)
        self._serving = {each.id for each in serving}
        self._onward = {each.id: each for each in (*serving, *fellows)}
        self._borders = {each.id: Border(each.polygon) for each in serving}
        self._borders |= {each.id: _floor_of(each, site) for each in fellows}
        self._exits: Sequence[Line] = site.entrances
        self._plan: Plan = site.plan
        self._people: dict[int, _Waiting] = {}
        self._known: dict[int, int] = {}
        self._were_served: set[int] = set()
        self._opening = False

    def step(self, t_ms: int, until_ms: int, person: int, place_m: geometry.Point) -> Progress:
        """The person stood at `place_m` during `[t_ms, until_ms)`."""
        if until_ms <= t_ms:
            return Progress()  # told again a moment later
        inside = self._border.holds(place_m)
        turned_ms = self._border.turned_ms(t_ms, person, place_m, inside=inside)
        fresh = person not in self._known
        self._known[person] = until_ms
        waiting = self._people.get(person)
        if waiting is None:
            if not inside:
                return Progress()
            waiting = self._people[person] = _Waiting(
                Presence(min(SETTLE_MS, self._min_stay_ms), LEAVE_MS),
                self._nowhere_yet(),
                begun_unseen=fresh and (self._opening or _depth_m(self.zone, place_m) > DEEP_M),
                min_stay_ms=max(self._min_stay_ms, REJOIN_MS * (person in self._were_served)),
            )
        waiting.seen_ms, waiting.place_m = until_ms, place_m
        progress = Progress()
        self._here(progress, waiting, t_ms, until_ms, turned_ms, inside=inside)
        served = self._served(person, waiting, t_ms, until_ms)
        if waiting.joined and served is not None:
            self._end(progress, person, waiting, "served", *served)
        elif not waiting.joined and not waiting.here.inside and not inside and waiting.start_ms is not None:
            del self._people[person]
        if person in self._people and waiting.left_ms is not None and waiting.joined:
            on_the_way = any(presence.inside for presence in waiting.onward.values())
            if not on_the_way and until_ms - self._last_queued_ms(waiting) >= GRACE_MS:
                self._end(progress, person, waiting, "abandoned", waiting.left_ms)
        return progress

    def went_out(self, person: int) -> Progress:
        """The person crossed an entrance outwards: a wait that was left unserved is abandoned."""
        progress = Progress()
        waiting = self._people.get(person)
        if waiting is not None and waiting.joined:
            self._end(progress, person, waiting, "abandoned", _last_waited_ms(waiting))
        return progress

    def sweep(self, now_ms: int) -> Progress:
        """End the waits of people not seen for a while."""
        self._opening = False
        progress = Progress()
        for person in [p for p, w in self._people.items() if now_ms - w.seen_ms >= UNSEEN_MS]:
            waiting = self._people[person]
            served = self._stayed(waiting)
            if not waiting.joined:
                del self._people[person]
            elif served is not None:
                self._end(progress, person, waiting, "served", *served)
            elif waiting.left_ms is not None and self._gone_from(waiting.place_m):
                self._end(progress, person, waiting, "abandoned", waiting.left_ms)
            else:
                self._end(progress, person, waiting, "lost", waiting.here.held_until_ms)
        for person in [p for p, seen_ms in self._known.items() if now_ms - seen_ms >= UNSEEN_MS]:
            del self._known[person]
            self._were_served.discard(person)
        for border in (self._border, *self._borders.values()):
            border.forget(now_ms - UNSEEN_MS)
        return progress

    def stop(self) -> Progress:
        """Nobody watches from here on: every wait that lasts is lost."""
        progress = Progress()
        for person, waiting in list(self._people.items()):
            if waiting.joined:
                self._end(progress, person, waiting, "lost", waiting.here.held_until_ms)
        return progress

    def open(self) -> None:
        """The queue is new, the people are not: whoever is met in it first had joined before."""
        self._opening = True

    def take_over(self, leaving: QueueMeter, ids: Renamed) -> None:
        """Go on with the waits that last by another meter of the queue; `ids` says who its people are here."""
        for person, waiting in leaving._people.items():
            onward = {
                zone: waiting.onward.get(zone, presence) for zone, presence in self._nowhere_yet().items()
            }
            self._people[ids.anyhow(person)] = replace(waiting, onward=onward)
        self._known = {ids.anyhow(person): seen_ms for person, seen_ms in leaving._known.items()}
        self._were_served = {ids.anyhow(person) for person in leaving._were_served}
        self._border.take_over(leaving._border, ids)
        for zone, border in self._borders.items():
            if zone in leaving._borders:
                border.take_over(leaving._borders[zone], ids)

    def goes_on(self, person: int, there: QueueMeter) -> None:
        """Whoever left this queue and has since joined `there` waits on: that wait began with this one, which ends nowhere else."""
        left, joined = self._people.get(person), there._people.get(person)
        if left is None or joined is None or not (left.joined and joined.joined) or left.left_ms is None:
            return
        if joined.left_ms is not None and joined.left_ms <= left.left_ms:
            return
        joined.start_ms = min(left.start_ms or 0, joined.start_ms or 0)
        joined.begun_unseen |= left.begun_unseen
        del self._people[person]

    def was_served(self, person: int) -> None:
        """From a queue of the same counters: whoever walks back through this one has not joined it."""
        if person in self._known:
            self._were_served.add(person)

    def drop(self, person: int) -> Progress:
        """The person is staff: whoever serves does not wait. A wait that was told already is lost."""
        progress = Progress()
        waiting = self._people.get(person)
        if waiting is not None and waiting.joined:
            self._end(progress, person, waiting, "lost", _last_waited_ms(waiting))
        self._people.pop(person, None)
        return progress

    def waiting(self, people: Sequence[int]) -> int:
        """How many of these people wait now."""
        return sum((w := self._people.get(p)) is not None and w.joined and w.here.inside for p in people)

    def _here(
        self,
        progress: Progress,
        waiting: _Waiting,
        t_ms: int,
        until_ms: int,
        turned_ms: int | None,
        *,
        inside: bool,
    ) -> None:
        if waiting.here.step(t_ms, until_ms, inside=inside, turned_ms=turned_ms):
            if waiting.here.inside:
                waiting.start_ms = waiting.here.since_ms if waiting.start_ms is None else waiting.start_ms
                waiting.left_ms = None
            else:
                waiting.left_ms = waiting.here.since_ms
        if inside:
            waiting.pending.append((t_ms, until_ms))
        if not waiting.joined and waiting.start_ms is not None:
            upto_ms = min(waiting.here.held_until_ms, t_ms) if waiting.left_ms is None else waiting.left_ms
            waiting.joined = upto_ms - waiting.start_ms >= waiting.min_stay_ms
            progress.joined += waiting.joined
        if waiting.joined:
            progress.waited, waiting.pending = waiting.pending, []

    def _served(self, person: int, waiting: _Waiting, t_ms: int, until_ms: int) -> tuple[int, str] | None:
        """Since when, and in which zone, somebody is served whose stay there has proved long enough."""
        found: tuple[int, str] | None = None
        for zone, border in self._borders.items():
            presence = waiting.onward[zone]
            inside = border.holds(waiting.place_m)
            turned_ms = border.turned_ms(t_ms, person, waiting.place_m, inside=inside)
            since_ms, was_inside = presence.since_ms, presence.inside
            presence.step(t_ms, until_ms, inside=inside, turned_ms=turned_ms)
            if presence.inside:
                since_ms, upto_ms = presence.since_ms, min(presence.held_until_ms, t_ms)
            elif was_inside:
                upto_ms = presence.since_ms
            else:
                continue
            if found is None and zone in self._serving and upto_ms - since_ms >= self._least_ms(zone):
                found = since_ms, zone
        return found

    def _stayed(self, waiting: _Waiting) -> tuple[int, str] | None:
        """The same of somebody who is seen no more."""
        for zone, presence in waiting.onward.items():
            if zone not in self._serving or not presence.inside:
                continue
            if presence.held_until_ms - presence.since_ms >= self._least_ms(zone):
                return presence.since_ms, zone
        return None

    def _least_ms(self, zone: str) -> int:
        return round(self._onward[zone].min_stay_s * 1000)

    def _end(
        self,
        progress: Progress,
        person: int,
        waiting: _Waiting,
        outcome: Outcome,
        end_ms: int,
        served_in: str | None = None,
    ) -> None:
        del self._people[person]
        if outcome == "served":
            self._were_served.add(person)
        if waiting.begun_unseen:
            outcome = "lost"
        start_ms = waiting.start_ms or 0
        progress.ended.append(Wait(self.zone.id, person, start_ms, max(end_ms, start_ms), outcome, served_in))

    def _last_queued_ms(self, waiting: _Waiting) -> int:
        """When whoever left this queue left it or one of its fellows last."""
        fellows = [presence for zone, presence in waiting.onward.items() if zone not in self._serving]
        return max([waiting.left_ms or 0, *(presence.since_ms for presence in fellows)])

    def _nowhere_yet(self) -> dict[str, Presence]:
        return {zone: Presence(min(SETTLE_MS, self._least_ms(zone)), LEAVE_MS) for zone in self._onward}

    def _gone_from(self, place_m: geometry.Point) -> bool:
        """Whether who is seen no more after this place has gone; at a counter by the wall nobody has."""
        if any(border.holds(place_m) for border in self._borders.values()):
            return False
        x, y = place_m
        edge_m = min(x, y, self._plan.width_m - x, self._plan.height_m - y)
        return edge_m < EDGE_M or any(
            geometry.segment_distance(line.from_, line.to, place_m) < EDGE_M for line in self._exits
        )


def _last_waited_ms(waiting: _Waiting) -> int:
    return waiting.here.held_until_ms if waiting.left_ms is None else waiting.left_ms


def _floor_of(queue: Zone, site: Site) -> Border:
    return Border(queue.polygon, [each.polygon for each in ceded(queue, site.zones)])


def _depth_m(zone: Zone, place_m: geometry.Point) -> float:
    corners = [*zone.polygon, zone.polygon[0]]
    return min(geometry.segment_distance(a, b, place_m) for a, b in itertools.pairwise(corners))
