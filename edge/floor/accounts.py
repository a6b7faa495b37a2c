"""What settled stretches amount to: walkers, staff, crossings, visits, waits, and the windows they fill.

A batch of stretches is entered at once, so that who turns out to be staff is staff in all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from branchloop.site.site import Site
from branchloop.wire.messages import Notice, Window
from edge.floor.counting.entrances import Entrances
from edge.floor.counting.lines import Crossing
from edge.floor.counting.queueing import Wait
from edge.floor.counting.staff import StaffRoll
from edge.floor.counting.stitching import Stitcher
from edge.floor.counting.zones import Visit
from edge.floor.fusion.people import Stretch
from edge.floor.handover import Renamed
from edge.floor.notices import CrossingNotices, Final
from edge.floor.person import Person
from edge.floor.watch import Watch
from edge.floor.windows import CameraQuality, ClosedBy, Sensors, WindowBook


@dataclass(frozen=True, slots=True)
class Passage:
    """A settled crossing, and who crossed: staff, or a visitor who had only stepped out."""

    crossing: Crossing
    staff: bool
    returned: bool


@dataclass(slots=True)
class Events:
    """What a batch of stretches settled. Visits are those of visitors that began or ended by it."""

    crossings: list[Passage] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)


class Accounts:
    """The books of one site between two restarts."""

    def __init__(self, site: Site, *, method: str, prefix: str, watch: Watch | None = None) -> None:
        self._site = site
        self.book = WindowBook(site, method, watch)
        self.notices = CrossingNotices(site.lines, prefix)
        self._stitcher = Stitcher()
        self._staff = StaffRoll(site)
        self._entrances = Entrances(site)

    def begin(self, t_ms: int) -> None:
        """The site is watched from `t_ms` on."""
        self.book.begin(t_ms)

    def online(self, camera: str, t_ms: int, people: Sequence[Person]) -> list[Notice]:
        """Crossings that just became certain in one camera's online view."""
        return self.notices.online(camera, t_ms, people)

    def cut(self, t_ms: int) -> None:
        """Tracks from before `t_ms` are nobody's who is seen from then on."""
        self._stitcher.cut(t_ms)

    def enter(self, stretches: Sequence[Stretch], *, last: bool = False) -> Events:
        """Account for settled stretches, in time order; after the `last` ones nobody is seen again."""
        named = self._stitcher.step(stretches)
        passed: list[list[Final]] = []
        for stretch in named:
            for person in stretch.people:
                if self._site.plan.holds(person.place_m):
                    self._staff.step(stretch.start_ms, stretch.end_ms, person.id, person.place_m)
            finals = self.notices.settle(stretch.start_ms, stretch.people)
            self._meet_staff(finals)
            passed.append(finals)
        if named:
            finals = self.notices.gone(named[-1].end_ms, everybody=last)
            self._meet_staff(finals)
            passed[-1] += finals
        events = Events()
        for stretch, finals in zip(named, passed, strict=True):
            facts = self.book.stretch(stretch, self._staff)
            events.visits += facts.visits
            events.waits += facts.waits
            for final in finals:
                events.crossings.append(self._pass(final))
                events.waits += self._went_out(final.crossing)
        if named:
            self._staff.forget(named[-1].end_ms)
            self._entrances.forget(named[-1].end_ms)
        return events

    def close(
        self,
        upto_ms: int,
        cameras: Mapping[str, CameraQuality],
        sensors: Sensors,
        closed_by: ClosedBy = "time",
    ) -> list[Window]:
        """Withdraw what did not come true, and close the windows that end by `upto_ms`."""
        goes_on = closed_by == "time"
        for line, notice in self.notices.overdue(upto_ms if goes_on else None):
            self.book.withdraw(line, notice, upto_ms if goes_on else upto_ms - 1)
        return self.book.close(upto_ms, cameras, sensors, closed_by)

    def take_over(self, leaving: Accounts) -> None:
        """Go on where another's books of the same people end: who is staff, what lasts, who went out, who comes from where."""
        ids = Renamed(leaving._stitcher.last_seen(), self._stitcher.last_seen())
        self._staff.take_over(leaving._staff, ids)
        self._entrances.take_over(leaving._entrances, ids)
        self.notices.take_over(leaving.notices, ids)
        self.book.take_over(leaving.book, ids)

    def _meet_staff(self, finals: Sequence[Final]) -> None:
        """Who comes or goes by an entrance while only staff does is staff."""
        for final in finals:
            line, person_id = final.crossing.line, final.crossing.person
            if self._entrances.is_entrance(line) and self._site.is_staff_time(final.crossing.at_ms):
                self._staff.add(person_id, final.crossing.at_ms)

    def _pass(self, final: Final) -> Passage:
        staff = final.crossing.person in self._staff
        returned = not staff and self._entrances.returns(final.crossing)
        self.book.crossing(final.crossing, final.notice, staff=staff, returned=returned)
        return Passage(final.crossing, staff, returned)

    def _went_out(self, crossing: Crossing) -> list[Wait]:
        if crossing.direction == "in" or not self._entrances.is_entrance(crossing.line):
            return []
        return self.book.went_out(crossing.person, crossing.at_ms)
