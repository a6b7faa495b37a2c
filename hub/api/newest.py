"""The newest window of a branch, and figures that are told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from branchloop.clock import WINDOW_MS, iso
from hub.api.models.answers import Fault, Figure
from hub.store.figures.sums import per_camera_ms

STALE_MS = 15_000


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest window of a site by event time, as stored; empty when there is none."""

    body: dict[str, Any]

    @property
    def duration_ms(self) -> int:
        """Length of the window."""
        return WINDOW_MS * int(self.body.get("slots", 1))

    @property
    def end_ms(self) -> int | None:
        """End of the window."""
        return self.body["start_ms"] + self.duration_ms if self.body else None

    def looked_ms(self, part: Mapping[str, Any]) -> int:
        """How long a zone or a queue of this window was watched; of boxes that do not tell, as long as the branch."""
        told = part.get("looked_ms", self.body.get("looked_ms"))
        if told is not None:
            return int(told)
        return per_camera_ms(self.body["observed_ms"], self.duration_ms, self.body["expected_ms"]) or 0

    @property
    def coverage(self) -> float | None:
        """Share of the window that was observed."""
        expected_ms = self.body.get("expected_ms", 0)
        return min(1.0, self.body["observed_ms"] / expected_ms) if expected_ms else None

    def coverage_of(self, part: Mapping[str, Any] | None) -> float | None:
        """Share in which a zone or a queue was watched; of boxes that do not tell, that of the branch, and nought of what they do not name."""
        if part is None:
            return 0.0 if self.body else None
        told = part.get("looked_ms")
        return self.coverage if told is None else min(1.0, told / self.duration_ms)

    def by_id(self, kind: str, key: str) -> dict[str, dict[str, Any]]:
        """Parts of the window by their id."""
        return {part[key]: part for part in self.body.get(kind, [])}

    def figure(self, value: float | None, coverage: float | None, tainted: Sequence[Fault] = ()) -> Figure:
        """A number of people in this window, or in a part of it."""
        return figure_of(value, "people", coverage, self.end_ms, tainted)


def stale(end_ms: int | None, now_ms: int) -> bool:
    """Whether a newest window that ended then is too old to be told of now."""
    return end_ms is None or now_ms - end_ms > STALE_MS


def figure_of(
    value: float | None,
    unit: str,
    coverage: float | None,
    as_of_ms: int | None,
    tainted: Sequence[Fault] = (),
) -> Figure:
    """A figure with its quality."""
    as_of = None if as_of_ms is None else iso(as_of_ms)
    return Figure(value=value, unit=unit, coverage=coverage, as_of=as_of, tainted=list(tainted))
