"""Floor tracks from anywhere through the counters: crossings, visits, windows and heat."""

from __future__ import annotations

import csv
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from branchloop.clock import DAY_MS, window_start_ms
from branchloop.errors import InputError
from branchloop.site.site import Site
from edge.floor.accounts import Accounts
from edge.floor.floor import Settled, enter
from edge.floor.fusion.people import HOLD_MS, SitePerson, Stretch
from edge.floor.mending import mend
from edge.floor.windows import no_sensors
from edge.results import Results

Places = Mapping[int, tuple[float, float]]
"""Person -> place on the plan (m)."""


def simulate(site: Site, tracks: Path, out_dir: Path) -> dict[str, Any]:
    """Count the people of a track table (t_s, id, x_m, y_m) on the site; write the results.

    Short gaps are filled and noisy paths smoothed first, as the tracker does with its own.
    """
    moments = mend(read_tracks(tracks))
    results = Results(out_dir, site.plan, (0.0, 0.0), [])
    for settled in count(site, moments):
        results.add(settled, {})
    return results.close()


def count(site: Site, moments: list[tuple[int, Places]]) -> Iterator[Settled]:
    """Settled facts of a whole run, window by window; the floor counts as observed throughout.

    `moments` are (ms, people there) in time order; a person stands until the next moment, at most 1 s.
    """
    bare = site.model_copy(update={"cameras": []})
    accounts = Accounts(bare, method="simulated tracks" if site.simulated else "tracks", prefix="simulate")
    if not moments:
        return
    accounts.begin(moments[0][0])
    last_ms = moments[-1][0] + 1
    settled = Settled()
    for (t_ms, places), (next_ms, _) in itertools.pairwise([*moments, (last_ms, {})]):
        hold_ms = min(next_ms, t_ms + HOLD_MS)
        people = tuple(SitePerson(person, places[person], ()) for person in sorted(places))
        settled.stretches.append(_stretch(t_ms, hold_ms, people))
        if hold_ms < next_ms:
            settled.stretches.append(_stretch(hold_ms, next_ms, ()))
        if window_start_ms(next_ms) > t_ms or next_ms == last_ms:
            enter(accounts, settled, last=next_ms == last_ms)
            settled.windows = accounts.close(next_ms, {}, no_sensors)
            yield settled
            settled = Settled()
    yield Settled(windows=accounts.close(last_ms, {}, no_sensors, "stop"))


def read_tracks(path: Path) -> list[tuple[int, Places]]:
    """Read a track table with the columns t_s, id, x_m, y_m (others are ignored), any row order."""
    moments: defaultdict[int, dict[int, tuple[float, float]]] = defaultdict(dict)
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if not {"t_s", "id", "x_m", "y_m"} <= set(reader.fieldnames or ()):
                raise InputError(f"{path} lacks a column.", hint="The first row must name t_s,id,x_m,y_m.")
            for number, row in enumerate(reader, 2):
                values = _numbers(row, path, number)
                moments[round(values[0] * 1000)][int(values[1])] = (values[2], values[3])
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a CSV table: {error}.", hint="Write t_s,id,x_m,y_m.") from error
    if not moments:
        raise InputError(f"{path} holds no track.", hint="Write one row per person and moment.")
    for before_ms, after_ms in itertools.pairwise(sorted(moments)):
        if after_ms - before_ms > 7 * DAY_MS:
            raise InputError(
                f"{path}: nobody is anywhere between t_s {before_ms / 1000:.0f} and {after_ms / 1000:.0f}, more than a week.",
                hint="Delete rows of another clock, or count the weeks apart.",
            )
    return sorted(moments.items())


def _numbers(row: Mapping[str, str], path: Path, number: int) -> tuple[float, float, float, float]:
    try:
        values = tuple(float(row[key]) for key in ("t_s", "id", "x_m", "y_m"))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}, row {number}: not four numbers.", hint="Mend or delete the row."
        ) from error
    if not all(math.isfinite(value) for value in values) or values[0] < 0 or values[1] != int(values[1]):
        raise InputError(f"{path}, row {number}: impossible values.", hint="Mend or delete the row.")
    return values[0], values[1], values[2], values[3]


def _stretch(start_ms: int, end_ms: int, people: tuple[SitePerson, ...]) -> Stretch:
    return Stretch(start_ms, end_ms, people, frozenset({"floor"}), frozenset())
