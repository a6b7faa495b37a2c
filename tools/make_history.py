"""Make `sample_history/river-street.ndjson.xz`: 14 days of the simulated branch, as windows.

    python tools/make_history.py

People walk in `simulate_branch`, their floor tracks go through the edge's own counters, and the twelve
5 s windows of a minute are merged into one of twelve slots. Times are the branch's wall clock counted
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
from branchloop.messages import Heat, Histogram, LineWindow, Window, ZoneWindow
from branchloop.site import Site, parse_site
from edge.simulate import count

FIRST_DAY = date(2026, 11, 9)
DAYS = 14
HZ = 2.0
"""Places a second: enough for 0.25 m cells at walking pace, and quick."""


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
    for start_ms in sorted(by_minute):
        yield merged(site, by_minute[start_ms])


def merged(site: Site, parts: list[Window]) -> Window:
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
        people_end=parts[-1].people_end,
        lines=[_line(line.id, parts) for line in site.lines],
        zones=[_zone(zone.id, parts) for zone in site.zones],
        heat=heat,
    )


def slim(window: Window) -> dict[str, object]:
    """The body without what is empty or the default: the file has to stay small."""
    return json.loads(window.model_dump_json(by_alias=True, exclude_defaults=True))


def _line(line: str, parts: list[Window]) -> LineWindow:
    mine = [found for part in parts for found in part.lines if found.line == line]
    total = {"line": line, "in": sum(m.in_ for m in mine), "out": sum(m.out for m in mine)}
    return LineWindow.model_validate(total)


def _zone(zone: str, parts: list[Window]) -> ZoneWindow:
    mine = [found for part in parts for found in part.zones if found.zone == zone]
    bins: Counter[str] = Counter()
    for found in mine:
        bins.update(found.dwell.bins)
    return ZoneWindow(
        zone=zone,
        person_ms=sum(found.person_ms for found in mine),
        entries=sum(found.entries for found in mine),
        dwell=Histogram(
            count=sum(found.dwell.count for found in mine),
            sum_ms=sum(found.dwell.sum_ms for found in mine),
            bins=dict(bins),
        ),
    )


if __name__ == "__main__":
    main()
