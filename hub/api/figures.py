"""Coverage, means and gaps from integer sums. Pure: what was not measured is None, never 0."""

from __future__ import annotations

from collections.abc import Mapping

from branchloop.clock import HOUR_MS, MINUTE_MS, from_ms, iso, local_day_end_ms
from branchloop.errors import InputError
from branchloop.site import Site

Span = tuple[int, int]

MOST_DAYS = {"minute": 7, "hour": 62, "day": 800}
HEAT_DAYS = 400
GAP_BY_MINUTE_DAYS = 7


def figure(value: float | None, unit: str, coverage: float | None, as_of_ms: int | None) -> dict[str, object]:
    """A figure with its quality."""
    return {
        "value": value,
        "unit": unit,
        "coverage": coverage,
        "as_of": None if as_of_ms is None else iso(as_of_ms),
    }


def snap(from_: int, to: int, most_days: int) -> Span:
    """The stretch widened to whole minutes. Raises InputError when it is empty or too long."""
    if to <= from_:
        raise InputError("`to` is not after `from`.", hint="Swap them, or ask for a longer time.")
    if to - from_ > most_days * 86_400_000 + 2 * HOUR_MS:
        raise InputError(f"more than {most_days} days at once.", hint="Ask for less, or for larger buckets.")
    return from_ - from_ % MINUTE_MS, to + -to % MINUTE_MS


def cameras_expected(site: Site) -> int:
    """How many cameras full coverage means; a branch without any is one observer."""
    return max(1, len(site.cameras))


def open_ms(site: Site, start_ms: int, end_ms: int) -> int:
    """Opening time within `[start_ms, end_ms)`."""
    return sum(end - start for start, end in open_spans(site, start_ms, end_ms))


def open_spans(site: Site, start_ms: int, end_ms: int) -> list[Span]:
    """Opening spans within `[start_ms, end_ms)`, in order."""
    spans: list[Span] = []
    at_ms = start_ms
    while at_ms < end_ms:
        day = from_ms(at_ms, site.zone_info).date()
        for start, end in site.open_spans_ms(day):
            first, last = max(start, start_ms), min(end, end_ms)
            if first < last:
                spans.append((first, last))
        at_ms = local_day_end_ms(day, site.zone_info)
    return spans


def coverage(
    site: Site, span: Span, now_ms: int, *, observed_ms: int, expected_ms: int, open_observed_ms: int
) -> float | None:
    """Share of the opening time so far that was observed; of all stored time where it was closed."""
    elapsed_ms = open_ms(site, span[0], min(span[1], now_ms))
    if elapsed_ms > 0:
        return min(1.0, open_observed_ms / (cameras_expected(site) * elapsed_ms))
    if observed_ms > 0 and expected_ms > 0:
        return min(1.0, observed_ms / expected_ms)
    return None


def mean_people(person_ms: int, windows_ms: int, observed_ms: int, expected_ms: int) -> float | None:
    """Mean number of people over the observed time."""
    if observed_ms <= 0 or expected_ms <= 0:
        return None
    return person_ms * expected_ms / (windows_ms * observed_ms)


def gaps(site: Site, span: Span, now_ms: int, observed: Mapping[int, int], step_ms: int) -> list[Span]:
    """Opening time that nobody observed, in whole buckets of `step_ms`, up to now."""
    found: list[Span] = []
    for start, end in open_spans(site, span[0], min(span[1], now_ms - now_ms % MINUTE_MS)):
        for at_ms in range(start - start % step_ms, end, step_ms):
            if observed.get(at_ms, 0) > 0:
                continue
            first, last = max(at_ms, start), min(at_ms + step_ms, end)
            if found and found[-1][1] == first:
                found[-1] = (found[-1][0], last)
            else:
                found.append((first, last))
    return found
