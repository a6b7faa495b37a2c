"""Roll-ups in SQLite: adding increments with UPSERTs that sum, reading buckets back, deleting them."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from hub.store.figures import grid
from hub.store.figures.sums import (
    GRID_KINDS,
    LINE_SUMS,
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
    Totals,
    ZoneSums,
)

ROLLUP_TABLES = (
    "rollup",
    "rollup_method",
    "rollup_line",
    "rollup_entrance",
    "rollup_zone",
    "rollup_dwell",
    "rollup_queue",
    "rollup_wait",
    "rollup_camera",
    "rollup_sensor",
    "rollup_fault",
    "heat",
    "heat_filled",
    "flow",
)
_KEY = "site, level, start_ms, device"
_Row = tuple[object, ...]

_TOTALS = (
    "windows", "windows_ms", "expected_ms", "observed_ms", "open_expected_ms", "open_observed_ms", "person_ms",
    "staff_ms", "filled_ms", "looked_ms",
)  # fmt: skip
_OBSERVED = ("observed_ms", "open_observed_ms")
_ENTRANCE = (*LINE_SUMS, "windows_ms")
_ZONE = ("person_ms", "entries", "dwell_count", "dwell_sum_ms", *_OBSERVED)
_QUEUE = (
    "windows_ms", "person_ms", "joined", "lost", "served_count", "served_sum_ms", "abandoned_count",
    "abandoned_sum_ms", *_OBSERVED,
)  # fmt: skip
_FATES = ("served", "abandoned")
_CAMERA = ("windows_ms", "up_ms", "observed_ms", "frames", "analysed")
_SENSOR = (
    "windows_ms", "up_ms", "observed_ms", "readings", "valid", "sum_mm", "present_ms", "presence_observed_ms",
)  # fmt: skip

_TOTALS_OF, _LINE_OF, _ZONE_OF = attrgetter(*_TOTALS), attrgetter(*LINE_SUMS), attrgetter(*_ZONE)
_ENTRANCE_OF = attrgetter(*_ENTRANCE)
_CAMERA_OF, _SENSOR_OF, _QUEUE_OF = attrgetter(*_CAMERA), attrgetter(*_SENSOR), attrgetter(*_QUEUE)


def _upsert(table: str, part: str, sums: tuple[str, ...], extremes: Mapping[str, str] | None = None) -> str:
    extremes = extremes or {}
    columns = [*_KEY.split(", "), *part.split(), *sums, *extremes]
    keys = ", ".join([_KEY, *part.split()])
    sets = [f"{c} = {c} + excluded.{c}" for c in sums]
    sets += [
        f"{c} = {how}(coalesce({c}, excluded.{c}), coalesce(excluded.{c}, {c}))"
        for c, how in extremes.items()
    ]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
        f"ON CONFLICT ({keys}) DO UPDATE SET {', '.join(sets)}"
    )


_ADD_TOTALS = _upsert("rollup", "", _TOTALS, {"first_ms": "min", "last_ms": "max"})
_ADD_METHOD = _upsert("rollup_method", "method", ("windows_ms",))
_ADD_LINE = _upsert("rollup_line", "line", LINE_SUMS)
_ADD_ENTRANCE = _upsert("rollup_entrance", "", _ENTRANCE)
_ADD_ZONE = _upsert("rollup_zone", "zone", _ZONE)
_ADD_DWELL = _upsert("rollup_dwell", "zone bin", ("visits",))
_ADD_CAMERA = _upsert("rollup_camera", "camera", _CAMERA)
_ADD_SENSOR = _upsert("rollup_sensor", "sensor", _SENSOR, {"nearest_mm": "min", "farthest_mm": "max"})
_ADD_QUEUE = _upsert("rollup_queue", "queue", _QUEUE)
_ADD_WAIT = _upsert("rollup_wait", "queue fate bin", ("waits",))
_ADD_FAULT = _upsert("rollup_fault", "part subject fault", ("fault_ms",))
GRID_TABLES: Mapping[GridKind, tuple[str, str, int]] = {
    "heat": ("heat", "total_mps", 1),
    "filled": ("heat_filled", "total_mps", 1),
    "flow": ("flow", "total_path_mm", 3),
}
"""Kind -> table, column of the total, layers; the total is that of the last layer."""
_RANGE = "WHERE site=? AND level=? AND start_ms>=? AND start_ms<? AND device=?"


def add(db: sqlite3.Connection, site: str, device: str, rollups: Mapping[Bucket, RollUp]) -> None:
    """Add increments; one statement per table, one read per grid."""
    add_rows(db, site, device, rollups)
    add_grids(db, site, device, rollups)


def add_rows(db: sqlite3.Connection, site: str, device: str, rollups: Mapping[Bucket, RollUp]) -> None:
    """`add` but for the grids."""
    keyed = [((site, level, start, device), r) for (level, start), r in rollups.items()]
    db.executemany(
        _ADD_TOTALS,
        [(*k, *_TOTALS_OF(r.totals), r.totals.first_ms, r.totals.last_ms) for k, r in keyed],
    )
    db.executemany(_ADD_METHOD, [(*k, method, ms) for k, r in keyed for method, ms in r.methods.items()])
    db.executemany(_ADD_LINE, [(*k, i, *_LINE_OF(s)) for k, r in keyed for i, s in r.lines.items()])
    db.executemany(
        _ADD_ENTRANCE, [(*k, *_ENTRANCE_OF(r.entrances)) for k, r in keyed if r.entrances.windows_ms]
    )
    db.executemany(_ADD_ZONE, [(*k, i, *_ZONE_OF(s)) for k, r in keyed for i, s in r.zones.items()])
    db.executemany(
        _ADD_DWELL,
        [(*k, i, b, n) for k, r in keyed for i, s in r.zones.items() for b, n in s.bins.items()],
    )
    db.executemany(_ADD_CAMERA, [(*k, i, *_CAMERA_OF(s)) for k, r in keyed for i, s in r.cameras.items()])
    db.executemany(
        _ADD_SENSOR,
        [
            (*k, i, *_SENSOR_OF(s), s.nearest_mm, s.farthest_mm)
            for k, r in keyed
            for i, s in r.sensors.items()
        ],
    )
    db.executemany(_ADD_QUEUE, [(*k, i, *_QUEUE_OF(s)) for k, r in keyed for i, s in r.queues.items()])
    db.executemany(
        _ADD_WAIT,
        [
            (*k, i, fate, b, n)
            for k, r in keyed
            for i, s in r.queues.items()
            for fate in _FATES
            for b, n in getattr(s, fate).items()
        ],
    )
    db.executemany(
        _ADD_FAULT,
        [
            (*k, part, i, fault, ms)
            for k, r in keyed
            for part, i, faults in _faults(r)
            for fault, ms in faults.items()
        ],
    )


def add_grids(db: sqlite3.Connection, site: str, device: str, rollups: Mapping[Bucket, RollUp]) -> None:
    """`add` of the grids alone."""
    for (level, start), rollup in rollups.items():
        for kind in GRID_KINDS:
            for shape, parts in rollup.grids(kind).items():
                _add_grid(db, kind, (site, level, start, device), shape, parts)


def _faults(rollup: RollUp) -> Iterator[tuple[str, str, Counter[str]]]:
    yield from (("camera", camera, sums.faults) for camera, sums in rollup.cameras.items())
    yield from (("sensor", sensor, sums.faults) for sensor, sums in rollup.sensors.items())
    yield from (("pair", pair, faults) for pair, faults in rollup.pairs.items())


def _add_grid(
    db: sqlite3.Connection, kind: GridKind, key: _Row, shape: GridShape, parts: list[SparseGrid]
) -> None:
    table, total, _ = GRID_TABLES[kind]
    place = (*key, shape.cell_mm, shape.rows, shape.cols)
    found = db.execute(
        f"SELECT grid FROM {table} WHERE site=? AND level=? AND start_ms=? AND device=?"
        " AND cell_mm=? AND rows=? AND cols=?",
        place,
    ).fetchone()
    if found is None:
        _settle_former(db, table, key, shape)
    stored = grid.stored_with(found[0] if found else None, shape, parts)
    last = (shape.layers - 1) * shape.rows * shape.cols
    added = sum(sum(part.values[bisect_left(part.cells, last) :]) for part in parts)  # cells ascend
    db.execute(
        f"INSERT INTO {table} ({_KEY}, cell_mm, rows, cols, {total}, grid) VALUES (?,?,?,?,?,?,?,?,?)"
        f" ON CONFLICT ({_KEY}, cell_mm, rows, cols)"
        f" DO UPDATE SET {total} = {total} + excluded.{total}, grid = excluded.grid",
        (*place, added, stored),
    )


def _settle_former(db: sqlite3.Connection, table: str, key: _Row, shape: GridShape) -> None:
    """A bucket begins: the one before it is over, but for what comes late, and is kept in its shortest form."""
    site, level, start_ms, device = key
    of_it = "WHERE site=? AND level=? AND device=? AND cell_mm=? AND rows=? AND cols=?"
    same = (site, level, device, shape.cell_mm, shape.rows, shape.cols)
    former = db.execute(
        f"SELECT start_ms, grid FROM {table} {of_it} AND start_ms<? ORDER BY start_ms DESC LIMIT 1",
        (*same, start_ms),
    ).fetchone()
    if former is not None and (settled := grid.settled(former[1])) != former[1]:
        db.execute(f"UPDATE {table} SET grid=? {of_it} AND start_ms=?", (settled, *same, former[0]))


def read(
    db: sqlite3.Connection, site: str, device: str, level: Level, from_ms: int, to_ms: int
) -> dict[Bucket, RollUp]:
    """Stored buckets of one device that start in `[from_ms, to_ms)`."""
    place = (site, level, from_ms, to_ms, device)
    found: dict[Bucket, RollUp] = {}
    for start, *values in _select(db, "rollup", (*_TOTALS, "first_ms", "last_ms"), place):
        names = (*_TOTALS, "first_ms", "last_ms")
        found[level, start] = RollUp(totals=Totals(**dict(zip(names, values, strict=True))))
    for start, method, windows_ms in _select(db, "rollup_method", ("method", "windows_ms"), place):
        _at(found, level, start).methods[method] = windows_ms
    for start, line, *sums in _select(db, "rollup_line", ("line", *LINE_SUMS), place):
        _at(found, level, start).lines[line] = LineSums(*sums)
    for start, *sums in _select(db, "rollup_entrance", _ENTRANCE, place):
        _at(found, level, start).entrances = EntranceSums(*sums)
    for start, zone, *sums in _select(db, "rollup_zone", ("zone", *_ZONE), place):
        _at(found, level, start).zones[zone] = ZoneSums(*sums)
    for start, zone, index, visits in _select(db, "rollup_dwell", ("zone", "bin", "visits"), place):
        _at(found, level, start).zones.setdefault(zone, ZoneSums()).bins[index] = visits
    for start, camera, *sums in _select(db, "rollup_camera", ("camera", *_CAMERA), place):
        _at(found, level, start).cameras[camera] = CameraSums(*sums)
    for start, queue, *sums in _select(db, "rollup_queue", ("queue", *_QUEUE), place):
        _at(found, level, start).queues[queue] = QueueSums(*sums)
    for start, queue, fate, index, waits in _select(
        db, "rollup_wait", ("queue", "fate", "bin", "waits"), place
    ):
        getattr(_at(found, level, start).queues.setdefault(queue, QueueSums()), fate)[index] = waits
    sensor_columns = ("sensor", "nearest_mm", "farthest_mm", *_SENSOR)
    for start, sensor, nearest, farthest, *sums in _select(db, "rollup_sensor", sensor_columns, place):
        _at(found, level, start).sensors[sensor] = SensorSums(
            **dict(zip(_SENSOR, sums, strict=True)), nearest_mm=nearest, farthest_mm=farthest
        )
    for start, part, subject, fault, fault_ms in _select(
        db, "rollup_fault", ("part", "subject", "fault", "fault_ms"), place
    ):
        rollup = _at(found, level, start)
        if part == "camera":
            rollup.cameras.setdefault(subject, CameraSums()).faults[fault] = fault_ms
        elif part == "pair":
            rollup.pairs.setdefault(subject, Counter())[fault] = fault_ms
        else:
            rollup.sensors.setdefault(subject, SensorSums()).faults[fault] = fault_ms
    for kind, (table, _, layers) in GRID_TABLES.items():
        for start, cell_mm, rows, cols, blob in _select(
            db, table, ("cell_mm", "rows", "cols", "grid"), place
        ):
            shape = GridShape(cell_mm, rows, cols, layers)
            _at(found, level, start).grids(kind)[shape] = [grid.sparse(grid.unpack(blob))]
    return found


def delete(db: sqlite3.Connection, site: str, device: str, buckets: Iterable[Bucket]) -> None:
    """Delete whole buckets."""
    keys = [(site, level, start_ms, device) for level, start_ms in buckets]
    for table in ROLLUP_TABLES:
        db.executemany(f"DELETE FROM {table} WHERE site=? AND level=? AND start_ms=? AND device=?", keys)


def _select(
    db: sqlite3.Connection, table: str, columns: tuple[str, ...], place: _Row
) -> Iterable[tuple[Any, ...]]:
    return db.execute(f"SELECT start_ms, {', '.join(columns)} FROM {table} {_RANGE}", place)


def _at(found: dict[Bucket, RollUp], level: Level, start_ms: int) -> RollUp:
    return found.setdefault((level, start_ms), RollUp())
