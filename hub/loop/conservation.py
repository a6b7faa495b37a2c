"""Conservation: who came in is inside or has gone out. Findings from exact sums; pure.

A gap is never taken for a quiet hour: what fell into unobserved time widens the tolerance, and below
`LEAST_COVERAGE` nothing is said at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hub.loop.finding import CountError, Finding, Span, judged, unknown

LEAST_COVERAGE = 0.9
"""Share of the time since opening that must have been observed for in − out to mean anything."""
LEAST_SEEN = 0.2
"""Share of those inside that cameras must see for people on the plan to tell of them: of cameras at the doors alone nothing can be said."""
FEWEST_CROSSINGS = 10
FEWEST_LEVELS = 20
"""Earlier comparisons from which the share of people that the cameras see is learnt."""
EXPLAINED = 0.25
"""An entrance that is turned round explains what does not fit where no more than this share of it is left then."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Crossings of all entrances in a span, staff included, and the share of its open time that was observed."""

    span: Span
    went_in: int
    went_out: int
    coverage: float | None

    @property
    def crossings(self) -> int:
        """In both directions."""
        return self.went_in + self.went_out

    @property
    def missed(self) -> float:
        """Crossings expected in the unobserved time, had it been like the observed."""
        covered = min(1.0, self.coverage or 0.0)
        return self.crossings * (1.0 - covered) / covered if covered > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Level:
    """People on the plan at the end of the last observed minute of a span; None where none was observed."""

    people: float | None
    crossings: int = 0
    """In that minute: they blur the figure, which is made of the minute's mean."""


def seen_share(earlier: Sequence[tuple[float, float]]) -> float:
    """Share of the people inside that the cameras see, from earlier (in − out, people seen): a median.

    1 until there are `FEWEST_LEVELS` with anybody inside: cameras that leave a corner out then show as such.
    """
    shares = sorted(min(1.0, seen / inside) for inside, seen in earlier if inside >= 3)
    if len(shares) < FEWEST_LEVELS:
        return 1.0
    middle = len(shares) // 2
    return shares[middle] if len(shares) % 2 else (shares[middle - 1] + shares[middle]) / 2


def balance(passage: Passage, began: Level, now: Level, error: CountError, share: float = 1.0) -> Finding:
    """In − out since the branch's midnight against the people seen at the end of the span.

    `began` are those seen at midnight (nobody, where the branch was closed). `share` is what the cameras
    see of those inside (`seen_share`).
    """
    span = passage.span
    if passage.coverage is None or now.people is None or began.people is None:
        return unknown("balance", "", span, "nothing_stored")
    if passage.coverage < LEAST_COVERAGE:
        return unknown("balance", "", span, "coverage", coverage=passage.coverage)
    if passage.crossings < FEWEST_CROSSINGS:
        return unknown("balance", "", span, "too_few", crossings=passage.crossings)
    if share < LEAST_SEEN:
        return unknown("balance", "", span, "hardly_seen", share_seen=share)
    inside = began.people + passage.went_in - passage.went_out
    blur = now.crossings + error.tolerance(now.people) - 1.0
    return judged(
        "balance", "", span,
        value=inside, expected=now.people / share,
        tolerance=error.tolerance(passage.crossings, passage.missed) + blur, basis=error.basis,
        went_in=passage.went_in, went_out=passage.went_out, began=began.people, seen=now.people,
        coverage=passage.coverage, missed=passage.missed, share_seen=share, error_share=error.share,
    )  # fmt: skip


def explained(balance: Finding, lines: Mapping[str, tuple[int, int]]) -> Finding:
    """A balance that is off, with the one entrance that explains it when each of its crossings was the other way; `lines` are (in, out) of each."""
    if balance.value is None or balance.expected is None:
        return balance
    off = balance.value - balance.expected
    fits = [
        line
        for line, (went_in, went_out) in lines.items()
        if abs(off - 2 * (went_in - went_out)) <= EXPLAINED * abs(off)
    ]
    return replace(balance, turned=fits[0] if len(fits) == 1 else "")


def overnight(
    passage: Passage,
    began: Level,
    left: Level,
    error: CountError,
    *,
    open_after: bool,
    rests: bool,
    watched: bool,
) -> Finding:
    """At closing, in − out of the whole day is who is still seen inside; what is left over is drift.

    `open_after`: the branch was open over the midnight that ends the day; `rests`: it was closed at some time of it.
    `watched`: it was still observed at closing.
    """
    span = passage.span
    if passage.coverage is None or left.people is None or began.people is None:
        return unknown("overnight", "", span, "nothing_stored")
    if open_after:
        return unknown("overnight", "", span, "open_at_midnight" if rests else "never_closes")
    if passage.coverage < LEAST_COVERAGE or not watched:
        return unknown("overnight", "", span, "coverage", coverage=passage.coverage)
    if passage.crossings < FEWEST_CROSSINGS:
        return unknown("overnight", "", span, "too_few", crossings=passage.crossings)
    left_over = began.people + passage.went_in - passage.went_out - left.people
    return judged(
        "overnight", "", span,
        value=left_over, expected=0.0,
        tolerance=error.tolerance(passage.crossings, passage.missed) + left.crossings, basis=error.basis,
        went_in=passage.went_in, went_out=passage.went_out, began=began.people, seen=left.people,
        coverage=passage.coverage, missed=passage.missed, error_share=error.share,
    )  # fmt: skip


def tickets(passage: Passage, given: int, error: CountError, *, kiosks: int) -> Finding:
    """Nobody takes a ticket without coming in: more tickets than people in means that a door misses them."""
    span = passage.span
    if kiosks == 0:
        return unknown("tickets", "", span, "no_kiosk")
    if passage.coverage is None:
        return unknown("tickets", "", span, "nothing_stored")
    if passage.coverage < LEAST_COVERAGE:
        return unknown("tickets", "", span, "coverage", coverage=passage.coverage)
    if given == 0:
        return unknown("tickets", "", span, "too_few", given=0)
    return judged(
        "tickets", "", span,
        value=given, expected=passage.went_in, tolerance=error.tolerance(passage.went_in, passage.missed),
        basis=error.basis, side="above",
        given=given, went_in=passage.went_in, coverage=passage.coverage, missed=passage.missed,
        error_share=error.share,
    )  # fmt: skip
