"""The people-free picture of a camera: what stood still in front of it, and a flat grey where that is not known.

Frames spread over time are laid on each other. Whoever the detector finds, however faintly, is cut out with
a margin; of what is left every pixel takes the sample of median brightness, if enough of its samples agree.
What was never free of people, or never came to rest, stays blank: a person is never guessed away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from branchloop.errors import InputError
from branchloop.wire.commands import MAX_PICTURE_BYTES
from edge.perceive.nobody import Boxes, Detector, Image, Remembering, grown, people_anywhere

WIDEST_PX = 1280
"""Pictures are scaled down to this width or height before anything else."""
SCORE_FLOOR = 0.15
"""The detector's: so faint a person is cut out of a sample."""
CHECK_FLOOR = 0.2
"""So faint a person in the finished picture is blanked."""
CHECKED = (1, 2, 3, 4)
"""The finished picture is looked at as a whole and in so many parts across, and mirrored."""
CLEAR = 0.3
"""So clear a person is blanked in pictures that were checked before: mirrored, or laid out on the plan."""
MOST_BLANK = 0.6
"""Share of the picture; with more of it blank there is no picture."""

LEAST_CLEAN = 6
"""So often a pixel must have been seen without people."""
LEAST_SAMPLES = 16
WELL_SEEN = 0.995
SETTLED_OVER = 8
SETTLED_AT = 24
SETTLED_GAIN = 0.01
"""Where so many more samples, from so many on, freed no larger share of the picture, waiting gains nothing."""
_MARGIN = 0.25
"""Share of a box by which it is grown on each side: feet, bags and shadows."""
_AGREE = 30
"""Grey levels between the quarters of a pixel's samples: more, and it never came to rest."""
_ROUNDS = 10
_SURELY = 0.15
"""So far above the floor a whole box, and more, is blanked at once."""
_FAINT_FIRST = -0.25
"""Of a fainter one its middle goes first, and more only where that does not do: most are no people."""
_NEVER = 255
_BLANK = (150, 150, 150)
_HATCH = (138, 138, 138)


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """A picture without people as JPEG, checked as such; `blank` (rows × columns) is where nothing is known."""

    jpeg: bytes
    blank: NDArray[np.bool_]
    samples: int
    camera_px: tuple[int, int]
    """Width and height of the camera's own pictures, in which its calibration counts."""

    @property
    def blank_share(self) -> float:
        """Share of the picture that is blank, 0..1."""
        return float(self.blank.mean())


class Backdrop:
    """Collects samples of one camera; `finish` makes the picture. Holds at most `most` frames in memory."""

    def __init__(self, detector: Detector, most: int = 30) -> None:
        """`detector` tells people from `SCORE_FLOOR` on."""
        self._detector = detector
        self._most = most
        self._frames: list[Image] = []
        self._people: list[NDArray[np.bool_]] = []
        self._clean: NDArray[np.int32] | None = None
        self._shares: list[float] = []
        self._camera_px = (0, 0)

    @property
    def samples(self) -> int:
        """Frames taken so far."""
        return len(self._frames)

    @property
    def full(self) -> bool:
        """Whether no more frames are taken."""
        return len(self._frames) >= self._most

    def clean_share(self, wanted: int = LEAST_CLEAN) -> float:
        """Share of the picture that was seen without people at least `wanted` times."""
        return 0.0 if self._clean is None else float((self._clean >= wanted).mean())

    def add(self, image: Image) -> None:
        """Take in a frame (rows × columns × 3, BGR). Raises InputError when the picture's size changes."""
        size = (image.shape[1], image.shape[0])
        if self._clean is None:
            self._camera_px = size
        elif size != self._camera_px:
            raise InputError("the camera's pictures have changed their size.", hint="Ask again.")
        if self.full:
            return
        small = fitted(image)
        people = people_anywhere(self._detector, small, (1, 2))
        mask = grown(people, (small.shape[1], small.shape[0]), _MARGIN)
        self._frames.append(small)
        self._people.append(mask)
        clean = (~mask).astype(np.int32)
        self._clean = clean if self._clean is None else self._clean + clean
        self._shares.append(self.clean_share())

    def enough(self) -> bool:
        """Whether nearly all of the picture was seen without people often enough, or more samples free no more."""
        if self.samples < LEAST_SAMPLES:
            return False
        return self._shares[-1] >= WELL_SEEN or (
            self.samples >= SETTLED_AT and self._shares[-1] - self._shares[-1 - SETTLED_OVER] < SETTLED_GAIN
        )

    def finish(self) -> Background:
        """The picture. Raises InputError when it cannot be made without people."""
        if self._clean is None or self.samples < LEAST_CLEAN:
            raise InputError(f"only {self.samples} frames came.", hint="Look at the camera's light.")
        image, unknown = self._median()
        blank = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
        _not_too_blank(blank)
        blank = without_people(self._detector, image, blank)
        _not_too_blank(blank)
        return Background(jpeg(hatched(image, blank)), blank, len(self._frames), self._camera_px)

    def _median(self) -> tuple[Image, NDArray[np.bool_]]:
        """The sample of median brightness of every pixel, and where too few or too different ones were."""
        height, width = self._people[0].shape
        image = np.zeros((height, width, 3), np.uint8)
        unknown = np.zeros((height, width), np.bool_)
        for top in range(0, height, 64):
            rows = slice(top, top + 64)
            colour = np.stack([frame[rows] for frame in self._frames])
            grey = colour.astype(np.uint16).sum(axis=3) // 3
            grey[np.stack([mask[rows] for mask in self._people])] = _NEVER + 1
            order = np.argsort(grey, axis=0, kind="stable")
            count = (grey <= _NEVER).sum(axis=0)
            taken = [
                np.take_along_axis(order, ((count - 1).clip(0) * share // 4)[None], axis=0)
                for share in (1, 2, 3)
            ]
            image[rows] = np.take_along_axis(colour, taken[1][..., None], axis=0)[0]
            low, _, high = (np.take_along_axis(grey, index, axis=0)[0].astype(np.int32) for index in taken)
            unknown[rows] = (count < min(LEAST_CLEAN, len(self._frames))) | (high - low > _AGREE)
        return image, unknown


def without_people(
    detector: Detector,
    image: Image,
    blank: NDArray[np.bool_],
    draw: Callable[[Image, NDArray[np.bool_]], Image] | None = None,
    floor: float = CHECK_FLOOR,
) -> NDArray[np.bool_]:
    """`blank`, grown until the detector finds nobody in the picture any more.

    `draw` gives the picture as it will be seen: hatched where blank, packed and unpacked again.
    Raises InputError when blanking does not come to an end.
    """
    draw = draw or as_sent
    detector = Remembering(detector)  # most parts look the same in the next turn
    height, width = blank.shape
    for turn in range(_ROUNDS):
        found = _found(detector, draw(image, blank), floor)
        # Nobody can be where nothing is shown: there the detector sees a shape of the blanks themselves.
        found = found[
            [
                not blank[max(0, int(y0)) : int(y1) + 1, max(0, int(x0)) : int(x1) + 1].all()
                for x0, y0, x1, y1 in found[:, :4]
            ]
        ]
        if not len(found):
            return blank
        sure = found[:, 4] >= floor + _SURELY
        for boxes, share in ((found[sure], 0.1), (found[~sure], _FAINT_FIRST)):
            blank = blank | grown(boxes, (width, height), share + 0.12 * turn)
    raise InputError(
        "the picture cannot be made without what looks like a person.", hint="Ask again at another time."
    )


def _not_too_blank(blank: NDArray[np.bool_]) -> None:
    if blank.mean() > MOST_BLANK:
        raise InputError(
            f"{blank.mean():.0%} of the picture was never seen without people.",
            hint="Ask again when fewer people are there.",
        )


def _found(detector: Detector, shown: Image, floor: float) -> Boxes:
    """Whoever is found in the picture, or else, clearly, in its mirror image, which the detector sees otherwise."""
    found = people_anywhere(detector, shown, CHECKED)
    found = found[found[:, 4] >= floor]
    if len(found):
        return found
    found = people_anywhere(detector, np.ascontiguousarray(shown[:, ::-1]), CHECKED[:3])
    found[:, [0, 2]] = shown.shape[1] - found[:, [2, 0]]
    return found[found[:, 4] >= CLEAR]


def as_sent(image: Image, blank: NDArray[np.bool_]) -> Image:
    """The picture as whoever unpacks it will see it."""
    return unpacked(jpeg(hatched(image, blank)))


def unpacked(content: bytes) -> Image:
    """A packed picture (JPEG, WebP, PNG), BGR. Raises InputError when it is none."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        raise InputError("this is no picture.", hint="Report this fault.")
    return np.asarray(image, np.uint8)


def hatched(image: Image, blank: NDArray[np.bool_]) -> Image:
    """A copy of `image` with `blank` in flat grey, lightly hatched."""
    rows, columns = np.indices(blank.shape)
    stripes = ((rows + columns) // 3 % 8 == 0)[..., None]
    return np.where(blank[..., None], np.where(stripes, _HATCH, _BLANK), image).astype(np.uint8)


def fitted(image: Image) -> Image:
    """A copy of at most `WIDEST_PX` in width and height."""
    scale = WIDEST_PX / max(image.shape[:2])
    if scale >= 1:
        return image.copy()
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(image: Image, most_bytes: int = MAX_PICTURE_BYTES) -> bytes:
    """The picture as JPEG without metadata, as good as fits. Raises InputError when nothing fits."""
    for quality in (88, 75, 60, 45, 30):
        ok, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if ok and encoded.size <= most_bytes:
            return encoded.tobytes()
    raise InputError("the picture does not fit as JPEG.", hint="Use a smaller stream of the camera.")
