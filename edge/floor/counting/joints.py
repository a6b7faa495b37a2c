"""How far a line reaches beyond its ends: a little, but not onto another that goes on there.

A door may be drawn as several lines, straight on or round a corner. Who walks through where two of them meet has crossed one.
"""

from __future__ import annotations

from collections.abc import Sequence

from branchloop import geometry
from branchloop.site.site import Line

END_SLACK_M = 0.1
"""Who passes so close to an end has crossed, where nothing goes on."""
_NOTHING_M = 1e-9
"""Taken from the end of the later of two lines that share a point, and half of it given to the earlier one, to which the point
then belongs however it is rounded."""

Reach = tuple[float, float]
"""Metres beyond `from` and beyond `to`."""


def reaches(lines: Sequence[Line]) -> list[Reach]:
    """Of each line, in their order. Lines whose ends lie less than twice the slack apart share what is between, or what both cover."""
    return [
        (_beyond(line.from_, lines, index), _beyond(line.to, lines, index))
        for index, line in enumerate(lines)
    ]


def _beyond(end: geometry.Point, lines: Sequence[Line], index: int) -> float:
    others = [
        (geometry.distance(end, other), number >= index, other, line)
        for number, line in enumerate(lines)
        if number != index
        for other in (line.from_, line.to)
    ]
    if not others:
        return END_SLACK_M
    apart_m, is_first, other, line = min(others, key=lambda each: each[:2])
    over_m = _over(end, other, line) if apart_m < 2 * END_SLACK_M else 0.0
    shared_m = -over_m / 2 if over_m > 0 else apart_m / 2
    return min(END_SLACK_M, shared_m + (_NOTHING_M / 2 if is_first else -_NOTHING_M))


def _over(end: geometry.Point, other: geometry.Point, line: Line) -> float:
    """How far an end lies past the `other` end of a line drawn over its own; 0 where it lies before it, or beside."""
    share = geometry.along(line.from_, line.to, end)
    length_m = geometry.distance(line.from_, line.to)
    over_m = length_m * (share if other == line.from_ else 1 - share)
    return over_m if abs(geometry.side(line.from_, line.to, end)) < over_m < length_m else 0.0
