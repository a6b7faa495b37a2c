"""`branchloop hub embed`: a token and the lines by which a partner's page shows the cards."""

from __future__ import annotations

import html
import time
from pathlib import Path

import click

from branchloop import exits
from branchloop.clock import DAY_MS, iso
from branchloop.errors import UsageError
from hub.config.hub import read_config

MOST_DAYS = 400


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.argument("partner")
@click.option("--origin", required=True, help="https://HOST of the page, as the partner's `origins` has it")
@click.option("--site", "site_id", required=True, help="the branch")
@click.option("--service", help="only this service of the branch")
@click.option("--scene", help="where the card stands, such as travel-visa")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), default=90, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
def embed(
    config: Path,
    partner: str,
    origin: str,
    site_id: str,
    service: str | None,
    scene: str | None,
    days: int,
    as_json: bool,
) -> None:
    """Make an embed token for a page of PARTNER, and show the lines to put there."""
    from hub.api.card.files import files
    from hub.loop.embedding import Embed, issue
    from hub.store.customers.keyring import Keyring

    settings = read_config(config)
    known = settings.partners.get(partner)
    if known is None:
        names = ", ".join(settings.partners) or "none"
        raise UsageError(f"{config} has no [[partner]] {partner!r}.", hint=f"It has: {names}.")
    if origin not in known.origins:
        raise UsageError(
            f"partner {partner} does not list the origin {origin}.",
            hint=f"It lists: {', '.join(known.origins)}.",
        )
    site = settings.sites.get(site_id)
    if site is None:
        raise UsageError(f"there is no branch {site_id!r}.", hint=f"There are: {', '.join(settings.sites)}.")
    if not known.shows(site_id):
        raise UsageError(
            f"partner {partner} may not show branch {site_id}.",
            hint=f"It may show: {', '.join(known.sites)}.",
        )
    if service is not None and all(each.id != service for each in site.services):
        names = ", ".join(each.id for each in site.services) or "none"
        raise UsageError(f"{site_id} has no service {service!r}.", hint=f"It has: {names}.")
    expires_ms = time.time_ns() // 1_000_000 + days * DAY_MS
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    token = issue(Embed(partner, origin, site_id, expires_ms, service, scene), Keyring.of(settings).mac)
    hub = html.escape(settings.people.public_url or f"http://{settings.hub.listen}")
    script = files()["branch-appointment.js"]
    lines = (
        f'<script defer src="{hub}/cards/v1/{script.name}?v={script.pin}" integrity="{script.integrity}" crossorigin="anonymous"></script>\n'
        f'<branch-appointment token="{token}"></branch-appointment>'
    )
    exits.report(
        {"partner": partner, "origin": origin, "site": site_id, "expires": iso(expires_ms), "token": token,
         "html": lines},
        as_json=as_json,
    )  # fmt: skip
