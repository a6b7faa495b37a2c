"""`branchloop check-config FILE`: whether a configuration file is right, and how to mend it; what is right but hardly meant is noted."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import click

from branchloop import exits
from branchloop.cli import Program, replace
from branchloop.config import read_text
from branchloop.errors import ConfigError
from branchloop.homography import turns_back_px
from branchloop.site.notes import notes
from branchloop.site.site import Calibration, parse_site
from branchloop.wire.desired import marks_fault


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Say whether a site, hub or dashboard FILE is right; exit with 3 and the remedy if not."""
    text = read_text(file)
    room = room_of(text)
    if room != "edge":
        replace(Program(f"{room}.main", ("check-config",), ""), (str(file),))
    site = parse_site(text, str(file))
    for camera in site.cameras:
        wrong = marks_fault(camera, site.plan)
        if wrong is not None:
            raise ConfigError(f"{file}: camera {camera.id!r}: {wrong[0]}", hint=wrong[1])
        for note in _notes(camera.calibration, datetime.now(site.zone_info).date()):
            click.echo(f"{file}: note: camera {camera.id!r}: {note}", err=True)
    for doubt in notes(site):
        click.echo(f"{file}: note: {doubt.told('en')}", err=True)
    click.echo(
        f"{file}: right; site {site.id}, plan {site.plan.width_m:g} × {site.plan.height_m:g} m, "
        f"{len(site.cameras)} camera(s), {len(site.lines)} line(s), {len(site.zones)} zone(s), "
        f"{len(site.sensors)} sensor(s)."
    )


def _notes(marks: Calibration, today: date) -> Iterator[str]:
    """What is hardly meant in a camera's calibration."""
    if marks.measured_on is not None and marks.measured_on > today:
        yield f"measured_on {marks.measured_on} is still to come."
    turned_px = turns_back_px(marks.distortion, marks.focal_px or 1.0, marks.picture_px)
    if turned_px is not None:
        yield (
            f"the distortion turns back on itself {turned_px:.0f} px from the picture's middle; what lies "
            "farther out is placed wrongly. Measure the lens with `branchloop calibrate checkerboard`."
        )


def room_of(text: str) -> Literal["edge", "hub", "dashboard"]:
    """Whose configuration a text is, by its tables; a site's, which tells what is wrong with it, where it is none."""
    try:
        keys = tomllib.loads(text).keys()
    except tomllib.TOMLDecodeError:
        return "edge"
    return "hub" if "hub" in keys else "dashboard" if "dashboard" in keys else "edge"


if __name__ == "__main__":
    exits.run(check, prog="branchloop check-config")
