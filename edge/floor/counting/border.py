"""When somebody crossed the border of an area: between two frames, by the way between two places."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from branchloop import geometry
from edge.floor.handover import Renamed

Fix = tuple[int, geometry.Point]
"""Time (ms) and place (m)."""
STEP_MS = 1_500
"""Between two frames that are no farther apart somebody walked straight on."""
_HALVINGS = 10


class Border:
    """The border of one area, and on which side of it each person was seen last."""

    def __init__(self, polygon: geometry.Polygon, without: Sequence[geometry.Polygon] = ()) -> None:
        """What lies in one of `without` is no part of the area."""
        self._polygon, self._without = polygon, without
        self._last: dict[int, tuple[int, geometry.Point, bool]] = {}

    def holds(self, place_m: geometry.Point) -> bool:
        """Whether a place lies in the area."""
        return geometry.contains(self._polygon, place_m) and not any(
            geometry.contains(other, place_m) for other in self._without
        )

    def turned_ms(self, t_ms: int, person: int, place_m: geometry.Point, *, inside: bool) -> int | None:
        """When the person came over the border who is seen in the area, or not, at `t_ms`; None where that is not known."""
        last = self._last.get(person)
        self._last[person] = (t_ms, place_m, inside)
        if last is None or last[2] == inside or t_ms - last[0] > STEP_MS:
            return None
        return crossed_ms(self.holds, last[:2], (t_ms, place_m))

    def forget(self, before_ms: int) -> None:
        """Drop who was not seen since."""
        for person in [p for p, (t_ms, _, _) in self._last.items() if t_ms <= before_ms]:
            del self._last[person]

    def take_over(self, leaving: Border, ids: Renamed) -> None:
        """Know whom another one knew; `ids` says who its people are here."""
        self._last = {ids.anyhow(person): last for person, last in leaving._last.items()}


def crossed_ms(holds: Callable[[geometry.Point], bool], before: Fix, after: Fix) -> int:
    """The moment at which somebody who walked straight on came in or went out; the area holds one of the two places."""
    (from_ms, (x0, y0)), (to_ms, (x1, y1)) = before, after
    inside = holds((x0, y0))
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        place = (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
        low, high = (share, high) if holds(place) == inside else (low, share)
    return round(from_ms + (low + high) / 2 * (to_ms - from_ms))
