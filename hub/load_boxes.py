"""Where the boxes of a hub's simulated sites connect, for `branchloop load`: run as `python -m hub.load_boxes CONFIG`.

A load writes simulated figures. So it is given no box of a site that does not say `simulated = true`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from branchloop import exits
from branchloop.credentials import username
from branchloop.errors import ConfigError
from branchloop.site.site import Site
from hub.broker.passwords import password_file
from hub.config.hub import HubConfig, read_config
from hub.runtime import read


def boxes(config: HubConfig, wanted: tuple[str, ...], broker: str | None) -> dict[str, Any]:
    """{"broker", "ca_file", "boxes": [{"site", "device", "credential_file"}]}; `wanted` empty: all simulated sites.

    Raises ConfigError for a site that is not simulated or has no box, DependencyError for a hub that never ran.
    """
    sites = [_allowed(config, site) for site in wanted] if wanted else list(config.sites.values())
    listed = [
        {
            "site": site.id,
            "device": site.box.id,
            "credential_file": str(
                password_file(config.credentials_dir.resolve(), username(site.id, site.box.id))
            ),
        }
        for site in sites
        if site.simulated and site.box is not None
    ]
    if not listed:
        raise ConfigError(
            f"{config.path}: no site is simulated and has a box, and a load's figures must never get among real ones.",
            hint="Leave --hub out: the load then makes a hub of its own.",
        )
    runtime = read(config)
    ca_file = str(Path(config.ca_file).resolve()) if runtime.broker_tls and config.ca_file else None
    return {"broker": broker or runtime.broker, "ca_file": ca_file, "boxes": listed}


def _allowed(config: HubConfig, name: str) -> Site:
    site = config.sites.get(name)
    if site is None:
        raise ConfigError(
            f"site {name!r} is not in {config.path}.", hint=f"Its sites: {', '.join(sorted(config.sites))}."
        )
    if not site.simulated:
        raise ConfigError(
            f"site {name!r} is not simulated: a load's figures must never get among real ones.",
            hint="Name sites whose file says `simulated = true`, or leave --hub out.",
        )
    if site.box is None:
        raise ConfigError(f"site {name!r} has no [box].", hint="Add one, so that it has a credential.")
    return site


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--site", "sites", multiple=True)
@click.option("--broker")
def main(config: Path, sites: tuple[str, ...], broker: str | None) -> None:
    """Print where the boxes of CONFIG's simulated sites connect, as one JSON object."""
    click.echo(json.dumps(boxes(read_config(config), sites, broker)))


if __name__ == "__main__":
    exits.run(main, prog="branchloop load")
