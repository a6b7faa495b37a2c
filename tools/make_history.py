"""Make `sample_history/river-street.ndjson.xz`: 14 days of the simulated branch, as windows.

    python tools/make_history.py

People walk in `simulate_branch`, their floor tracks go through the edge's own counters, and the twelve
5 s windows of a minute are merged into one of twelve slots. The steps of a cell are put off until it has
gathered ten metres, at the latest until the day ends, so that the file stays small: over a day the flow is
exact to the decimetre, minute by minute it is not. Times are the branch's wall clock counted
as if it lay in UTC; `branchloop hub import --shift-to-today` brings them to the present. Everything in
the file is simulated.
"""

from __future__ import annotations

import argparse
import json
import lzma
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import simulate_branch

from branchloop.clock import MINUTE_MS
from branchloop.site.site import Site, parse_site
from branchloop.wire.messages import Flow, Heat, Histogram, LineWindow, QueueWindow, Window, ZoneWindow
from edge.simulate import count

FIRST_DAY = date(2026, 11, 9)
DAYS = 14
HZ = 2.0
"""Places a second: enough for 0.25 m cells at walking pace, and quick."""
PUT_OFF_MM = 10_000
ROUND_MM = 100


def main() -> None:
    """Simulate, count, merge, compress."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("sample_history/river-street.ndjson.xz"))
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    config = Path(__file__).parent.parent / "configs" / "simulated.toml"
    site = parse_site(config.read_text(encoding="utf-8"), str(config))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(args.days):
        day = FIRST_DAY + timedelta(days=number)
        for window in minutes(site, day_windows(site, day, args.seed)):
            lines.append(
                json.dumps(
                    {"seq": len(lines) + 1, "kind": "window", "body": slim(window)}, separators=(",", ":")
                )
            )
        print(day, len(lines), "windows")
    text = "\n".join(lines) + "\n"
    args.out.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(args.out, args.out.stat().st_size, "bytes")


def day_windows(site: Site, day: date, seed: int) -> Iterator[Window]:
    """The 5 s windows of one simulated day, wall clock as if UTC."""
    simulated = simulate_branch.simulate_day(day, seed, hz=HZ)
    midnight_ms = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    moments: dict[int, dict[int, tuple[float, float]]] = {}
    for t_s, person, x_m, y_m in zip(simulated.t_s, simulated.id, simulated.x_m, simulated.y_m, strict=True):
        places = moments.setdefault(midnight_ms + round(float(t_s) * 1000), {})
        places[int(person)] = (float(x_m), float(y_m))
    for start_ms, end_ms in site.open_spans_ms(day):
        offset_ms = round(datetime(day.year, day.month, day.day, tzinfo=site.zone_info).timestamp() * 1000)
        for edge_ms in (start_ms, end_ms):
            moments.setdefault(edge_ms - offset_ms + midnight_ms, {})
    for settled in count(site, sorted(moments.items())):
        yield from settled.windows


def minutes(site: Site, windows: Iterable[Window]) -> Iterator[Window]:
    """Whole minutes, each merged from its windows."""
    by_minute: dict[int, list[Window]] = defaultdict(list)
    for window in windows:
        by_minute[window.start_ms - window.start_ms % MINUTE_MS].append(window)
    steps = Steps()
    for start_ms in sorted(by_minute):
        steps.add(part.flow for part in by_minute[start_ms] if part.flow is not None)
        last = start_ms == max(by_minute)
        yield merged(site, by_minute[start_ms], steps.taken(0 if last else PUT_OFF_MM))


class Steps:
    """Steps by cell that no window has told yet."""

    def __init__(self) -> None:
        self._shape: tuple[int, int, int] | None = None
        self._sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])

    def add(self, parts: Iterable[Flow]) -> None:
        """Gather the steps of some windows."""
        for part in parts:
            self._shape = (part.cell_mm, part.rows, part.cols)
            for cell, *steps in zip(part.cells, part.dx_mm, part.dy_mm, part.path_mm, strict=True):
                self._sums[cell] = [a + b for a, b in zip(self._sums[cell], steps, strict=True)]

    def taken(self, least_mm: int) -> Flow | None:
        """The cells that have gathered so much, rounded; what rounding leaves stays for the next time."""
        told = {
            cell: [round(value / ROUND_MM) * ROUND_MM for value in sums]
            for cell, sums in sorted(self._sums.items())
            if sums[2] > max(least_mm, ROUND_MM)
        }
        if not told or self._shape is None:
            return None
        for cell, sums in told.items():
            self._sums[cell] = [a - b for a, b in zip(self._sums[cell], sums, strict=True)]
        cell_mm, rows, cols = self._shape
        dx_mm, dy_mm, path_mm = (list(values) for values in zip(*told.values(), strict=True))
        return Flow(
            cell_mm=cell_mm, rows=rows, cols=cols, cells=list(told), dx_mm=dx_mm, dy_mm=dy_mm, path_mm=path_mm
        )


def merged(site: Site, parts: list[Window], flow: Flow | None) -> Window:
    """One window of as many slots as there are parts; integers add, so nothing is lost."""
    cells: Counter[int] = Counter()
    for part in parts:
        if part.heat is not None:
            cells.update(dict(zip(part.heat.cells, part.heat.mps, strict=True)))
    heat = None
    if cells:
        order = sorted(cells)
        heat = Heat(
            cell_mm=round(site.plan.cell_m * 1000),
            rows=site.plan.rows,
            cols=site.plan.cols,
            cells=order,
            mps=[cells[cell] for cell in order],
        )
    return Window(
        start_ms=parts[0].start_ms,
        slots=len(parts),
        config_version=site.version,
        method=parts[0].method,
        expected_ms=sum(part.expected_ms for part in parts),
        observed_ms=sum(part.observed_ms for part in parts),
        person_ms=sum(part.person_ms for part in parts),
        staff_ms=sum(part.staff_ms for part in parts),
        people_end=parts[-1].people_end,
        lines=[_line(line.id, parts) for line in site.lines],
        zones=[_zone(zone.id, parts) for zone in site.zones],
        queues=[_queue(zone.id, parts) for zone in site.zones if zone.kind == "queue"],
        heat=heat,
        flow=flow,
    )


def slim(window: Window) -> dict[str, object]:
    """The body without what is empty or the default: the file has to stay small."""
    return json.loads(window.model_dump_json(by_alias=True, exclude_defaults=True))


def _line(line: str, parts: list[Window]) -> LineWindow:
    mine = [found for part in parts for found in part.lines if found.line == line]
    total = {"line": line, "in": sum(m.in_ for m in mine), "out": sum(m.out for m in mine)}
    total |= {key: sum(getattr(m, key) for m in mine) for key in ("returned", "staff_in", "staff_out")}
    return LineWindow.model_validate(total)


def _zone(zone: str, parts: list[Window]) -> ZoneWindow:
    mine = [found for part in parts for found in part.zones if found.zone == zone]
    return ZoneWindow(
        zone=zone,
        person_ms=sum(found.person_ms for found in mine),
        entries=sum(found.entries for found in mine),
        dwell=_added(found.dwell for found in mine),
    )


def _queue(queue: str, parts: list[Window]) -> QueueWindow:
    mine = [found for part in parts for found in part.queues if found.queue == queue]
    return QueueWindow(
        queue=queue,
        person_ms=sum(found.person_ms for found in mine),
        waiting_end=mine[-1].waiting_end if mine else None,
        joined=sum(found.joined for found in mine),
        served=_added(found.served for found in mine),
        abandoned=_added(found.abandoned for found in mine),
        lost=sum(found.lost for found in mine),
    )


def _added(parts: Iterable[Histogram]) -> Histogram:
    count, sum_ms, bins = 0, 0, Counter[str]()
    for part in parts:
        count, sum_ms = count + part.count, sum_ms + part.sum_ms
        bins.update(part.bins)
    return Histogram(count=count, sum_ms=sum_ms, bins=dict(bins))


if __name__ == "__main__":
    main()
