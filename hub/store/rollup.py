"""From windows to roll-ups: integer sums per minute, local hour and local day. Pure.

`collect` gathers many windows before anything is written, so that a transaction touches each bucket
once. Applying and recomputing share it; recomputing starts from nothing but the stored messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import numpy as np

from branchloop.clock import bucket_start_ms, iso
from branchloop.errors import InputError
from branchloop.kpis import DURATION_EDGES_S
from branchloop.messages import Window
from branchloop.site import MAX_HEAT_CELLS
from hub.store import grid
from hub.store.sums import (
    LEVELS,
    Bucket,
    CameraSums,
    GridShape,
    Level,
    LineSums,
    RollUp,
    SensorSums,
    SparseHeat,
    ZoneSums,
)

MAX_SUM = 10**12
"""No window honestly holds more of anything; nine million such windows still fit 64 bits."""


def check_plausible(window: Window) -> None:
    """Raise InputError for a window whose figures no branch can produce."""
    worst = max(_figures(window), default=0)
    if worst > MAX_SUM:
        raise InputError(f"a figure of {worst} is not plausible for {window.duration_ms} ms.")
    if window.heat is not None and window.heat.rows * window.heat.cols > MAX_HEAT_CELLS:
        raise InputError(
            f"a heat grid of {window.heat.rows} × {window.heat.cols} cells is too fine.",
            hint=f"Choose a plan.cell_m that gives at most {MAX_HEAT_CELLS} cells.",
        )
    for zone in window.zones:
        for index in zone.dwell.bins:
            if int(index) >= len(DURATION_EDGES_S):
                raise InputError(
                    f"dwell bin {index} does not exist; the last is {len(DURATION_EDGES_S) - 1}."
                )


def collect(
    into: dict[Bucket, RollUp],
    window: Window,
    zone: ZoneInfo,
    *,
    open_hours: bool,
    levels: Sequence[Level] = LEVELS,
) -> None:
    """Add one window to its minute, hour and day; `open_hours` if it starts while the branch is open."""
    for level in levels:
        bucket: Bucket = (level, bucket_start_ms(window.start_ms, level, zone))
        rollup = into.get(bucket)
        if rollup is None:
            rollup = into[bucket] = RollUp()
        _add(rollup, window, open_hours=open_hours)


def _add(rollup: RollUp, window: Window, *, open_hours: bool) -> None:
    duration_ms = window.duration_ms
    totals = rollup.totals
    totals.windows += 1
    totals.windows_ms += duration_ms
    totals.expected_ms += window.expected_ms
    totals.observed_ms += window.observed_ms
    if open_hours:
        totals.open_expected_ms += window.expected_ms
        totals.open_observed_ms += window.observed_ms
    totals.person_ms += window.person_ms
    totals.first_ms = min(totals.first_ms, window.start_ms)
    totals.last_ms = max(totals.last_ms, window.start_ms + duration_ms)
    if window.method:
        rollup.methods[window.method] += duration_ms
    for line in window.lines:
        crossings = rollup.lines.setdefault(line.line, LineSums())
        crossings.crossings_in += line.in_
        crossings.crossings_out += line.out
    for zone in window.zones:
        visits = rollup.zones.setdefault(zone.zone, ZoneSums())
        visits.person_ms += zone.person_ms
        visits.entries += zone.entries
        visits.dwell_count += zone.dwell.count
        visits.dwell_sum_ms += zone.dwell.sum_ms
        for index, count in zone.dwell.bins.items():
            if count:
                visits.bins[int(index)] += count
    for camera in window.cameras:
        share = rollup.cameras.setdefault(camera.camera, CameraSums())
        share.windows_ms += duration_ms
        share.up_ms += duration_ms if camera.state == "up" else 0
        share.observed_ms += camera.observed_ms
        share.frames += camera.frames
        share.analysed += camera.analysed
    for sensor in window.sensors:
        ranges = rollup.sensors.setdefault(sensor.sensor, SensorSums())
        ranges.windows_ms += duration_ms
        ranges.up_ms += duration_ms if sensor.state == "up" else 0
        ranges.observed_ms += sensor.observed_ms
        ranges.readings += sensor.readings
        ranges.valid += sensor.valid
        ranges.sum_mm += sensor.sum_mm or 0
        ranges.nearest_mm = _least(ranges.nearest_mm, sensor.nearest_mm)
        ranges.farthest_mm = _most(ranges.farthest_mm, sensor.farthest_mm)
        if sensor.present_ms is not None:
            ranges.present_ms += sensor.present_ms
            ranges.presence_observed_ms += sensor.observed_ms
    if window.heat is not None:
        shape = GridShape(window.heat.cell_mm, window.heat.rows, window.heat.cols)
        rollup.heat.setdefault(shape, []).append(SparseHeat(window.heat.cells, window.heat.mps))


def differences(stored: Mapping[Bucket, RollUp], wanted: Mapping[Bucket, RollUp]) -> Iterator[str]:
    """One sentence for every figure that is not the same in both."""
    for bucket in sorted(stored.keys() | wanted.keys()):
        where = f"{bucket[0]} {iso(bucket[1])}"
        have, want = stored.get(bucket), wanted.get(bucket)
        if have is None or want is None:
            yield f"{where}: {'not stored' if have is None else 'stored, but no message is behind it'}"
            continue
        for part in ("totals", "methods", "lines", "zones", "cameras", "sensors"):
            a, b = getattr(have, part), getattr(want, part)
            if a != b:
                yield f"{where}: {part} stored {a}, recomputed {b}"
        for shape in sorted(have.heat.keys() | want.heat.keys(), key=str):
            kept = grid.add(grid.empty(shape), have.heat.get(shape, []))
            anew = grid.add(grid.empty(shape), want.heat.get(shape, []))
            if not np.array_equal(kept, anew):
                cell = int(np.flatnonzero(kept != anew)[0])
                yield f"{where}: heat cell {cell} stored {kept[cell]}, recomputed {anew[cell]} mps"


def _figures(window: Window) -> Iterator[int]:
    yield from (window.expected_ms, window.observed_ms, window.person_ms)
    for line in window.lines:
        yield from (line.in_, line.out)
    for zone in window.zones:
        yield from (zone.person_ms, zone.entries, zone.dwell.count, zone.dwell.sum_ms)
        yield from zone.dwell.bins.values()
    for camera in window.cameras:
        yield from (camera.observed_ms, camera.frames, camera.analysed)
    for sensor in window.sensors:
        yield from (sensor.observed_ms, sensor.readings, sensor.valid, sensor.sum_mm or 0)
        yield from (sensor.present_ms or 0, sensor.nearest_mm or 0, sensor.farthest_mm or 0)
    if window.heat is not None:
        yield max(window.heat.mps, default=0)


def _least(a: int | None, b: int | None) -> int | None:
    known = [value for value in (a, b) if value is not None]
    return min(known) if known else None


def _most(a: int | None, b: int | None) -> int | None:
    known = [value for value in (a, b) if value is not None]
    return max(known) if known else None
