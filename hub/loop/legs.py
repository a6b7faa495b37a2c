"""A visit as each service has it: whoever is sent on has been at one and comes to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Step:
    """What the ledger has of a visit between its arrival and its end."""

    stage: Literal["called", "parked", "transferred"]
    service: str
    at_ms: int


@dataclass(slots=True)
class Leg:
    """A visit at one service: from coming to it, by arrival or sent on, until sent on from it or over."""

    service: str
    from_ms: int
    called_ms: int | None = None
    """The first call for this service."""
    aside: bool = False
    """Parked before it: the wait was not the queue's alone."""
    served_ms: int = 0
    """At the counter, without the time beside it."""
    sent_on: bool = False
    _since_ms: int | None = None

    def step(self, stage: Literal["called", "parked", "transferred", "served"], at_ms: int) -> None:
        """Go on to the next step."""
        if self._since_ms is not None and stage != "called":
            self.served_ms += max(0, at_ms - self._since_ms)
            self._since_ms = None
        if stage == "called":
            self._since_ms = at_ms
            self.called_ms = at_ms if self.called_ms is None else self.called_ms
        elif stage == "parked" and self.called_ms is None:
            self.aside = True
        self.sent_on = stage == "transferred"

    def waited_s(self, until_ms: int | None = None) -> float | None:
        """To the call, or so far when `until_ms` is given; None otherwise."""
        end_ms = until_ms if self.called_ms is None else self.called_ms
        return None if end_ms is None else max(0, end_ms - self.from_ms) / 1000


def legs(service: str, arrived_ms: int, served_ms: int | None, steps: Iterable[Step]) -> list[Leg]:
    """Every service of a visit in order; `service` is its last, `served_ms` when that was done."""
    found = [Leg(service, arrived_ms)]
    for each in steps:
        found[-1].step(each.stage, each.at_ms)
        if each.stage == "transferred":
            found[-1].service = each.service
            found.append(Leg(service, each.at_ms))
    if served_ms is not None:
        found[-1].step("served", served_ms)
    return found
