"""From windows to roll-ups: integer sums per minute, local hour and local day. Pure.

`collect` gathers many windows before anything is written, so that a transaction touches each bucket
once. Applying and recomputing share it; recomputing starts from nothing but the stored messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import numpy as np

from branchloop.clock import bucket_start_ms, iso
from branchloop.errors import InputError
from branchloop.kpis import DURATION_EDGES_S
from branchloop.site.site import MAX_HEAT_CELLS
from branchloop.wire.messages import Flow, Heat, Histogram, LineWindow, Window
from hub.store.figures import grid
from hub.store.figures.sums import (
    GRID_KINDS,
    LEVELS,
    Bucket,
    CameraSums,
    EntranceSums,
    GridKind,
    GridShape,
    Level,
    LineSums,
    QueueSums,
    RollUp,
    SensorSums,
    SparseGrid,
    ZoneSums,
    per_camera_ms,
)

MAX_SUM = 10**12
"""No window honestly holds more of anything; nine million such windows still fit 64 bits."""


def check_plausible(window: Window) -> None:
    """Raise InputError for a window whose figures no branch can produce."""
    worst = max(_figures(window), default=0)
    if worst > MAX_SUM:
        raise InputError(f"a figure of {worst} is not plausible for {window.duration_ms} ms.")
    for grid_ in (window.heat, window.filled, window.flow):
        if grid_ is not None and grid_.rows * grid_.cols > MAX_HEAT_CELLS:
            raise InputError(
                f"a grid of {grid_.rows} × {grid_.cols} cells is too fine.",
                hint=f"Choose a plan.cell_m that gives at most {MAX_HEAT_CELLS} cells.",
            )
    for histogram in _histograms(window):
        for index in histogram.bins:
            if int(index) >= len(DURATION_EDGES_S):
                raise InputError(
                    f"duration bin {index} does not exist; the last is {len(DURATION_EDGES_S) - 1}."
                )
    for line in window.lines:
        if line.returned > line.in_:
            raise InputError(f"line {line.line!r}: {line.returned} of {line.in_} who came in had come back.")


def collect(
    into: dict[Bucket, RollUp],
    window: Window,
    zone: ZoneInfo,
    *,
    open_hours: bool,
    levels: Sequence[Level] = LEVELS,
) -> None:
    """Add one window to its minute, hour and day; `open_hours` if it starts while the branch is open."""
    grids = [(kind, *_sparse(part)) for kind in GRID_KINDS if (part := _grid_of(window, kind)) is not None]
    for level in levels:
        bucket: Bucket = (level, bucket_start_ms(window.start_ms, level, zone))
        rollup = into.get(bucket)
        if rollup is None:
            rollup = into[bucket] = RollUp()
        _add(rollup, window, open_hours=open_hours)
        for kind, shape, cells in grids:
            rollup.grids(kind).setdefault(shape, []).append(cells)


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
    totals.staff_ms += window.staff_ms
    totals.looked_ms += _looked_ms(window)
    totals.filled_ms += sum(window.filled.mps) if window.filled is not None else 0
    totals.first_ms = min(totals.first_ms, window.start_ms)
    totals.last_ms = max(totals.last_ms, window.start_ms + duration_ms)
    if window.method:
        rollup.methods[window.method] += duration_ms
    for line in window.lines:
        crossings = rollup.lines.setdefault(line.line, LineSums())
        _add_crossings(crossings, line)
        _add_told(crossings, window, _observed_ms(window, line.looked_ms), open_hours=open_hours)
    _add_entrances(rollup.entrances, window, open_hours=open_hours)
    for zone in window.zones:
        visits = rollup.zones.setdefault(zone.zone, ZoneSums())
        visits.person_ms += zone.person_ms
        visits.entries += zone.entries
        visits.dwell_count += zone.dwell.count
        visits.dwell_sum_ms += zone.dwell.sum_ms
        _add_observed(visits, window, zone.looked_ms, open_hours=open_hours)
        _add_bins(visits.bins, zone.dwell)
    for queue in window.queues:
        waits = rollup.queues.setdefault(queue.queue, QueueSums())
        waits.windows_ms += duration_ms
        _add_observed(waits, window, queue.looked_ms, open_hours=open_hours)
        waits.person_ms += queue.person_ms
        waits.joined += queue.joined
        waits.lost += queue.lost
        waits.served_count += queue.served.count
        waits.served_sum_ms += queue.served.sum_ms
        waits.abandoned_count += queue.abandoned.count
        waits.abandoned_sum_ms += queue.abandoned.sum_ms
        _add_bins(waits.served, queue.served)
        _add_bins(waits.abandoned, queue.abandoned)
    for camera in window.cameras:
        share = rollup.cameras.setdefault(camera.camera, CameraSums())
        share.windows_ms += duration_ms
        share.up_ms += duration_ms if camera.state == "up" else 0
        share.observed_ms += camera.observed_ms
        share.frames += camera.frames
        share.analysed += camera.analysed
        if camera.fault is not None:
            share.faults[camera.fault] += duration_ms
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
        if sensor.fault is not None:
            ranges.faults[sensor.fault] += duration_ms
    for pair in window.pairs:
        if pair.wrong is not None:
            rollup.pairs.setdefault(pair.name, Counter())[pair.wrong] += duration_ms


def _grid_of(window: Window, kind: GridKind) -> Heat | Flow | None:
    part: Heat | Flow | None = getattr(window, kind)
    return part


def _looked_ms(window: Window) -> int:
    """As the box tells; one that does not had its cameras look at the same time, as far as is known."""
    if window.looked_ms is not None:
        return min(window.looked_ms, window.duration_ms)
    return per_camera_ms(window.observed_ms, window.duration_ms, window.expected_ms) or 0


def _add_entrances(entrances: EntranceSums, window: Window, *, open_hours: bool) -> None:
    """By what the window itself says: which lines are entrances today says nothing of then."""
    if window.lines and all(line.entrance is None for line in window.lines):
        return
    entrances.windows_ms += window.duration_ms
    doors = [line for line in window.lines if line.entrance]
    for line in doors:
        _add_crossings(entrances, line)
    if doors:
        observed_ms = sum(_observed_ms(window, line.looked_ms) for line in doors) // len(doors)
        _add_told(entrances, window, observed_ms, open_hours=open_hours)


def _add_crossings(into: LineSums, line: LineWindow) -> None:
    into.crossings_in += line.in_
    into.crossings_out += line.out
    into.returned += line.returned
    into.staff_in += line.staff_in
    into.staff_out += line.staff_out


def _add_told(into: LineSums, window: Window, observed_ms: int, *, open_hours: bool) -> None:
    into.told_ms += window.observed_ms
    into.observed_ms += observed_ms
    if open_hours:
        into.open_told_ms += window.observed_ms
        into.open_observed_ms += observed_ms


def _observed_ms(window: Window, looked_ms: int | None) -> int:
    """`looked_ms`: how long the part itself was watched, as its box tells; by as many cameras as there are."""
    if looked_ms is None:
        return window.observed_ms
    return min(looked_ms, window.duration_ms) * window.expected_ms // window.duration_ms


def _add_observed(
    part: ZoneSums | QueueSums, window: Window, looked_ms: int | None, *, open_hours: bool
) -> None:
    observed_ms = _observed_ms(window, looked_ms)
    part.observed_ms += observed_ms
    part.open_observed_ms += observed_ms if open_hours else 0


def _sparse(part: Heat | Flow) -> tuple[GridShape, SparseGrid]:
    if isinstance(part, Heat):
        return GridShape(part.cell_mm, part.rows, part.cols), SparseGrid(part.cells, part.mps)
    layer = part.rows * part.cols
    cells = [number * layer + cell for number in range(3) for cell in part.cells]
    values = [*part.dx_mm, *part.dy_mm, *part.path_mm]
    return GridShape(part.cell_mm, part.rows, part.cols, layers=3), SparseGrid(cells, values)


def _add_bins(into: Counter[int], histogram: Histogram) -> None:
    for index, count in histogram.bins.items():
        if count:
            into[int(index)] += count


def differences(stored: Mapping[Bucket, RollUp], wanted: Mapping[Bucket, RollUp]) -> Iterator[str]:
    """One sentence for every figure that is not the same in both."""
    for bucket in sorted(stored.keys() | wanted.keys()):
        where = f"{bucket[0]} {iso(bucket[1])}"
        have, want = stored.get(bucket), wanted.get(bucket)
        if have is None or want is None:
            yield f"{where}: {'not stored' if have is None else 'stored, but no message is behind it'}"
            continue
        for part in (
            "totals",
            "methods",
            "lines",
            "entrances",
            "zones",
            "queues",
            "cameras",
            "sensors",
            "pairs",
        ):
            a, b = getattr(have, part), getattr(want, part)
            if a != b:
                yield f"{where}: {part} stored {a}, recomputed {b}"
        for kind in GRID_KINDS:
            kept, anew = have.grids(kind), want.grids(kind)
            for shape in sorted(kept.keys() | anew.keys(), key=str):
                a_grid, b_grid = (grid.add(grid.empty(shape), of.get(shape, [])) for of in (kept, anew))
                if not np.array_equal(a_grid, b_grid):
                    cell = int(np.flatnonzero(a_grid != b_grid)[0])
                    yield f"{where}: {kind} cell {cell} stored {a_grid[cell]}, recomputed {b_grid[cell]}"


def _figures(window: Window) -> Iterator[int]:
    yield from (window.expected_ms, window.observed_ms, window.person_ms, window.staff_ms)
    for line in window.lines:
        yield from (line.in_, line.out, line.staff_in, line.staff_out)
    for zone in window.zones:
        yield from (zone.person_ms, zone.entries)
    for queue in window.queues:
        yield from (queue.person_ms, queue.joined, queue.lost)
    for histogram in _histograms(window):
        yield from (histogram.count, histogram.sum_ms, *histogram.bins.values())
    for camera in window.cameras:
        yield from (camera.observed_ms, camera.frames, camera.analysed)
    for sensor in window.sensors:
        yield from (sensor.observed_ms, sensor.readings, sensor.valid, sensor.sum_mm or 0)
        yield from (sensor.present_ms or 0, sensor.nearest_mm or 0, sensor.farthest_mm or 0)
    for heat in (window.heat, window.filled):
        if heat is not None:
            yield max(heat.mps, default=0)
    if window.filled is not None:
        yield sum(window.filled.mps)
    if window.flow is not None:
        yield from (abs(step) for steps in (window.flow.dx_mm, window.flow.dy_mm) for step in steps)
        yield sum(window.flow.path_mm)


def _histograms(window: Window) -> Iterator[Histogram]:
    yield from (zone.dwell for zone in window.zones)
    for queue in window.queues:
        yield from (queue.served, queue.abandoned)


def _least(a: int | None, b: int | None) -> int | None:
    known = [value for value in (a, b) if value is not None]
    return min(known) if known else None


def _most(a: int | None, b: int | None) -> int | None:
    known = [value for value in (a, b) if value is not None]
    return max(known) if known else None
