"""The recent paths of all cameras' tracks, read at common moments whatever their frame rates and clocks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.floor.person import Person

Array = NDArray[np.float64]
Key = tuple[str, int]
"""A camera's track: (camera id, track id)."""

GRID_MS = 200
KEPT_MS = 12_000
LONGEST_GAP_MS = 900
"""Between two sightings further apart nothing is known of a path."""

_Sample = tuple[int, float, float, float]


@dataclass(slots=True)
class _Path:
    settled: list[_Sample] = field(default_factory=list)
    outlook: list[_Sample] = field(default_factory=list)
    seen_ms: int = -1
    """The last settled sighting that was one: a path is carried on for a moment after it."""

    @property
    def samples(self) -> list[_Sample]:
        return [*self.settled, *self.outlook]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Paths of one camera at `times_ms` (T): `places_m` (n, T, 2) and `sigma_m` (n, T), NaN where unknown."""

    keys: list[Key]
    times_ms: NDArray[np.int64]
    places_m: Array
    sigma_m: Array

    def velocity(self) -> Array:
        """(n, T, 2) m/s by central differences; NaN at the ends."""
        speed = np.full_like(self.places_m, np.nan)
        speed[:, 1:-1] = (self.places_m[:, 2:] - self.places_m[:, :-2]) * (1000 / (2 * GRID_MS))
        return speed


class Paths:
    """Sightings of every track during the last `KEPT_MS`, and what is believed of frames not settled yet."""

    def __init__(self) -> None:
        self._paths: dict[Key, _Path] = {}

    def settle(self, camera: str, frames: Sequence[tuple[int, list[Person]]]) -> None:
        """Add what became final."""
        for t_ms, people in frames:
            for person in people:
                path = self._paths.setdefault((camera, person.id), _Path())
                path.settled.append((t_ms, *person.place_m, person.sigma_m))
                path.seen_ms = t_ms if person.score > 0 else path.seen_ms

    def look_out(self, camera: str, outlook: Mapping[int, Mapping[int, Person]]) -> None:
        """Replace what is believed of a camera's frames that are not settled."""
        for key, path in self._paths.items():
            if key[0] == camera:
                path.outlook = []
        for track, believed in outlook.items():
            path = self._paths.setdefault((camera, track), _Path())
            last_ms = path.settled[-1][0] if path.settled else -1
            path.outlook = [
                (t_ms, *believed[t_ms].place_m, believed[t_ms].sigma_m)
                for t_ms in sorted(believed)
                if t_ms > last_ms
            ]

    def span_ms(self, key: Key) -> tuple[int, int] | None:
        """First and last sighting that is still kept, in the camera's own time."""
        samples = self._paths[key].samples if key in self._paths else []
        return (samples[0][0], samples[-1][0]) if samples else None

    def seen_ms(self, key: Key) -> int:
        """When a track was truly seen last, or is believed to have been, in the camera's own time."""
        path = self._paths[key]
        return path.outlook[-1][0] if path.outlook else path.seen_ms

    def keys(self) -> list[Key]:
        """All tracks that are still kept."""
        return sorted(key for key, path in self._paths.items() if path.settled or path.outlook)

    def velocity(self, key: Key, t_ms: int) -> tuple[float, float]:
        """Speed (m/s) of a track about `t_ms` of its camera's time; zero when it is known for too short."""
        path = self._paths[key]
        near = bisect_left(path.settled, (t_ms - 500,))
        samples = [s for s in (*path.settled[near:], *path.outlook) if abs(s[0] - t_ms) <= 500]
        if len(samples) < 2 or samples[-1][0] - samples[0][0] < 150:
            return 0.0, 0.0
        (t0, x0, y0, _), (t1, x1, y1, _) = samples[0], samples[-1]
        return (x1 - x0) * 1000 / (t1 - t0), (y1 - y0) * 1000 / (t1 - t0)

    def sheet(self, camera: str, times_ms: NDArray[np.int64], clock_ms: float, bias_m: Array) -> Sheet:
        """Paths of `camera` at common times: its clock is `clock_ms` ahead and its places are off by `bias_m`."""
        own_ms = times_ms + clock_ms
        keys: list[Key] = []
        places: list[Array] = []
        sigmas: list[Array] = []
        for key in sorted(key for key in self._paths if key[0] == camera):
            samples = self._paths[key].samples
            if not samples or samples[-1][0] < own_ms[0] or samples[0][0] > own_ms[-1]:
                continue
            table = np.array(samples)
            t = table[:, 0]
            following = np.clip(np.searchsorted(t, own_ms), 0, len(t) - 1)
            before = np.clip(following - 1, 0, None)
            known = (own_ms >= t[0]) & (own_ms <= t[-1])
            known &= t[following] - t[before] <= LONGEST_GAP_MS
            path = np.column_stack([np.interp(own_ms, t, table[:, i]) for i in (1, 2, 3)])
            path[~known] = np.nan
            keys.append(key)
            places.append(path[:, :2] - bias_m)
            sigmas.append(path[:, 2])
        shape = (len(keys), len(times_ms))
        return Sheet(
            keys,
            times_ms,
            np.array(places).reshape(*shape, 2) if keys else np.zeros((*shape, 2)),
            np.array(sigmas).reshape(shape) if keys else np.zeros(shape),
        )

    def forget(self, upto_ms: int) -> list[Key]:
        """Drop what is older than is kept; returns the tracks that are gone."""
        gone: list[Key] = []
        for key, path in list(self._paths.items()):
            first = next(
                (i for i, s in enumerate(path.settled) if s[0] >= upto_ms - KEPT_MS), len(path.settled)
            )
            del path.settled[:first]
            if not path.settled and not path.outlook:
                del self._paths[key]
                gone.append(key)
        return gone
