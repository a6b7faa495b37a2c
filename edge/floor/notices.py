"""Crossings told at once, and settled later: confirmed or withdrawn by the id they were told under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from branchloop.site.site import Line, PlanPoint
from branchloop.wire.messages import Notice
from edge.floor.counting.joints import reaches
from edge.floor.counting.lines import FORGET_MS, GONE_MS, Crossing, LineCounter
from edge.floor.fusion.people import SitePerson
from edge.floor.person import Person

SAME_EVENT_MS = 3_000
"""Two cameras that report a crossing of one line this close together may mean the same walker."""
SAME_EVENT_M = 1.5


@dataclass(frozen=True, slots=True)
class _Told:
    id: str
    camera: str
    track: int
    crossing: Crossing
    told_ms: int
    """Who lingers beside the line has crossed it long before that is certain, online as in the settled path."""


@dataclass(frozen=True, slots=True)
class Final:
    """A crossing that is final, and the notice that foretold it."""

    crossing: Crossing
    notice: str | None


class CrossingNotices:
    """Online counters per camera track, and the settled counters that have the last word."""

    def __init__(self, lines: Sequence[Line], prefix: str) -> None:
        ends = list(zip(lines, reaches(lines), strict=True))
        self._online = [LineCounter(line, reach_m) for line, reach_m in ends]
        self._final = [LineCounter(line, reach_m) for line, reach_m in ends]
        self._prefix = prefix
        self._serial = 0
        self._told: list[_Told] = []

    def online(self, camera: str, t_ms: int, people: Sequence[Person]) -> list[Notice]:
        """Crossings that just became certain in one camera's online view."""
        notices: list[Notice] = []
        for counter in self._online:
            for person in people:
                crossing = counter.step(t_ms, (camera, person.id), person.place_m, person.sigma_m)
                if crossing is None or self._is_echo(camera, crossing):
                    continue
                self._serial += 1
                told = _Told(f"{self._prefix}-{self._serial}", camera, person.id, crossing, t_ms)
                self._told.append(told)
                notices.append(
                    Notice(
                        id=told.id,
                        what="crossing",
                        at_ms=crossing.at_ms,
                        seen_ms=t_ms,
                        line=crossing.line,
                        direction=crossing.direction,
                    )
                )
            counter.forget(t_ms - FORGET_MS)
        return notices

    def settle(self, t_ms: int, people: Sequence[SitePerson]) -> list[Final]:
        """Crossings of the settled paths, each with the notice it confirms."""
        final: list[Final] = []
        for counter in self._final:
            for person in people:
                for _, seen in person.seen:
                    if (began := seen.began) is not None:
                        counter.begin(began.t_ms, person.id, began.place_m, began.sigma_m, began.precise_m)
                best = min((seen for _, seen in person.seen), key=lambda seen: seen.sigma_m, default=None)
                sigma_m, precise_m = (0.0, None) if best is None else (best.sigma_m, best.precise_m)
                crossing = counter.step(t_ms, person.id, person.place_m, sigma_m, precise_m)
                if crossing is not None:
                    final.append(Final(crossing, self._claim(crossing, person)))
        return final

    def gone(self, now_ms: int, *, everybody: bool) -> list[Final]:
        """Crossings of those who have gone, as far as the last that was seen of them tells."""
        final: list[Final] = []
        for counter in self._final:
            crossings = counter.gone(now_ms if everybody else now_ms - GONE_MS)
            final += [Final(crossing, None) for crossing in crossings]
            counter.forget(now_ms - FORGET_MS)
        return final

    def take_over(self, leaving: CrossingNotices, ids: Mapping[int, int]) -> None:
        """Lines that stay where they were know who comes from which side; `ids` says who the leaving one's people are here."""
        before = {counter.line.id: counter for counter in leaving._final}
        for counter in self._final:
            known = before.get(counter.line.id)
            if known is not None and _place(known.line) == _place(counter.line):
                counter.take_over(known, ids)

    def overdue(self, settled_ms: int | None) -> list[tuple[str, str]]:
        """(line, notice id) of notices that the settled paths, now past them, did not confirm; None: all are past."""
        told, self._told = self._told, []
        gone: list[tuple[str, str]] = []
        for each in told:
            if settled_ms is None or each.told_ms < settled_ms - SAME_EVENT_MS:
                gone.append((each.crossing.line, each.id))
            else:
                self._told.append(each)
        return gone

    def _is_echo(self, camera: str, crossing: Crossing) -> bool:
        return any(
            told.camera != camera
            and told.crossing.line == crossing.line
            and told.crossing.direction == crossing.direction
            and abs(told.crossing.at_ms - crossing.at_ms) < SAME_EVENT_MS
            and abs(told.crossing.place_m[0] - crossing.place_m[0]) < SAME_EVENT_M
            and abs(told.crossing.place_m[1] - crossing.place_m[1]) < SAME_EVENT_M
            for told in self._told
        )

    def _claim(self, crossing: Crossing, person: SitePerson) -> str | None:
        tracks = {(camera, seen.id) for camera, seen in person.seen}
        for told in self._told:
            same = told.crossing.line == crossing.line and told.crossing.direction == crossing.direction
            if (
                same
                and (told.camera, told.track) in tracks
                and (abs(told.crossing.at_ms - crossing.at_ms) < SAME_EVENT_MS)
            ):
                self._told.remove(told)
                return told.id
        return None


def _place(line: Line) -> tuple[PlanPoint, PlanPoint]:
    """What its sides go by: not its name, nor which of them is inside."""
    return line.from_, line.to
