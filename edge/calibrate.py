"""`branchloop calibrate …`: marks and lenses judged, and written into a site file with its comments kept."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from branchloop import exits, survey
from branchloop.config import read_text
from branchloop.errors import ConfigError, InputError, UsageError
from branchloop.finite import Finite
from branchloop.floormap import Mark
from branchloop.site.editing import with_calibration
from branchloop.site.site import Calibration, Camera, Site
from edge.configured import in_force, read_in_force
from edge.durable import replace_whole
from edge.lens_options import lens_of, numbers_of, size_of
from edge.unmarked import read_unmarked

_FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
_SITE = click.option(
    "--site", "config", type=_FILE, help="site file: its plan, and where --camera is written"
)
_CAMERA = click.option("--camera", help="write the result into this [[camera]] of --site")
MOVED = 3.0
"""Marks measured anew that miss by this many times the calibration's own residual (or its floor) have moved."""
MOVED_FLOOR_M = 0.15


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Where on the floor a camera's pixels lie, and how well that is known."""


@cli.command()
@click.argument("file", type=_FILE)
@click.option("--picture", metavar="WxH", help="size of the picture the pixels were read in")
@click.option("--focal-px", type=Finite(min=1), help="of the lens, as `checkerboard` prints it")
@click.option("--distortion", metavar="K1,K2,P1,P2,K3", help="of the lens, as `checkerboard` prints it")
@_SITE
@_CAMERA
@_JSON
def points(
    file: Path,
    picture: str | None,
    focal_px: float | None,
    distortion: str | None,
    config: Path | None,
    camera: str | None,
    as_json: bool,
) -> None:
    """Judge the marks of FILE (x_px,y_px,x_m,y_m): residual, left-out error, reach."""
    from edge.replay import read_points

    text, site, before = _read_to_write(config, camera)
    size = size_of(picture) if picture else before.picture_px if before else None
    if size is None:
        raise UsageError(
            "--picture is missing.", hint="Give the size of the picture the pixels were read in."
        )
    bent, focal = lens_of(before, size, focal_px, numbers_of(distortion) if distortion else None)
    marks = read_points(file)
    wrong = survey.fault(marks, size, site.plan if site else None)
    if wrong is not None:
        raise InputError(f"{file}: {wrong[0]}", hint=wrong[1])
    calibration = _calibration(file, marks, size, list(bent), focal)
    verdict = survey.survey(calibration, site.plan if site else None)
    if verdict is None:
        raise InputError(f"{file}: {_horizon(calibration)}", hint=survey.BEYOND_HORIZON[1])
    if verdict.sees_nothing:
        raise InputError(f"{file}: {survey.UNSEEN[0]}", hint=survey.UNSEEN[1])
    wrote = None
    if config is not None and camera is not None and text is not None:
        fresh: dict[str, Any] = {
            "points": [list(mark) for mark in marks],
            "picture_px": list(size),
            "measured_on": _today(),
        }
        if bent:
            fresh |= {"focal_px": focal, "distortion": list(bent)}
        wrote = _write(config, with_calibration(text, camera, fresh))
    _report({**survey.figures(verdict), "written": wrote}, verdict, marks, as_json=as_json)


@cli.command()
@click.argument("images", type=_FILE, nargs=-1, required=True)
@click.option("--cols", type=click.IntRange(3, 60), required=True, help="inner corners across")
@click.option("--rows", type=click.IntRange(3, 60), required=True, help="inner corners down")
@click.option("--square-mm", type=Finite(min=1), required=True, help="side of one square")
@_SITE
@_CAMERA
@_JSON
def checkerboard(
    images: tuple[Path, ...],
    cols: int,
    rows: int,
    square_mm: float,
    config: Path | None,
    camera: str | None,
    as_json: bool,
) -> None:
    """Measure the lens from pictures of a checkerboard: focal length and distortion."""
    from edge.lens import measure_lens

    text, _, before = _read_to_write(config, camera)
    if config is not None and camera is None:
        raise UsageError("--camera is missing.", hint="Name the [[camera]] of --site that has this lens.")
    lens = measure_lens(images, cols, rows, square_mm)
    if before is not None and before.picture_px != lens.picture_px:
        was, now = before.picture_px, lens.picture_px
        raise InputError(
            f"the pictures have {now[0]} × {now[1]} px, camera {camera!r} has {was[0]} × {was[1]}.",
            hint="Take them from the stream that is analysed.",
        )
    wrote = None
    if config is not None and camera is not None and text is not None:
        fresh: dict[str, Any] = {} if before is not None else {"picture_px": list(lens.picture_px)}
        fresh |= {"focal_px": round(lens.focal_px, 2), "distortion": [round(k, 6) for k in lens.distortion]}
        wrote = _write(config, with_calibration(text, camera, fresh))
    exits.report(
        {
            "focal_px": round(lens.focal_px, 2),
            "focal_error_px": round(lens.focal_error_px, 2),
            "distortion": [round(k, 6) for k in lens.distortion],
            "error_px": round(lens.error_px, 4),
            "pictures_used": len(lens.errors_px),
            "picture_errors_px": {name: round(error, 4) for name, error in lens.errors_px},
            "odd_pictures": list(lens.odd),
            "alike": list(lens.alike),
            "without_board": list(lens.unusable),
            "written": wrote,
        },
        as_json=as_json,
    )
    for name in lens.odd:
        click.echo(
            f"warning: {name} fits far worse than the others: is it sharp, and the board flat? Try without it.",
            err=True,
        )


@cli.command()
@click.argument("config", type=_FILE)
@_JSON
def review(config: Path, as_json: bool) -> None:
    """Judge every camera of the site file CONFIG, by the configuration in force."""
    running = read_in_force(config)
    if not as_json:
        exits.report(running.figures(), as_json=False)
    cameras: dict[str, Any] = {}
    for camera in running.site.cameras:
        verdict = _survey(camera, running.site)
        cameras[camera.id] = survey.figures(verdict)
        if not as_json:
            click.echo(f"camera {camera.id}")
            _report(cameras[camera.id], verdict, camera.calibration.points, as_json=False)
    if as_json:
        exits.report({**running.figures(), "cameras": cameras}, as_json=True)


@cli.command()
@click.argument("file", type=_FILE)
@click.option("--site", "config", type=_FILE, required=True, help="site file with the calibration to verify")
@click.option("--camera", required=True, help="the camera that FILE was measured in")
@_JSON
def verify(file: Path, config: Path, camera: str, as_json: bool) -> None:
    """Compare marks measured anew with the calibration of --camera in force: whether it has moved or was swapped."""
    from edge.replay import read_points

    running = read_in_force(config)
    site = running.site
    known, marks = _camera(site, camera), read_points(file)
    wrong = survey.fault(marks, known.calibration.picture_px)
    if wrong is not None:
        raise InputError(f"{file}: {wrong[0]}", hint=wrong[1])
    anew = survey.survey(known.calibration.model_copy(update={"points": marks}))
    if anew is not None and anew.suspicion is not None:
        raise InputError(
            f"{file}: mark {_said(anew.suspicion)}.", hint="Correct the file, then verify again."
        )
    own = _survey(known, site).residual_m
    limit = max(MOVED_FLOOR_M, MOVED * own)
    misses = {each.id: survey.compare(each.calibration, marks) for each in site.cameras}
    miss = misses[camera]
    holds = miss is not None and miss <= limit
    like = None
    others = {each: value for each, value in misses.items() if each != camera and value is not None}
    if not holds and others:
        nearest = min(others, key=others.__getitem__)
        like = nearest if others[nearest] <= limit else None
    exits.report(
        {
            "camera": camera,
            **running.figures(),
            "holds": holds,
            "miss_cm": None if miss is None else round(miss * 100, 1),
            "limit_cm": round(limit * 100, 1),
            "fits_camera": like,
        },
        as_json=as_json,
    )
    if holds:
        return
    if like is not None:
        raise InputError(
            f"these marks fit camera {like!r}, not {camera!r}.", hint="Are their cables or addresses swapped?"
        )
    raise InputError(
        f"camera {camera!r} no longer looks where its calibration says.",
        hint="Calibrate it again: "
        + ("on Set-up." if running.from_hub else "`branchloop calibrate points`."),
    )


def _report(told: dict[str, Any], verdict: survey.Survey, marks: list[Mark], *, as_json: bool) -> None:
    if as_json:
        exits.report(told, as_json=True)
        return
    for mark, fit in zip(marks, told["marks"], strict=True):
        left = "" if fit["left_out_cm"] is None else f"  left out {fit['left_out_cm']:8.1f} cm"
        place = f"({mark[0]:g}, {mark[1]:g}) px = ({mark[2]:g}, {mark[3]:g}) m"
        click.echo(f"{fit['mark']:>4}  {place:<40}  miss {fit['miss_cm']:7.1f} cm{left}")
    exits.report(
        {key: value for key, value in told.items() if key not in {"marks", "suspicion", "mirrored"}},
        as_json=False,
    )
    doubt = told["suspicion"]
    if doubt is not None and verdict.suspicion is not None:
        said = _said(verdict.suspicion)
        click.echo(f"warning: mark {said}: without that they fit to {doubt['rest_cm']:.1f} cm.", err=True)
    elif verdict.residual_m > survey.GOOD_M:
        click.echo("warning: the marks do not fit well together; measure them again.", err=True)
    if verdict.always_fits:
        click.echo("warning: four marks always fit: nothing tells a mistyped one. Give eight.", err=True)
    if told["mirrored"]:
        click.echo(
            "warning: the marks show the floor as in a mirror; x runs to the right on the plan, y down: measure from there.",
            err=True,
        )
    if told.get("spans_little"):
        click.echo("warning: the marks span little of the floor; the rest is extrapolated.", err=True)
    if told.get("too_far_m2"):
        click.echo(
            f"warning: on {told['too_far_m2']:.1f} m² ({told['too_far_percent']:.0f} % of the plan) people are "
            f"lower than {survey.LOW_PX:.0f} px, too far for the detector.",
            err=True,
        )


def _said(doubt: survey.Suspicion) -> str:
    which = " and ".join(str(i + 1) for i in doubt.marks)
    return f"{which} looks mistyped" if doubt.kind == "mistyped" else f"{which} look swapped with each other"


def _read_to_write(
    config: Path | None, camera: str | None
) -> tuple[str | None, Site | None, Calibration | None]:
    """The site file, where one is named, and what it says of the camera's picture and lens, if anything yet.

    Without a file a camera has nowhere to be written. Without a camera only the plan matters, which is that in force.
    """
    if camera is not None and config is None:
        raise UsageError(
            "--site is missing.", hint=f"Name the site file that camera {camera[:40]!r} is written into."
        )
    if config is None:
        return None, None, None
    text = read_text(config)
    site, unsized, whole = read_unmarked(text, str(config))
    if camera is None:
        return text, in_force(config, whole).site, None
    known = _camera(site, camera)
    return text, site, None if known.id in unsized else known.calibration


def _camera(site: Site, camera: str) -> Camera:
    for each in site.cameras:
        if each.id == camera:
            return each
    raise ConfigError(
        f"{site.id} has no camera {camera[:40]!r}.",
        hint=f"It has: {', '.join(each.id for each in site.cameras) or 'none'}.",
    )


def _survey(camera: Camera, site: Site | None) -> survey.Survey:
    plan = site.plan if site else None
    wrong = survey.fault(camera.calibration.points, camera.calibration.picture_px, plan)
    verdict = None if wrong else survey.survey(camera.calibration, plan)
    if verdict is None:
        reason = wrong or (_horizon(camera.calibration), survey.BEYOND_HORIZON[1])
        raise ConfigError(f"camera {camera.id!r}: {reason[0]}", hint=reason[1])
    return verdict


def _horizon(calibration: Calibration) -> str:
    said = survey.BEYOND_HORIZON[0]
    suspected = survey.doubt(calibration)
    return said if suspected is None else f"{said} Mark {_said(suspected)}."


def _calibration(
    file: Path, marks: list[Mark], size: tuple[int, int], bent: list[float], focal: float | None
) -> Calibration:
    try:
        return Calibration.model_validate(
            {"points": marks, "picture_px": size, "distortion": bent, "focal_px": focal}
        )
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise InputError(f"{file}: {reason}.", hint="See docs/calibrate.md.") from error


def _write(config: Path, text: str) -> str:
    """Put the text in the file's place, whole or not at all.

    Raises ConfigError when it would be wrong but for missing marks, and when the box would run a version from the
    hub all the same. Where the name is a link, the file it leads to is written: the box reads that one.
    """
    _, _, whole = read_unmarked(text, str(config))
    running = in_force(config, whole)
    if running.from_hub:
        version = running.site.version
        raise ConfigError(
            f"{config} was left as it is: it would not count, the box runs version {version} from the hub.",
            hint=f"Calibrate on Set-up; or raise `version` in the file above {version}, and all of the file counts.",
        )
    try:
        target = config.resolve()
        mode = target.stat().st_mode & 0o777
        replace_whole(target, text.encode(), mode)
        with contextlib.suppress(OSError):  # what this user's umask leaves out; the content counts
            target.chmod(mode)
    except OSError as error:
        raise ConfigError(
            f"{config} cannot be written: {error.strerror}.", hint="Check its folder and the disk."
        ) from error
    return str(config)


def _today() -> date:
    return datetime.now(UTC).astimezone().date()


if __name__ == "__main__":
    exits.run(cli, prog="branchloop calibrate")
