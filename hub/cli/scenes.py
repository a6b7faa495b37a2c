"""`branchloop hub scenes`: the table of scenes as it stands, and what it says for a scene at a time."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from time import time_ns
from typing import Any

import click

from branchloop import exits
from branchloop.clock import from_ms
from branchloop.errors import ConfigError, UsageError
from branchloop.site.site import Site
from hub.config.hub import HubConfig, read_config
from hub.config.scenes import SceneTable, unserved
from hub.loop.scenes import Suggestion, open_with

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("config", type=_FILE)
@click.option("--scene", help="try this scene; without it the table is listed")
@click.option("--site", "only", help="the branch to try it for; every branch without it")
@click.option(
    "--on", help="YYYY-MM-DD or YYYY-MM-DDTHH:MM of the branch; now without it, 10:00 without an hour"
)
@click.option("--tag", "tags", multiple=True, help="as if the customer had this tag, by consent; repeat it")
@click.option("--language", type=click.Choice(["zh", "en"]), help="as if the page were in this language")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
def scenes(
    config: Path,
    scene: str | None,
    only: str | None,
    on: str | None,
    tags: tuple[str, ...],
    language: Any,
    as_json: bool,
) -> None:
    """Show the table of scenes of CONFIG, or try a scene: what a card opens with, and by which rule."""
    settings = read_config(config)
    if settings.scene_file.path is None:
        raise ConfigError(f"{config} names no scenes.", hint='Write scenes = "scenes.toml" under [hub].')
    table = settings.scenes
    if scene is None:
        _list(settings, table, as_json=as_json)
        return
    if only is not None and only not in settings.sites:
        raise ConfigError(
            f"site {only!r} is not in {settings.path}.",
            hint=f"Its sites: {', '.join(sorted(settings.sites))}.",
        )
    known = any(each.id == scene for each in table.scenes)
    found = {
        site.id: (at := _at(on, site), open_with(scene, table, site.services, at, tags, language))
        for site in settings.sites.values()
        if only in {None, site.id}
    }
    if as_json:
        told = {
            site: {"at": at.isoformat(timespec="minutes"), "suggestions": [_plain(each) for each in best]}
            for site, (at, best) in found.items()
        }
        exits.report({"scene": scene, "known": known, "branches": told}, as_json=True)
        return
    if not known:
        click.echo(f"The table has no scene {scene!r}: its default counts.")
    for site, (at, best) in found.items():
        click.echo(f"{site}  {at:%a %Y-%m-%d %H:%M}")
        for each in best:
            online = f"  (online: {each.online})" if each.online else ""
            click.echo(f"  {each.service:<14} by {each.rule:<30} {each.reason.en} / {each.reason.zh}{online}")
        if not best:
            click.echo("  this branch offers no service")


def notes(settings: HubConfig) -> list[str]:
    """What is not wrong with the table, but worth knowing."""
    offered = {service.id for site in settings.sites.values() for service in site.services}
    return unserved(settings.scenes, offered)


def _list(settings: HubConfig, table: SceneTable, *, as_json: bool) -> None:
    said = notes(settings)
    if as_json:
        exits.report(
            {
                "scenes": {each.id: [rule.id for rule in each.rules] for each in table.scenes},
                "tags": [tag.id for tag in table.tags],
                "next": [each.id for each in table.next],
                "notes": said,
            },
            as_json=True,
        )
        return
    for each in table.scenes:
        click.echo(f"{each.id}  {each.name.en} / {each.name.zh}")
        for rule in each.rules:
            conditions = rule.when.model_dump(exclude_defaults=True)
            when = ", ".join(f"{key} {_words(value)}" for key, value in conditions.items()) or "always"
            click.echo(f"  {rule.id:<20} {rule.service:<14} {when}")
    click.echo(f"tags: {', '.join(tag.id for tag in table.tags) or 'none'}")
    click.echo(f"next: {', '.join(each.id for each in table.next) or 'none'}")
    for sentence in said:
        click.echo(f"note: {sentence}")


def _at(on: str | None, site: Site) -> datetime:
    if on is None:
        return from_ms(time_ns() // 1_000_000, site.zone_info)
    try:
        if len(on) == len("2026-12-10"):
            return datetime.combine(date.fromisoformat(on), time(10), site.zone_info)
        return datetime.fromisoformat(on).replace(tzinfo=site.zone_info)
    except ValueError as error:
        raise UsageError(f"--on {on!r}: {error}.", hint="Write 2026-12-10 or 2026-12-10T14:30.") from error


def _plain(each: Suggestion) -> dict[str, Any]:
    return {
        "service": each.service, "rule": each.rule, "reason": each.reason.model_dump(), "online": each.online,
    }  # fmt: skip


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
