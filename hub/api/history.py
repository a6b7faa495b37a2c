"""Heat, footfall, occupancy and zones over a stretch of time."""

from __future__ import annotations

from typing import Any

import numpy as np

from branchloop.clock import BUCKETS, HOUR_MS, MINUTE_MS, bucket_start_ms, from_ms, iso, local_day_end_ms
from branchloop.errors import InputError
from branchloop.kpis import duration_quantile_s
from branchloop.site import Site
from hub.api import figures
from hub.api.figures import Span
from hub.api.state import State, now_ms
from hub.store.reading import Reader, Sums


def heat(state: State, site: Site, from_: int, to: int, cell_m: float | None) -> dict[str, Any]:
    """Person·seconds per cell; exact until the last division."""
    span = figures.snap(from_, to, figures.HEAT_DAYS)
    factor = _factor(site, cell_m)
    now = now_ms()
    by_minute = span[1] - span[0] <= figures.GAP_BY_MINUTE_DAYS * 24 * HOUR_MS
    with Reader.open(state.data_dir) as reader:
        grid = reader.heat(site, *span)
        sums = reader.sums(site, *span)
        methods = reader.methods(site, *span)
        observed = reader.observed_minutes(site, *span, "minute" if by_minute else "hour")
    cells = np.zeros((site.plan.rows, site.plan.cols), np.int64)
    if grid is not None:
        cells = grid.reshape(cells.shape)
    cells = _coarse(cells, factor)
    share = _coverage(site, span, now, sums)
    gaps = figures.gaps(site, span, now, observed, MINUTE_MS if by_minute else HOUR_MS)
    return {
        **_stretch(site, span),
        "cell_m": site.plan.cell_m * factor,
        "rows": cells.shape[0],
        "cols": cells.shape[1],
        "x0_m": 0.0,
        "y0_m": 0.0,
        "unit": "person·s",
        "person_seconds": (cells / 1000).tolist(),
        "total": int(cells.sum()) / 1000,
        "max": int(cells.max(initial=0)) / 1000,
        "coverage": share,
        "as_of": None if sums.last_ms is None else iso(sums.last_ms),
        "gaps": [{"from": iso(start), "to": iso(end)} for start, end in gaps],
        "method": methods,
        "simulated": site.simulated,
    }


def footfall(state: State, site: Site, from_: int, to: int, bucket: str) -> dict[str, Any]:
    """Crossings of the entrances by local bucket; None where nothing was observed."""
    span = _checked(from_, to, bucket)
    entrances = [line.id for line in site.lines if line.entrance]
    now = now_ms()
    items: list[dict[str, object]] = []
    with Reader.open(state.data_dir) as reader:
        whole = reader.sums(site, *span)
        for part in _buckets(site, span, bucket):
            sums = reader.sums(site, *part)
            lines = reader.lines(site, *part)
            measured = sums.observed_ms > 0
            items.append(
                {
                    **_item(site, part, now, sums),
                    "in": sum(lines.get(e, (0, 0))[0] for e in entrances) if measured else None,
                    "out": sum(lines.get(e, (0, 0))[1] for e in entrances) if measured else None,
                }
            )
    return {
        **_stretch(site, span),
        "bucket": bucket,
        "entrances": entrances,
        "items": items,
        "total_in": _total(items, "in"),
        "total_out": _total(items, "out"),
        **_quality(site, span, now, whole),
    }


def occupancy(state: State, site: Site, from_: int, to: int, bucket: str) -> dict[str, Any]:
    """Mean people on the floor by local bucket; None where nothing was observed."""
    span = _checked(from_, to, bucket)
    now = now_ms()
    with Reader.open(state.data_dir) as reader:
        whole = reader.sums(site, *span)
        items = []
        for part in _buckets(site, span, bucket):
            sums = reader.sums(site, *part)
            mean = figures.mean_people(sums.person_ms, sums.windows_ms, sums.observed_ms, sums.expected_ms)
            seconds = sums.person_ms / 1000 if sums.observed_ms else None
            items.append({**_item(site, part, now, sums), "mean": mean, "person_seconds": seconds})
    return {**_stretch(site, span), "bucket": bucket, "items": items, **_quality(site, span, now, whole)}


def zones(state: State, site: Site, from_: int, to: int) -> dict[str, Any]:
    """Visits and dwell of every zone."""
    span = figures.snap(from_, to, figures.HEAT_DAYS)
    now = now_ms()
    with Reader.open(state.data_dir) as reader:
        sums = reader.sums(site, *span)
        found = reader.zones(site, *span)
    measured = sums.observed_ms > 0
    quality = _quality(site, span, now, sums)
    items = []
    for zone in site.zones:
        person_ms, entries, bins = found.get(zone.id, (0, 0, {}))
        items.append(
            {
                "id": zone.id,
                "kind": zone.kind,
                "person_seconds": person_ms / 1000 if measured else None,
                "visits": entries if measured else None,
                "dwell_median_s": duration_quantile_s(bins, 0.5),
                "dwell_p90_s": duration_quantile_s(bins, 0.9),
                "coverage": quality["coverage"],
            }
        )
    return {**_stretch(site, span), "items": items, **quality}


def _stretch(site: Site, span: Span) -> dict[str, Any]:
    return {"from": iso(span[0]), "to": iso(span[1]), "timezone": site.timezone}


def _coverage(site: Site, span: Span, now: int, sums: Sums) -> float | None:
    return figures.coverage(
        site,
        span,
        now,
        observed_ms=sums.observed_ms,
        expected_ms=sums.expected_ms,
        open_observed_ms=sums.open_observed_ms,
    )


def _quality(site: Site, span: Span, now: int, sums: Sums) -> dict[str, Any]:
    return {
        "coverage": _coverage(site, span, now, sums),
        "as_of": None if sums.last_ms is None else iso(sums.last_ms),
    }


def _item(site: Site, part: Span, now: int, sums: Sums) -> dict[str, object]:
    return {
        "start": iso(part[0]),
        "end": iso(part[1]),
        "coverage": _coverage(site, part, now, sums),
        "open": figures.open_ms(site, *part) > 0,
    }


def _checked(from_: int, to: int, bucket: str) -> Span:
    if bucket not in BUCKETS:
        raise InputError(f"bucket {bucket[:20]!r} is not known.", hint=f"Choose one of {', '.join(BUCKETS)}.")
    return figures.snap(from_, to, figures.MOST_DAYS[bucket])


def _buckets(site: Site, span: Span, bucket: str) -> list[Span]:
    """The stretch cut at the local borders of its buckets; the first and last may be partial."""
    parts: list[Span] = []
    at_ms = span[0]
    while at_ms < span[1]:
        if bucket == "minute":
            end_ms = at_ms + MINUTE_MS
        elif bucket == "hour":
            end_ms = bucket_start_ms(at_ms, "hour", site.zone_info) + HOUR_MS
        else:
            end_ms = local_day_end_ms(from_ms(at_ms, site.zone_info).date(), site.zone_info)
        parts.append((at_ms, min(end_ms, span[1])))
        at_ms = end_ms
    return parts


def _factor(site: Site, cell_m: float | None) -> int:
    if cell_m is None:
        return 1
    factor = round(cell_m / site.plan.cell_m)
    if factor < 1 or abs(factor * site.plan.cell_m - cell_m) > 1e-9:
        raise InputError(
            f"cell_m {cell_m:g} is not a whole multiple of the plan's {site.plan.cell_m:g} m.",
            hint=f"Ask for {site.plan.cell_m:g}, {2 * site.plan.cell_m:g}, {4 * site.plan.cell_m:g} …",
        )
    return min(factor, max(site.plan.rows, site.plan.cols))


def _coarse(cells: np.ndarray[Any, Any], factor: int) -> np.ndarray[Any, Any]:
    rows, cols = cells.shape
    padded = np.pad(cells, ((0, -rows % factor), (0, -cols % factor)))
    shape = (padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    return np.asarray(padded.reshape(shape).sum(axis=(1, 3)))


def _total(items: list[dict[str, Any]], key: str) -> int | None:
    known = [item[key] for item in items if item[key] is not None]
    return sum(known) if known else None
