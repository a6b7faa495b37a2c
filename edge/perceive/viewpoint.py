"""Whether a camera still looks where it was calibrated: edges of the still room against those learnt then.

A picture is reduced to the direction of its edges, 160 pixels wide, each judged against its surroundings: the
light cancels out. People are left out while the view is learnt, and later cover too little of it. As long as the
edges lie where they were, that is all that is computed. Only when they do not, all shifts, small turns and scales are
tried: a view found again elsewhere has *moved*; one that is found nowhere for a while, or upside down or mirrored, is
not the one that was calibrated. A view that still fits where it was, only worse, has other light, and is learnt as a
further look of the same view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.complex64]
Grey = NDArray[np.uint8]

WIDTH_PX = 160
LEARN_S = 20.0
LEAST_LEARNT = 10
EVERY_S = 1.0
SURE_S = 3.0
"""A moved view is told after it was seen so long."""
ELSEWHERE_S = 60.0
"""A view that is found nowhere is told after this time: a lorry, a crowd or dusk may hide it for a while."""
OTHER_LIGHT_S = 60.0
MOST_LOOKS = 6

_NOISE = 6.0
"""Grey levels of a gradient that may be noise."""
_AT_HOME = 0.7
"""Share of the usual likeness above which nothing else is looked for."""
_CLEARLY = 0.12
"""By so much a view must fit better elsewhere than where it was."""
_LEAST_LIKE = 0.3
"""So alike the same room is in any light; footage of other rooms reached .15 at best."""
_UNLIKE = 0.2
"""Less alike where it was, it is another view: a mirrored corridor reached .16, the same room in any light .35."""
_ITSELF = 0.45
"""So alike it is the same room the same way up, in whatever light: mirrored, almost symmetrical ones reached .4."""
_USUAL = 0.6
"""Likeness to expect before any was measured."""
_LEAST_SHIFT = 0.012
"""Share of the picture's width: smaller shifts are left to `calibrate verify`."""
_TURNS_DEG = (0.0, -2.0, 2.0, -4.0, 4.0, -6.0, 6.0, -8.0, 8.0)
_SCALES = (0.8, 0.85, 0.9, 0.95, 1.05, 1.1, 1.15, 1.2)
_TRIALS = (*((turn, 1.0) for turn in _TURNS_DEG), *((0.0, scale) for scale in _SCALES))
_EDGY = 0.15
"""A picture needs so much of the reference's edges to be judged at all."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How far the picture has moved since it was calibrated: shift as shares of its width, turn in degrees, scale about 1.

    `found` is False when the calibrated view is found nowhere in the picture.
    """

    right: float
    down: float
    turn_deg: float
    found: bool = True
    scale: float = 1.0

    @property
    def shifted(self) -> bool:
        """Whether it is more than the picture of a camera that stands firm may be off."""
        shift = float(np.hypot(self.right, self.down))
        return shift >= _LEAST_SHIFT or abs(self.turn_deg) >= 1 or self.scale != 1

    def move(self, points_px: NDArray[np.float64], picture_px: tuple[int, int]) -> NDArray[np.float64]:
        """(n, 2) px as calibrated -> (n, 2) px where the same place is seen now."""
        width, height = picture_px
        centre = np.array([width / 2, height / 2])
        angle = np.deg2rad(self.turn_deg)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.asarray(
            (points_px - centre) @ turn.T * self.scale + centre + np.array([self.right, self.down]) * width
        )


_NOWHERE = Motion(0, 0, 0, found=False)


class Viewpoint:
    """Judges the view of one camera, once a second. `learnt` is what an earlier run has learnt, if any."""

    def __init__(self, learnt: Sequence[Field] = ()) -> None:
        self.looks: list[Field] = []
        """Edges of the calibrated view, in different light; the first one is the oldest."""
        for look in learnt:  # earlier versions learnt other views, too, as other light
            if not self.looks or _fit(self.looks, look) >= _UNLIKE:
                self.looks.append(look)
        self.motion: Motion | None = None
        self.changed = False
        """Whether `looks` has grown since this was last set to False: then it is worth storing."""
        self._looked_s = float("-inf")
        self._sum: Field | None = None
        self._weight: NDArray[np.float32] | None = None
        self._count = 0
        self._began_s: float | None = None
        self._usual = _USUAL
        self._suspect: Motion | None = None
        self._suspect_s = 0.0
        self._light_s: float | None = None

    def observe(self, grey: Grey, t_s: float, people: NDArray[np.float32] | None = None) -> Motion | None:
        """Take in a picture (rows × columns, grey) of monotonic time; how far the view has moved, None: not.

        `people` (n, ≥ 4): x0, y0, x1, y1 as shares of the picture's width and height.
        """
        if 0 <= t_s - self._looked_s < EVERY_S:
            return self.motion
        if t_s < self._looked_s:  # the clock was set: what was counted from then on begins anew
            self._began_s = self._light_s = self._suspect = None
        self._looked_s = t_s
        field = edges(grey)
        if not self.looks or self.looks[0].shape != field.shape:
            self._learn(field, t_s, people)
            return self.motion
        found = self._compare(grey, field, t_s)
        if found is None:
            self._suspect, self.motion = None, None
            return None
        self._light_s = None
        if self._suspect is None or not _alike(found, self._suspect):
            self._suspect, self._suspect_s = found, t_s
        elif t_s - self._suspect_s >= (SURE_S if found.found else ELSEWHERE_S):
            self.motion = found
        return self.motion

    def _learn(self, field: Field, t_s: float, people: NDArray[np.float32] | None) -> None:
        if self._began_s is None or self._sum is None or self._sum.shape != field.shape:
            self._began_s, self._count = t_s, 0
            self._sum, self._weight = np.zeros_like(field), np.zeros(field.shape, np.float32)
        assert self._weight is not None  # noqa: S101 - set with the sum
        clean = np.ones(field.shape, np.float32)
        for x0, y0, x1, y1 in (people if people is not None else np.zeros((0, 4)))[:, :4]:
            rows, columns = field.shape
            clean[
                int(y0 * rows) : int(y1 * rows) + 2, max(0, int(x0 * columns) - 1) : int(x1 * columns) + 2
            ] = 0
        self._sum += field * clean
        self._weight += clean
        self._count += 1
        if t_s - self._began_s >= LEARN_S and self._count >= LEAST_LEARNT:
            learnt = np.where(self._weight >= LEAST_LEARNT / 2, self._sum / np.maximum(self._weight, 1), 0)
            self._began_s = self._sum = self._weight = None
            if float(np.mean(np.abs(learnt) > 0.3)) > 0.01:  # a dark room or a bare wall teaches nothing
                self.looks, self.changed = [learnt.astype(np.complex64)], True

    def _compare(self, grey: Grey, field: Field, t_s: float) -> Motion | None:
        here = _fit(self.looks, field)
        if here >= _AT_HOME * self._usual and here > _LEAST_LIKE:
            self._usual += (here - self._usual) * (0.2 if here > self._usual else 0.01)
            self._light_s = None
            return None
        texture = float(np.abs(field).sum()) / max(1e-6, float(np.abs(self.looks[0]).sum()))
        if texture < _EDGY:
            return None  # too dark or too flat to say
        for look in self.looks:  # the oldest that can tell decides, so that a slow slide does not go unseen
            like, motion = search(look, grey)
            if like >= _LEAST_LIKE:
                if motion.shifted and like >= likeness(look, field) + _CLEARLY:
                    return motion
                break
        else:  # by chance a view fits somewhere in any picture, but hardly where it was
            if here < _UNLIKE:
                return _NOWHERE
        if here < _ITSELF and max(_fit(_turned_over(look), field) for look in self.looks) > here + _CLEARLY:
            return _NOWHERE
        self._other_light(field, t_s)
        return None

    def _other_light(self, field: Field, t_s: float) -> None:
        """The view fits where it was, only less: after a while this is a further look of it."""
        if self._light_s is None:
            self._light_s, self._sum, self._count = t_s, np.zeros_like(field), 0
        assert self._sum is not None  # noqa: S101 - set with the time
        self._sum += field
        self._count += 1
        if t_s - self._light_s >= OTHER_LIGHT_S and self._count >= LEAST_LEARNT:
            look = (self._sum / self._count).astype(np.complex64)
            self.looks = [*self.looks[: MOST_LOOKS - 1], look]
            self.changed, self._light_s, self._sum, self._usual = True, None, None, _USUAL


def edges(grey: Grey) -> Field:
    """Direction of the edges of a picture, `WIDTH_PX` wide: complex, of length about 1 at clear edges, 0 at none."""
    height = max(8, round(grey.shape[0] * WIDTH_PX / grey.shape[1]))
    small = cv2.resize(grey, (WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    across = cv2.Sobel(small, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(small, cv2.CV_32F, 0, 1)
    energy = cv2.blur(across * across + down * down, (15, 15))
    length = np.sqrt(energy + (4 * _NOISE) ** 2)
    return np.asarray((across + 1j * down) / length, np.complex64)


def likeness(a: Field, b: Field) -> float:
    """Correlation of two fields, -1..1."""
    norm = float(np.sqrt(np.vdot(a, a).real * np.vdot(b, b).real))
    return float(np.vdot(a, b).real) / norm if norm > 0 else 0.0


def _fit(looks: Sequence[Field], field: Field) -> float:
    """How well a picture fits the best of them as it is."""
    return max(likeness(look, field) for look in looks)


def search(look: Field, grey: Grey) -> tuple[float, Motion]:
    """Where in the picture `look` fits best, over shifts with small turns or scales, and how well (a likeness)."""
    rows, columns = look.shape
    small = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA)
    wanted = np.conj(np.fft.fft2(look))
    best, motion = -1.0, Motion(0, 0, 0)
    for turn, scale in _TRIALS:
        back = cv2.getRotationMatrix2D((columns / 2, rows / 2), turn, 1 / scale)
        turned = (
            small
            if (turn, scale) == (0, 1)
            else cv2.warpAffine(small, back, (columns, rows), borderMode=cv2.BORDER_REPLICATE)
        )
        field = edges(np.asarray(turned, np.uint8))
        match = np.fft.ifft2(wanted * np.fft.fft2(field)).real
        down, right = np.unravel_index(int(match.argmax()), match.shape)
        dy = int(down) - (rows if down > rows // 2 else 0)
        dx = int(right) - (columns if right > columns // 2 else 0)
        if abs(dx) > 0.6 * columns or abs(dy) > 0.6 * rows:
            continue
        like = likeness(*_overlap(look, field, dx, dy))
        if like > best:
            part_x, part_y = _peak(match, int(down), int(right))
            angle = np.deg2rad(turn)
            x, y = dx + part_x, dy + part_y
            # Found in the picture turned and scaled back: so is the shift.
            right_px = (x * np.cos(angle) - y * np.sin(angle)) * scale
            down_px = (x * np.sin(angle) + y * np.cos(angle)) * scale
            best, motion = like, Motion(right_px / columns, down_px / columns, turn, scale=scale)
    return best, motion


def _turned_over(look: Field) -> tuple[Field, Field, Field]:
    """The same edges mirrored, head down, and turned by 180°."""
    return -look.conj()[:, ::-1], look.conj()[::-1], -look[::-1, ::-1]


def _overlap(look: Field, field: Field, dx: int, dy: int) -> tuple[Field, Field]:
    rows, columns = look.shape
    return (
        look[max(0, -dy) : rows - max(0, dy), max(0, -dx) : columns - max(0, dx)],
        field[max(0, dy) : rows + min(0, dy), max(0, dx) : columns + min(0, dx)],
    )


def _peak(match: NDArray[np.float64], down: int, right: int) -> tuple[float, float]:
    """Where between pixels the peak lies, along x and y, by parabolas."""
    rows, columns = match.shape
    middle = match[down, right]
    parts = []
    for before, after in (
        (match[down, right - 1], match[down, (right + 1) % columns]),
        (match[down - 1, right], match[(down + 1) % rows, right]),
    ):
        bend = before - 2 * middle + after
        parts.append(float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0)
    return parts[0], parts[1]


def _alike(a: Motion, b: Motion) -> bool:
    near = float(np.hypot(a.right - b.right, a.down - b.down)) < 0.02
    turned = abs(a.turn_deg - b.turn_deg) <= 2 and abs(a.scale - b.scale) < 0.06
    return a.found == b.found and near and turned
