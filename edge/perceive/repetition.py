"""Whether a camera shows a recording over and over instead of what is there now.

Two signs, each of which a living scene cannot give:

- *the same pictures*: frames that are equal to the last bit, distinct from each other, again and again at one
  distance in time. A stream copied from a file does that, even of an empty room, since its noise repeats;
- *the same movement*: what changed within a second is the same as a while ago, for many seconds at one distance in
  time, all over the picture. A recording that was compressed anew does that. A screen on the wall that repeats
  its film does it as well, but only where it hangs: hence "all over the picture".
"""

from __future__ import annotations

import zlib
from collections import Counter, OrderedDict, deque
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

LEAST_LAG_S = 4.0
REMEMBERED_S = 3_600.0
"""Of the digests of pictures."""
MOVEMENT_S = 600.0
"""Of the movement: a longer recording, compressed anew, is not found out."""

_STRIDE = 8
GRID = (24, 18)
_LAG_STEP_S = 0.4
_SAME_PICTURES = 12
_DISTINCT = 4
"""So many different ones must be among them: an encoder that goes back and forth between two pictures of a still room plays nothing."""
DIFFER = 3.4
"""Grey levels: by so much a cell of the grid must differ among them. What an encoder makes of one picture differs by 2.8 at most: that is `frozen`."""
_SAME_ROUND_S = 0.1
"""The rounds of a recording differ by no more."""
_WITHIN_S = 40.0
_QUERY_EVERY_S = 1.0
_ALIKE = 0.75
"""Correlation of movements from which they may be one: frames are seldom taken at the same moments of a recording."""
_LIVELY = 1.2
"""Grey levels, RMS over the grid: below, nothing moved that could repeat."""
_TOUCHED = 6.0
"""Grey levels: so much of a change in a cell is no noise."""
_LEAST_QUERIES = 12
_LEAST_SHARE = 0.4
"""Of the movements of the last seconds: so many must have been seen at one distance in time. Real footage gave .12."""
_SPREAD = 0.12
"""Share of the grid that the repeated movement must have touched."""
_OVER_S = 15.0
"""So long without any sign, and the picture is believed again."""


class _Before(NamedTuple):
    """A picture: since when it comes back regularly, when it was there last, and the round it came back in."""

    first_s: float
    last_s: float
    round_s: float | None


class Repetition:
    """Judges the frames of one camera, each of them."""

    def __init__(self) -> None:
        self.looped = False
        self._began_s = float("inf")
        self._seen: OrderedDict[int, _Before] = OrderedDict()
        self._last = 0
        self._equal: deque[tuple[float, int, int, NDArray[np.float32]]] = deque()
        """(when, lag, digest, grid) of pictures that were there before."""
        self._small: deque[tuple[float, NDArray[np.float32]]] = deque()
        self._times = np.zeros(0)
        self._moves = np.zeros((0, GRID[0] * GRID[1]), np.float32)
        self._count = 0
        self._asked_s = float("-inf")
        self._alike: deque[tuple[float, int | None, NDArray[np.bool_]]] = deque()
        self._sign_s = float("-inf")

    def observe(self, image: Image, t_s: float) -> bool:
        """Take in a frame (rows × columns × 3, BGR) of monotonic time; whether it is a repetition."""
        coarse = np.ascontiguousarray(image[::_STRIDE, ::_STRIDE, 1])
        cells = cv2.resize(coarse.astype(np.float32), GRID, interpolation=cv2.INTER_AREA)
        grid = np.asarray(cells, np.float32).ravel()
        if self._same_pictures(coarse, grid, t_s) or self._same_movement(coarse, t_s):
            self.looped, self._sign_s = True, t_s
        elif self.looped and t_s - self._sign_s > _OVER_S:
            self.looped = False
        return self.looped

    def _same_pictures(self, coarse: Image, grid: NDArray[np.float32], t_s: float) -> bool:
        digest = zlib.crc32(coarse.tobytes())
        if digest == self._last:
            return False
        self._last = digest
        lag_s = self._lag_s(digest, t_s)
        while self._seen and t_s - next(iter(self._seen.values())).last_s > REMEMBERED_S:
            self._seen.popitem(last=False)
        while self._equal and t_s - self._equal[0][0] > _WITHIN_S:
            self._equal.popleft()
        if lag_s is None:
            return False
        self._equal.append((t_s, round(lag_s / _LAG_STEP_S), digest, grid))
        best, count = _commonest(Counter(lag for _, lag, _, _ in self._equal))
        if count < _SAME_PICTURES:
            return False
        grids = {digest: grid for _, lag, digest, grid in self._equal if abs(lag - best) <= 1}
        return len(grids) >= _DISTINCT and bool(np.ptp([*grids.values()], axis=0).max() >= DIFFER)

    def _lag_s(self, digest: int, t_s: float) -> float | None:
        """How long ago a picture was there that is there again; of a short recording several rounds of one length."""
        before = self._seen.pop(digest, None)
        if before is None:
            self._seen[digest] = _Before(t_s, t_s, None)
            return None
        round_s = t_s - before.last_s
        first_s = before.first_s
        if before.round_s is not None and abs(round_s - before.round_s) > _SAME_ROUND_S:
            first_s = (
                before.last_s
            )  # an encoder may go back to an old picture at any time, a recording may not
        lag_s = round_s if round_s >= LEAST_LAG_S else t_s - first_s
        if lag_s < LEAST_LAG_S:
            self._seen[digest] = _Before(first_s, t_s, round_s)
            return None
        self._seen[digest] = _Before(t_s, t_s, round_s)
        return lag_s

    def _same_movement(self, coarse: Image, t_s: float) -> bool:
        small = cv2.resize(coarse, GRID, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        self._small.append((t_s, small))
        while len(self._small) > 2 and t_s - self._small[1][0] >= 1.0:
            self._small.popleft()
        if t_s - self._small[0][0] < 0.9:
            return False
        move = small - self._small[0][1]
        move -= np.median(move)  # the light as a whole
        strength = float(np.sqrt(np.mean(move * move)))
        asked = None
        if t_s - self._asked_s >= _QUERY_EVERY_S:
            self._asked_s = t_s
            asked = self._ask(move, strength, t_s)
        self._remember(move / max(strength, _LIVELY) / np.sqrt(move.size), t_s)
        return bool(asked)

    def _ask(self, move: NDArray[np.float32], strength: float, t_s: float) -> bool:
        while self._alike and t_s - self._alike[0][0] > _WITHIN_S:
            self._alike.popleft()
        if strength < _LIVELY:
            return False
        touched = np.abs(move) > _TOUCHED
        old = self._times[: self._count] <= t_s - LEAST_LAG_S
        if not old.any():
            return False
        likeness = self._moves[: self._count][old] @ (move / strength / np.sqrt(move.size))
        best = int(likeness.argmax())
        lag = None
        if likeness[best] >= _ALIKE:
            lag = round((t_s - float(self._times[: self._count][old][best])) / _LAG_STEP_S)
        self._alike.append((t_s, lag, touched))
        _, count = _commonest(Counter(lag for _, lag, _ in self._alike if lag is not None))
        if count < max(_LEAST_QUERIES, _LEAST_SHARE * len(self._alike)):
            return False
        return bool(np.any([entry[2] for entry in self._alike], axis=0).mean() >= _SPREAD)

    def _remember(self, move: NDArray[np.float32], t_s: float) -> None:
        if self._count == len(self._times):
            keep = self._times >= t_s - MOVEMENT_S
            kept = int(keep.sum())
            room = max(512, kept * 2)
            times, moves = np.zeros(room), np.zeros((room, move.size), np.float32)
            times[:kept], moves[:kept] = self._times[keep], self._moves[keep]
            self._times, self._moves, self._count = times, moves, kept
        self._times[self._count], self._moves[self._count] = t_s, move
        self._count += 1


def _commonest(lags: Counter[int]) -> tuple[int, int]:
    """The lag that most share, its neighbours counted with it, and how many they are."""
    if not lags:
        return 0, 0
    best = max(lags, key=lambda lag: lags[lag - 1] + lags[lag] + lags[lag + 1])
    return best, lags[best - 1] + lags[best] + lags[best + 1]
