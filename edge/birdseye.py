"""The floor from above, people removed: offline from clips, and for the box from its cameras' backgrounds.

`python -m edge.birdseye` is the box's way: its site and the backgrounds as JSON on standard input, a `Picture` as JSON
on standard output. It is a process of its own, so that the core goes on counting meanwhile.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cv2
import numpy as np

from branchloop import exits
from branchloop.errors import DependencyError, InputError, UsageError
from branchloop.outfile import begins_with, check_place, write_whole
from branchloop.site.site import Camera, Site
from branchloop.wire.commands import MAX_PICTURE_BYTES, Picture, Seam
from edge.floor.calibration import FloorCalibration, calibrate
from edge.perceive.backdrop import CHECK_FLOOR, CLEAR, Backdrop, Background, unpacked, without_people
from edge.perceive.birdseye import Layout, Mask, View, lay_out, webp, with_alpha
from edge.perceive.nobody import Detector
from edge.perceive.people import load_detector

if TYPE_CHECKING:  # with the whole floor behind it: more than half of the start of the box's process
    from edge.replay import Progress, Reel

SAMPLES = 32
Bounds = tuple[float, float, float, float]


def birdseye(
    site: Site,
    reels: Sequence[Reel],
    detector: Detector,
    out: Path,
    *,
    origin_m: tuple[float, float] = (0.0, 0.0),
    backgrounds: Path | None = None,
    inputs: Sequence[Path] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the bird's-eye picture of clips to `out` (PNG with alpha); what is known of it.

    `backgrounds`: a folder for every camera's own background. `inputs`: what was read besides the clips.
    Raises UsageError before anything is done where a file would take the place of one that is no such picture,
    InputError where no picture without people can be made, DependencyError where a file cannot be written.
    """
    own = {reel.camera: backgrounds / f"{reel.camera}.jpg" for reel in reels} if backgrounds else {}
    _check_places(out, backgrounds, own.values(), (*inputs, *(reel.clip.path for reel in reels)))
    pictures: dict[Path, bytes] = {}
    views: dict[str, View] = {}
    figures: dict[str, Any] = {"cameras": {}}
    for reel in reels:
        made = background_of(reel, detector, progress)
        camera = next(camera for camera in site.cameras if camera.id == reel.camera)
        views[reel.camera] = _view(made.jpeg, made.blank, camera, made.camera_px)
        figures["cameras"][reel.camera] = {
            "samples": made.samples, "blank_share": round(made.blank_share, 4), "jpeg_bytes": len(made.jpeg),
        }  # fmt: skip
        if reel.camera in own:
            pictures[own[reel.camera]] = made.jpeg
    layout, blank = checked(views, site, detector)
    _, encoded = cv2.imencode(".png", with_alpha(layout, blank))
    if backgrounds is not None:
        _make_folder(backgrounds)
    write_whole({**pictures, out: encoded.tobytes()})
    return {**figures, **_told(layout, blank, origin_m), "out": str(out)}


def background_of(reel: Reel, detector: Detector, progress: Progress | None = None) -> Background:
    """The background of a clip, from frames spread over all of it. Raises InputError when there is none."""
    announced = sum(1 for _ in reel.clip.frames)
    wanted = set(np.unique(np.linspace(0, max(0, announced - 1), SAMPLES).astype(int)).tolist())
    backdrop = Backdrop(detector, SAMPLES)
    for frame in reel.clip.frames:
        if frame.index in wanted:
            backdrop.add(frame.image)
            if progress:
                progress(backdrop.samples, len(wanted))
    return backdrop.finish()


def checked(views: Mapping[str, View], site: Site, detector: Detector) -> tuple[Layout, Mask]:
    """The layout of a site's views, and what of it stays blank so that nobody is found in it."""
    plan = site.plan
    layout = lay_out(views, (0.0, 0.0, plan.width_m, plan.height_m))
    blank = without_people(
        detector,
        layout.image,
        layout.blank | ~layout.seen,
        lambda _, blanked: _seen(_packed(layout, blanked), layout),
        CLEAR,  # its parts were checked more strictly before; bent flat, posts look a little like people
    )
    return layout, blank


def picture(site: Site, told: Mapping[str, Any], detector: Detector) -> Picture:
    """The bird's-eye picture of a box's backgrounds: `jpeg`, `blank_png` (base64) and more by camera."""
    views: dict[str, View] = {}
    for camera in site.cameras:
        if (part := told.get(camera.id)) is None:
            continue
        blank = unpacked(base64.b64decode(part["blank_png"]))[..., 0] > 127
        views[camera.id] = _view(base64.b64decode(part["jpeg"]), blank, camera, tuple(part["camera_px"]))
    layout, blank = checked(views, site, detector)
    figures = _told(layout, blank, (0.0, 0.0))
    height, width = layout.seen.shape
    return Picture(
        media="image/webp",
        image=base64.b64encode(_packed(layout, blank)).decode("ascii"),
        made_ms=min(int(part["made_ms"]) for part in told.values()),
        width_px=width,
        height_px=height,
        blank_share=figures["blank_share"],
        samples=min(int(part["samples"]) for part in told.values()),
        bounds_m=layout.bounds_m,
        cameras=list(views),
        seams=[Seam.model_validate(seam) for seam in figures["seams"]],
    )


def _view(jpeg: bytes, blank: Mask, camera: Camera, camera_px: tuple[int, int]) -> View:
    marks = camera.calibration
    fitted: FloorCalibration = calibrate(marks.points, marks.picture_px, marks.distortion, marks.focal_px)
    if tuple(camera_px) != fitted.picture_px:
        raise InputError(
            f"camera {camera.id} is calibrated for pictures of {fitted.picture_px[0]}×{fitted.picture_px[1]} px, "
            f"but sends {camera_px[0]}×{camera_px[1]}.",
            hint="Calibrate with a picture of this size.",
        )
    return View(unpacked(jpeg), blank, fitted, fitted.picture_px)


def _packed(layout: Layout, blank: Mask) -> bytes:
    return webp(with_alpha(layout, blank), MAX_PICTURE_BYTES)


def _seen(packed: bytes, layout: Layout) -> Any:
    """As it looks unpacked, on grey where it is transparent."""
    return np.where(layout.seen[..., None], unpacked(packed), 128).astype(np.uint8)


def _told(layout: Layout, blank: Mask, origin_m: tuple[float, float]) -> dict[str, Any]:
    x0, y0, x1, y1 = layout.bounds_m
    seen = layout.seen
    return {
        "width_px": seen.shape[1],
        "height_px": seen.shape[0],
        "pixel_cm": round(layout.pixel_m * 100, 2),
        "bounds_m": [x0 + origin_m[0], y0 + origin_m[1], x1 + origin_m[0], y1 + origin_m[1]],
        "seen_share": round(float(seen.mean()), 4),
        "blank_share": round(float((blank & seen).sum() / seen.sum()), 4),
        "score_floor": CLEAR,
        "seams": [
            {
                "a": seam.a, "b": seam.b, "overlap_m2": seam.overlap_m2, "patches": seam.patches,
                "apart_cm": None if seam.apart_m is None else round(seam.apart_m * 100, 1),
            }
            for seam in layout.seams
        ],
    }  # fmt: skip


def _check_places(out: Path, folder: Path | None, own: Iterable[Path], inputs: Sequence[Path]) -> None:
    own = list(own)
    if any(out.absolute() == path.absolute() for path in own):
        raise UsageError(f"--out {out} is also a camera's own background.", hint="Choose another name.")
    check_place(out, inputs, begins_with(b"\x89PNG\r\n\x1a\n"), "PNG picture")
    if folder is None:
        return
    if folder.is_dir():
        for path in own:
            check_place(path, inputs, begins_with(b"\xff\xd8\xff"), "JPEG picture")
    elif folder.exists() or not folder.absolute().parent.is_dir():
        raise UsageError(
            f"--backgrounds {folder} is no folder, and none can be made there.", hint="Name another folder."
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise DependencyError(f"{folder} cannot be made: {error.strerror}.") from error


@click.command()
def main() -> None:
    """Lay out the backgrounds on standard input on the plan of the site that is there as well."""
    cv2.setNumThreads(1)  # the cameras need the other cores
    told = json.load(sys.stdin)
    site = Site.model_validate(told["site"])
    detector = load_detector(site.detector, score_floor=CHECK_FLOOR)
    sys.stdout.write(picture(site, told["backgrounds"], detector).to_json())


if __name__ == "__main__":
    exits.run(main)
