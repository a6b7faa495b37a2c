"""What a calibration's command line says of the picture and the lens."""

from __future__ import annotations

import math
from collections.abc import Sequence

from branchloop.errors import UsageError
from branchloop.site.site import Calibration


def size_of(text: str) -> tuple[int, int]:
    """`--picture`. Raises UsageError."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise UsageError(f"--picture {text!r} is not WxH, such as 1280x720.") from error
    if width < 16 or height < 16:
        raise UsageError(f"--picture {text!r} is no picture.", hint="Give WxH in pixels, such as 1280x720.")
    return width, height


def numbers_of(text: str) -> list[float]:
    """`--distortion`. Raises UsageError."""
    try:
        values = [float(part) for part in text.split(",")]
        if not all(map(math.isfinite, values)):
            raise ValueError
    except ValueError as error:
        raise UsageError(f"--distortion {text!r} is not K1,K2,P1,P2,K3.") from error
    return values


def lens_of(
    before: Calibration | None,
    size: tuple[int, int],
    focal_px: float | None,
    distortion: Sequence[float] | None,
) -> tuple[Sequence[float], float | None]:
    """The distortion that marks in pictures of this size are judged with, and the focal length it needs.

    As given, or that of the file, whose focal length shrinks with the picture. Raises UsageError for half a lens.
    """
    known = before if before is not None and before.distortion else None
    if distortion is None and focal_px is not None and known is not None:
        raise UsageError(
            "--distortion is missing: the one in the site file belongs to its own focal length.",
            hint="Give both, as `branchloop calibrate checkerboard` prints them.",
        )
    bent = distortion if distortion is not None else known.distortion if known else []
    if focal_px is not None or known is None or known.focal_px is None or not bent:
        return bent, focal_px
    was = known.picture_px
    if abs(size[1] * was[0] - size[0] * was[1]) > max(*size, *was):
        raise UsageError(
            f"the lens in the site file is that of pictures of {was[0]} × {was[1]} px; "
            f"{size[0]} × {size[1]} px is another shape.",
            hint="Measure it anew with `branchloop calibrate checkerboard`, and give --focal-px and --distortion.",
        )
    return bent, round(known.focal_px * size[0] / was[0], 2)
