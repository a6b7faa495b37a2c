"""A day of service in figures, and how far what was told of waits was off. Pure.

What rests on nobody is None, never 0. Who may not see single persons is told no count of 1 to 4, nor what
would tell one by subtraction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from hub.loop.appointments import Kind, Outcome, State
from hub.loop.value import SMALL


@dataclass(frozen=True, slots=True)
class Visit:
    """One appointment, walk-in or remote ticket of the day at one service, as far as it went there."""

    service: str
    kind: Kind
    state: State | Literal["sent_on"]
    outcome: Outcome | None
    waited_s: float | None
    """To the first call, from arrival or from being sent on."""
    served_s: float | None
    """At the counter."""
    came: bool
    sent_here: bool = False
    """Sent on from another service, where they came for it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody was told at arrival, and what came of it."""

    service: str
    low_s: float
    expected_s: float
    high_s: float
    waited_s: float


@dataclass(frozen=True, slots=True)
class Error:
    """How far the forecasts were off: mean absolute error, and the share of waits within the interval.

    Who was told that there is no wait is counted apart: they would flatter the error and spoil the share.
    """

    waits: int
    mae_s: float | None
    covered: float | None
    no_wait: int = 0
    no_wait_wrong: int = 0
    """Of those told no wait, who waited over a minute."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of a day's visits are where; None is not told."""

    came: int | None
    sent_here: int | None
    """Of those who came, from another service."""
    waiting: int | None
    serving: int | None
    parked: int | None
    served: int | None
    left: int | None
    sent_on: int | None
    missed: int | None
    """Appointments: who does not come with a ticket from afar breaks none."""
    booked_came: int | None
    outcomes: dict[Outcome, int] | None

    @property
    def no_show(self) -> float | None:
        """Share that did not come, of those who had an appointment and came or did not; None without any."""
        if self.missed is None or self.booked_came is None or not self.missed + self.booked_came:
            return None
        return self.missed / (self.missed + self.booked_came)

    @property
    def gone(self) -> float | None:
        """Share that went away unserved, of those whose visit is over."""
        if self.left is None or self.served is None or not self.left + self.served:
            return None
        return self.left / (self.left + self.served)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Median and 90th percentile of waits and services in seconds; None without any."""

    wait_median_s: float | None
    wait_p90_s: float | None
    service_median_s: float | None
    service_p90_s: float | None


def counts(visits: Iterable[Visit]) -> Counts:
    """Everything counted."""
    kept = list(visits)
    states = Counter(each.state for each in kept)
    return Counts(
        came=sum(each.came for each in kept),
        sent_here=sum(each.sent_here for each in kept),
        waiting=states["arrived"],
        serving=states["called"],
        parked=states["parked"],
        served=states["served"],
        left=states["left"],
        sent_on=states["sent_on"],
        missed=sum(each.state == "missed" and each.kind == "booked" for each in kept),
        booked_came=sum(each.came and each.kind == "booked" and not each.sent_here for each in kept),
        outcomes=dict(Counter(each.outcome for each in kept if each.outcome is not None)),
    )


def total(visits: Iterable[Visit]) -> Counts:
    """Of all services: whoever was sent on came once."""
    kept = list(visits)
    return replace(counts(kept), came=sum(each.came and not each.sent_here for each in kept), sent_here=0)


def released(rows: Sequence[Counts], rest: Counts, whole: Counts) -> tuple[list[Counts], Counts]:
    """The rows and the total as anybody may see them; `rest` is in the total and in no row.

    One small count closes its whole row: what the others of a row leave over would tell it. The total less
    the rows tells what one that is closed, or the rest, had: it is closed, too, and since other answers tell such
    a total (the funnel), with every small count the smallest other of its column, where none is closed yet.
    """
    told = [_columns(row) for row in rows]
    closed = {at for at, row in enumerate(told) if _small(row)}
    if not closed and not _small(_columns(rest)):
        return list(rows), hidden() if _small(_columns(whole)) else whole
    beside = _columns(rest)
    for column in beside:
        counted = [row[column] for row in told]
        unseen = [*(counted[at] for at in closed), beside[column]]
        others = [count for at, count in enumerate(counted) if at not in closed and count]
        if any(unseen) and max(unseen) < SMALL and others:
            closed |= {at for at, count in enumerate(counted) if count == min(others)}
    return [hidden() if at in closed else row for at, row in enumerate(rows)], hidden()


def _columns(row: Counts) -> dict[str, int]:
    """What is counted of a row, and what would tell more of it by subtraction."""
    came, booked, sent, served = (
        count or 0 for count in (row.came, row.booked_came, row.sent_here, row.served)
    )
    outcomes: dict[Outcome, int] = row.outcomes or {}
    return {
        "waiting": row.waiting or 0, "serving": row.serving or 0, "parked": row.parked or 0, "served": served,
        "left": row.left or 0, "sent_on": row.sent_on or 0, "missed": row.missed or 0, "booked_came": booked,
        "sent_here": sent, "walked_in": came - booked - sent, "arrived": came - sent,
        "judged": sum(outcomes.values()), "unjudged": served - sum(outcomes.values()),
        **{outcome: outcomes.get(outcome, 0) for outcome in get_args(Outcome)},
    }  # fmt: skip


def _small(columns: Mapping[str, int]) -> bool:
    return any(0 < count < SMALL for count in columns.values())


def hidden() -> Counts:
    """A row of which nothing is told."""
    return Counts(None, None, None, None, None, None, None, None, None, None, None)


def lengths(visits: Iterable[Visit]) -> Lengths:
    """How long people waited and were served."""
    kept = list(visits)
    waits = [each.waited_s for each in kept if each.waited_s is not None]
    served = [each.served_s for each in kept if each.served_s is not None]
    return Lengths(_at(waits, 0.5), _at(waits, 0.9), _at(served, 0.5), _at(served, 0.9))


def error(told: Iterable[Told]) -> Error:
    """Of forecasts whose waits are over."""
    everybody = list(told)
    kept = [each for each in everybody if each.high_s >= 1]
    none = [each.waited_s for each in everybody if each.high_s < 1]
    wrong = sum(waited_s > 60 for waited_s in none)
    if not kept:
        return Error(0, None, None, len(none), wrong)
    off_s = sum(abs(each.expected_s - each.waited_s) for each in kept)
    inside = sum(each.low_s <= each.waited_s <= each.high_s for each in kept)
    return Error(len(kept), off_s / len(kept), inside / len(kept), len(none), wrong)


def _at(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None
