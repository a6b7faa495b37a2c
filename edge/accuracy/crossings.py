"""Counted crossings against true ones: each true crossing takes the nearest counted one in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Event = tuple[float, str]
"""When (s), and which direction."""


@dataclass(frozen=True, slots=True)
class CountError:
    """How a count compares: of `asked` true crossings `missed` were not counted, `extra` never happened.

    `excluded` true crossings were seen too rarely to be asked for; counting them is no error either way. `turned` were seen
    often enough at the line and never crossed it: each is counted rightly by not being counted.
    """

    asked: int
    excluded: int
    counted: int
    missed: int
    extra: int
    turned: int = 0

    @property
    def error(self) -> float | None:
        """(missed + extra) / asked: errors that cancel in the sum do not cancel here."""
        return (self.missed + self.extra) / self.asked if self.asked else None

    @property
    def walker_error(self) -> float | None:
        """(missed + extra) / (asked + turned): of those who were seen often enough, the share about whom the count is wrong."""
        walkers = self.asked + self.turned
        return (self.missed + self.extra) / walkers if walkers else None

    def figures(self) -> dict[str, Any]:
        """For JSON."""
        error, by_walker = (
            None if share is None else round(share, 4) for share in (self.error, self.walker_error)
        )
        return {
            "error": error, "walker_error": by_walker, "asked": self.asked, "turned": self.turned,
            "excluded": self.excluded, "counted": self.counted, "missed": self.missed, "extra": self.extra,
        }  # fmt: skip


def compare(
    counted: Sequence[Event], asked: Sequence[Event], excluded: Sequence[Event], tolerance_s: float
) -> CountError:
    """Match one to one, same direction, at most `tolerance_s` apart, nearest pairs first.

    Those asked for come first: of two who cross at once a count may be either's, and only one of them is owed.
    """
    truth = [*((event, True) for event in asked), *((event, False) for event in excluded)]
    order = sorted(range(len(counted)), key=lambda j: counted[j][0])
    pairs: list[tuple[bool, float, int, int]] = []
    first = 0
    for i in sorted(range(len(truth)), key=lambda i: truth[i][0][0]):
        (t_s, direction), is_asked = truth[i]
        while first < len(order) and counted[order[first]][0] < t_s - tolerance_s:
            first += 1
        for j in order[first:]:
            if counted[j][0] > t_s + tolerance_s:
                break
            if counted[j][1] == direction:
                pairs.append((not is_asked, abs(counted[j][0] - t_s), i, j))
    matched_truth: set[int] = set()
    matched: set[int] = set()
    for _, _, i, j in sorted(pairs):
        if i not in matched_truth and j not in matched:
            matched_truth.add(i)
            matched.add(j)
    missed = sum(i not in matched_truth for i, (_, is_asked) in enumerate(truth) if is_asked)
    return CountError(len(asked), len(excluded), len(counted), missed, len(counted) - len(matched))
