"""The queues of a site, and waits that go on from one to another.

From seats to the line of the same counters is one wait: it began where the first was joined and ends from the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from branchloop.site.serving import fellow_queues
from branchloop.site.site import Site
from edge.floor.counting.queueing import Progress, QueueMeter
from edge.floor.fusion.people import SitePerson
from edge.floor.handover import Renamed

Told = list[tuple[QueueMeter, Progress]]
"""What each queue told."""


class Queues:
    """A meter for each zone of kind `queue`."""

    def __init__(self, site: Site) -> None:
        self.meters = [QueueMeter(zone, site) for zone in site.zones if zone.kind == "queue"]
        self._leaving: tuple[int, list[QueueMeter]] = (0, [])
        by_id = {meter.zone.id: meter for meter in self.meters}
        self._fellows = {
            queue: [by_id[other.id] for other in fellow_queues(meter.zone, site.zones)]
            for queue, meter in by_id.items()
        }

    def step(self, start_ms: int, end_ms: int, people: Sequence[SitePerson]) -> Told:
        """These people stood where they are during `[start_ms, end_ms)`; whoever else there was is not seen."""
        told: Told = []
        for meter in self.meters:
            told += [(meter, meter.step(start_ms, end_ms, each.id, each.place_m)) for each in people]
            told.append((meter, meter.sweep(end_ms)))
        for meter in self.meters:
            for fellow in self._fellows[meter.zone.id]:
                for each in people:
                    meter.goes_on(each.id, fellow)
        for meter, progress in told:
            for wait in progress.ended:
                for fellow in self._fellows[meter.zone.id] if wait.outcome == "served" else ():
                    fellow.was_served(wait.person)
        return told

    def went_out(self, person: int) -> Told:
        """The person crossed an entrance outwards."""
        return [(meter, meter.went_out(person)) for meter in self.meters]

    def stop(self) -> Told:
        """Nobody watches from here on."""
        return [(meter, meter.stop()) for meter in self.meters]

    def leave(self, border_ms: int, coming: Site) -> None:
        """From `border_ms` on another configuration counts: queues that it does not have end there."""
        stay = {zone.id for zone in coming.zones if zone.kind == "queue"}
        self._leaving = (border_ms, [meter for meter in self.meters if meter.zone.id not in stay])

    def left(self, t_ms: int) -> tuple[Told, int]:
        """Once the border is passed, what the queues that end there tell, and when that was."""
        border_ms, gone = self._leaving
        if t_ms < border_ms:
            return [], border_ms
        self._leaving = (border_ms, [])
        return [(meter, meter.stop()) for meter in gone], border_ms - 1

    def drop(self, staff: Iterable[int]) -> Told:
        """These people wait for nothing."""
        return [(meter, meter.drop(person)) for person in staff for meter in self.meters]

    def take_over(self, leaving: Queues, ids: Renamed) -> None:
        """Go on with what lasts by the queues of another configuration that have the same ids."""
        before = {meter.zone.id: meter for meter in leaving.meters}
        for meter in self.meters:
            if meter.zone.id in before:
                meter.take_over(before[meter.zone.id], ids)
            else:
                meter.open()
