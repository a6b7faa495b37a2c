"""`branchloop hub desired …`: configurations of branches from the command line, published ring by ring."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from branchloop import exits
from branchloop.errors import ConfigError, ConflictError, InputError
from branchloop.site.site import Site
from hub.config.hub import HubConfig, read_config

_FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
AUTHOR = "command line"


@click.group()
def desired() -> None:
    """What the hub wants branches' boxes to run: stage, publish by ring, roll back."""


@desired.command("list")
@click.argument("config", type=_FILE)
@_JSON
def list_(config: Path, as_json: bool) -> None:
    """Of every branch: its ring, the version saved, the one published, the one its box runs."""
    from hub.store.branches.configurations import Configurations
    from hub.store.connection import reading

    settings = _prepared(config)
    told = {}
    with reading(settings.data_dir) as db:
        configurations = Configurations(db)
        for site in sorted(settings.sites):
            newest, wanted = configurations.newest(site), configurations.wanted(site)
            runs = configurations.reported(site)
            told[site] = {
                "ring": settings.rollout.ring_of(site),
                "saved": newest.version if newest else None,
                "published": wanted.version if wanted else None,
                "runs": runs.version if runs else None,
                "refused": runs.refused.reason if runs and runs.refused else None,
            }
    exits.report(told, as_json=as_json)


@desired.command()
@click.argument("config", type=_FILE)
@click.argument("site")
@click.argument("file", type=_FILE)
@click.option("--note", default="", help="a few words for the history")
@_JSON
def stage(config: Path, site: str, file: Path, note: str, as_json: bool) -> None:
    """Save FILE as the next configuration of SITE; its box takes it over once it is published."""
    from hub.store.branches.configurations import Configurations
    from hub.store.branches.judging import require_right, save_text
    from hub.store.connection import opened

    settings = _prepared(config)
    known = _site(settings, site)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}.", hint="Give a UTF-8 site file.") from error
    require_right(settings, known, text)
    with _auditing(settings) as audit:
        audit(site, "stage")
    with opened(settings.data_dir) as db:
        newest = Configurations(db).newest(site)
        base = max(known.version, newest.version if newest else 0)
        saved = save_text(db, settings, known, text, base, AUTHOR, note)
    exits.report(
        {"site": site, "version": saved.version, "ring": saved.ring, "hash": saved.hash}, as_json=as_json
    )


@desired.command()
@click.argument("config", type=_FILE)
@click.option(
    "--ring", type=click.IntRange(0, 99), required=True, help="publish to this ring and those before it"
)
@click.option("--site", "only", multiple=True, help="only this branch; repeat it")
@_JSON
def publish(config: Path, ring: int, only: tuple[str, ...], as_json: bool) -> None:
    """Publish what is staged for branches of ring 0 to --ring, except where the box runs another text than the hub holds."""
    from hub.store.branches.configurations import Configurations
    from hub.store.branches.differing import differing
    from hub.store.connection import opened

    settings = _prepared(config)
    misnamed = settings.rollout.misnamed(settings.sites)
    if misnamed is not None:
        raise ConfigError(
            misnamed, hint="Mend the rings first: a pilot that is not found would be among the last."
        )
    for site in only:
        _site(settings, site)
    published, later, held = [], [], []
    with _auditing(settings) as audit:
        for site in sorted(set(only) or settings.sites):
            with opened(settings.data_dir) as db:  # one each: ingest waits for none of them for long
                configurations = Configurations(db)
                newest = configurations.newest(site)
                if newest is None or newest.published_ms is not None:
                    continue
                if settings.rollout.ring_of(site) > ring:
                    later.append(site)
                    continue
                if differing(db, settings, settings.sites[site]) is not None:
                    held.append(site)
                    continue
                audit(site, f"publish {newest.version}")
                configurations.publish(newest, _now_ms())
                published.append(site)
    told = {"published": published, "staged_for_later_rings": later, "held_by_another_text": held}
    exits.report(told, as_json=as_json)
    if held:
        raise ConflictError(
            f"not published to {', '.join(held[:5])}{' and others' if len(held) > 5 else ''}: the box runs another text of its version than the hub holds.",
            hint="Set-up says of each branch how to make them one.",
        )


@desired.command()
@click.argument("config", type=_FILE)
@click.argument("site")
@click.argument("version", type=click.IntRange(min=1))
@_JSON
def rollback(config: Path, site: str, version: int, as_json: bool) -> None:
    """Publish the text of an old VERSION of SITE as a new one."""
    from hub.store.branches.configurations import Configurations
    from hub.store.branches.differing import require_same
    from hub.store.branches.judging import require_right, roll_back
    from hub.store.connection import opened

    settings = _prepared(config)
    known = _site(settings, site)
    with opened(settings.data_dir) as db:
        require_same(db, settings, known)
        old = Configurations(db).find(site, version)
        if old is None:
            raise InputError(
                f"there is no version {version} of {site}.", hint="The Set-up page lists those kept."
            )
        require_right(settings, known, old.text)
        with _auditing(settings) as audit:
            audit(site, f"roll back to {version}")
        saved = roll_back(db, settings, known, old, AUTHOR)
    exits.report({"site": site, "version": saved.version, "text_of": version}, as_json=as_json)


def _prepared(config: Path) -> HubConfig:
    from hub.store.connection import prepare

    settings = read_config(config)
    prepare(settings.data_dir)
    return settings


def _site(settings: HubConfig, site: str) -> Site:
    if site not in settings.sites:
        raise ConfigError(
            f"{settings.path} knows no site {site[:40]!r}.",
            hint=f"Its sites: {', '.join(sorted(settings.sites))}.",
        )
    return settings.sites[site]


@contextmanager
def _auditing(settings: HubConfig) -> Iterator[Callable[[str, str], object]]:
    """Notes what is done, before it is, and once it is known to be right: (branch, what)."""
    from hub.store.audit import AuditLog

    with closing(AuditLog(settings.data_dir)) as log:
        yield lambda site, detail: log.append(
            _now_ms(), "operator", AUTHOR, "configure", site, f"configuration: {detail}"
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
