"""By which configuration clips are run through the edge: the file that is named, or what its box runs."""

from __future__ import annotations

from pathlib import Path

import click

from branchloop.config import read_text
from branchloop.errors import DependencyError
from branchloop.site.site import config_hash, parse_site
from edge.configured import InForce, in_force

IN_FORCE = click.option(
    "--in-force",
    "by_box",
    is_flag=True,
    help="go by what the box of CONFIG runs, also where that is a version from the hub",
)


def counted_by(config: Path, *, by_box: bool) -> InForce:
    """The file's own site, or that in force for its box. Where the file is not what its box runs, a warning says so.

    Raises ConfigError as `read_site`; `by_box` also DependencyError where what the box took cannot be looked at.
    """
    text = read_text(config)
    if by_box:
        return in_force(config, text)
    own = InForce(parse_site(text, str(config)), config_hash(text), from_hub=False)
    try:
        running = in_force(config, text)
    except DependencyError as error:
        click.echo(f"warning: {error}", err=True)
        return own
    if running.from_hub:
        click.echo(
            f"warning: the box runs version {running.site.version} from the hub; this goes by {config} alone, version "
            f"{own.site.version}, with its own lines, zones and marks. Give --in-force to go by what the box runs.",
            err=True,
        )
    return own
