"""Entrances: who comes back within the re-entry window is the same visitor, not a new one.

The same person is one track: somebody who steps out where the camera still sees, and turns round.
Nobody is recognised again after having been out of sight.
"""

from __future__ import annotations

from collections.abc import Mapping

from branchloop.site.site import Site
from edge.floor.counting.lines import Crossing


class Entrances:
    """The crossings of a site's entrances, in time order."""

    def __init__(self, site: Site) -> None:
        self._lines = {line.id for line in site.lines if line.entrance}
        self._window_ms = round(site.reentry_s * 1000)
        self._out_ms: dict[int | tuple[str, int], int] = {}

    def is_entrance(self, line: str) -> bool:
        """Whether the line is one of a door."""
        return line in self._lines

    def returns(self, crossing: Crossing) -> bool:
        """Whether a crossing brings back somebody who had gone out within the re-entry window."""
        if crossing.line not in self._lines:
            return False
        if crossing.direction == "out":
            self._out_ms[crossing.person] = crossing.at_ms
            return False
        out_ms = self._out_ms.pop(crossing.person, None)
        return out_ms is not None and crossing.at_ms - out_ms <= self._window_ms

    def take_over(self, leaving: Entrances, ids: Mapping[int, int]) -> None:
        """Know who had gone out by another's account; `ids` says who its people are here."""
        for person, here in ids.items():
            if person in leaving._out_ms:
                self._out_ms[here] = leaving._out_ms[person]
            else:
                self._out_ms.pop(here, None)

    def forget(self, now_ms: int) -> None:
        """Drop who can no longer return."""
        gone = [p for p, out_ms in self._out_ms.items() if now_ms - out_ms > self._window_ms + 60_000]
        for person in gone:
            del self._out_ms[person]
