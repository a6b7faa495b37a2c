"""A branch's configuration over the API: read, checked, saved with history, published, rolled back."""

from __future__ import annotations

import sqlite3
from typing import Annotated

from fastapi import APIRouter, Path, Request

from branchloop import survey
from branchloop.clock import iso
from branchloop.site.editing import publishable
from branchloop.site.site import Site, parse_site
from hub.api import box
from hub.api.access import Configuring
from hub.api.models import configuration as models
from hub.api.problems import NotFoundError
from hub.api.state import State, now_ms
from hub.config.hub import HubConfig, site_text
from hub.store.book.stranded import stranded
from hub.store.branches.configurations import Configurations, Reported, Saved
from hub.store.branches.differing import differing, require_same
from hub.store.branches.judging import judge_text, roll_back, save_text
from hub.store.connection import opened, reading
from hub.store.figures.reading import Reader

Number = Annotated[int, Path(ge=1, le=2**31, description="a version")]


def routes() -> APIRouter:
    """The routes under /api/v1/branches/SITE/configuration."""
    router = APIRouter(prefix="/api/v1/branches/{site_id}/configuration", tags=["configuration"])

    @router.get("")
    def configuration(request: Request, caller: Configuring, site_id: str) -> models.Configuration:
        """The newest text, the versions before it, what is wanted of the box and what it runs."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, "configuration")
        with reading(state.data_dir) as db:
            return _configuration(db, state.config, site)

    @router.post("/check")
    def check(request: Request, caller: Configuring, site_id: str, body: models.SiteText) -> models.Checked:
        """Every fault of a text by its key, what each camera's marks are worth, and whom it would strand."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, "configuration: check")
        checked = check_text(state.config, site, body.text)
        if not checked.ok or state.kept is None:
            return checked
        with reading(state.data_dir) as db:
            lost = stranded(db, state.kept, parse_site(publishable(body.text)), now_ms())
        return checked.model_copy(update={"stranded": len(lost)})

    @router.post("", status_code=201)
    def save(request: Request, caller: Configuring, site_id: str, body: models.Save) -> models.Configuration:
        """Keep a text as the next version; publish it when asked.

        A faulty text is refused, and to publish while the box runs another text than the hub holds.
        """
        state: State = request.app.state.hub
        site = caller.enter(
            site_id, f"configuration: save on {body.base}{', publish' if body.publish else ''}"
        )
        with opened(state.data_dir) as db:
            if body.publish:
                require_same(db, state.config, site)
            saved = save_text(db, state.config, site, body.text, body.base, caller.name, body.note)
            if body.publish:
                Configurations(db).publish(saved, now_ms())
            return _configuration(db, state.config, site)

    @router.post("/{version}/publish")
    def publish(request: Request, caller: Configuring, site_id: str, version: Number) -> models.Configuration:
        """Let the box take a saved version over. Again changes nothing; an older one is refused."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"configuration: publish {version}")
        with opened(state.data_dir) as db:
            saved = _found(db, site, version)
            if saved.published_ms is None:
                require_same(db, state.config, site)
            Configurations(db).publish(saved, now_ms())
            return _configuration(db, state.config, site)

    @router.post("/{version}/rollback", status_code=201)
    def rollback(
        request: Request, caller: Configuring, site_id: str, version: Number
    ) -> models.Configuration:
        """Save an old version's text as the next one, and publish it."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"configuration: roll back to {version}")
        with opened(state.data_dir) as db:
            require_same(db, state.config, site)
            roll_back(db, state.config, site, _found(db, site, version), caller.name)
            return _configuration(db, state.config, site)

    return router


def check_text(config: HubConfig, site: Site, text: str) -> models.Checked:
    """Judge a text as the branch's box would."""
    judged = judge_text(config, site, text)
    return models.Checked(
        ok=not judged.faults,
        faults=[models.Faulty(key=fault.key, message=fault.message) for fault in judged.faults],
        cameras=[
            models.JudgedCamera(camera=camera, **survey.figures(verdict))
            for camera, verdict in judged.surveys
        ],
    )


def _found(db: sqlite3.Connection, site: Site, version: int) -> Saved:
    saved = Configurations(db).find(site.id, version)
    if saved is None:
        raise NotFoundError(f"there is no version {version}.", hint="GET …/configuration lists them.")
    return saved


def _configuration(db: sqlite3.Connection, config: HubConfig, site: Site) -> models.Configuration:
    configurations = Configurations(db)
    newest, wanted = configurations.newest(site.id), configurations.wanted(site.id)
    own = site_text(config, site.id)
    own_version = parse_site(own).version
    other = differing(db, config, site)
    newer = newest is not None and newest.version > own_version
    return models.Configuration(
        version=newest.version if newest is not None and newer else own_version,
        text=newest.text if newest is not None and newer else publishable(own),
        wanted=None if wanted is None else _version(wanted),
        reported=_running(configurations, site.id),
        differs=None if other is None else models.Differing(version=other.version, next=other.next),
        device=box.told(Reader(db).device(site)),
        history=[_version(saved) for saved in configurations.history(site.id)],
    )


def _running(configurations: Configurations, site: str) -> models.RunningVersion | None:
    told: Reported | None = configurations.reported(site)
    if told is None:
        return None
    saved = configurations.find(site, told.version)
    refused = told.refused
    return models.RunningVersion(
        device=told.device,
        version=told.version,
        hash=told.hash,
        at=iso(told.at_ms),
        known=saved is not None and saved.hash == told.hash,
        refused=None
        if refused is None
        else models.RefusedVersion(version=refused.version, code=refused.code, reason=refused.reason),
    )


def _version(saved: Saved) -> models.Version:
    return models.Version(
        version=saved.version,
        hash=saved.hash,
        author=saved.author,
        note=saved.note,
        saved=iso(saved.at_ms),
        published=None if saved.published_ms is None else iso(saved.published_ms),
        ring=saved.ring,
    )
