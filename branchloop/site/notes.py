"""What of a site is right but hardly meant, in a sentence each: no branch is refused for it.

All of it spoils figures in silence: who waits is not counted, everybody is staff, nobody comes in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from branchloop import geometry
from branchloop.site.serving import SERVING, ceded, serving_zones
from branchloop.site.site import PRESENT_SLACK_M, Line, Site
from branchloop.text.catalogue import Language, say

LEAST_M2 = 0.05
"""Two zones that share less than this only touch: corners are drawn to a few centimetres."""
OF_CUSTOMERS = ("queue", "waiting", *SERVING)
"""Where customers stay for long enough to be taken for staff."""
BESIDE, FEW = 0.25, 0.1
"""An entrance leads into more of the plan than this, and into more of the floor that was drawn for customers than this."""
Kind = Literal["serving", "queue", "staff", "unserved", "entrance", "inside", "outward", "floor"]


@dataclass(frozen=True, slots=True)
class Note:
    """One doubt; `of` names its subjects and figures."""

    kind: Kind
    of: Mapping[str, str]

    def told(self, language: Language) -> str:
        """What it means and how to mend it."""
        return say(f"setup.doubt.{self.kind}", language, **self.of)


def notes(site: Site) -> list[Note]:
    """All that is hardly meant: zones first, then lines, then sensors."""
    return [
        *chain(_lost_to_others(site), _lost_to_staff(site), _unserved(site), _lines(site), _sensors(site))
    ]


def _lost_to_others(site: Site) -> Iterator[Note]:
    """Queues that lose floor to the zones that serve them, or to queues of the same counters."""
    for queue in site.zones:
        for other in ceded(queue, site.zones) if queue.kind == "queue" else ():
            shared_m2 = geometry.shared_area(queue.polygon, other.polygon)
            if shared_m2 >= LEAST_M2:
                kind: Kind = "queue" if other.kind == "queue" else "serving"
                yield Note(kind, {"queue": queue.id, "other": other.id, "shared_m2": f"{shared_m2:.1f}"})


def _lost_to_staff(site: Site) -> Iterator[Note]:
    for staff in site.zones:
        for zone in site.zones if staff.kind == "staff" else ():
            if zone.kind not in OF_CUSTOMERS:
                continue
            shared_m2 = geometry.shared_area(staff.polygon, zone.polygon)
            if shared_m2 >= LEAST_M2:
                yield Note("staff", {"staff": staff.id, "zone": zone.id, "shared_m2": f"{shared_m2:.1f}"})


def _unserved(site: Site) -> Iterator[Note]:
    for zone in site.zones:
        if zone.kind == "queue" and not serving_zones(zone, site.zones):
            yield Note("unserved", {"queue": zone.id})


def _lines(site: Site) -> Iterator[Note]:
    if site.lines and not site.entrances:
        yield Note("entrance", {})
    for line in site.lines:
        if not site.plan.holds(line.inside):
            x_m, y_m = line.inside
            yield Note("inside", {"line": line.id, "x_m": f"{x_m:g}", "y_m": f"{y_m:g}"})
        elif line.entrance and _leads_out(line, site):
            yield Note("outward", {"line": line.id})


def _leads_out(line: Line, site: Site) -> bool:
    """Whether `inside` is where hardly any of the branch is: of the floor that is drawn for customers, or else of the plan."""
    wide_m, high_m = site.plan.width_m, site.plan.height_m
    drawn = [zone.polygon for zone in site.zones if zone.kind in OF_CUSTOMERS]
    floor = drawn or [[(0.0, 0.0), (wide_m, 0.0), (wide_m, high_m), (0.0, high_m)]]
    beside_m2 = sum(geometry.area_beside(part, line.from_, line.to, line.inside) for part in floor)
    return beside_m2 < (FEW if drawn else BESIDE) * sum(map(geometry.area, floor))


def _sensors(site: Site) -> Iterator[Note]:
    """Those under the ceiling that take the empty floor for somebody."""
    for sensor in site.sensors:
        below_m, height_m = sensor.present_below_m, sensor.height_m
        hears_floor = sensor.looks_down and sensor.range_m >= height_m
        if hears_floor and below_m is not None and below_m > height_m - PRESENT_SLACK_M:
            yield Note("floor", {"sensor": sensor.id, "below_m": f"{below_m:g}", "height_m": f"{height_m:g}"})
